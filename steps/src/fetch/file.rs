//! Whole files through frazil-gdal: GeoTIFF, NetCDF, HDF5 and GRIB. One file may hold many
//! periods; it is brought once and opened once.

mod block;
mod calendar;
mod format;
mod grid;
mod index;
mod layout;
mod meaning;
mod unpack;
mod whole;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use frazil_engine::{
    context::Context,
    data::{Field, Period, Status},
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::{
    Description, FaultKind, Part as Ask, Reply, Request as Question, Window as Cut,
};

use super::source::{Found, Opener, Piece, Request, SourceFile};
use crate::{
    compute::compute,
    net::{Net, Place as Source},
    raster::{Helpers, Lease, Untold, faulty, misunderstood},
    scratch::{Brought, Scratch},
};
use block::{Block, Part};
use format::Format;
use grid::Window;
use index::{Index, Place};
use layout::{Layout, Role, Series, Whereabouts};
use meaning::Meaning;

/// Bytes of a variable that are read ahead: some steps of it lie in one compressed chunk, which is
/// then decompressed once. Two such blocks at most are held per variable.
const BLOCK: usize = 16 << 20;

/// Opens whole files. Cheap to clone; all clones share helpers and files.
#[derive(Debug, Clone)]
pub(crate) struct FileOpener {
    helpers: Helpers,
    scratch: Arc<Scratch>,
}

#[derive(Debug)]
struct WholeFile {
    request: Arc<Request>,
    brought: Brought,
    lease: Lease,
    series: Vec<Series>,
    indexes: Vec<Index>,
    window: Window,
    /// What was read ahead of each variable.
    blocks: Vec<Option<Arc<Block>>>,
    /// Files that the helper has opened so far.
    opens: u64,
    opener: FileOpener,
    net: Net,
    /// What was brought turned out to be broken: it is brought anew before the next read.
    broken: bool,
}

#[async_trait]
impl Opener for FileOpener {
    async fn open(
        &self,
        request: &Arc<Request>,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Box<dyn SourceFile>>, StepError> {
        Ok(match self.whole(request, net, cx.scope.memory).await? {
            Some(file) => Some(Box::new(file)),
            None => None,
        })
    }
}

impl FileOpener {
    /// For the steps of the run that `cx` belongs to.
    pub(crate) fn new(cx: &Context) -> Self {
        Self { helpers: Helpers::within(cx.scope.memory), scratch: Scratch::of(cx.scratch.join("files")) }
    }

    async fn whole(
        &self,
        request: &Arc<Request>,
        net: &Net,
        memory: u64,
    ) -> Result<Option<WholeFile>, StepError> {
        let Some(mut brought) = self.scratch.file(net, &request.place).await? else { return Ok(None) };
        brought.path = match recognise(&request.place, &brought.path).await {
            Ok(path) => path,
            Err(error) => return Err(self.spoiled(error, net, &request.place, &brought).await),
        };
        self.load(request, brought, net, memory).await.map(Some)
    }

    /// Opens a file that is here whole.
    async fn load(
        &self,
        request: &Arc<Request>,
        brought: Brought,
        net: &Net,
        memory: u64,
    ) -> Result<WholeFile, StepError> {
        let file = request.place.to_string();
        let mut lease = self.helpers.take();
        let description = match describe(&mut lease, &brought.path, &request.place).await {
            Ok(description) => description,
            Err(Untold::Error(error)) => return Err(error),
            Err(Untold::Fault(fault)) => {
                let error = faulty(&fault, &file);
                return Err(match fault.kind {
                    FaultKind::Unreadable => self.spoiled(error, net, &request.place, &brought).await,
                    _ => error,
                });
            }
        };
        let layout = Layout::of(&description, request)?;
        let window = grid::window(&layout, request, &self.helpers).await?;
        fits(&window, request, memory)?;
        let indexes = layout
            .series
            .iter()
            .zip(&request.variables)
            .map(|(series, wanted)| Index::of(&series.steps, wanted.stamp, &request.periods, &file))
            .collect::<Result<_, StepError>>()?;
        let blocks = layout.series.iter().map(|_| None).collect();
        let (request, series, opens) = (Arc::clone(request), layout.series, description.opens);
        let (opener, net, broken) = (self.clone(), net.clone(), false);
        Ok(WholeFile { request, brought, lease, series, indexes, window, blocks, opens, opener, net, broken })
    }

    /// What came from elsewhere and cannot be read may be whole the next time.
    async fn spoiled(&self, error: StepError, net: &Net, place: &Source, brought: &Brought) -> StepError {
        match error {
            StepError::Permanent(failure) if !matches!(place, Source::File(_)) => {
                self.scratch.discard(net, place, brought).await;
                StepError::Transient { failure, retry_after: None }
            }
            error => error,
        }
    }
}

/// Checks the first bytes, and gives a path that GDAL takes: it looks at the end of the name too.
async fn recognise(place: &Source, path: &Path) -> Result<PathBuf, StepError> {
    let unreadable = |error: std::io::Error| {
        StepError::permanent(ErrorKind::Data, format!("{place} cannot be read: {error}"))
    };
    let format = Format::read(path).await.map_err(unreadable)?;
    let format = format.ok_or_else(|| {
        StepError::permanent(ErrorKind::Data, format!("{place} is no GeoTIFF, NetCDF, HDF5 or GRIB file"))
            .help("look at its first bytes: servers send error pages and empty files in place of data")
    })?;
    let here = path.to_owned();
    let judged = tokio::task::spawn_blocking(move || whole::cut_short(format, &here)).await;
    if let Some(what) = judged.unwrap_or_else(|error| Err(error.into())).map_err(unreadable)? {
        return Err(StepError::permanent(ErrorKind::Data, format!("{place}: {what}")));
    }
    if matches!(place, Source::File(_)) {
        return std::path::absolute(path).map_err(unreadable);
    }
    let url = place.to_string();
    let url = url.trim_end_matches("?…");
    let told = url.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let extension = match told {
        Some(told @ ("h5" | "hdf5" | "he5" | "hdf" | "nc" | "nc4" | "cdf")) if format == Format::Hdf5 => told,
        _ => format.extension(),
    };
    // In the folder of this source file alone: discarded with it.
    let named = path.with_extension(extension);
    match tokio::fs::hard_link(path, &named).await {
        Ok(()) => Ok(named),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(named),
        Err(error) => Err(unreadable(error)),
    }
}

fn question(path: &Path, place: &Source) -> Result<String, StepError> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| StepError::permanent(ErrorKind::Data, format!("{place}: its path is not in UTF-8")))
}

async fn describe(lease: &mut Lease, path: &Path, place: &Source) -> Result<Description, Untold> {
    let file = place.to_string();
    let path = question(path, place).map_err(Untold::Error)?;
    match lease.ask(&Question::Describe { path }, &file).await? {
        (Reply::Described(description), _) => Ok(*description),
        _ => Err(Untold::Error(misunderstood(&file))),
    }
}

/// Refuses what would not fit into memory, before any of it is read.
fn fits(window: &Window, request: &Request, memory: u64) -> Result<(), StepError> {
    let (rows, columns) = window.grid.shape();
    let need = (rows as u64) * (columns as u64) * 16 * request.variables.len() as u64;
    if need <= memory {
        return Ok(());
    }
    Err(StepError::permanent(
        ErrorKind::Data,
        format!("{}: {rows} × {columns} cells do not fit into the memory of a run", request.place),
    )
    .help("give a `bbox`, or raise `memory` in frazil.yaml"))
}

#[async_trait]
impl SourceFile for WholeFile {
    async fn read(&mut self, period: Period, cx: &Context) -> Result<Found, StepError> {
        if self.broken {
            let anew = self.opener.whole(&self.request, &self.net, cx.scope.memory).await?;
            *self = anew.ok_or_else(|| {
                let message = format!("{}: it went away while it was read", self.request.place);
                StepError::transient(ErrorKind::Network, message)
            })?;
        }
        let mut steps = Vec::new();
        for index in &self.indexes {
            match index.find(period) {
                Place::At(step) => steps.push(step),
                Place::After => return Ok(Found::After),
                Place::Absent => return Ok(Found::Absent),
            }
        }
        let mut fields = Vec::new();
        let mut status = Status::Final;
        for (at, step) in steps.into_iter().enumerate() {
            let said = &self.series[at].statuses;
            let said = if said.len() == 1 { said.first() } else { said.get(step) };
            status = status.max(said.copied().unwrap_or(Status::Final));
            let block = self.block(at, step).await?;
            fields.push(self.field(at, step, block).await?);
        }
        // A helper for each of many open files would be many processes.
        if self.request.beside > 0 {
            self.lease.rest();
        }
        Ok(Found::Here(Piece { grid: Arc::clone(&self.window.grid), fields, status }))
    }
}

impl WholeFile {
    /// The block of variable `at` that holds `step`.
    async fn block(&mut self, at: usize, step: usize) -> Result<Arc<Block>, StepError> {
        if let Some(block) = &self.blocks[at]
            && block.steps.contains(&step)
        {
            return Ok(Arc::clone(block));
        }
        self.blocks[at] = None;
        let dtype = self.series[at].stored;
        let steps = step..step + self.ahead(at, step);
        let mut parts = Vec::new();
        for rows in self.window.rows.runs.clone() {
            for columns in self.window.columns.runs.clone() {
                let (ask, strides) = ask(&self.series[at].place, &steps, &rows, &columns);
                let bytes = self.ask(ask).await?;
                if bytes.len() != steps.len() * rows.len() * columns.len() * dtype.size() {
                    return Err(misunderstood(&self.request.place.to_string()));
                }
                parts.push(Part { bytes, strides });
            }
        }
        let block = Arc::new(Block { steps, dtype, parts });
        self.blocks[at] = Some(Arc::clone(&block));
        Ok(block)
    }

    /// How many wanted steps follow one another from `step` on, as far as a block holds them.
    fn ahead(&self, at: usize, step: usize) -> usize {
        let wanted: BTreeSet<usize> = self
            .request
            .periods
            .iter()
            .filter_map(|period| match self.indexes[at].find(*period) {
                Place::At(step) => Some(step),
                _ => None,
            })
            .collect();
        // All combinations of a variable share what may be read ahead of it.
        let name = &self.request.variables[at].name;
        let planes = self.request.variables.iter().filter(|wanted| wanted.name == *name).count();
        let planes = planes * (self.request.beside + 1);
        let bytes = self.window.grid.cells() * self.series[at].stored.size() * planes;
        let most = (BLOCK / bytes.max(1)).max(1);
        (1..most).find(|ahead| !wanted.contains(&(step + ahead))).unwrap_or(most)
    }

    async fn ask(&mut self, part: Ask) -> Result<Vec<u8>, StepError> {
        let file = self.request.place.to_string();
        let path = question(&self.brought.path, &self.request.place)?;
        match self.lease.ask(&Question::Read { path, part }, &file).await {
            Ok((Reply::Values { opens, .. }, bytes)) => {
                self.opens = opens;
                Ok(bytes)
            }
            Ok(_) => Err(misunderstood(&file)),
            Err(Untold::Error(error)) => Err(error),
            Err(Untold::Fault(fault)) => {
                let error = faulty(&fault, &file);
                if fault.kind != FaultKind::Unreadable {
                    return Err(error);
                }
                self.broken = true;
                Err(self.opener.spoiled(error, &self.net, &self.request.place, &self.brought).await)
            }
        }
    }

    /// Cuts one step out of a block and undoes its packing, on a thread for such work.
    async fn field(&self, at: usize, step: usize, block: Arc<Block>) -> Result<Field, StepError> {
        let series = &self.series[at];
        let wanted = self.request.variables[at].clone();
        let meaning = Meaning::of(&series.decode);
        let (rows, columns) = (self.window.rows.clone(), self.window.columns.clone());
        let units = series.units.clone();
        let done = compute("unpacking a field", move || {
            meaning.field((&block, step), (&rows, &columns), &wanted, units)
        });
        done.await?.ok_or_else(|| misunderstood(&self.request.place.to_string()))
    }
}

/// What to ask for a rectangle over some steps, and how far apart the numbers of the answer lie:
/// from step to step, row to row, column to column.
fn ask(
    place: &Whereabouts,
    steps: &std::ops::Range<usize>,
    rows: &std::ops::Range<usize>,
    columns: &std::ops::Range<usize>,
) -> (Ask, [usize; 3]) {
    match place {
        Whereabouts::Bands(bands) => {
            let bands = bands.get(steps.clone()).unwrap_or_default().to_vec();
            let window = Cut {
                row: rows.start as u64,
                col: columns.start as u64,
                rows: rows.len() as u64,
                cols: columns.len() as u64,
            };
            (Ask::Bands { bands, window }, [rows.len() * columns.len(), columns.len(), 1])
        }
        Whereabouts::Array { name, dims } => {
            let range = |role: &Role| match role {
                Role::Time => (steps.start as u64, steps.len()),
                Role::Y => (rows.start as u64, rows.len()),
                Role::X => (columns.start as u64, columns.len()),
                Role::At(index) => (*index, 1),
            };
            let mut strides = [0; 3];
            let mut stride = 1;
            for role in dims.iter().rev() {
                match role {
                    Role::Time => strides[0] = stride,
                    Role::Y => strides[1] = stride,
                    Role::X => strides[2] = stride,
                    Role::At(_) => {}
                }
                stride *= range(role).1;
            }
            let start = dims.iter().map(|role| range(role).0).collect();
            let count = dims.iter().map(|role| range(role).1 as u64).collect();
            (Ask::Array { name: name.clone(), start, count }, strides)
        }
    }
}

#[cfg(test)]
mod tests;
