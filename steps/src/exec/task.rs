//! What a program is told: version 1 of the task.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::Context,
    data::{Action, Axis, Frequency, Grid, Label, Periods, Snapshot},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use serde::Serialize;
use serde_json::Value;

use super::Exec;
use crate::{cube::Cube, fetch::work::Want};

/// The version of what is said to a program and of what it answers.
pub(super) const VERSION: u32 = 1;

/// The task of one call.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Task<'a> {
    frazil: u32,
    /// The run, its step and its scheduled instant.
    run: &'a str,
    step: &'a str,
    instant: DateTime<Utc>,
    /// The folder that the program writes to.
    folder: &'a Path,
    /// The dataset that is made, the step of its time axis and its variables.
    dataset: &'a str,
    time_step: Frequency,
    variables: Vec<&'a str>,
    /// Its dimensions between time and y with their labels, where it has any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dimensions: BTreeMap<&'a str, &'a [Label]>,
    /// What is wanted, in time.
    periods: Vec<Asked>,
    /// West, south, east, north in degrees, where the step says them.
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
    /// Where the cells lie, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<Cells>,
    /// States of other datasets.
    datasets: Vec<State<'a>>,
    input: &'a Value,
}

/// A period that is wanted.
#[derive(Debug, Clone, Serialize)]
struct Asked {
    period: String,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    action: Action,
    /// Wanted because of what follows, and never stored.
    context: bool,
}

/// The cells of the dataset: centres, in the unit of the CRS.
#[derive(Debug, Clone, Serialize)]
struct Cells {
    /// Its code, `EPSG:n`, else its WKT.
    crs: String,
    y: Centres,
    x: Centres,
}

#[derive(Debug, Clone, Serialize)]
struct Centres {
    name: String,
    centres: Vec<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct State<'a> {
    dataset: &'a str,
    repository: &'a str,
    branch: &'a str,
    snapshot: &'a str,
}

/// The states of the datasets that a program reads, as the periods were listed for them.
pub(super) fn states<'a>(exec: &Exec, periods: &'a Periods) -> Result<Vec<&'a Snapshot>, StepError> {
    let listed = || periods.source.iter().flat_map(|source| &source.snapshots);
    exec.datasets
        .iter()
        .map(|id| {
            listed().find(|snapshot| snapshot.dataset == *id).ok_or_else(|| {
                StepError::permanent(ErrorKind::Data, format!("nothing says at which state `{id}` is read"))
                    .help("let the step that lists the periods need the one that opens or writes the dataset")
            })
        })
        .collect()
}

/// What the tasks of all calls have in common.
pub(super) struct Brief<'a> {
    exec: &'a Exec,
    cx: &'a Context,
    info: &'a DatasetInfo,
    periods: &'a Periods,
    variables: Vec<&'a str>,
    grid: Option<Cells>,
}

impl<'a> Brief<'a> {
    pub(super) async fn new(
        exec: &'a Exec,
        periods: &'a Periods,
        variables: Vec<&'a str>,
        cx: &'a Context,
    ) -> Result<Self, StepError> {
        let info = cx.scope.dataset(&periods.dataset)?;
        let grid = match &periods.base {
            Some(base) => Some(stored(&Cube::open_at(info, &cx.scope, base).await?.template().grid)),
            None => declared(info, cx),
        };
        Ok(Self { exec, cx, info, periods, variables, grid })
    }

    /// The task of a call, as JSON.
    pub(super) fn task(&self, wants: &[Want], folder: &Path) -> Result<Vec<u8>, StepError> {
        let asked = |want: &Want| Asked {
            period: want.period.to_string(),
            start: want.period.start(),
            end: want.period.end(),
            action: want.action,
            context: want.context,
        };
        let state = |snapshot: &'a Snapshot| {
            Some(State {
                dataset: snapshot.dataset.as_str(),
                repository: &snapshot.repository,
                branch: &snapshot.branch,
                snapshot: &snapshot.id.as_ref()?.0,
            })
        };
        let none = |snapshot: &Snapshot| {
            StepError::permanent(ErrorKind::Data, format!("{} holds nothing yet", snapshot.dataset))
        };
        let datasets = states(self.exec, self.periods)?
            .into_iter()
            .map(|snapshot| state(snapshot).ok_or_else(|| none(snapshot)))
            .collect::<Result<_, StepError>>()?;
        let dimensions = self.info.block.dimensions.0.iter();
        let task = Task {
            frazil: VERSION,
            run: self.cx.run.as_str(),
            step: self.cx.node.as_str(),
            instant: self.cx.scope.instant,
            folder,
            dataset: self.info.id.as_str(),
            time_step: self.periods.step,
            variables: self.variables.clone(),
            dimensions: dimensions.map(|all| (all.name.as_str(), &all.labels[..])).collect(),
            periods: wants.iter().map(asked).collect(),
            bbox: self.exec.bbox,
            grid: self.grid.clone(),
            datasets,
            input: &self.exec.input,
        };
        serde_json::to_vec(&task).map_err(|error| {
            StepError::permanent(ErrorKind::Internal, format!("the task cannot be written: {error}"))
        })
    }
}

fn stored(grid: &Grid) -> Cells {
    let centres = |axis: &Axis| Centres { name: axis.name.clone(), centres: axis.centres.clone() };
    let crs = grid.crs.code.clone().unwrap_or_else(|| grid.crs.wkt.clone());
    Cells { crs, y: centres(&grid.y), x: centres(&grid.x) }
}

/// What the block of the dataset says, where it says all of it.
fn declared(info: &DatasetInfo, cx: &Context) -> Option<Cells> {
    let block = info.block.grid.as_ref()?;
    let crs = info.block.crs.clone().or_else(|| cx.scope.project.crs.clone())?;
    let [y, x] = block.names.clone().unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
    let [rows, columns] = block.shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let axis = |name: String, origin, cell, len| {
        let axis = Axis::regular(&name, origin, cell, len);
        Centres { name, centres: axis.centres }
    };
    let ([x0, y0], [dx, dy]) = (block.origin, block.cell);
    Some(Cells { crs, y: axis(y, y0, dy, rows), x: axis(x, x0, dx, columns) })
}
