//! `retry` with a list of answers, as other systems have it.

use serde_json::{Map, Value};

use crate::{
    diagnostic::{Diagnostic, codes},
    document::Entry,
};

/// Whether these are the settings of trying again.
pub(super) fn is_retry(properties: Option<&Map<String, Value>>) -> bool {
    properties.is_some_and(|p| p.contains_key("attempts") && p.contains_key("jitter"))
}

/// Words under which other systems say which answers are asked for again.
pub(super) fn is_status(key: &str) -> bool {
    let words = [
        "on",
        "status",
        "statuses",
        "status-codes",
        "status_codes",
        "codes",
        "retry-on",
        "retry_on",
        "when",
        "if",
    ];
    words.contains(&key) || key.parse::<u16>().is_ok_and(|status| (100..600).contains(&status))
}

pub(super) fn status_retry(entry: &Entry) -> Diagnostic {
    let refused = ["401", "403", "404"].into_iter().find(|status| {
        entry.key == *status
            || entry.value.items().iter().any(|item| item.json().to_string().trim_matches('"') == *status)
    });
    let message = match refused {
        Some(status) => format!("an answer of {status} is not asked for again"),
        None => "which answers are asked for again is not said here".to_owned(),
    };
    let help = match refused {
        Some("403") => {
            "asking again may prolong a ban: give `auth`, or ask for less at a time with `in-flight` and a `pool`"
        }
        Some("401") => "it stays wrong until `auth` is right",
        Some(_) => {
            "a file that is not there is judged by `on-missing`; `wait: { every: …, for: … }` waits for one that is late"
        }
        None => "broken connections, 408, 425, 429 and 5xx always are, and nothing else is; remove it",
    };
    Diagnostic::error(codes::RETRY, entry.key_span, message).help(help)
}
