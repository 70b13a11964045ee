use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// Draws pipelines and what hangs from them.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    #[command(flatten)]
    format: FormatArg,
}

impl Graph {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`graph` is not there yet ({:?})", self.format.format)
    }
}
