//! Where clients find a server.

use std::{borrow::Cow, fmt, str::FromStr, sync::LazyLock};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What such an address looks like: nothing that a browser, a proxy or a program that joins paths reads
/// in another way.
const PATTERN: &str =
    "^https?://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$";

static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PATTERN).ok());

/// The address by which clients know a server, before which a proxy may stand:
/// `https://data.example.org/cubes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl {
    /// Without a slash at its end.
    text: String,
    /// Where its path begins.
    path: usize,
}

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address of a server: write `https://data.example.org` or `https://example.org/data`, \
     without a query or anything to be escaped"
)]
pub struct PublicUrlError(String);

impl PublicUrl {
    /// The whole address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name or number of its host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.text[..self.path].split("://").nth(1).unwrap_or_default();
        let end = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        &authority[..end.unwrap_or(authority.len())]
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || PublicUrlError(text.to_owned());
        let found = SHAPE.as_ref().and_then(|shape| shape.captures(text)).ok_or_else(error)?;
        let port = found.get(2);
        if port.is_some_and(|port| port.as_str()[1..].parse::<u16>().is_err()) {
            return Err(error());
        }
        let path = port.or(found.get(1)).map_or(0, |last| last.end());
        Ok(Self { text: text.trim_end_matches('/').to_owned(), path })
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.text
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for PublicUrl {
    fn schema_name() -> Cow<'static, str> {
        "PublicUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The address by which clients know a server.",
            "pattern": PATTERN,
            "examples": ["https://data.example.org", "https://example.org/data"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, whole, host) in [
            ("https://data.example.org", "https://data.example.org", "data.example.org"),
            ("https://data.example.org/", "https://data.example.org", "data.example.org"),
            ("http://10.0.0.7:8080/a/b-c.d/", "http://10.0.0.7:8080/a/b-c.d", "10.0.0.7"),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x", "[2001:db8::1]"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "[2001:db8::1]"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.host()), (whole, host), "{text}");
        }
    }

    #[test]
    fn what_others_could_read_otherwise_is_refused() {
        for text in [
            "",
            "data.example.org",
            "ftp://example.org",
            "https://",
            "https:///x",
            "https://me@example.org",
            "https://example.org?x",
            "https://example.org/#x",
            "https://example.org/../x",
            "https://example.org//x",
            "https://example.org/a%2fb",
            "https://example.org/\"><script>",
            "https://example.org:99999",
            "https://example.org:x",
            " https://example.org",
            "https://example.org\n",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
