use clap::Args;

use crate::{FormatArg, Globals, exit::Exit};

/// Prints the JSON Schema of the files.
#[derive(Debug, Args)]
pub(crate) struct SchemaCommand {
    #[command(flatten)]
    format: FormatArg,
}

impl SchemaCommand {
    pub(crate) fn run(self, _globals: &Globals) -> anyhow::Result<Exit> {
        anyhow::bail!("`schema` is not there yet ({:?})", self.format.format)
    }
}
