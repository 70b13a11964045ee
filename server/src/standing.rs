//! How datasets stand: the newest period of each, what it should be, and how its last run ended.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    context::Scope,
    data::{Period, PipelineId},
    dataset::{DatasetInfo, Due},
    project::Project,
    step::StepError,
    store::{RunQuery, RunStore, RunSummary, word},
};
use frazil_steps::cube::{self, Cube, Outline, UnderWay};
use serde_json::{Value, json};

/// How one dataset stands.
#[derive(Debug)]
pub struct Standing {
    /// The dataset.
    pub info: Arc<DatasetInfo>,
    /// What there is of it.
    pub stored: Result<Stored, StepError>,
    /// None for a static dataset, and for one that cannot be read.
    pub due: Option<Due>,
    /// The pipeline that writes it; none for what is made elsewhere.
    pub pipeline: Option<PipelineId>,
    /// The newest run of that pipeline, and the word for how it is.
    pub run: Option<(RunSummary, &'static str)>,
}

/// What there is of a dataset.
#[derive(Debug)]
pub struct Stored {
    /// Its newest period that holds values.
    pub newest: Option<Period>,
    /// Whether there is a cube at all.
    pub there: bool,
    /// The version that takes its place, where one is due.
    pub release: Option<UnderWay>,
}

impl Stored {
    /// What stands in a state; a release is none of it.
    #[must_use]
    pub fn of(outline: Option<&Outline>) -> Self {
        let newest = outline.and_then(|outline| outline.newest);
        Self { newest, there: outline.is_some(), release: None }
    }

    /// Looks into the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn look(info: &DatasetInfo, scope: &Scope) -> Result<Self, StepError> {
        let found = cube::Standing::seen(info, scope).await?;
        let newest = found.main.as_deref().and_then(Cube::newest);
        Ok(Self { newest, there: found.main.is_some(), release: found.release })
    }
}

/// The newest run of each pipeline.
pub type NewestRuns = BTreeMap<PipelineId, (RunSummary, &'static str)>;

/// The newest run of each pipeline, with the word for how it is.
///
/// # Errors
/// When the history or a lock cannot be read.
pub async fn newest_runs(project: &Project, store: &dyn RunStore) -> Result<NewestRuns, StepError> {
    let mut newest = BTreeMap::new();
    for id in project.pipelines.keys() {
        let query = RunQuery { pipeline: Some(id.clone()), limit: Some(1), ..RunQuery::default() };
        for run in store.list(&query).await? {
            let word = word(&project.config.state, store, &run).await?;
            newest.insert(id.clone(), (run, word));
        }
    }
    Ok(newest)
}

impl Standing {
    /// How a dataset of which this is stored stands at an instant.
    #[must_use]
    pub fn of(
        info: &Arc<DatasetInfo>,
        mut stored: Result<Stored, StepError>,
        project: &Project,
        runs: &NewestRuns,
        instant: DateTime<Utc>,
    ) -> Self {
        let due =
            stored.as_ref().ok().and_then(|stored| Due::of(info, &project.datasets, stored.newest, instant));
        let writer = project.writer(&info.id);
        // What is derived is made again in one commit, unless its layout changes.
        if let (Ok(stored), false) = (&mut stored, writer.is_some_and(|(_, w)| w.uses == "append-commit")) {
            stored.release = stored.release.take().filter(|release| release.layout.is_some());
        }
        let pipeline = writer.map(|(pipeline, _)| pipeline.id.clone());
        let run = pipeline.as_ref().and_then(|id| runs.get(id)).cloned();
        Self { info: Arc::clone(info), stored, due, pipeline, run }
    }

    /// Whether its first missing period is older than `late` of the dataset allows.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.due.is_some_and(|due| due.late)
    }

    /// What a person is told: whether it is as it should be, or how far behind.
    #[must_use]
    pub fn state(&self, instant: DateTime<Utc>) -> String {
        let (Ok(stored), due) = (&self.stored, self.due) else { return "cannot be read".to_owned() };
        let state = match due.and_then(|due| Some((due.late, due.missing?, due.since?))) {
            Some((late, missing, since)) => {
                let what = if late { "late" } else { "behind" };
                let s = if missing.len() == 1 { "" } else { "s" };
                format!("{what} by {} period{s}, for {}", missing.len(), age(instant - since))
            }
            None if !stored.there => "nothing yet".to_owned(),
            None if due.is_none() => "there".to_owned(),
            None => "up to date".to_owned(),
        };
        match &stored.release {
            Some(release) => format!("{state}; {release}"),
            None => state,
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self, instant: DateTime<Utc>) -> Value {
        let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let newest = self.stored.as_ref().ok().and_then(|stored| stored.newest);
        let since = self.due.and_then(|due| due.since);
        let missing = self.due.and_then(|due| due.missing).map(|missing| {
            json!({
                "count": missing.len(), "first": missing.first.to_string(), "last": missing.last.to_string(),
            })
        });
        json!({
            "frazil": 1, "type": "dataset-status", "dataset": self.info.id, "pipeline": self.pipeline,
            "newest": newest.map(|period| period.to_string()),
            "expected": self.due.and_then(|due| due.expected).map(|period| period.to_string()),
            "missing": missing, "due-since": since.map(at),
            "behind-seconds": since.map(|since| (instant - since).num_seconds()),
            "late": self.is_late(), "state": self.state(instant),
            "run": self.run.as_ref().map(|(run, word)| {
                json!({
                    "run": run.run, "status": word, "accepted": run.accepted,
                    "finished": run.finished.map(|(_, at)| at),
                })
            }),
            "error": self.stored.as_ref().err(),
        })
    }
}

/// A length of time in its largest unit.
fn age(age: chrono::Duration) -> String {
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}
