//! Exit codes, the same for every command.

use frazil_engine::step::{ErrorKind, StepError};

use crate::render;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Something failed, `check` found problems, or `status --late` late datasets.
    Failed,
    /// `plan --exit-code`: there is work.
    Work,
    /// Refused: the plan is stale, or somebody else is at work.
    Refused,
    /// A store, the network or credentials.
    Unreachable,
    /// The command line makes no sense.
    Usage,
    /// Interrupted by Ctrl-C, after settling.
    Interrupted,
    /// Told to stop by SIGTERM, after settling.
    Terminated,
}

impl Exit {
    const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Work,
        Self::Refused,
        Self::Unreachable,
        Self::Usage,
        Self::Interrupted,
        Self::Terminated,
    ];

    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "something failed, `check` found problems, or `status --late` late datasets",
            Self::Work => "`plan --exit-code`: there is work",
            Self::Refused => "refused: the plan is stale, or somebody else is at work",
            Self::Unreachable => "a store, the network or credentials",
            Self::Usage => "the command line makes no sense",
            Self::Interrupted => "interrupted by Ctrl-C, after settling",
            Self::Terminated => "told to stop by SIGTERM, after settling",
        }
    }

    /// All codes and what they mean, for `--help`.
    pub(crate) fn table() -> String {
        let mut table = "Exit codes:\n".to_owned();
        for exit in Self::ALL {
            table.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
        }
        table
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Work => 2,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The code of an error of a step.
    pub(crate) const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Data | ErrorKind::Internal => Self::Failed,
            ErrorKind::Refused | ErrorKind::Moved => Self::Refused,
            ErrorKind::Store | ErrorKind::Network | ErrorKind::Credentials => Self::Unreachable,
        }
    }
}

/// A command line that clap takes but that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// An error that has been shown already: only its code is left.
#[derive(Debug, thiserror::Error)]
#[error("see above")]
pub(crate) struct Shown(pub(crate) Exit);

/// Prints what clap says; `--help` and `--version` are no errors.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    // Nothing is left to be done when a help text cannot be printed.
    drop(error.print());
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// Prints an error and what to do, and finds its code.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    if let Some(Shown(exit)) = error.downcast_ref() {
        return *exit;
    }
    if error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return Exit::Done;
    }
    let step = error.chain().find_map(|cause| cause.downcast_ref::<StepError>());
    let mut text = format!("error: {error:#}\n");
    if let Some(help) = step.and_then(|e| e.failure()).and_then(|f| f.help.as_deref()) {
        text.push_str(&format!("help: {help}\n"));
    }
    // Stderr may be closed; the code still tells.
    drop(render::wrong(&text));
    if error.downcast_ref::<Usage>().is_some() {
        return Exit::Usage;
    }
    match step {
        Some(StepError::Cancelled) => Exit::Interrupted,
        Some(error) => error.failure().map_or(Exit::Failed, |failure| Exit::of(failure.kind)),
        None => Exit::Failed,
    }
}
