//! Windows of tiled GeoTIFFs, by range requests.

mod blocks;
mod grid;
mod layout;
mod tiles;
mod unpack;

use std::sync::Arc;

use async_trait::async_trait;
use frazil_engine::{
    context::Context,
    data::{Field, Grid, Period, Status},
    step::{ErrorKind, StepError},
};

use super::{
    numbers::settle,
    source::{Found, Opener, Piece, Request, SourceFile},
    window::Pick,
};
use crate::{
    compute::compute,
    net::{Net, Place},
};
use blocks::Remote;
use layout::Layout;

/// Opens tiled GeoTIFFs.
#[derive(Debug)]
pub(crate) struct CogOpener;

/// The part of a GeoTIFF that is kept.
#[derive(Debug, Clone)]
struct Window {
    rows: Pick,
    columns: Pick,
    grid: Arc<Grid>,
}

#[derive(Debug)]
struct CogFile {
    request: Arc<Request>,
    remote: Remote,
    layout: Arc<Layout>,
    window: Window,
}

#[async_trait]
impl Opener for CogOpener {
    async fn open(
        &self,
        request: &Arc<Request>,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Box<dyn SourceFile>>, StepError> {
        let Some(mut remote) = Remote::open(&request.place, net).await? else { return Ok(None) };
        let layout = Arc::new(Layout::read(&mut remote).await?);
        let window = grid::window(&layout, request)?;
        let (rows, columns) = window.grid.shape();
        let need = (rows as u64) * (columns as u64) * 8 * request.variables.len() as u64;
        if need > cx.scope.memory {
            return Err(StepError::permanent(
                ErrorKind::Data,
                format!("{}: {rows} × {columns} cells do not fit into the memory of a run", request.place),
            )
            .help("give a `bbox`, or raise `memory` in frazil.yaml"));
        }
        let request = Arc::clone(request);
        Ok(Some(Box::new(CogFile { request, remote, layout, window })))
    }
}

#[async_trait]
impl SourceFile for CogFile {
    async fn read(&mut self, _: Period, _: &Context) -> Result<Found, StepError> {
        let mut fields = Vec::new();
        for wanted in &self.request.variables {
            let band = wanted.select.band.map_or(0, |band| band.get() as usize - 1);
            if band >= self.layout.samples {
                return Err(StepError::permanent(
                    ErrorKind::Data,
                    format!(
                        "{} has {} bands, not band {}",
                        self.request.place,
                        self.layout.samples,
                        band + 1
                    ),
                ));
            }
            let ranges = tiles::ranges(&self.layout, &self.window.rows, &self.window.columns, band);
            self.remote.bring(&ranges).await?;
            let (layout, window, own) = (Arc::clone(&self.layout), self.window.clone(), wanted.clone());
            let blocks = self.remote.blocks();
            let (values, fill) = blocking(&self.request.place, move || {
                let raw = tiles::decode(&layout, &blocks, &window.rows, &window.columns, band)?;
                Ok(settle(raw, layout.nodata, layout.packing.get(band).copied().flatten(), &own))
            })
            .await?;
            fields.push(Field { name: wanted.name.clone(), values, fill, units: None });
        }
        // The slice may wait for those before it; its file has given all that it has.
        self.remote.let_go();
        let grid = Arc::clone(&self.window.grid);
        Ok(Found::Here(Piece { grid, fields, status: Status::Final }))
    }
}

/// Runs work that blocks, on bytes that came from elsewhere: what it stumbles over is an error of
/// the file, which may be whole at the next try.
async fn blocking<T: Send + 'static>(
    place: &Place,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, StepError> {
    let broken = |what: &str| {
        let message = format!("{place}: {what}");
        match place {
            Place::File(_) => StepError::permanent(ErrorKind::Data, message),
            _ => StepError::transient(ErrorKind::Data, message),
        }
    };
    match compute("decoding a tile", work).await {
        Ok(done) => done.map_err(|what| broken(&what)),
        Err(error) => {
            tracing::debug!(%error, "a decoder broke off");
            Err(broken("its bytes cannot be decoded"))
        }
    }
}
