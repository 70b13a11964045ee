//! Opens what programs wrote.

use std::{path::Path, sync::Arc};

use frazil_engine::{
    context::Context,
    data::{Dimensions, Period, Periods},
    step::{ErrorKind, StepError},
};

use super::Exec;
use crate::{
    fetch::{
        file::{FileOpener, store::StoreOpener},
        source::{Opener, Request, SourceFile, Wanted},
    },
    net::{Access, Net, Place},
};

/// Opens what programs wrote.
pub(super) struct Shelf<'a> {
    files: FileOpener,
    stores: StoreOpener,
    net: Net,
    variables: &'a [Wanted],
    bbox: Option<[f64; 4]>,
    names: [String; 2],
    pub(super) extra: &'a Dimensions,
    crs: Option<String>,
}

/// A file that is open, and what is wanted of it.
pub(super) struct Opened {
    pub(super) request: Arc<Request>,
    pub(super) file: Box<dyn SourceFile>,
    /// How many periods are still to be read from it.
    pub(super) left: usize,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(
        exec: &Exec,
        periods: &Periods,
        variables: &'a [Wanted],
        cx: &'a Context,
    ) -> Result<Self, StepError> {
        let block = &cx.scope.dataset(&periods.dataset)?.block;
        let names = block.grid.as_ref().and_then(|grid| grid.names.clone());
        Ok(Self {
            files: FileOpener::new(cx),
            stores: StoreOpener::of_folders(&periods.dataset, cx),
            net: Net::new(Access::default(), cx)?,
            variables,
            bbox: exec.bbox,
            extra: &block.dimensions,
            names: names.unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]),
            crs: block.crs.clone().or_else(|| cx.scope.project.crs.clone()),
        })
    }

    pub(super) async fn open(
        &self,
        path: &Path,
        periods: Vec<Period>,
        cx: &Context,
    ) -> Result<Opened, StepError> {
        let left = periods.len();
        let request = Arc::new(Request {
            place: Place::File(path.to_owned()),
            periods,
            variables: self.variables.to_vec(),
            bbox: self.bbox,
            names: self.names.clone(),
            beside: 0,
            crs: self.crs.clone(),
        });
        // GDAL reads Zarr of version 2 alone.
        let opened = if tokio::fs::try_exists(path.join("zarr.json")).await.unwrap_or_default() {
            self.stores.open(&request, &self.net, cx).await?
        } else {
            self.files.open(&request, &self.net, cx).await?
        };
        let gone = || StepError::permanent(ErrorKind::Data, format!("{} went away", path.display()));
        Ok(Opened { file: opened.ok_or_else(gone)?, request, left })
    }
}
