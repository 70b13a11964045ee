//! What an HTTP status asks for.

use chrono::{DateTime, Utc};
use frazil_engine::step::{ErrorKind, StepError};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use super::{Net, Place};

impl Net {
    /// An error for a status that is neither success nor "missing".
    pub(super) fn refused(&self, place: &Place, status: StatusCode, headers: &HeaderMap) -> StepError {
        let message = format!("{place}: the server answered {}", described(status));
        match status.as_u16() {
            401 | 407 => self
                .permanent(ErrorKind::Credentials, message)
                .help("give `auth` in `with`, or look whether the secret is still valid"),
            403 => self.permanent(ErrorKind::Network, message).help(
                "it is not asked again, since that may prolong a ban; look at the URL, at `auth`, and at how many requests are in flight",
            ),
            408 | 425 | 429 | 500 | 502..=504 | 506..=599 => {
                let mut error = self.transient(message);
                if let StepError::Transient { retry_after: wait, .. } = &mut error {
                    *wait = retry_after(headers, self.clock.now());
                }
                error
            }
            _ => self.permanent(ErrorKind::Network, message),
        }
    }

    /// An error of the connection or of a body that broke off.
    pub(super) fn broken(&self, place: &Place, error: reqwest::Error) -> StepError {
        let error = error.without_url();
        let what = if error.is_body() || error.is_decode() { "the answer broke off: " } else { "" };
        let mut text = format!("{place}: {what}{error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            let more = inner.to_string();
            if !text.contains(&more) {
                text.push_str(&format!(": {more}"));
            }
            cause = inner.source();
        }
        if error.is_redirect() || error.is_builder() {
            self.permanent(ErrorKind::Network, text)
        } else {
            self.transient(text)
        }
    }
}

/// Whether a status says that there is no such file.
pub(super) fn missing(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

fn described(status: StatusCode) -> String {
    status
        .canonical_reason()
        .map_or_else(|| status.as_u16().to_string(), |reason| format!("{} {reason}", status.as_u16()))
}

/// How long the server asks to wait, in milliseconds: seconds, or an HTTP date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    u64::try_from((until.to_utc() - now).num_milliseconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2015-10-21T07:27:30Z".parse().unwrap();
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("7"), Some(7_000));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(30_000));
        assert_eq!(after("Wed, 21 Oct 2015 07:27:00 GMT"), None);
        assert_eq!(after("soon"), None);
        assert_eq!(after("-3"), None);
    }
}
