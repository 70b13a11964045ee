//! What the one who asks would rather have (RFC 7240).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

/// The longest that an answer waits for a job to end: less than proxies wait for an answer.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);

/// The preferences that are known here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prefer {
    /// Rather an answer at once than one that is whole.
    pub(super) respond_async: bool,
    /// How long the answer may wait for the job to end.
    pub(super) wait: Option<Duration>,
}

impl Prefer {
    /// Those of a request; what is not known is ignored, as the RFC says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for one in all.flat_map(|value| value.split([',', ';'])).map(str::trim) {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                "wait" if prefer.wait.is_none() => {
                    prefer.wait = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
                }
                _ => {}
            }
        }
        prefer
    }

    /// How long an answer waits that must begin within `answer`.
    pub(super) fn waits(self, answer: Duration) -> Duration {
        self.wait.unwrap_or_default().min(WAIT_AT_MOST).min(answer / 2)
    }

    /// What of it was done, for a process that becomes a job.
    pub(super) fn applied(self) -> Option<HeaderValue> {
        let parts = [
            self.respond_async.then(|| "respond-async".to_owned()),
            self.wait.map(|wait| format!("wait={}", wait.as_secs())),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { None } else { HeaderValue::from_str(&parts.join(", ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Prefer {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_static(value));
        }
        Prefer::of(&headers)
    }

    #[test]
    fn preferences_are_read_and_bounded() {
        let both = of(&["respond-async, wait=10"]);
        assert_eq!(both, of(&["Respond-Async", "wait=\"10\""]));
        assert_eq!(both, of(&["handling=lenient; respond-async, wait = 10"]));
        assert_eq!(both.waits(Duration::from_secs(60)), Duration::from_secs(10));
        assert_eq!(both.applied().unwrap(), "respond-async, wait=10");
        assert_eq!(of(&["wait=99999999"]).waits(Duration::from_secs(600)), WAIT_AT_MOST);
        assert_eq!(of(&["wait=60"]).waits(Duration::from_secs(10)), Duration::from_secs(5));
        assert_eq!(of(&["wait=-1", "wait=x"]), Prefer::default());
        assert_eq!(of(&[]).applied(), None);
    }
}
