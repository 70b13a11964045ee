//! The slices that a program makes, call by call.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use frazil_engine::{
    context::Context,
    data::{Action, Arrival, Grid, Label, Period, PeriodRange, Periods, Slice, Slices, Status},
    step::{ErrorKind, StepError},
};

use super::{
    Exec,
    answer::{Product, Told},
    program,
    shelf::{Opened, Shelf},
    task::Brief,
};
use crate::fetch::{
    Selection, Stamp,
    assembly::Assembly,
    source::{Found, Piece, Wanted},
    stream::{Arrivals, flow, over},
    work::{Want, wants},
};

/// Periods held at a time: being read, in the queue, and being handed on.
pub(super) const HELD: usize = 3;

/// The slices of the work: a call for each batch, the next one while the last slice of the one before
/// is being written.
pub(super) fn slices(exec: Exec, periods: Periods, halo: u32, cx: Context) -> Slices {
    flow("exec", |arrivals| run(exec, periods, halo, cx, arrivals))
}

async fn run(exec: Exec, periods: Periods, halo: u32, cx: Context, arrivals: Arrivals) {
    let end = all(&exec, &periods, halo, &cx, &arrivals).await;
    over(end, &arrivals, &cx).await;
}

async fn all(
    exec: &Exec,
    periods: &Periods,
    halo: u32,
    cx: &Context,
    arrivals: &Arrivals,
) -> Result<(), StepError> {
    let mut ahead = wants(periods, halo);
    if periods.batches.iter().flatten().all(PeriodRange::is_empty) {
        return Ok(());
    }
    let variables = variables(exec, periods, cx)?;
    let own = variables.iter().filter(|wanted| wanted.plane == 0);
    let names = own.map(|wanted| wanted.name.as_str()).collect();
    let brief = Brief::new(exec, periods, names, cx).await?;
    let shelf = Shelf::new(exec, periods, &variables, cx)?;
    let mut grid = None;
    for (index, batch) in periods.batches.iter().enumerate() {
        let count: usize = batch.iter().map(PeriodRange::len).sum();
        let wants = call(&mut ahead, count);
        let Some(first) = wants.iter().find(|want| !want.context).map(|want| want.period) else { continue };
        let folder = Folder::new(cx, index).await?;
        let product =
            made(exec, periods, &brief, &wants, &folder, cx).await.map_err(|error| error.at(first))?;
        let mut reading = Reading { shelf: &shelf, product, wants: &wants, open: BTreeMap::new(), grid };
        let more = reading.hand_on(arrivals, cx).await?;
        grid = reading.grid;
        folder.remove().await;
        if !more {
            return Ok(());
        }
    }
    Ok(())
}

/// What a call is asked for: as many periods as its batch has, with the context before each.
fn call(ahead: &mut impl Iterator<Item = Want>, count: usize) -> Vec<Want> {
    let mut wants = Vec::new();
    let mut own = 0;
    while own < count
        && let Some(want) = ahead.next()
    {
        own += usize::from(!want.context);
        wants.push(want);
    }
    wants
}

/// Runs the program until it is done or was tried often enough; each try finds an empty folder.
async fn made(
    exec: &Exec,
    periods: &Periods,
    brief: &Brief<'_>,
    wants: &[Want],
    folder: &Folder,
    cx: &Context,
) -> Result<Product, StepError> {
    let task = brief.task(wants, &folder.0)?;
    cx.retrying(&exec.name(), |_| async {
        folder.empty().await?;
        let permit = cx.permit().await?;
        let answer = program::run(exec, &task, &folder.0, cx).await?;
        drop(permit);
        let (wants, step, folder) = (wants.to_vec(), periods.step, folder.0.clone());
        // It looks for each file that is named.
        let read = tokio::task::spawn_blocking(move || Product::read(&answer, &wants, step, &folder));
        read.await.map_err(|_| StepError::permanent(ErrorKind::Internal, "an answer is not read"))?
    })
    .await
}

/// What is wanted of each file.
fn variables(exec: &Exec, periods: &Periods, cx: &Context) -> Result<Vec<Wanted>, StepError> {
    let dataset = &cx.scope.dataset(&periods.dataset)?.block;
    let selected: Vec<(&String, Selection)> = if exec.variables.is_empty() {
        dataset.variables.keys().map(|name| (name, Selection::default())).collect()
    } else {
        exec.variables.iter().map(|(name, choice)| (name, choice.clone().into())).collect()
    };
    let mut all = Vec::new();
    // A file holds every combination of the further dimensions, found by its own labels.
    for plane in 0..dataset.dimensions.combinations() {
        let labels = dataset.dimensions.combination(plane).into_iter();
        let inside: Vec<(String, Label)> = labels.map(|(name, l)| (name.to_owned(), l.clone())).collect();
        all.extend(selected.iter().map(|(name, select)| Wanted {
            name: (*name).clone(),
            select: select.clone(),
            stamp: Stamp::Start,
            block: dataset.variables.get(*name).cloned(),
            inside: inside.clone(),
            lead: None,
            plane,
        }));
    }
    Ok(all)
}

/// The folder of one call, without links in its path; gone with it.
struct Folder(PathBuf);

impl Folder {
    async fn new(cx: &Context, index: usize) -> Result<Self, StepError> {
        let failed = |error: std::io::Error| {
            let message = format!("cannot write to {}: {error}", cx.scratch.display());
            StepError::permanent(ErrorKind::Store, message)
        };
        tokio::fs::create_dir_all(&cx.scratch).await.map_err(failed)?;
        let scratch = tokio::fs::canonicalize(&cx.scratch).await.map_err(failed)?;
        let folder = Self(scratch.join(format!("exec-{}-{}-{index}", cx.node, cx.attempt)));
        folder.empty().await?;
        Ok(folder)
    }

    /// Makes it anew.
    async fn empty(&self) -> Result<(), StepError> {
        match tokio::fs::remove_dir_all(&self.0).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(self.failed(&error)),
            _ => {}
        }
        tokio::fs::create_dir_all(&self.0).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> StepError {
        StepError::permanent(ErrorKind::Store, format!("cannot write to {}: {error}", self.0.display()))
    }

    async fn remove(self) {
        let path = self.0.clone();
        // Dropping it deletes it: on a thread that may wait for the disk.
        if tokio::task::spawn_blocking(move || drop(self)).await.is_err() {
            tracing::warn!(folder = %path.display(), "the folder of a program is left behind");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "the folder of a program is left behind");
        }
    }
}

/// What one call made, being read in the order of the work.
struct Reading<'a> {
    shelf: &'a Shelf<'a>,
    product: Product,
    wants: &'a [Want],
    /// Files that are open.
    open: BTreeMap<PathBuf, Opened>,
    /// The grid of what came before: slices of one source share it.
    grid: Option<Arc<Grid>>,
}

/// What there is of a period.
enum Got {
    Here(Piece, Status),
    Gap,
    Nothing,
}

impl Reading<'_> {
    /// Sends what there is; false when nothing more is to come.
    async fn hand_on(&mut self, arrivals: &Arrivals, cx: &Context) -> Result<bool, StepError> {
        // A period that was left out: the frontier, unless a later one is there.
        let mut left_out: Option<Period> = None;
        // Gaps before there is a grid to say where they lie.
        let mut gaps: Vec<Period> = Vec::new();
        for want in self.wants {
            let period = want.period;
            if left_out.is_some() && (want.context || want.action != Action::Add) {
                continue;
            }
            let got = self.get(period, cx).await.map_err(|error| error.at(period))?;
            if let Some(left_out) = left_out {
                if matches!(got, Got::Nothing) {
                    continue;
                }
                let message = format!("the program left it out, although it gave {period}");
                return Err(StepError::permanent(ErrorKind::Data, message).at(left_out).help(
                    "where there is none and will be none, it answers `\"status\": \"gap\"` for the period",
                ));
            }
            let arrival = match got {
                Got::Nothing if want.context => continue,
                Got::Nothing if want.action != Action::Add => Arrival::Kept(period),
                Got::Nothing => {
                    left_out = Some(period);
                    continue;
                }
                Got::Gap if want.context => continue,
                Got::Gap => match &self.grid {
                    None => {
                        gaps.push(period);
                        continue;
                    }
                    Some(grid) => Arrival::Slice(gap(period, grid)),
                },
                Got::Here(piece, status) => {
                    let grid = match self.grid.take() {
                        Some(grid) if grid == piece.grid => grid,
                        _ => piece.grid,
                    };
                    self.grid = Some(Arc::clone(&grid));
                    for period in std::mem::take(&mut gaps) {
                        if arrivals.send(Ok(Arrival::Slice(gap(period, &grid)))).await.is_err() {
                            return Ok(false);
                        }
                    }
                    let status = piece.status.max(status);
                    Arrival::Slice(Slice {
                        period,
                        status,
                        context: want.context,
                        grid,
                        fields: piece.fields,
                    })
                }
            };
            if arrivals.send(Ok(arrival)).await.is_err() {
                return Ok(false);
            }
        }
        if let Some(period) = gaps.first() {
            let message = "it is a gap, and nothing says yet where the cells lie";
            return Err(StepError::permanent(ErrorKind::Data, message)
                .at(period)
                .help("the first batch of a dataset needs a period with numbers: begin later, or make the batch larger"));
        }
        if let Some(period) = left_out {
            tracing::info!(%period, "the program has no more: not yet");
        }
        Ok(left_out.is_none())
    }

    async fn get(&mut self, period: Period, cx: &Context) -> Result<Got, StepError> {
        match self.product.told.get(&period).cloned() {
            Some(Told::Gap) => return Ok(Got::Gap),
            Some(Told::In(path, status)) => {
                let same = |told: &Told| matches!(told, Told::In(other, _) if *other == path);
                let told = self.product.told.iter().filter(|(_, told)| same(told));
                let periods: Vec<Period> = told.map(|(period, _)| *period).collect();
                return match self.read(&path, periods, period, cx).await? {
                    Found::Here(piece) => Ok(Got::Here(piece, status)),
                    Found::After | Found::Absent => {
                        let message = format!("{} does not hold it, by its own time axis", name(&path));
                        Err(StepError::permanent(ErrorKind::Data, message)
                            .help("labels of time are the starts of periods"))
                    }
                };
            }
            None => {}
        }
        for path in self.product.files.clone() {
            let asked = self.wants.iter().map(|want| want.period).collect();
            if let Found::Here(piece) = self.read(&path, asked, period, cx).await? {
                return Ok(Got::Here(piece, Status::Final));
            }
        }
        Ok(Got::Nothing)
    }

    /// Reads a period from a file, which is opened for the first of its `periods` and closed behind the last.
    async fn read(
        &mut self,
        path: &Path,
        periods: Vec<Period>,
        period: Period,
        cx: &Context,
    ) -> Result<Found, StepError> {
        let mut open = match self.open.remove(path) {
            Some(open) => open,
            None => self.shelf.open(path, periods, cx).await?,
        };
        let mut found = open.file.read(period, cx).await?;
        if let Found::Here(piece) = found {
            let mut whole = Assembly::new(self.shelf.extra);
            whole.add(piece, &open.request)?;
            found = whole.finish()?.map_or(Found::Absent, Found::Here);
        }
        open.left = open.left.saturating_sub(1);
        if open.left > 0 {
            self.open.insert(path.to_owned(), open);
        }
        Ok(found)
    }
}

fn gap(period: Period, grid: &Arc<Grid>) -> Slice {
    tracing::warn!(%period, "the program says that there is none: a gap");
    Slice { period, status: Status::Gap, context: false, grid: Arc::clone(grid), fields: Vec::new() }
}

/// The name of a file without its folder, which is gone by the time that somebody reads it.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
