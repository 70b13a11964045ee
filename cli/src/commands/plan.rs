use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// What a run would do, and why.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    format: FormatArg,
}

impl Plan {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`plan` is not there yet ({:?})", self.format.format)
    }
}
