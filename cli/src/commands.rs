//! One file per command.

mod audit;
mod backfill;
mod backup;
mod cancel;
mod check;
mod examples;
mod explain;
mod gc;
mod graph;
mod layout;
mod logs;
mod mark;
mod next;
mod plan;
mod retry;
mod run;
mod runs;
mod schema;
mod serve;
mod show;
mod status;
mod supervise;
mod template;
mod test;
mod token;

use std::{io, path::PathBuf};

use clap::Subcommand;
use frazil_engine::project::{LoadOptions, Project, load};

use crate::{
    Globals,
    exit::{Exit, Shown, Usage},
    render,
};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows all problems of all files, offline
    #[command(after_long_help = examples::CHECK)]
    Check(check::Check),
    /// Shows what a run would do, and why
    #[command(after_long_help = examples::PLAN)]
    Plan(plan::Plan),
    /// Runs pipelines, or what a plan lists
    #[command(after_long_help = examples::RUN)]
    Run(run::Run),
    /// Runs what lies in a range of periods, missing or all again
    #[command(after_long_help = examples::BACKFILL)]
    Backfill(backfill::Backfill),
    /// Runs again what failed in a run
    #[command(after_long_help = examples::RETRY)]
    Retry(retry::Retry),
    /// Asks a run to stop; what is whole is kept
    #[command(after_long_help = examples::CANCEL)]
    Cancel(cancel::Cancel),
    /// Shows how each dataset stands against its calendar, and how its last run ended
    #[command(after_long_help = examples::STATUS)]
    Status(status::Status),
    /// Lists when cron triggers fire next, and what clock changes do to them
    #[command(after_long_help = examples::NEXT)]
    Next(next::Next),
    /// Lists runs
    #[command(after_long_help = examples::RUNS)]
    Runs(runs::Runs),
    /// Shows one run
    #[command(after_long_help = examples::SHOW)]
    Show(show::Show),
    /// Prints what happened in a run, a line each, and what happens
    #[command(after_long_help = examples::LOGS)]
    Logs(logs::Logs),
    /// Takes bad periods out of a dataset, and brings them back
    #[command(after_long_help = examples::MARK)]
    Mark(mark::Mark),
    /// Shows what an audited dataset holds that is not published, and decides of it
    #[command(after_long_help = examples::AUDIT)]
    Audit(audit::Audit),
    /// Lets go of old snapshots of datasets, and deletes what nothing refers to
    #[command(after_long_help = examples::GC)]
    Gc(gc::Gc),
    /// Says why a dataset is as it is: made from what, stale by what, waiting for what
    #[command(after_long_help = examples::EXPLAIN)]
    Explain(explain::Explain),
    /// Shows the chunks of a dataset, and what typical reads of it cost
    #[command(after_long_help = examples::LAYOUT)]
    Layout(layout::Layout),
    /// Shows the metadata that datasets are created with, or keeps it for review
    #[command(after_long_help = examples::TEMPLATE)]
    Template(template::Template),
    /// Runs the tests of pipelines: `*.test.yaml` beside them
    #[command(after_long_help = examples::TEST)]
    Test(test::Test),
    /// Draws pipelines and what hangs from them
    #[command(after_long_help = examples::GRAPH)]
    Graph(graph::Graph),
    /// Prints the JSON Schema of the files, or a part of it
    #[command(after_long_help = examples::SCHEMA)]
    Schema(schema::SchemaCommand),
    /// Answers HTTP: datasets as Zarr and as Icechunk repositories
    #[command(after_long_help = examples::SERVE)]
    Serve(serve::Serve),
    /// Makes, lists and ends the tokens that `serve` asks for
    #[command(after_long_help = examples::TOKEN)]
    Token(token::TokenCommand),
    /// Copies run history and tokens into a file, while others write
    #[command(after_long_help = examples::BACKUP)]
    Backup(backup::Backup),
    /// Puts what `backup` made in its place
    #[command(after_long_help = examples::BACKUP)]
    Restore(backup::Restore),
    #[command(hide = true)]
    Supervise(supervise::Supervise),
}

impl Command {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        match self {
            Self::Check(command) => command.run(globals),
            Self::Plan(command) => command.run(globals),
            Self::Run(command) => command.run(globals),
            Self::Backfill(command) => command.run(globals),
            Self::Retry(command) => command.run(globals),
            Self::Cancel(command) => command.run(globals),
            Self::Status(command) => command.run(globals),
            Self::Next(command) => command.run(globals),
            Self::Runs(command) => command.run(globals),
            Self::Show(command) => command.run(globals),
            Self::Logs(command) => command.run(globals),
            Self::Mark(command) => command.run(globals),
            Self::Audit(command) => command.run(globals),
            Self::Gc(command) => command.run(globals),
            Self::Explain(command) => command.run(globals),
            Self::Layout(command) => command.run(globals),
            Self::Template(command) => command.run(globals),
            Self::Test(command) => command.run(globals),
            Self::Graph(command) => command.run(globals),
            Self::Schema(command) => command.run(globals),
            Self::Serve(command) => command.run(globals),
            Self::Token(command) => command.run(globals),
            Self::Backup(command) => command.run(globals),
            Self::Restore(command) => command.run(globals),
            Self::Supervise(command) => command.run(),
        }
    }
}

/// The checked project around the working folder (or around `paths`); its errors are shown on
/// stderr, since nothing unchecked runs.
pub(crate) fn project(globals: &Globals, paths: &[PathBuf]) -> anyhow::Result<Project> {
    let folder = std::env::current_dir()?;
    let options = LoadOptions { paths: paths.to_vec(), project: globals.project.clone(), folder };
    let mut checked = load(&options, &frazil_steps::registry());
    if checked.has_errors() {
        let color = globals.color.on(&io::stderr());
        render::note(&render::problems(&checked.problems, &checked.sources, color))?;
        return Err(Shown(Exit::Failed).into());
    }
    match (checked.projects.pop(), checked.projects.len()) {
        (Some(project), 0) if !project.pipelines.is_empty() => Ok(project),
        (_, 0) => {
            Err(Usage("no pipelines here: they are `*.yaml` files in the folder `pipelines`".into()).into())
        }
        _ => Err(Usage("these files belong to several projects; name one with --project".into()).into()),
    }
}
