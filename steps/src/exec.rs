//! `exec`: periods in, slices out, made by a program of the project's own.
//!
//! A batch of the work is one call of the program. It is told on standard input what is wanted, as
//! JSON ([`task`]), writes files into a folder made for this call, and says on standard output which
//! file holds which period ([`answer`]). The files are read as those of a `fetch` from `file` are.

mod answer;
mod check;
mod program;
mod settings;
mod shelf;
mod stream;
mod supervisor;
mod task;

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Periods, Size, Slices},
    dataset::Datasets,
    plan::PlannedSlices,
    step::{Finding, Source, Step, StepError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use settings::{Choice, Output};
pub use supervisor::{Limits, supervise};

/// Runs a program of the project's own that makes slices, a call for each batch.
///
/// The program is given its task as JSON on standard input, and a folder; it writes GeoTIFF, NetCDF or
/// Zarr (v2) into the folder and says on standard output, as JSON, which file holds which period.
/// Exit code 75 asks to be tried again, any other but 0 is an error. The longest time of a call is the
/// `timeout` of the step, an hour where none is said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exec {
    /// The program and its arguments; no shell reads them. With a `/` in its name it is a file of the
    /// project, without one a program of this machine. It runs in the project's folder.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The version of the program: a part of the definition of the dataset.
    pub version: Option<String>,
    /// Files of the project that the program is made of: what is in them is a part of the definition.
    #[serde(default)]
    pub files: Vec<String>,
    /// Datasets that the program reads. The step that lists the periods needs the steps that open or
    /// write them; the program is told where they lie and which snapshots to read.
    #[serde(default)]
    pub datasets: Vec<DatasetId>,
    /// Anything that the program is to know.
    #[serde(default)]
    pub input: Value,
    /// Variables of its environment, besides a few that every program has. Secrets may stand here alone.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables by their name in the dataset; all of the dataset's, by the same name, where none is said.
    #[serde(default)]
    pub variables: BTreeMap<String, Choice>,
    /// West, south, east, north in degrees: cells that overlap it are kept. All where none is said.
    pub bbox: Option<[f64; 4]>,
    /// The most memory that each of its processes may take; that of the run where none is said.
    pub memory: Option<Size>,
    /// The most that it may write in a call.
    #[serde(default)]
    pub output: Output,
}

impl Step for Exec {
    const USES: &'static str = "exec";
    const SUMMARY: &'static str = "runs a program of the project's own that makes slices";
    const REVISION: u32 = 1;

    fn reads(&self) -> Vec<DatasetId> {
        self.datasets.clone()
    }

    fn files(&self) -> Vec<String> {
        self.files.clone()
    }

    fn check(&self, _: &Datasets) -> Vec<Finding> {
        check::check(self)
    }
}

impl Exec {
    /// What it is called in messages: the program with its arguments.
    fn name(&self) -> String {
        self.command.join(" ")
    }
}

impl Source for Exec {
    async fn plan(&self, periods: &Periods, _: u32, scope: &Scope) -> Result<PlannedSlices, StepError> {
        program::find(self, &scope.project.root)?;
        let states = task::states(self, periods)?;
        let calls = periods.batches.len();
        let mut reasons = Vec::new();
        if calls > 0 {
            let times = if calls == 1 { "once".to_owned() } else { format!("{calls} times") };
            reasons.push(format!("runs `{}` {times}", self.name()));
            let read = states.iter().filter_map(|state| Some((&state.dataset, state.id.as_ref()?)));
            reasons.extend(read.map(|(dataset, id)| format!("reads {dataset} at {id}")));
        }
        Ok(PlannedSlices {
            periods: periods.clone(),
            requests: 0,
            bytes: None,
            in_flight: stream::HELD,
            memory: 0,
            reasons,
        })
    }

    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices {
        stream::slices(self.clone(), periods, halo, cx.clone())
    }
}
