//! `promote`: publishes what an audited dataset holds on its branch.

use frazil_engine::{
    context::{Context, Scope},
    data::{Action, DatasetId, Item, PeriodRange, Snapshot},
    dataset::Datasets,
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{Finding, Keeps, Node, Outcome, Step, StepError, Write},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cube::{self, Cube},
    keeper,
};

/// Moves `main` of a dataset with `audit: true` to what was validated, by compare-and-swap.
///
/// Such a dataset is written on branch `audit`; everyone else reads `main`, which is as it was until a run
/// comes through here. At least one `validate` comes before, and what reads the dataset in the same file
/// hangs from this step.
///
/// ```yaml
/// steps:
///   checked: { uses: validate, needs: daily, with: { dataset: chirps3_daily, checks: [ { gap-free: {} } ] } }
///   public: { uses: promote, needs: checked, with: { dataset: chirps3_daily } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Promote {
    /// The dataset.
    dataset: DatasetId,
}

impl Step for Promote {
    const USES: &'static str = "promote";
    const SUMMARY: &'static str = "moves `main` of an audited dataset to what was validated";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Keep(self.dataset.clone()))
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::Promotes(self.dataset.clone()))
    }

    fn check(&self, _: &Datasets) -> Vec<Finding> {
        Vec::new()
    }
}

impl Node for Promote {
    type Input = Snapshot;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let given = keeper::given(input)?;
        let info = scope.dataset(&self.dataset)?;
        let main = Cube::open(info, scope).await?;
        let ahead = cube::ahead(info, scope).await?;
        let mut changes: Vec<Item> = Vec::new();
        if let Some(ahead) = ahead {
            let items = |ranges: Vec<PeriodRange>, action| {
                ranges.into_iter().map(move |range| Item { range, action })
            };
            changes.extend(items(ahead.changed, Action::Revise).chain(items(ahead.added, Action::Add)));
        }
        changes.extend(given.changes.iter().cloned());
        let reasons: Vec<String> = match changes.is_empty() {
            true => Vec::new(),
            false => vec![format!("main of {} moves, if what is checked passes", self.dataset)],
        };
        let snapshot = cube::head_of(info, main.as_ref().map(Cube::id));
        let work = Work::default();
        let document =
            PlannedSnapshot { snapshot, changes, work: work.clone(), reasons: reasons.clone(), ..given };
        Ok(Planned { document: PlannedDocument::Snapshot(document), work, reasons })
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<Snapshot> {
        self.promote(&input, cx).await.into()
    }
}

impl Promote {
    async fn promote(&self, input: &Snapshot, cx: &Context) -> Result<Snapshot, StepError> {
        keeper::own(&self.dataset, &input.dataset)?;
        let info = cx.scope.dataset(&self.dataset)?;
        match &input.id {
            Some(id) => cube::promote(info, id, cx).await,
            None => Ok(cube::head_of(info, None)),
        }
    }
}
