use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    path::PathBuf,
};

use crate::{
    project::SecretRef,
    step::{ErrorKind, StepError},
};

/// A value that never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself: for the wire alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Resolves secrets by name, at the moment of use.
pub trait Secrets: Debug + Send + Sync {
    /// The value of the secret called `name`.
    ///
    /// # Errors
    /// When the project names none such, or its variable or file is not there.
    fn get(&self, name: &str) -> Result<Secret, StepError>;

    /// Names of all secrets that the project knows.
    fn names(&self) -> Vec<String>;

    /// `text` with every known secret value in it shown as `***`.
    fn redact(&self, text: &str) -> String {
        self.names().iter().filter_map(|name| self.get(name).ok()).fold(text.to_owned(), |text, secret| {
            // A value of a character or two would blank out half of a message.
            if secret.expose().len() < 3 { text } else { text.replace(secret.expose(), "***") }
        })
    }
}

/// Secrets from environment variables and files, as `frazil.yaml` names them.
#[derive(Debug, Clone, Default)]
pub struct EnvSecrets {
    root: PathBuf,
    refs: BTreeMap<String, SecretRef>,
}

impl EnvSecrets {
    /// Secrets as named in a project whose relative paths begin at `root`.
    #[must_use]
    pub const fn new(root: PathBuf, refs: BTreeMap<String, SecretRef>) -> Self {
        Self { root, refs }
    }
}

impl Secrets for EnvSecrets {
    fn get(&self, name: &str) -> Result<Secret, StepError> {
        let missing = |message: String| Err(StepError::permanent(ErrorKind::Credentials, message));
        let Some(secret) = self.refs.get(name) else {
            return missing(format!("no secret `{name}` is named in frazil.yaml"));
        };
        match (&secret.env, &secret.file) {
            (Some(variable), _) => match std::env::var(variable) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => missing(format!("secret `{name}`: the environment variable {variable} is not set")),
            },
            (None, Some(file)) => match std::fs::read_to_string(self.root.join(file)) {
                Ok(value) => Ok(Secret::new(value.trim_end().to_owned())),
                Err(error) => missing(format!("secret `{name}`: cannot read {file}: {error}")),
            },
            (None, None) => missing(format!("secret `{name}` has neither `env` nor `file`")),
        }
    }

    fn names(&self) -> Vec<String> {
        self.refs.keys().cloned().collect()
    }
}
