//! Tokens themselves: how they are made, and how they are known again.

use frazil_engine::context::Secret;
use rand::TryRngCore as _;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// What tokens begin with, so that those who look for lost secrets know them.
const PREFIX: &str = "frazil_";

/// A new token: shown once, kept as its digest.
#[derive(Debug)]
pub struct Minted {
    /// The token, for its holder alone.
    pub token: Secret,
    /// What is kept of it.
    pub digest: [u8; 32],
}

/// Makes a token of 256 bits that nobody can guess.
///
/// # Errors
/// When the system gives no random numbers.
pub fn mint() -> std::io::Result<Minted> {
    let mut bytes = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    let mut token = PREFIX.to_owned();
    for byte in bytes {
        token.push_str(&format!("{byte:02x}"));
    }
    let digest = digest(&token);
    Ok(Minted { token: Secret::new(token), digest })
}

/// What is kept of a token.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether two digests are one, in a time that does not tell where they differ.
pub(super) fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (mint().unwrap(), mint().unwrap());
        let text = one.token.expose();
        assert_eq!(text.len(), PREFIX.len() + 64);
        assert_ne!(text, other.token.expose());
        assert!(is_same(&one.digest, &digest(text)));
        assert!(!is_same(&other.digest, &digest(text)));
        // A digest that was standardised by others: of the text `abc`.
        assert_eq!(digest("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
