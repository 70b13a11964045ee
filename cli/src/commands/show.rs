use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// Shows one run.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    format: FormatArg,
}

impl Show {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`show` is not there yet ({:?})", self.format.format)
    }
}
