//! Numbers on another grid, by GDAL's warper.
//!
//! GDAL is asked by a virtual raster that says what is to be warped how: the numbers lie in a file in
//! memory, which it reads as they are. Coordinates are exact, not interpolated between a few.

mod frame;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

use frazil_raster_protocol::{FaultKind, Lattice, Method, NumberType, Reply, Warp};
use gdal::{
    Dataset, DatasetOptions, GdalOpenFlags,
    spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef},
    vsi,
};

use crate::session::{Answer, body_len, fault, unreadable};
use frame::{Line, Picked};

/// Requests so far: GDAL knows files by their names, so that each request has names of its own.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Cells beyond those that are touched, where a cubic takes two on either side.
const MARGIN: f64 = 3.0;

/// Where the numbers that GDAL is given lie, and how it finds their places from those of the target.
struct Setup {
    columns: Picked,
    rows: Picked,
    /// The middle of the turn in which longitudes of the source are written.
    centre: Option<f64>,
}

/// Answers one request.
pub(crate) fn warp(request: &Warp, body: Vec<u8>) -> Answer<(Reply, Vec<u8>)> {
    let (source, target) = (&request.source, &request.target);
    let planes = usize::try_from(request.planes).unwrap_or(usize::MAX);
    let len = body_len([request.planes, source.rows, source.columns], 8)?;
    if body.len() != len {
        return Err(fault(FaultKind::Absent, "a body of another length than its grid"));
    }
    let answer = body_len([request.planes, target.rows, target.columns], 8)?;
    let (across, down) = Line::of(source)?;
    let (to_across, to_down) = Line::of(target)?;
    let setup = if source.wkt == target.wkt {
        same(source, (across, down), (to_across, to_down))?
    } else {
        other(request, (across, down), (to_across, to_down))?
    };
    let numbers = if setup.columns.cells.is_empty() || setup.rows.cells.is_empty() {
        f64::NAN.to_le_bytes().repeat(answer / 8)
    } else {
        let taken = taken(&body, (across, down), &setup, planes)?;
        drop(body);
        let lines = Lines { across, down, to_across, to_down };
        through(request, &setup, &lines, taken, planes)?
    };
    let numbers = if !to_down.turned || to_across.turned {
        turned(&numbers, (to_across, to_down), planes)
    } else {
        numbers
    };
    Ok((Reply::Values { dtype: NumberType::Float64, opens: 0 }, numbers))
}

struct Lines {
    across: Line,
    down: Line,
    to_across: Line,
    to_down: Line,
}

fn system(wkt: &str) -> Answer<SpatialRef> {
    let mut system = SpatialRef::from_wkt(wkt).map_err(|error| unreadable(&error))?;
    system.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
    Ok(system)
}

/// One coordinate reference system: what the target touches, and as much around it as a cubic over
/// its cells takes.
fn same(source: &Lattice, (across, down): (Line, Line), (to_across, to_down): (Line, Line)) -> Answer<Setup> {
    let margin = |own: &Line, to: &Line| MARGIN * (to.cell / own.cell).max(1.0);
    let (from, to, wide) = (to_across.start, to_across.end(), margin(&across, &to_across));
    let columns = if system(&source.wkt)?.is_geographic() {
        across.around(from, to, wide)?
    } else {
        across.crop(from, to, wide)
    };
    let rows = down.crop(to_down.start, to_down.end(), margin(&down, &to_down));
    Ok(Setup { columns, rows, centre: None })
}

/// Two coordinate reference systems: all of the source. What goes round the earth is cut opposite the
/// target, so that no cell of it lies over the cut.
fn other(request: &Warp, (across, down): (Line, Line), (to_across, to_down): (Line, Line)) -> Answer<Setup> {
    let (from, to) = (system(&request.source.wkt)?, system(&request.target.wkt)?);
    let (mut columns, rows) = (across.whole(), down.whole());
    if !from.is_geographic() {
        return Ok(Setup { columns, rows, centre: None });
    }
    let (east, north) =
        (f64::midpoint(to_across.start, to_across.end()), f64::midpoint(to_down.start, to_down.end()));
    let mut centre = f64::midpoint(across.start, across.end());
    if across.goes_round() {
        centre = place(&to, &from, [east, north]).map_or(centre, |[longitude, _]| longitude);
        columns = across.around(centre - 180.0, centre + 180.0, 8.0)?;
    }
    if matches!(request.method, Method::Average | Method::Mode | Method::Sum) {
        for pole in [-90.0, 90.0] {
            let inside = |[x, y]: [f64; 2]| {
                (to_across.start..=to_across.end()).contains(&x)
                    && (to_down.start..=to_down.end()).contains(&y)
            };
            // A geographic target has its poles along an edge, not inside.
            if !to.is_geographic() && place(&from, &to, [centre, pole]).is_some_and(inside) {
                let message = "cells around a pole cannot be made of what they cover, since longitudes run \
                               together there: take `bilinear`, `cubic` or `nearest`";
                return Err(fault(FaultKind::Absent, message));
            }
        }
    }
    Ok(Setup { columns, rows, centre: Some(centre) })
}

/// A place in another system; none where it cannot be said.
fn place(from: &SpatialRef, to: &SpatialRef, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let (mut x, mut y) = ([x], [y]);
    CoordTransform::new(from, to).ok()?.transform_coords(&mut x, &mut y, &mut []).ok()?;
    (x[0].is_finite() && y[0].is_finite()).then_some([x[0], y[0]])
}

/// The numbers of the cells of `setup`, from north to south and west to east.
fn taken(body: &[u8], (across, down): (Line, Line), setup: &Setup, planes: usize) -> Answer<Vec<u8>> {
    let (rows, columns) = (&setup.rows.cells, &setup.columns.cells);
    let len = body_len([planes as u64, rows.len() as u64, columns.len() as u64], 8)?;
    let mut taken = Vec::with_capacity(len);
    let missing = f64::NAN.to_le_bytes();
    let stored = |line: &Line, at: usize| if line.turned { line.len - 1 - at } else { at };
    let (numbers, _) = body.as_chunks::<8>();
    for plane in numbers.chunks_exact(down.len * across.len).take(planes) {
        for row in rows.iter().rev() {
            let row = row.and_then(|row| plane.chunks_exact(across.len).nth(stored(&down, row)));
            for column in columns {
                let number = row.zip(*column).and_then(|(row, at)| row.get(stored(&across, at)));
                taken.extend_from_slice(number.unwrap_or(&missing));
            }
        }
    }
    Ok(taken)
}

/// What runs from north to south and west to east, turned as the target is.
fn turned(numbers: &[u8], (across, down): (Line, Line), planes: usize) -> Vec<u8> {
    let (cells, _) = numbers.as_chunks::<8>();
    let mut out = Vec::with_capacity(numbers.len());
    for plane in cells.chunks_exact(down.len * across.len).take(planes) {
        for row in 0..down.len {
            // Rows ascend where what is stored does: the last of GDAL's is the first.
            let row = if down.turned { row } else { down.len - 1 - row };
            let cells = &plane[row * across.len..][..across.len];
            if across.turned {
                cells.iter().rev().for_each(|cell| out.extend_from_slice(cell));
            } else {
                cells.iter().for_each(|cell| out.extend_from_slice(cell));
            }
        }
    }
    out
}

/// Lets GDAL do it.
fn through(request: &Warp, setup: &Setup, lines: &Lines, taken: Vec<u8>, planes: usize) -> Answer<Vec<u8>> {
    let Lines { across, down, to_across, to_down } = lines;
    let (rows, columns) = (setup.rows.cells.len(), setup.columns.cells.len());
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    let north = setup.rows.start + down.cell * rows as f64;
    let source =
        text::Grid { transform: [setup.columns.start, across.cell, north, -down.cell], columns, rows };
    let target = text::Grid {
        transform: [to_across.start, to_across.cell, to_down.end(), -to_down.cell],
        columns: to_across.len,
        rows: to_down.len,
    };
    let wkts = (request.source.wkt != request.target.wkt)
        .then_some((request.source.wkt.as_str(), request.target.wkt.as_str()));
    let warped = text::Warped { source, target, planes, method: request.method, wkts, centre: setup.centre };
    let files = Files::new();
    let put =
        |path: &str, bytes: Vec<u8>| vsi::create_mem_file(path, bytes).map_err(|error| unreadable(&error));
    put(&files.numbers, taken)?;
    put(&files.source, warped.numbers(&files.numbers).into_bytes())?;
    put(&files.target, warped.warp(&files.source).into_bytes())?;
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
        allowed_drivers: Some(&["VRT"]),
        ..DatasetOptions::default()
    };
    let dataset = Dataset::open_ex(&files.target, options).map_err(|error| unreadable(&error))?;
    let shape = (target.columns, target.rows);
    let mut numbers = Vec::with_capacity(planes * shape.0 * shape.1 * 8);
    for plane in 1..=planes {
        let band = dataset.rasterband(plane).map_err(|error| unreadable(&error))?;
        let read = band.read_as::<f64>((0, 0), shape, shape, None).map_err(|error| unreadable(&error))?;
        numbers.extend(read.data().iter().flat_map(|number| number.to_le_bytes()));
    }
    Ok(numbers)
}

/// Files in memory: the numbers, and what is said of them. Gone when dropped.
struct Files {
    numbers: String,
    source: String,
    target: String,
}

impl Files {
    fn new() -> Self {
        let request = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let path = |name: &str| format!("/vsimem/frazil/{request}/{name}");
        Self { numbers: path("numbers"), source: path("source.vrt"), target: path("target.vrt") }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.target, &self.source, &self.numbers] {
            // One that was never made is not there.
            vsi::unlink_mem_file(path).ok();
        }
    }
}

#[cfg(test)]
mod tests;
