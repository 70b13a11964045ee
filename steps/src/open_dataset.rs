//! `open-dataset`: the root of a pipeline that hangs from a dataset of another one.

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Snapshot},
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{ErrorKind, Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cube::{self, Cube};

/// Opens a dataset that another pipeline of the project makes, or an `external` one that is made
/// elsewhere: the root of a pipeline that hangs from it.
///
/// What is made elsewhere is an Icechunk repository or a Zarr store, written by any program: its dimensions may have
/// other names, its time axis other units; all of its periods are final. What changed in a repository is read from
/// its commits, or where they do not say it from their chunks; a Zarr store keeps no history, so that another state of
/// its metadata or its time axis means that all may have changed, and numbers changed under the same labels are not seen.
///
/// It gives the head of `main`. Looking creates nothing: a dataset without a commit is passed on
/// as one that holds nothing yet, and what hangs from it waits. A trigger on the same dataset wakes
/// the pipeline; what is to be done is decided from the stores alone, so a lost trigger loses nothing.
///
/// ```yaml
/// triggers: [ { dataset: rain_daily } ]
/// steps:
///   daily: { uses: open-dataset, with: { dataset: rain_daily } }
///   dekads: { uses: derived-resample, needs: daily, with: { dataset: rain_dekads, method: sum } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OpenDataset {
    /// The dataset that is opened.
    dataset: DatasetId,
}

impl Step for OpenDataset {
    const USES: &'static str = "open-dataset";
    const SUMMARY: &'static str =
        "the head of a dataset that another pipeline makes, or that is made elsewhere";
    const REVISION: u32 = 1;

    fn reads(&self) -> Vec<DatasetId> {
        vec![self.dataset.clone()]
    }
}

impl Node for OpenDataset {
    type Input = ();
    type Output = Snapshot;

    async fn plan(&self, _: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let snapshot = self.open(scope).await?;
        let reasons: Vec<String> =
            snapshot.id.is_none().then(|| nothing_yet(&snapshot)).into_iter().collect();
        let work = Work::default();
        let planned = PlannedSnapshot {
            snapshot,
            changes: Vec::new(),
            statuses: Vec::new(),
            work: work.clone(),
            reasons: reasons.clone(),
            aside: None,
            layout: None,
        };
        Ok(Planned { document: PlannedDocument::Snapshot(planned), work, reasons })
    }

    async fn run(&self, (): (), cx: &Context) -> Outcome<Snapshot> {
        self.open(&cx.scope).await.into()
    }
}

impl OpenDataset {
    async fn open(&self, scope: &Scope) -> Result<Snapshot, StepError> {
        let info = scope.dataset(&self.dataset)?;
        let cube = Cube::open(info, scope).await?;
        // Nobody here will ever make it, so its absence is a wrong address rather than a "not yet".
        if cube.is_none() && info.location.read_only {
            let message = format!("there is no dataset at {}", info.location.url);
            return Err(StepError::permanent(ErrorKind::Store, message).help(format!(
                "`external` of `{}` names an Icechunk repository with at least one commit, or a Zarr store, made by any program",
                info.id
            )));
        }
        Ok(cube::head_of(info, cube.as_ref().map(Cube::id)))
    }
}

fn nothing_yet(snapshot: &Snapshot) -> String {
    format!("{} holds nothing yet", snapshot.dataset)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn step(dataset: &str) -> OpenDataset {
        OpenDataset { dataset: dataset.parse().unwrap() }
    }

    #[tokio::test]
    async fn looking_at_what_is_not_there_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = json!({ "rain": { "title": "Rain", "time": { "step": "P1D" } } });
        let cx = testing::context(folder.path(), testing::datasets(folder.path(), blocks));
        let outcome = step("rain").run((), &cx).await;
        assert_eq!((outcome.error, outcome.output.unwrap().id), (None, None));
        let planned = step("rain").plan(Vec::new(), &cx.scope).await.unwrap();
        assert_eq!(planned.reasons, ["rain holds nothing yet"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_made_elsewhere_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = json!({ "rain": { "title": "Rain", "time": { "step": "P1D" } } });
        let mut datasets = testing::datasets(folder.path(), blocks);
        for info in datasets.values_mut() {
            std::sync::Arc::get_mut(info).unwrap().location.read_only = true;
        }
        let cx = testing::context(folder.path(), datasets);
        let error = step("rain").run((), &cx).await.error.unwrap();
        assert!(error.to_string().starts_with("there is no dataset at"), "{error}");
        assert_eq!(error.failure().unwrap().kind, ErrorKind::Store);
    }
}
