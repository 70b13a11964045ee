use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// All problems of all files, offline.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    format: FormatArg,
}

impl Check {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`check` is not there yet ({:?})", self.format.format)
    }
}
