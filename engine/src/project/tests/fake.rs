//! Step types of the tests' own, so that new real ones change no snapshot.

use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::{Context, Scope},
    data::{DatasetId, Duration, Periods, Slices, Snapshot},
    dataset::{CellMethod, Datasets},
    plan::{Planned, PlannedDocument, PlannedSlices, PlannedSnapshot},
    registry::Registry,
    step::{Batch, ErrorKind, Filter, Finding, Node, Outcome, Sink, Source, Step, StepError, Write, Written},
    template::Template,
};

fn never<T>() -> Result<T, StepError> {
    Err(StepError::permanent(ErrorKind::Internal, "a fake does nothing"))
}

macro_rules! step {
    ($name:ident $uses:literal $($body:tt)*) => {
        impl Step for $name {
            const USES: &'static str = $uses;
            const SUMMARY: &'static str = "A fake.";
            const REVISION: u32 = 1;
            $($body)*
        }
    };
}

macro_rules! node {
    ($name:ident $input:ty => $output:ty) => {
        impl Node for $name {
            type Input = $input;
            type Output = $output;
            async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
                Ok(Planned::idle(PlannedDocument::Nothing))
            }
            async fn run(&self, _: $input, _: &Context) -> Outcome<$output> {
                never().into()
            }
        }
    };
}

/// Lists days.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
struct List {
    dataset: DatasetId,
    start: String,
    lookback: Option<Duration>,
    #[serde(default)]
    batch: Option<u32>,
}
step! { List "list-periods" fn reads(&self) -> Vec<DatasetId> { vec![self.dataset.clone()] } }
node! { List Option<Snapshot> => Periods }

/// Reads.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
struct Read {
    source: Kind,
    url: Template,
    bbox: Option<[f64; 4]>,
    #[serde(default)]
    over: std::collections::BTreeMap<String, Vec<String>>,
    auth: Option<Auth>,
}
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Cog,
    File,
}
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
struct Auth {
    token: String,
}
step! { Read "read" const PER_PERIOD: &'static [&'static str] = &["/url"]; }
impl Source for Read {
    async fn plan(&self, _: &Periods, _: u32, _: &Scope) -> Result<PlannedSlices, StepError> {
        never()
    }
    fn slices(&self, _: Periods, _: u32, _: &Context) -> Slices {
        Slices(futures::stream::empty().boxed())
    }
}

/// Changes slices.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
struct Change {
    r#do: Vec<Op>,
}
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
enum Op {
    Scale(f64),
    Mask(Mask),
}
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only decoded")]
struct Mask {
    below: f64,
}
step! { Change "change" }
impl Filter for Change {
    fn apply(&self, slices: Slices, _: &Context) -> Slices {
        slices
    }
}

/// Settles.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settle {
    dataset: DatasetId,
}
step! { Settle "settle" fn writes(&self) -> Option<Write> { Some(Write::Values(self.dataset.clone())) } }
impl Sink for Settle {
    async fn plan(&self, _: &PlannedSlices, _: &Scope) -> Result<PlannedSnapshot, StepError> {
        never()
    }
    async fn head(&self, _: &Context) -> Result<Snapshot, StepError> {
        never()
    }
    async fn write(&self, _: Batch, _: Slices, _: &Context) -> Outcome<Written> {
        never().into()
    }
    async fn commit(&self, _: Vec<Written>, _: &Context) -> Outcome<Snapshot> {
        never().into()
    }
}

/// Derives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sum {
    dataset: DatasetId,
}
step! { Sum "sum"
    fn writes(&self) -> Option<Write> { Some(Write::Values(self.dataset.clone())) }
    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let source = datasets.get(&self.dataset).and_then(|d| datasets.get(d.sources.first()?));
        let mean = source.is_some_and(|s| s.block.variables.values().any(|v| v.cell == Some(CellMethod::Mean)));
        mean.then(|| Finding {
            code: crate::diagnostic::codes::UNSUMMABLE,
            pointer: "/dataset".into(),
            message: "a mean may not be summed".into(),
            help: Some("convert it to a total first".into()),
            beside: None,
        }).into_iter().collect()
    }
}
node! { Sum Snapshot => Snapshot }

/// Opens a dataset of another pipeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Open {
    dataset: DatasetId,
}
step! { Open "open" fn reads(&self) -> Vec<DatasetId> { vec![self.dataset.clone()] } }
node! { Open () => Snapshot }

/// Publishes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Publish {}
step! { Publish "publish" }
node! { Publish Vec<Snapshot> => () }

pub(super) fn registry() -> Registry {
    Registry::new()
        .node::<List>()
        .source::<Read>()
        .filter::<Change>()
        .sink::<Settle>()
        .node::<Sum>()
        .node::<Open>()
        .node::<Publish>()
}
