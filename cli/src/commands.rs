//! One file per command.

mod check;
mod graph;
mod plan;
mod run;
mod runs;
mod schema;
mod show;

use clap::Subcommand;

use crate::{Globals, exit::Exit};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows all problems of all files, offline
    Check(check::Check),
    /// Shows what a run would do, and why
    Plan(plan::Plan),
    /// Runs pipelines, or what a plan lists
    Run(run::Run),
    /// Lists runs
    Runs(runs::Runs),
    /// Shows one run
    Show(show::Show),
    /// Draws pipelines and what hangs from them
    Graph(graph::Graph),
    /// Prints the JSON Schema of the files, or a part of it
    Schema(schema::SchemaCommand),
}

impl Command {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        match self {
            Self::Check(command) => command.run(globals),
            Self::Plan(command) => command.run(globals),
            Self::Run(command) => command.run(globals),
            Self::Runs(command) => command.run(globals),
            Self::Show(command) => command.run(globals),
            Self::Graph(command) => command.run(globals),
            Self::Schema(command) => command.run(globals),
        }
    }
}
