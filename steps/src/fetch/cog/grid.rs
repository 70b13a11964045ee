//! Where the numbers of a GeoTIFF lie, and which of them are kept.

use std::sync::Arc;

use frazil_engine::{
    data::{Crs, Dimensions, Grid},
    step::StepError,
};

use super::{Window, layout::Layout};
use crate::{
    crs,
    fetch::{
        source::Request,
        window::{Cells, columns, rows},
    },
};

/// The cells of a GeoTIFF that overlap the bbox.
pub(super) fn window(layout: &Layout, request: &Request) -> Result<Window, StepError> {
    let wrong = |what: String| request.wrong(what);
    let crs = reference(layout, request)?;
    let globe = crs::is_geographic(&crs);
    let sides = request.sides(&crs)?;
    let [y_name, x_name] = &request.names;
    let y = Cells::Regular { origin: layout.y.0, cell: layout.y.1, len: layout.height };
    let x = Cells::Regular { origin: layout.x.0, cell: layout.x.1, len: layout.width };
    let rows = rows(y, sides.south_north, y_name).map_err(&wrong)?;
    let columns = columns(x, sides.west_east, globe, x_name).map_err(&wrong)?;
    let grid =
        Arc::new(Grid { crs, y: rows.axis.clone(), x: columns.axis.clone(), extra: Dimensions::default() });
    Ok(Window { rows, columns, grid })
}

fn reference(layout: &Layout, request: &Request) -> Result<Crs, StepError> {
    let found = match (layout.epsg, &request.crs) {
        (Some(code), _) => crs::epsg(code)
            .ok_or_else(|| format!("its reference system EPSG:{code} is not known without GDAL")),
        (None, Some(name)) => {
            crs::named(name).ok_or_else(|| format!("the reference system {name} is not known without GDAL"))
        }
        (None, None) => Err("it does not name its reference system".to_owned()),
    };
    found.map_err(|what| {
        request
            .wrong(what)
            .help("write `crs: EPSG:n` at the dataset, or use `source: file`, which reads it through GDAL")
    })
}
