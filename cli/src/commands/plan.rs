use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use frazil_engine::{
    context::Scope,
    plan::{self, Foreseen, NodePlan, PipelinePlan, PlanFile, PlannedDocument},
    step::StepError,
};

use crate::{
    Format, FormatArg, Globals,
    exit::Exit,
    render::{self, table},
    session::{Selected, Session, Terms, runtime},
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
        let file = file(&session, &selected, &scopes, instant)?;
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

/// What a run of these would do, one after the other.
pub(super) fn file(
    session: &Session,
    selected: &[Selected],
    scopes: &[Scope],
    instant: DateTime<Utc>,
) -> anyhow::Result<PlanFile> {
    let runtime = runtime()?;
    let mut file = PlanFile { frazil_plan: 1, instant, pipelines: Vec::new() };
    let mut foreseen = Foreseen::default();
    for (one, scope) in selected.iter().zip(scopes) {
        let walk = plan::walk(&one.pipeline, &one.units, &session.registry, scope, &foreseen);
        let nodes = runtime.block_on(walk);
        foreseen.note(&nodes);
        file.pipelines.push(PipelinePlan::of(&one.pipeline, &one.units, (*scope.params).clone(), nodes));
    }
    Ok(file)
}

/// Prints a plan.
pub(super) fn show(file: &PlanFile, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Human => file.pipelines.iter().try_for_each(|plan| render::out(&human(plan)))?,
        Format::Json => render::out(&format!("{}\n", serde_json::to_string(file)?))?,
    }
    Ok(())
}

pub(crate) fn exit_of(error: &StepError) -> Exit {
    error.failure().map_or(Exit::Failed, |failure| Exit::of(failure.kind))
}

fn human(plan: &PipelinePlan) -> String {
    let mut rows =
        vec![["step", "periods", "requests", "received", "commits", "memory"].map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for node in &plan.nodes {
        let dash = || "-".to_owned();
        let count = |n: usize| if n == 0 { dash() } else { n.to_string() };
        let work = node.planned.as_ref().map(|planned| &planned.work);
        rows.push(vec![
            node.node.to_string(),
            node.planned
                .as_ref()
                .map_or_else(dash, |planned| periods(&planned.document).unwrap_or_else(dash)),
            work.map_or_else(dash, |work| count(work.requests)),
            work.and_then(|work| work.bytes).map_or_else(dash, table::bytes),
            work.map_or_else(dash, |work| count(work.commits)),
            work.and_then(|work| work.memory).map_or_else(dash, table::bytes),
        ]);
        for reason in node.planned.iter().flat_map(|planned| &planned.reasons) {
            notes.push_str(&format!("  {}: {reason}\n", node.node));
        }
        if !node.lacks.is_empty() {
            let lacks: Vec<_> = node.lacks.iter().map(|id| format!("`{id}`")).collect();
            notes.push_str(&format!("  {}: cannot be planned without {}\n", node.node, lacks.join(", ")));
        }
        if let Some(error) = &node.error {
            notes.push_str(&format!("  {}: error: {error}\n", node.node));
            if let Some(help) = error.failure().and_then(|failure| failure.help.as_ref()) {
                notes.push_str(&format!("    help: {help}\n"));
            }
        }
    }
    let what = if plan.nodes.iter().any(NodePlan::has_work) { "" } else { ": nothing to do" };
    format!("{}{what}\n{}{notes}\n", plan.pipeline, table::table(&rows))
}

fn periods(document: &PlannedDocument) -> Option<String> {
    let items = match document {
        PlannedDocument::Periods(periods) => &periods.items,
        PlannedDocument::Snapshot(planned) => &planned.changes,
        PlannedDocument::Slices(_) | PlannedDocument::Nothing => return None,
    };
    let count: usize = items.iter().map(|item| item.range.len()).sum();
    let (first, last) =
        (items.iter().map(|i| i.range.first).min()?, items.iter().map(|i| i.range.last).max()?);
    Some(if count == 1 { first.to_string() } else { format!("{count}: {first}/{last}") })
}
