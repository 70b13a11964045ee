use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::data::{DatasetId, RunId, SnapshotId};

/// Who asked for a run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What it was started by.
    #[serde(default)]
    pub cause: Cause,
    /// By what the one who asked knows it, so that asking again starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The trace that it belongs to, as the W3C header `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What the one who asked over HTTP wants to be given and told, where that is not the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<Reply>>,
    /// The runs of the same request that it comes after: it is begun when they are over, unless one of
    /// them was cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<RunId>,
}

/// What the one who asked over HTTP wants to be given and told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// Results as links in headers, not as a document.
    pub is_raw: bool,
    /// Results as a document, one alone too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_document: bool,
    /// The outputs that are wanted; all where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Who is told how the run goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<Subscriber>,
}

/// Who is told how a run goes: URLs to which documents are sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subscriber {
    /// Given what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// Told that it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// Told that it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Where addresses of the server begin, as the one who asked knows it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub base: String,
}

impl Reply {
    /// As an [`Origin`] keeps it: nothing where it is the usual.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// What a run was started by. What is not by the command line is a server's: it alone goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Cause {
    /// A command; also every run of the time before causes were noted.
    #[default]
    CommandLine,
    /// A line of cron.
    Cron {
        /// The line, with its zone where it has one.
        line: String,
        /// The instant that the line names, before any jitter.
        scheduled: DateTime<Utc>,
    },
    /// A commit to a dataset.
    Dataset {
        /// The dataset.
        dataset: DatasetId,
        /// The commit.
        snapshot: SnapshotId,
    },
    /// A request over HTTP.
    Http {
        /// The name of the token that it was made with, never the token; none where none is asked for.
        who: Option<String>,
    },
    /// A signed webhook.
    Webhook {
        /// The name of the secret that it was signed with, never the secret.
        who: String,
    },
}

/// By what the one who asked for a run knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key; whose it is stands in it too, so that nobody meets the keys of others.
    pub name: String,
    /// A digest of all that was asked for with it.
    pub digest: String,
}

impl Origin {
    /// A run that a server started.
    #[must_use]
    pub fn of(cause: Cause) -> Self {
        Self { cause, ..Self::default() }
    }

    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Cause {
    /// The word that people read.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Cron { .. } => "cron",
            Self::Dataset { .. } => "dataset",
            Self::Http { .. } => "http",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// Whether a server goes on with the run when its process died. Others are settled by the next run.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        !matches!(self, Self::CommandLine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_asked_for_is_written_as_it_always_was() {
        assert!(Origin::default().is_usual());
        assert_eq!(serde_json::from_str::<Origin>("{}").unwrap(), Origin::default());
        assert!(!Origin::default().cause.is_served());
    }

    #[test]
    fn causes_are_read_as_they_are_written() {
        let at = DateTime::UNIX_EPOCH;
        for (cause, name) in [
            (Cause::CommandLine, "command-line"),
            (Cause::Cron { line: "0 6 * * *".to_owned(), scheduled: at }, "cron"),
            (
                Cause::Dataset { dataset: "rain".parse().unwrap(), snapshot: SnapshotId("S".to_owned()) },
                "dataset",
            ),
            (Cause::Http { who: None }, "http"),
            (Cause::Webhook { who: "forge".to_owned() }, "webhook"),
        ] {
            let text = serde_json::to_string(&cause).unwrap();
            assert!(text.contains(name), "{text}");
            assert_eq!(cause.name(), name);
            assert_eq!(serde_json::from_str::<Cause>(&text).unwrap(), cause);
        }
    }
}
