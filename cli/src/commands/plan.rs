mod human;

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use frazil_engine::{
    context::Scope,
    plan::{NodePlan, PlanFile},
    step::StepError,
    store::RunStore,
};

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render,
    session::{Selected, Session, Terms, history, runtime},
};

/// What a run would do, and why.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Pipelines or datasets, `name+` with all that hangs from it, `+name` with all that it needs;
    /// all pipelines where none is named
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    #[command(flatten)]
    terms: Terms,
    /// Asks each source for the size of at most five of the files that would be fetched
    #[arg(long)]
    online: bool,
    /// Exit with 2 when there is work
    #[arg(long)]
    exit_code: bool,
    /// Writes the plan to a file that `run` takes
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArg,
}

impl Plan {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let selected = session.select(&self.select)?;
        let scopes = self.terms.scopes(&session, &selected, None)?;
        let instant = scopes.first().map_or_else(|| self.terms.instant(), |scope| scope.instant);
        let file = file(&session, &selected, &scopes, instant, self.online)?;
        show(&file, self.format.format)?;
        let nodes = || file.pipelines.iter().flat_map(|pipeline| &pipeline.nodes);
        if let Some(error) = nodes().find_map(|node| node.error.as_ref()) {
            return Ok(exit_of(error));
        }
        if let Some(path) = &self.output {
            let text = serde_json::to_string_pretty(&file)?;
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(if self.exit_code && nodes().any(NodePlan::has_work) { Exit::Work } else { Exit::Done })
    }
}

/// What a run of these would do, one after the other; `online` asks sources for sizes.
pub(super) fn file(
    session: &Session,
    selected: &[Selected],
    scopes: &[Scope],
    instant: DateTime<Utc>,
    online: bool,
) -> anyhow::Result<PlanFile> {
    let work: Vec<(Selected, Scope)> = selected.iter().cloned().zip(scopes.iter().cloned()).collect();
    runtime()?.block_on(async {
        let store = history(session).await?;
        let store = store.as_ref().map(|store| store as &dyn RunStore);
        let file = PlanFile::make(&work, instant, &session.registry, online, store).await;
        Ok(file.map_err(StepError::from)?)
    })
}

/// Prints a plan.
pub(super) fn show(file: &PlanFile, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Human => render::out(&human::plan(file))?,
        Format::Json => render::out(&format!("{}\n", serde_json::to_string(file)?))?,
    }
    Ok(())
}

pub(crate) fn exit_of(error: &StepError) -> Exit {
    error.failure().map_or(Exit::Failed, |failure| Exit::of(failure.kind))
}
