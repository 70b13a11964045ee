//! Errors of the store, in words for the person who runs the pipeline.

use std::error::Error;

use frazil_engine::step::{ErrorKind, StepError};

/// A store that could not be read or written: `what` says what was tried, on which repository.
pub(super) fn store(what: &str, error: &(dyn Error + 'static)) -> StepError {
    let cause = chain(error);
    let lower = cause.to_lowercase();
    let refused = ["accessdenied", "access denied", "forbidden", "invalidaccesskey", "signaturedoesnotmatch"]
        .iter()
        .chain(&["unauthorized", "credential", "invalidtoken", "expiredtoken"])
        .any(|word| lower.contains(word));
    let passing = ["timed out", "timeout", "connection", "slow down", "slowdown", "throttled", "503", "500"]
        .iter()
        .any(|word| lower.contains(word));
    let message = format!("{what}: {cause}");
    if refused {
        StepError::permanent(ErrorKind::Store, message)
            .help("check the credentials of the store and what they allow")
    } else if passing {
        StepError::transient(ErrorKind::Store, message)
    } else {
        StepError::permanent(ErrorKind::Store, message)
    }
}

/// The same for an error of Icechunk, whose own text ends in an empty context block.
pub(super) fn icechunk<K: Error + 'static>(
    what: &str,
) -> impl Fn(icechunk::error::ICError<K>) -> StepError + use<'_, K> {
    move |error| store(what, &error.kind)
}

/// An error with its causes, without what a cause repeats.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string().trim().to_owned();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        let more = more.split("\n\ncontext:").next().unwrap_or_default().trim();
        if !more.is_empty() && !text.contains(more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
