//! What a kind of source has to offer: the contract between the stream of slices, which knows
//! order, retries and the frontier, and the readers of files, which know formats.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use frazil_engine::{
    context::Context,
    data::{Crs, Field, Grid, Label, Period, Status},
    dataset::Variable,
    step::{ErrorKind, StepError},
};

use super::{
    settings::{Selection, Stamp},
    window::{Sides, proper},
};
use crate::{
    crs,
    net::{Net, Place},
};

/// What is wanted from one source file.
#[derive(Debug)]
pub(crate) struct Request {
    /// Where it is.
    pub(crate) place: Place,
    /// The periods wanted from it, in the order in which they will be read. Each is a label of
    /// the dataset; the stamp in the source depends on [`Wanted::stamp`].
    pub(crate) periods: Vec<Period>,
    /// The variables wanted from it.
    pub(crate) variables: Vec<Wanted>,
    /// West, south, east, north in degrees; cells that overlap it are kept. All where none is said.
    pub(crate) bbox: Option<[f64; 4]>,
    /// Names of the dimensions in the dataset, y then x.
    pub(crate) names: [String; 2],
    /// Files of other combinations that are open beside it.
    pub(crate) beside: usize,
    /// The CRS (`EPSG:n`) to take where the source says none.
    pub(crate) crs: Option<String>,
}

impl Request {
    /// What is wrong with the data of this file.
    pub(crate) fn wrong(&self, what: impl std::fmt::Display) -> StepError {
        StepError::permanent(ErrorKind::Data, format!("{}: {what}", self.place))
    }

    /// The sides of the bbox over a grid in `crs`.
    ///
    /// # Errors
    /// When the bbox is none, or the grid is not in degrees.
    pub(crate) fn sides(&self, crs: &Crs) -> Result<Sides, StepError> {
        let Some(bbox @ [west, south, east, north]) = self.bbox else { return Ok(Sides::default()) };
        proper(bbox).map_err(|what| self.wrong(what))?;
        if !crs::is_geographic(crs) {
            let code = crs.code.as_deref().unwrap_or("a projection");
            return Err(self
                .wrong(format!("its grid is in {code}, the bbox in degrees"))
                .help("leave `bbox` out: windows are cut from sources in degrees only"));
        }
        Ok(Sides { south_north: Some((south, north)), west_east: Some((west, east)) })
    }
}

/// A variable wanted from a source file.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its name from here on.
    pub(crate) name: String,
    /// Which one it is in the source.
    pub(crate) select: Selection,
    /// Which end of its interval the source's stamp names.
    pub(crate) stamp: Stamp,
    /// What the dataset says of it: number type, nodata, fill.
    pub(crate) block: Option<Variable>,
    /// Where it is along dimensions that the file itself has, besides time, y and x.
    pub(crate) inside: Vec<(String, Label)>,
    /// The lead of a forecast in hours, where each has a source file of its own.
    pub(crate) lead: Option<i64>,
    /// Which combination of the dataset's further dimensions it is; 0 where there are none.
    pub(crate) plane: usize,
}

/// Opens source files of one kind. One per run of a step; shared by all its source files.
#[async_trait]
pub(crate) trait Opener: Debug + Send + Sync {
    /// Brings the source file as near as it takes to read from it: a remote header for windows,
    /// all bytes for a whole file (fetched once per run, under a name of their own in the run's
    /// scratch). `None` when the server says that there is no such file; every other way of not
    /// getting it is an error, transient where another try may help.
    ///
    /// Called again after a transient error. Must stop all work when dropped; blocking work goes
    /// to blocking threads. Holds a place of the pool and is under the step's timeout while it runs.
    async fn open(
        &self,
        request: &Arc<Request>,
        net: &Net,
        cx: &Context,
    ) -> Result<Option<Box<dyn SourceFile>>, StepError>;

    /// Whether it is there, as far as can be told without opening it.
    async fn exists(&self, net: &Net, place: &Place) -> Result<bool, StepError> {
        net.exists(place).await
    }

    /// Whether it makes many requests for each of its sources: then it takes a place of the pool, keeps
    /// to the timeout and tries again for each of them, and nobody does for all of them together.
    fn by_itself(&self) -> bool {
        false
    }
}

/// An open source file. Dropped when its last wanted period was read.
#[async_trait]
pub(crate) trait SourceFile: Debug + Send {
    /// Reads the wanted variables of one wanted period. Periods come in the order of
    /// [`Request::periods`], each once, but again after a transient error: then the file must
    /// find back to a readable state by itself (a helper that crashed is started anew).
    ///
    /// The first period is read in the same try, place of the pool and timeout as the opening.
    async fn read(&mut self, period: Period, cx: &Context) -> Result<Found, StepError>;
}

/// What a source file holds of a period.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is there.
    Here(Piece),
    /// The file's own time axis ends before it: the frontier, unless a later file exists.
    After,
    /// The file's own time axis goes on behind it, but lacks it: a hole.
    Absent,
}

/// The wanted variables of one period from one source file.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where the numbers lie: y descending, longitudes from -180 to 180 ascending, cut to the
    /// bbox. The same `Arc` for all periods of a file.
    pub(crate) grid: Arc<Grid>,
    /// One field per wanted variable, in the order of [`Request::variables`]. Missing numbers are
    /// NaN in floats and [`Field::fill`] in integers; packing is undone; the type is the
    /// dataset's where that loses nothing.
    pub(crate) fields: Vec<Field>,
    /// What the file itself says (`expver`); final where it says nothing.
    pub(crate) status: Status,
}
