//! Who may ask over HTTP: tokens, of which digests are kept and never themselves.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use chrono::{DateTime, Utc};

use super::{RunStoreError, sqlite};

/// What the holder of a token may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenRole {
    /// Look at datasets and runs.
    Viewer,
    /// Start and stop runs.
    Operator,
    /// Change what there is.
    Admin,
}

impl TokenRole {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word that people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TokenRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a role: they are `viewer`, `operator` and `admin`"))
    }
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// What its holder may do.
    pub role: TokenRole,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it ends by itself.
    pub expires: Option<DateTime<Utc>>,
    /// When it was ended.
    pub revoked: Option<DateTime<Utc>>,
}

impl Token {
    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

/// The tokens in a state folder. Revoked ones stay listed: that there ever was one is what closes a
/// server to those without.
#[derive(Debug, Clone)]
pub struct Tokens {
    state: PathBuf,
}

impl Tokens {
    /// Those in a state folder; nothing is opened or made yet.
    #[must_use]
    pub fn in_folder(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// All of them, by name; none where there is no state yet. Looking makes nothing.
    ///
    /// # Errors
    /// When the state is there and cannot be read.
    pub async fn list(&self) -> Result<Vec<Token>, RunStoreError> {
        sqlite::tokens::list(&self.state).await
    }

    /// Keeps a new one; false where one of that name is there, even if it was revoked.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn create(&self, token: Token) -> Result<bool, RunStoreError> {
        sqlite::tokens::create(&self.state, token).await
    }

    /// Ends one; false where none of that name is good any more.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn revoke(&self, name: &str, now: DateTime<Utc>) -> Result<bool, RunStoreError> {
        sqlite::tokens::revoke(&self.state, name.to_owned(), now).await
    }
}
