//! `layout`: the chunks of a dataset, and what readers pay for them.

use chrono::Utc;
use clap::Args;
use frazil_steps::cube::{self, Costs, VariableCosts};
use serde_json::{Map, json};

use crate::{
    Format, FormatArg, Globals,
    exit::{Exit, Usage},
    render::{
        self,
        table::{bytes, table},
    },
    session::{Session, runtime},
};

/// Shows the chunks of a dataset, and what typical reads of it cost.
#[derive(Debug, Args)]
pub(crate) struct Layout {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: String,
    #[command(flatten)]
    format: FormatArg,
}

impl Layout {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let info = session.project.datasets.get(self.dataset.as_str());
        let info = info.ok_or_else(|| session.unknown("dataset", &self.dataset))?;
        let Some(any) = session.project.pipelines.keys().next() else {
            return Err(session.unknown("dataset", &self.dataset).into());
        };
        let scope = session.scope_of(any, Map::new(), Utc::now());
        let found = runtime()?.block_on(cube::costs(info, &scope))?;
        let found = found.ok_or_else(|| {
            Usage(format!(
                "nothing is stored of `{0}` yet, and its block does not say its layout\n\
                 help: declare `grid`, `crs` and the `dtype` of its variables, or ask after its first run",
                self.dataset
            ))
        })?;
        match self.format.format {
            Format::Human => render::out(&human(&self.dataset, &found))?,
            Format::Json => {
                let line = json!({
                    "frazil": 1, "type": "layout", "dataset": self.dataset, "periods": found.periods,
                    "stored": found.stored, "variables": found.variables,
                });
                render::out(&format!("{line}\n"))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn human(dataset: &str, found: &Costs) -> String {
    let what =
        if found.stored { "as it is stored" } else { "as its first commit would make it, after a year" };
    let s = if found.periods == 1 { "" } else { "s" };
    let mut text = format!("{dataset}: {} period{s}, {what}\n", found.periods);
    for variable in &found.variables {
        text.push_str(&one(variable));
    }
    text
}

fn one(variable: &VariableCosts) -> String {
    let lengths = |lengths: &[u64]| lengths.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
    let VariableCosts { name, dimensions, shape, chunks, chunk_bytes, count, .. } = variable;
    let mut text = format!(
        "{name}: {} of {}\n  {count} chunks of {}, {} each\n",
        lengths(shape),
        dimensions.join(", "),
        lengths(chunks),
        bytes(*chunk_bytes)
    );
    if let (Some(shards), Some(size)) = (&variable.shards, variable.shard_bytes) {
        text.push_str(&format!("  in shards of {}, {} each\n", lengths(shards), bytes(size)));
    }
    if let (Some(objects), Some(stored)) = (variable.objects, variable.stored_bytes) {
        let each = stored.checked_div(objects).unwrap_or(0);
        text.push_str(&format!(
            "  {objects} objects stored, {} in all, {} each\n",
            bytes(stored),
            bytes(each)
        ));
    }
    let head = ["read", "requests", "wanted", "received", "decoded"].map(str::to_owned).to_vec();
    let rows = variable.reads.iter().map(|read| {
        let received = read.stored_bytes.map_or_else(|| "?".to_owned(), |n| format!("≈ {}", bytes(n)));
        vec![
            read.what.to_owned(),
            read.requests.to_string(),
            bytes(read.bytes),
            received,
            bytes(read.decoded),
        ]
    });
    text.push_str(&table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
    for advice in &variable.advice {
        text.push_str(&format!("  advice: {advice}\n"));
    }
    text
}
