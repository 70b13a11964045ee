//! `rechunk`: the stored layout of a dataset as it is declared.

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Snapshot},
    dataset::{Codec, DatasetInfo, Datasets, TimeAxis},
    plan::{Planned, PlannedSnapshot, Work},
    step::{Finding, Node, Outcome, Step, StepError, Write},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cube::{self, Cube, Layout, Template},
    keeper,
};

/// Brings the stored layout of a dataset to the one that its block declares, or to the one that is said
/// here: any chunks and shards, and another level of compression. No value changes.
///
/// Each stored chunk is read once, with the memory that `plan` tells; what is rewritten gathers on a branch
/// beside `main`, which everyone reads and writes meanwhile, and lands in one commit with what arrived.
/// Attributes, coordinates and statuses stay as they are, and what is derived from the dataset sees no
/// change. A dataset in shape is left alone. Where a run is stopped, the next goes on from there.
///
/// ```yaml
/// steps:
///   daily: { uses: open-dataset, with: { dataset: rain_daily } }
///   long: { uses: rechunk, needs: daily, with: { dataset: rain_daily, chunks: { time: 365 } } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Rechunk {
    /// The dataset, the one whose state it is given.
    dataset: DatasetId,
    /// Lengths of chunks by dimension, `y` and `x` whatever the grid calls them; a dimension that is not
    /// named stays as it is stored. With `shards` it stands for all that the dataset declares of both.
    #[serde(default)]
    chunks: BTreeMap<String, u64>,
    /// Lengths of shards by dimension, whole multiples of those of chunks; none where only `chunks` are said.
    #[serde(default)]
    shards: BTreeMap<String, u64>,
    /// How chunks are compressed; as the dataset declares it where nothing is said.
    codec: Option<Codec>,
}

impl Step for Rechunk {
    const USES: &'static str = "rechunk";
    const SUMMARY: &'static str = "brings the stored chunks of a dataset to the declared ones";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Keep(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let finding = |pointer: String, message: String, help: &str| Finding {
            code: "FZ532",
            pointer,
            message,
            help: Some(help.to_owned()),
            beside: None,
        };
        let mut found = Vec::new();
        let is_static = datasets.get(&self.dataset).is_some_and(|info| info.block.time == TimeAxis::None);
        for (key, lengths) in [("chunks", &self.chunks), ("shards", &self.shards)] {
            if is_static && lengths.contains_key("time") {
                let message = format!("`{}` has no time axis", self.dataset);
                let here = finding(format!("/{key}/time"), message, "say lengths along its other dimensions");
                found.push(here.beside(&self.dataset, "/time", "no time axis"));
            }
        }
        for (key, lengths) in [("chunks", &self.chunks), ("shards", &self.shards)] {
            for (name, _) in lengths.iter().filter(|(_, length)| **length == 0) {
                let message = format!("`{key}` of no length along `{name}`");
                found.push(finding(format!("/{key}/{name}"), message, "write 1 or more"));
            }
        }
        for (name, shard) in &self.shards {
            let chunk = self.chunks.get(name).copied().filter(|chunk| *chunk > 0);
            if let Some(chunk) = chunk.filter(|chunk| *shard > 0 && shard % chunk != 0) {
                let message =
                    format!("a shard of {shard} along `{name}` is no multiple of a chunk of {chunk}");
                found.push(finding(
                    format!("/shards/{name}"),
                    message,
                    "make shards whole multiples of chunks",
                ));
            }
        }
        if let Some(codec) = self.codec.filter(|codec| !(-7..=22).contains(&codec.zstd)) {
            let message = format!("Zstandard has no level {}", codec.zstd);
            found.push(finding(
                "/codec/zstd".to_owned(),
                message,
                "levels go from -7 to 22; 3 is the usual one",
            ));
        }
        found
    }
}

impl Node for Rechunk {
    type Input = Snapshot;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let given = keeper::given(input)?;
        keeper::own(&self.dataset, &given.snapshot.dataset)?;
        let info = scope.dataset(&self.dataset)?;
        let cube = Cube::open_to_write(info, scope).await?;
        let work = self.work(info, cube.as_ref(), &given)?;
        Ok(keeper::planned(info, cube.as_ref(), given, work))
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<Snapshot> {
        let done = async {
            keeper::own(&self.dataset, &input.dataset)?;
            let info = cx.scope.dataset(&self.dataset)?;
            if input.id.is_none() {
                return Ok(input.clone());
            }
            let id = cube::rechunk(info, self.layout(info), cx).await?;
            Ok(keeper::rewritten(info, &input, id, in_shape(info), cx))
        };
        done.await.into()
    }
}

impl Rechunk {
    fn layout(&self, info: &DatasetInfo) -> Layout {
        let block = &info.block;
        let own = !self.chunks.is_empty() || !self.shards.is_empty();
        let (chunks, shards) =
            if own { (&self.chunks, &self.shards) } else { (&block.chunks, &block.shards) };
        let level = self.codec.unwrap_or(block.codec).zstd;
        Layout { chunks: chunks.clone(), shards: shards.clone(), level }
    }

    /// What is to be done to the dataset as it will be by then.
    fn work(
        &self,
        info: &DatasetInfo,
        cube: Option<&Cube>,
        given: &PlannedSnapshot,
    ) -> Result<(Work, Vec<String>), StepError> {
        let declared: Option<Template> =
            given.layout.clone().and_then(|layout| serde_json::from_value(layout).ok());
        let Some(template) = declared.as_ref().or(cube.map(Cube::template)) else {
            return Ok((Work::default(), vec![format!("{} holds nothing yet", info.id)]));
        };
        let length = keeper::length(cube, given);
        let Some(found) = cube::rechunking(template, &self.layout(info), length)? else {
            return Ok((Work::default(), vec![in_shape(info)]));
        };
        let mut reasons = found.arrays;
        reasons.push(format!(
            "{} chunks are read, {} written, {} MiB of numbers; nothing changes for what is derived from it",
            found.read,
            found.written,
            found.bytes.div_ceil(1 << 20)
        ));
        let work =
            Work { commits: 1, chunks: Some(found.written), memory: Some(found.memory), ..Work::default() };
        Ok((work, reasons))
    }
}

fn in_shape(info: &DatasetInfo) -> String {
    format!("the layout of {} is as it should be", info.id)
}
