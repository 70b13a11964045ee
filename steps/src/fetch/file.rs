//! Whole files through frazil-gdal: GeoTIFF, NetCDF, HDF5 and GRIB. One file may hold many
//! periods; it is brought once and opened once. Beside them `store`, Zarr stores, which hold many too.

mod block;
mod contents;
mod format;
mod gather;
mod grid;
mod index;
mod layout;
mod meaning;
pub(crate) mod store;
mod unpack;
mod whole;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use frazil_engine::{
    context::Context,
    data::Period,
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::{
    Description, FaultKind, Part as Ask, Reply, Request as Question, Window as Cut,
};

use super::source::{Found, Opener, Request, SourceFile};
use crate::{
    net::{Net, Place as Source},
    raster::{Helpers, Lease, Untold, faulty, misunderstood},
    scratch::{Brought, Scratch},
};
use block::{Block, Part};
use contents::{Contents, block_of};
use format::Format;
use gather::{Blocks, UnderWay, gathered};
use layout::Whereabouts;

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
    contents: Contents,
    brought: Brought,
    lease: Lease,
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
            None => None,
            Some(Some(file)) => Some(Box::new(file)),
            Some(None) => Some(Box::new(UnderWay(request.place.clone()))),
        })
    }
}

impl FileOpener {
    /// For the steps of the run that `cx` belongs to.
    pub(crate) fn new(cx: &Context) -> Self {
        Self { helpers: Helpers::within(cx.scope.memory), scratch: Scratch::of(cx.scratch.join("files")) }
    }

    /// Brings and opens a file: none where there is none, and none in it while it is on its way.
    async fn whole(
        &self,
        request: &Arc<Request>,
        net: &Net,
        memory: u64,
    ) -> Result<Option<Option<WholeFile>>, StepError> {
        let Some(mut brought) = self.scratch.file(net, &request.place).await? else { return Ok(None) };
        brought.path = match recognise(&request.place, &brought.path).await {
            Ok(path) => path,
            Err(error) => return Err(self.spoiled(error, net, &request.place, &brought).await),
        };
        self.load(request, brought, net, memory).await.map(Some)
    }

    /// Opens a file that is here whole; none while what it holds is on its way.
    async fn load(
        &self,
        request: &Arc<Request>,
        brought: Brought,
        net: &Net,
        memory: u64,
    ) -> Result<Option<WholeFile>, StepError> {
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
        let contents = Contents::of(&description, request, &self.helpers, memory).await?;
        let (opener, net, opens, broken) = (self.clone(), net.clone(), description.opens, false);
        Ok(contents.map(|contents| WholeFile { contents, brought, lease, opens, opener, net, broken }))
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

#[async_trait]
impl SourceFile for WholeFile {
    async fn read(&mut self, period: Period, cx: &Context) -> Result<Found, StepError> {
        let request = Arc::clone(&self.contents.request);
        if self.broken {
            let anew = self.opener.whole(&request, &self.net, cx.scope.memory).await?;
            *self = anew.flatten().ok_or_else(|| {
                let message = format!("{}: it went away while it was read", request.place);
                StepError::transient(ErrorKind::Network, message)
            })?;
        }
        let found = gathered(self, period, cx).await?;
        // A helper for each of many open files would be many processes.
        if request.beside > 0 {
            self.lease.rest();
        }
        Ok(found)
    }
}

#[async_trait]
impl Blocks for WholeFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    async fn block(&mut self, at: usize, step: usize) -> Result<Arc<Block>, StepError> {
        if let Some(block) = self.contents.kept(at, step) {
            return Ok(block);
        }
        let dtype = self.contents.series[at].stored;
        let steps = step..step + self.contents.ahead(at, step, BLOCK);
        let (row_runs, column_runs) =
            (self.contents.window.rows.runs.clone(), self.contents.window.columns.runs.clone());
        let mut parts = Vec::new();
        for rows in &row_runs {
            for columns in &column_runs {
                let (ask, strides) = ask(&self.contents.series[at].place, &steps, rows, columns);
                let bytes = self.ask(ask).await?;
                if bytes.len() != steps.len() * rows.len() * columns.len() * dtype.size() {
                    return Err(misunderstood(&self.contents.request.place.to_string()));
                }
                parts.push(Part { bytes, strides });
            }
        }
        Ok(self.contents.keep(at, Block { steps, dtype, parts }))
    }
}

impl WholeFile {
    async fn ask(&mut self, part: Ask) -> Result<Vec<u8>, StepError> {
        let file = self.contents.request.place.to_string();
        let path = question(&self.brought.path, &self.contents.request.place)?;
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
                Err(self.opener.spoiled(error, &self.net, &self.contents.request.place, &self.brought).await)
            }
        }
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
            let block = block_of(dims, steps, rows, columns);
            let start = block.iter().map(|range| range.start).collect();
            let count = block.iter().map(|range| range.end - range.start).collect();
            (Ask::Array { name: name.clone(), start, count }, contents::strides(dims, &block))
        }
    }
}

#[cfg(test)]
mod tests;
