use std::collections::BTreeMap;

use frazil_engine::{
    context::Scope,
    step::{ErrorKind, StepError},
    template::{Locals, Template},
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a source knows who asks. Values are `{{ secrets.name }}`, resolved at each request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Auth {
    /// HTTP basic authentication.
    Basic(Basic),
    /// A bearer token.
    Bearer(Template),
    /// The service behind an `s3://` URL; environment variables (`AWS_…`) where nothing is said.
    S3(S3),
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Basic {
    /// The user.
    pub user: Template,
    /// The password.
    pub password: Template,
}

/// An S3-compatible service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct S3 {
    /// Where it is; Amazon where none is said.
    pub endpoint: Option<String>,
    /// Region of the bucket.
    pub region: Option<String>,
    /// No credentials are sent.
    pub anonymous: bool,
    /// The access key.
    pub access_key: Option<Template>,
    /// The secret key.
    pub secret_key: Option<Template>,
    /// The session token.
    pub session_token: Option<Template>,
}

/// Who asks, and what else is sent with each request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// How the source knows who asks.
    pub(crate) auth: Option<Auth>,
    /// Further headers of HTTP requests.
    pub(crate) headers: BTreeMap<String, Template>,
}

impl Access {
    /// The headers of an HTTP request, secrets in them.
    pub(crate) fn headers(&self, scope: &Scope) -> Result<HeaderMap, StepError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let header: HeaderName = name.parse().map_err(|_| {
                StepError::permanent(ErrorKind::Data, format!("`{name}` is not the name of an HTTP header"))
            })?;
            map.insert(header, sensitive(name, &render(value, scope)?)?);
        }
        let authorization = match &self.auth {
            Some(Auth::Basic(basic)) => {
                let pair = format!("{}:{}", render(&basic.user, scope)?, render(&basic.password, scope)?);
                Some(format!("Basic {}", base64(pair.as_bytes())))
            }
            Some(Auth::Bearer(token)) => Some(format!("Bearer {}", render(token, scope)?)),
            Some(Auth::S3(_)) | None => None,
        };
        if let Some(value) = authorization {
            map.insert(reqwest::header::AUTHORIZATION, sensitive("authorization", &value)?);
        }
        Ok(map)
    }
}

/// A template without a period, such as a secret.
pub(super) fn render(template: &Template, scope: &Scope) -> Result<String, StepError> {
    template.render(scope, &Locals::default())
}

fn sensitive(name: &str, value: &str) -> Result<HeaderValue, StepError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        StepError::permanent(
            ErrorKind::Credentials,
            format!("the value of the header `{name}` holds characters that cannot be sent"),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= three.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("edh:s3cr?t~", "ZWRoOnMzY3I/dH4=")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
