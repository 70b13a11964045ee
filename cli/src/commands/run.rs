use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// Runs pipelines, or what a plan lists.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    format: FormatArg,
}

impl Run {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`run` is not there yet ({:?})", self.format.format)
    }
}
