//! Signatures of webhooks, those that come and those that go: HMAC-SHA256 over id, time and content, in the
//! headers of the Standard Webhooks specification.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use frazil_engine::context::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Names of the headers.
pub(crate) const ID: &str = "webhook-id";
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
pub(crate) const SIGNATURE: &str = "webhook-signature";

/// How far a sender's clock may be off, in seconds. What is older may have been overheard.
const WINDOW: i64 = 300;

/// What a secret in the form of the specification begins with; the rest is the key in base64.
const PREFIX: &str = "whsec_";

/// Version of the scheme.
const VERSION: &str = "v1,";

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// The time is none, or too far from ours.
    Time,
    /// None of the signatures fits.
    Signature,
    /// The secret is no key.
    Key,
}

/// The signature of content that is sent at a time, in seconds of the Unix clock.
pub(crate) fn sign(secret: &Secret, id: &str, at: i64, content: &[u8]) -> Option<String> {
    let made = mac(secret, id, at, content)?.finalize().into_bytes();
    Some(format!("{VERSION}{}", BASE64.encode(made)))
}

/// Whether one of the signatures that a header lists is that of the content, and its time is about now.
pub(crate) fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    content: &[u8],
    now: i64,
) -> Result<(), Unsigned> {
    let at: i64 = timestamp.parse().map_err(|_| Unsigned::Time)?;
    if now.checked_sub(at).is_none_or(|apart| !(-WINDOW..=WINDOW).contains(&apart)) {
        return Err(Unsigned::Time);
    }
    let made = mac(secret, id, at, content).ok_or(Unsigned::Key)?;
    // A sender that changes its key signs with both for a while.
    let given = signatures.split(' ').filter_map(|one| BASE64.decode(one.strip_prefix(VERSION)?).ok());
    // The comparison takes as long wherever they differ.
    let fits = given.map(|given| made.clone().verify_slice(&given).is_ok());
    if fits.fold(false, |found, fits| found | fits) { Ok(()) } else { Err(Unsigned::Signature) }
}

fn mac(secret: &Secret, id: &str, at: i64, content: &[u8]) -> Option<Hmac<Sha256>> {
    let text = secret.expose();
    let key = match text.strip_prefix(PREFIX) {
        Some(encoded) => BASE64.decode(encoded).ok()?,
        None => text.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(content);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac` and `base64`.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const CONTENT: &[u8] = b"{\"test\": 2432232314}";
    const EXPECTED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(id: &str, at: &str, signatures: &str, content: &[u8], now: i64) -> Result<(), Unsigned> {
        verify(&Secret::new(KEY.to_owned()), id, at, signatures, content, now)
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
        let made = sign(&Secret::new(KEY.to_owned()), id, at, CONTENT);
        assert_eq!(made.as_deref(), Some(EXPECTED));
        let at = at.to_string();
        let now = 1_614_265_330;
        assert_eq!(check(id, &at, EXPECTED, CONTENT, now), Ok(()));
        assert_eq!(check(id, &at, &format!("v1,AAAA v2,x {EXPECTED}"), CONTENT, now), Ok(()));
        for at_now in [now - 300, now + 300] {
            assert_eq!(check(id, &at, EXPECTED, CONTENT, at_now), Ok(()));
        }
    }

    #[test]
    fn nothing_of_what_is_signed_can_be_changed() {
        let (id, at, now) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", 1_614_265_330);
        assert_eq!(check("msg_other", at, EXPECTED, CONTENT, now), Err(Unsigned::Signature));
        assert_eq!(check(id, "1614265331", EXPECTED, CONTENT, now), Err(Unsigned::Signature));
        assert_eq!(check(id, at, EXPECTED, b"{}", now), Err(Unsigned::Signature));
        for signatures in ["", "v1,", "v1,AAAA", &EXPECTED[3..], &EXPECTED.replace("v1", "v2"), "v1a,x"] {
            assert_eq!(check(id, at, signatures, CONTENT, now), Err(Unsigned::Signature), "{signatures}");
        }
        // Overheard and sent again later, or made for the future.
        assert_eq!(check(id, at, EXPECTED, CONTENT, now + 301), Err(Unsigned::Time));
        assert_eq!(check(id, at, EXPECTED, CONTENT, now - 301), Err(Unsigned::Time));
        for at in ["", "soon", "1.6e9", "-9223372036854775808", "99999999999999999999"] {
            assert_eq!(check(id, at, EXPECTED, CONTENT, now), Err(Unsigned::Time), "{at}");
        }
        let no_key = Secret::new("whsec_%".to_owned());
        assert_eq!(verify(&no_key, id, at, EXPECTED, CONTENT, now), Err(Unsigned::Key));
    }
}
