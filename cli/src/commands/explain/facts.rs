//! What is known of a dataset: its definition, its head, its sources, what a run would do.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    context::Scope,
    data::{DatasetId, Period, PeriodRange, PeriodText, RunId, Snapshot, SnapshotId, Status},
    dataset::{DatasetInfo, RegularTime, TimeAxis},
    event::RunState,
    pipeline::{Pipeline, PipelineNode},
    plan::{self, Foreseen},
    project::Cascade,
    step::StepError,
    store::{RunQuery, RunStore},
};
use frazil_steps::cube::{Changes, Commit, Cube, Standing, UnderWay, head_of};
use serde_json::{Value, json};

use super::period::Explanation;
use crate::session::{Params, Session, history};

/// All that is known of a dataset.
pub(super) struct Facts {
    pub(super) info: Arc<DatasetInfo>,
    /// The pipeline that makes it, and the step; none for what is made elsewhere.
    pub(super) writer: Option<(Arc<Pipeline>, PipelineNode)>,
    pub(super) cube: Option<Arc<Cube>>,
    /// The version that takes its place, where one is due.
    release: Option<UnderWay>,
    pub(super) head: Option<Commit>,
    pub(super) sources: Vec<Source>,
    below: Vec<DatasetId>,
    /// What a run would do, and why.
    reasons: Vec<String>,
    pub(super) failure: Option<Failure>,
    pub(super) scope: Scope,
    pub(super) explained: Vec<Explanation>,
}

/// A dataset that it is made from.
pub(super) struct Source {
    pub(super) snapshot: Snapshot,
    /// The state that it was made from last.
    made_from: Option<SnapshotId>,
    /// What changed since; none where that cannot be told.
    changed: Option<Vec<PeriodRange>>,
}

/// How the newest run of the pipeline failed at it.
pub(super) struct Failure {
    pub(super) run: RunId,
    pub(super) error: StepError,
}

impl Facts {
    pub(super) async fn of(
        session: &Session,
        info: &Arc<DatasetInfo>,
        params: &Params,
        instant: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let writer = session.project.writer(&info.id);
        let writer = writer.map(|(pipeline, node)| (Arc::clone(pipeline), node.clone()));
        let scope = match &writer {
            Some((pipeline, _)) => session.scope(pipeline, &params.given()?.of(pipeline, &[]), instant)?,
            None => {
                let any = session.project.pipelines.keys().next().context("the project has no pipeline")?;
                session.scope_of(any, serde_json::Map::new(), instant)
            }
        };
        let Standing { main: cube, release, .. } = Standing::seen(info, &scope).await?;
        // What is derived is made again in one commit, unless its layout changes.
        let appends = writer.as_ref().is_some_and(|(_, node)| node.uses == "append-commit");
        let release = release.filter(|release| appends || release.layout.is_some());
        let head = match &cube {
            Some(cube) => cube.commits(|_| false).await?.into_iter().next(),
            None => None,
        };
        let mut sources = Vec::new();
        for source in info.sources.iter().filter_map(|id| session.project.datasets.get(id)) {
            sources.push(Source::of(source, cube.as_deref(), &scope).await?);
        }
        let mut facts = Self {
            info: Arc::clone(info),
            below: Cascade::of(&session.project).made_from(&info.id),
            reasons: Vec::new(),
            failure: None,
            explained: Vec::new(),
            writer,
            cube,
            release,
            head,
            sources,
            scope,
        };
        facts.plan(session).await?;
        facts.failure(session).await?;
        Ok(facts)
    }

    /// What a run of the steps that it needs would do.
    async fn plan(&mut self, session: &Session) -> anyhow::Result<()> {
        let Some((_, writer)) = &self.writer else { return Ok(()) };
        for one in session.select(&[self.info.id.to_string()])? {
            let nodes =
                plan::walk(&one.pipeline, &one.units, &session.registry, &self.scope, &Foreseen::default())
                    .await;
            for node in &nodes {
                let told = node.planned.iter().flat_map(|planned| &planned.reasons).cloned();
                // Steps between say the same again.
                let of_interest = node.node == writer.id || node.uses == "enumerate-periods";
                self.reasons.extend(told.filter(|_| of_interest));
                self.reasons.extend(node.error.as_ref().map(|error| format!("{}: {error}", node.node)));
            }
            if self.reasons.is_empty() {
                let work = nodes.iter().any(|node| node.has_work());
                self.reasons.push(if work { "there is work" } else { "nothing to do" }.to_owned());
            }
        }
        Ok(())
    }

    /// How the newest run of its pipeline failed at it, if it did.
    async fn failure(&mut self, session: &Session) -> anyhow::Result<()> {
        let Some((pipeline, node)) = &self.writer else { return Ok(()) };
        let Some(store) = history(session).await? else { return Ok(()) };
        let query = RunQuery {
            pipeline: Some(pipeline.id.clone()),
            opened: true,
            limit: Some(1),
            ..RunQuery::default()
        };
        for run in store.list(&query).await.map_err(StepError::from)? {
            let state = RunState::fold(&store.load(&run.run).await.map_err(StepError::from)?)?;
            let error = state.units.get(&node.id).and_then(|unit| unit.error.clone());
            self.failure = error.map(|error| Failure { run: run.run, error });
        }
        Ok(())
    }

    /// The time axis of the dataset.
    pub(super) fn time(&self) -> anyhow::Result<&RegularTime> {
        match &self.info.block.time {
            TimeAxis::Regular(time) => Ok(time),
            TimeAxis::None => Err(crate::exit::Usage(format!("`{}` has no time axis", self.info.id)).into()),
        }
    }

    /// The periods of the dataset that lie in what was asked for.
    pub(super) fn periods(&self, asked: PeriodText) -> anyhow::Result<Vec<Period>> {
        let step = self.time()?.frequency();
        let range = PeriodRange { first: asked.first(step), last: asked.last(step) };
        // One that is finer than the dataset means the period that it lies in.
        let range = if range.is_empty() { PeriodRange::one(range.first) } else { range };
        Ok(range.iter().collect())
    }

    /// Whether it was made by another definition than that of now.
    pub(super) fn differs(&self) -> bool {
        let stored = self.head.as_ref().and_then(|head| head.provenance.definition.as_ref());
        stored.is_some_and(|stored| *stored != self.info.definition)
    }

    fn counts(&self) -> BTreeMap<Status, usize> {
        let mut counts = BTreeMap::new();
        for (_, status) in self.cube.iter().flat_map(|cube| cube.axis().iter()) {
            *counts.entry(status).or_insert(0) += 1;
        }
        counts
    }

    pub(super) fn human(&self) -> String {
        let mut lines = vec![format!("{}: {}", self.info.id, self.info.block.title)];
        let mut say = |what: &str, text: String| lines.push(format!("  {what:<11} {text}"));
        let names: Vec<&str> = self.info.sources.iter().map(DatasetId::as_str).collect();
        let from = if names.is_empty() { String::new() } else { format!(" from {}", names.join(", ")) };
        match &self.writer {
            Some((pipeline, node)) => {
                say("made by", format!("{}.{} ({}){from}", pipeline.id, node.id, node.uses));
            }
            None => say("made", format!("elsewhere: {}", self.info.location.url)),
        }
        match self
            .cube
            .as_ref()
            .and_then(|cube| Some((cube.axis().len(), cube.axis().first()?, cube.axis().last()?)))
        {
            Some((count, first, last)) => {
                let counts: Vec<String> =
                    self.counts().iter().map(|(status, n)| format!("{n} {}", status.name())).collect();
                say("holds", format!("{count}: {first}/{last} ({})", counts.join(", ")));
            }
            None => say("holds", "nothing yet".to_owned()),
        }
        if let Some(version) = self.head.as_ref().and_then(|head| head.provenance.version.as_ref()) {
            say("version", version.clone());
        }
        if let Some(release) = &self.release {
            say("release", release.to_string().replacen("release ", "", 1));
        }
        if let Some(head) = &self.head {
            say("last commit", made(head));
        }
        if self.differs() {
            let what = if self.release.is_some() {
                "a run makes every period again for the release"
            } else if self.sources.is_empty() {
                "what is stored stays as it is"
            } else {
                "a run makes everything again"
            };
            say("stale", format!("its definition differs from the one of its last commit: {what}"));
        }
        for source in &self.sources {
            say("source", source.human());
        }
        if !self.below.is_empty() {
            let names: Vec<&str> = self.below.iter().map(DatasetId::as_str).collect();
            say("below it", names.join(", "));
        }
        for (at, reason) in self.reasons.iter().enumerate() {
            say(if at == 0 { "a run" } else { "" }, reason.clone());
        }
        if let Some(failure) = &self.failure {
            say("failed", format!("in run {}: {}", failure.run, failure.error));
        }
        lines.join("\n") + "\n"
    }

    pub(super) fn json(&self) -> Value {
        let axis = self.cube.as_deref().map(Cube::axis);
        let counts: BTreeMap<&str, usize> =
            self.counts().into_iter().map(|(status, n)| (status.name(), n)).collect();
        json!({
            "frazil": 1, "type": "explained-dataset", "dataset": self.info.id, "title": self.info.block.title,
            "made-by": self.writer.as_ref().map(|(pipeline, node)| {
                json!({ "pipeline": pipeline.id, "step": node.id, "uses": node.uses })
            }),
            "periods": axis.and_then(|axis| {
                let (first, last) = (axis.first()?.to_string(), axis.last()?.to_string());
                Some(json!({ "count": axis.len(), "first": first, "last": last, "by-status": counts }))
            }),
            "commit": self.head,
            "release": self.release.as_ref().map(|release| {
                json!({
                    "version": release.version, "branch": release.branch, "done": release.done(),
                    "asked": release.asked(),
                })
            }),
            "definition": self.info.definition,
            "definition-differs": self.differs(),
            "sources": self.sources.iter().map(Source::json).collect::<Vec<_>>(),
            "below": self.below,
            "reasons": self.reasons,
            "failure": self.failure.as_ref().map(|failure| json!({ "run": failure.run, "error": failure.error })),
        })
    }
}

impl Source {
    async fn of(info: &DatasetInfo, made: Option<&Cube>, scope: &Scope) -> anyhow::Result<Self> {
        let head = Cube::open(info, scope).await?;
        let snapshot = head_of(info, head.as_ref().map(Cube::id));
        let recorded = made.and_then(|cube| cube.provenance().sources.get(&info.id));
        let made_from = recorded.map(|state| state.snapshot.clone());
        let changed = match (&head, &made_from) {
            (Some(head), Some(since)) => match head.changes_since(since).await? {
                Changes::Periods(ranges) | Changes::Foreign(ranges) => Some(ranges),
                Changes::NotAncestor => None,
            },
            _ => None,
        };
        Ok(Self { snapshot, made_from, changed })
    }

    fn human(&self) -> String {
        let Some(head) = &self.snapshot.id else {
            return format!("{} holds nothing yet", self.snapshot.dataset);
        };
        let name = &self.snapshot.dataset;
        match (&self.made_from, &self.changed) {
            (Some(from), _) if from == head => format!("{name} at {head}, its head"),
            (Some(from), Some(changed)) if changed.is_empty() => {
                format!("{name} at {from}; its head is {head}, no value changed since")
            }
            (Some(from), Some(changed)) => {
                let shown: Vec<String> = changed.iter().take(6).map(ToString::to_string).collect();
                let more = if changed.len() > 6 { ", …" } else { "" };
                format!("{name} at {from}; its head is {head}, changed since: {}{more}", shown.join(", "))
            }
            (Some(from), None) => {
                format!(
                    "{name} at {from}, which is no ancestor of its head {head}: anything may have changed"
                )
            }
            (None, _) => format!("{name}, whose head is {head}; nothing was made from it yet"),
        }
    }

    fn json(&self) -> Value {
        json!({
            "dataset": self.snapshot.dataset, "head": self.snapshot.id, "made-from": self.made_from,
            "changed-since": self.changed,
        })
    }
}

/// By which run a commit was made, and from what.
pub(super) fn made(commit: &Commit) -> String {
    let from: Vec<String> =
        commit.provenance.sources.iter().map(|(id, state)| format!("{id} at {}", state.snapshot)).collect();
    let by = match (&commit.run, &commit.mark) {
        (Some(run), _) => format!("run {run}"),
        (None, Some(_)) => "`frazil mark`".to_owned(),
        (None, None) => "another program".to_owned(),
    };
    let from = if from.is_empty() { String::new() } else { format!(" from {}", from.join(", ")) };
    format!("{} on {} by {by}{from}", commit.id, commit.at.to_rfc3339_opts(SecondsFormat::Secs, true))
}
