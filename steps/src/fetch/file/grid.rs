//! Where the numbers of a file lie, and which of them are kept.

use std::sync::Arc;

use frazil_engine::{
    data::{Axis, Crs, Dimensions, Grid},
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::CrsText;

use super::layout::{Layout, Reference, Side, tidy};
use crate::{
    crs,
    fetch::{
        source::Request,
        window::{Cells, Pick, columns, rows},
    },
    raster::Helpers,
};

/// The part of a file that is kept.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) rows: Pick,
    pub(super) columns: Pick,
    pub(super) grid: Arc<Grid>,
}

impl Side {
    fn cells(&self) -> Cells<'_> {
        match self {
            Self::Regular { origin, cell, len } => Cells::Regular { origin: *origin, cell: *cell, len: *len },
            Self::Centres(centres) => Cells::Centres(centres),
        }
    }
}

/// The cells that overlap the bbox.
///
/// # Errors
/// When there are none, or the file's grid is not one that can be cut.
pub(super) async fn window(
    layout: &Layout,
    request: &Request,
    helpers: &Helpers,
) -> Result<Window, StepError> {
    let wrong = |what: String| request.wrong(what);
    let crs = reference(&layout.crs, request, helpers).await?;
    let globe = crs::is_geographic(&crs);
    let sides = request.sides(&crs)?;
    let [y_name, x_name] = &request.names;
    let x = if globe { turnable(&layout.x) } else { layout.x.clone() };
    let mut rows = rows(layout.y.cells(), sides.south_north, y_name).map_err(&wrong)?;
    let mut columns = columns(x.cells(), sides.west_east, globe, x_name).map_err(&wrong)?;
    settle(&mut rows.axis, &layout.y);
    settle(&mut columns.axis, &x);
    if globe && let Some(gap) = gap(&columns.axis) {
        return Err(wrong(format!("its columns leave a gap between {} and {} degrees", gap.0, gap.1))
            .help("it reaches over the date line: give a `bbox` on one side of it"));
    }
    let grid =
        Arc::new(Grid { crs, y: rows.axis.clone(), x: columns.axis.clone(), extra: Dimensions::default() });
    Ok(Window { rows, columns, grid })
}

/// Longitudes beyond 180 are turned by 360 degrees; the noise that some files carry (180 written
/// as 179.99999999999406) would put the seam at the wrong cell.
fn turnable(side: &Side) -> Side {
    match side {
        Side::Centres(centres) if centres.iter().any(|centre| *centre > 180.0) => {
            Side::Centres(centres.iter().copied().map(tidy).collect())
        }
        other => other.clone(),
    }
}

/// Coordinates stay bit for bit what the file says; what arithmetic on them made (a turn by 360
/// degrees, the distance of neighbours) is freed of the noise that it leaves.
fn settle(axis: &mut Axis, side: &Side) {
    let Side::Centres(source) = side else { return };
    let beyond = source.iter().any(|centre| *centre >= 180.0);
    for centre in axis.centres.iter_mut().filter(|_| beyond) {
        *centre = tidy(*centre);
    }
    // A mean over all cells, so less of it is noise.
    axis.cell = axis.cell.map(|cell| if cell.abs() < 1e3 { (cell * 1e12).round() / 1e12 } else { cell });
}

/// Neighbours that are farther apart than others: what was cut out between them is missing.
fn gap(axis: &Axis) -> Option<(f64, f64)> {
    let cell = axis.cell?.abs();
    let far = |pair: &&[f64]| pair[1] - pair[0] > cell * 1.5;
    axis.centres.windows(2).find(far).map(|pair| (pair[0], pair[1]))
}

async fn reference(found: &Reference, request: &Request, helpers: &Helpers) -> Result<Crs, StepError> {
    match found {
        Reference::Told(text) => Ok(told(text)),
        Reference::Degrees => crs::epsg(4326).ok_or_else(|| {
            StepError::permanent(ErrorKind::Internal, "no longitudes and latitudes are known".to_owned())
        }),
        Reference::Untold => match &request.crs {
            None => Err(StepError::permanent(
                ErrorKind::Data,
                format!("{} does not name its reference system", request.place),
            )
            .help("write `crs: EPSG:n` at the dataset")),
            Some(name) => match crs::named(name) {
                Some(crs) => Ok(crs),
                None => Ok(told(&helpers.crs(name).await?)),
            },
        },
    }
}

/// The same text for the same system, whoever read it.
fn told(text: &CrsText) -> Crs {
    let known = text.code.as_deref().and_then(crs::named);
    known.unwrap_or_else(|| Crs { code: text.code.clone(), wkt: text.wkt.clone() })
}
