//! `maintain`: lets go of the past of a dataset.

use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Context, Scope, Tick},
    data::{DatasetId, Duration, Snapshot},
    dataset::Datasets,
    plan::{Planned, PlannedDocument, Work},
    step::{Finding, Keeps, Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cube::{self, Retention, Sweep},
    keeper,
};

/// How many snapshots a plan names.
const NAMED: usize = 3;

/// Lets go of snapshots that are old enough, and deletes the objects that nothing refers to any more.
///
/// Kept are always: what branches and tags name, each state that a dataset of this project was made from
/// with all that follows, what a run that is not over found, and objects younger than the oldest such run.
/// `plan` names what would go; `frazil gc` does the same outside of a pipeline.
///
/// ```yaml
/// steps:
///   tidy: { uses: maintain, needs: daily, with: { dataset: chirps3_daily, keep: { age: 30d, count: 10 } } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Maintain {
    /// The dataset.
    pub dataset: DatasetId,
    /// Which snapshots are kept for themselves.
    #[serde(default)]
    pub keep: Keep,
    /// How long objects are kept that nothing refers to: somebody may be about to.
    #[serde(default = "a_day")]
    pub unreferenced: Duration,
}

/// Which snapshots are kept for themselves: the younger ones, and the newest whatever their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keep {
    /// Those younger than this.
    #[serde(default = "a_month")]
    pub age: Duration,
    /// So many of the newest.
    #[serde(default = "ten")]
    pub count: NonZeroUsize,
}

const fn a_day() -> Duration {
    Duration::from_days(1)
}

const fn a_month() -> Duration {
    Duration::from_days(30)
}

const fn ten() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(9)
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: a_month(), count: ten() }
    }
}

impl Maintain {
    /// With everything as it is where nothing is said.
    #[must_use]
    pub fn of(dataset: DatasetId) -> Self {
        Self { dataset, keep: Keep::default(), unreferenced: a_day() }
    }

    /// What is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention { age: self.keep.age, count: self.keep.count.get(), unreferenced: self.unreferenced }
    }
}

impl Step for Maintain {
    const USES: &'static str = "maintain";
    const SUMMARY: &'static str = "lets go of old snapshots, and deletes what nothing refers to";
    const REVISION: u32 = 1;

    fn reads(&self) -> Vec<DatasetId> {
        vec![self.dataset.clone()]
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::Maintains(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let Some(info) = datasets.get(&self.dataset).filter(|info| info.location.read_only) else {
            return Vec::new();
        };
        let found = Finding {
            code: "FZ502",
            pointer: "/dataset".to_owned(),
            message: format!("`{}` is made elsewhere, and its past is not ours to delete", info.id),
            help: Some("remove this step: who makes the dataset maintains it".to_owned()),
            beside: None,
        };
        vec![found.beside(&self.dataset, "/external", "made elsewhere")]
    }
}

impl Node for Maintain {
    type Input = Snapshot;
    type Output = ();

    async fn plan(&self, _: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let info = scope.dataset(&self.dataset)?;
        let found = cube::foresee(info, self.retention(), scope.instant, scope).await?;
        let reasons = found.map(|sweep| told(&sweep, info.id.as_str())).unwrap_or_default();
        Ok(Planned { document: PlannedDocument::Nothing, work: Work::default(), reasons })
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<()> {
        self.sweep(&input, cx).await.into()
    }
}

impl Maintain {
    async fn sweep(&self, input: &Snapshot, cx: &Context) -> Result<(), StepError> {
        keeper::own(&self.dataset, &input.dataset)?;
        let info = cx.scope.dataset(&self.dataset)?;
        // What is due is said by the run; what is gone by no later than now.
        let now: DateTime<Utc> = cx.scope.instant.min(cx.clock.now());
        if let Some(sweep) = cube::sweep(info, self.retention(), now, cx).await? {
            cx.progress.tick(Tick::Note(format!("{}: let go of {sweep}", info.id)));
            tracing::info!(dataset = %info.id, snapshots = sweep.snapshots.len(), objects = sweep.objects(), bytes = sweep.bytes(), "maintained");
        }
        Ok(())
    }
}

/// What a plan says of it.
fn told(sweep: &Sweep, id: &str) -> Vec<String> {
    if sweep.is_nothing() {
        return Vec::new();
    }
    let mut told = vec![format!("lets go of {sweep} of {id}")];
    told.extend(sweep.snapshots.iter().take(NAMED).map(|gone| format!("{}: {}", gone.id, gone.message)));
    if sweep.snapshots.len() > NAMED {
        told.push(format!("and {} more snapshots", sweep.snapshots.len() - NAMED));
    }
    told.extend(sweep.reasons.iter().cloned());
    told
}
