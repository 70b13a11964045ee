use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// Lists runs.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    format: FormatArg,
}

impl Runs {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`runs` is not there yet ({:?})", self.format.format)
    }
}
