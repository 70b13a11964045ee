//! Numbers brought onto another grid, by `frazil-gdal`.
//!
//! Slices come plane by plane: as many planes are sent at a time as fit into 64 MiB, at least one. The
//! program holds three times what is sent and what comes back.

use std::sync::Arc;

use frazil_engine::{
    context::{Context, Scope},
    data::{Axis, Crs, Grid},
    dataset::{DatasetInfo, GridBlock},
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::{self as protocol, Lattice, MAX_BODY, Number, Reply, Request};

use super::{
    chain::Work,
    operation::{Method, Onto, Operation},
};
use crate::{
    crs, cube,
    raster::{Helpers, Lease, Untold, faulty, misunderstood},
};

/// The most that is sent at a time, but always a plane: many small planes cost one question.
const SENT: usize = 64 << 20;

/// Grids that lead to others, at work on one stream.
#[derive(Debug)]
pub(super) struct Regrid {
    scope: Scope,
    helpers: Helpers,
    /// The last grid that each operation saw, and what it made of it: all slices of a source share one.
    known: Vec<(usize, Arc<Grid>, Arc<Way>)>,
}

/// From one grid to another.
#[derive(Debug)]
struct Way {
    grid: Arc<Grid>,
    source: Lattice,
    target: Lattice,
}

fn wrong(message: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Data, message)
}

/// What an operation will do, for a plan.
pub(super) fn said(onto: &Onto, scope: &Scope) -> Result<String, StepError> {
    let info = scope.dataset(&onto.onto)?;
    let GridBlock { origin, cell, shape, .. } = declared(info)?;
    let others = onto.variables.iter().map(|(name, method)| format!(", {name} by {}", method.name()));
    let crs = info.block.crs.as_ref().map(|crs| format!(" in {crs}")).unwrap_or_default();
    Ok(format!(
        "brought onto the grid of {}: {} × {} cells of {} × {} from {}, {}{crs}, by {}{}",
        info.id,
        shape[0],
        shape[1],
        cell[1].abs(),
        cell[0].abs(),
        origin[0],
        origin[1],
        onto.method.name(),
        others.collect::<String>()
    ))
}

fn declared(info: &DatasetInfo) -> Result<&GridBlock, StepError> {
    info.block.grid.as_ref().ok_or_else(|| wrong(format!("{} declares no `grid`", info.id)))
}

impl Regrid {
    pub(super) fn new(cx: &Context) -> Self {
        let helpers = Helpers::within(cx.scope.memory);
        Self { scope: cx.scope.clone(), helpers, known: Vec::new() }
    }

    /// Brings all fields onto the grid of the operation at this place of the chain.
    pub(super) async fn apply(
        &mut self,
        at: usize,
        operation: &Operation,
        work: &mut Work,
    ) -> Result<(), StepError> {
        let Some(onto) = operation.onto() else { return Ok(()) };
        let way = self.way(at, operation, onto, &work.slice.grid).await?;
        let mut lease = self.helpers.take();
        for field in &mut work.fields {
            let method = onto.method(&field.name);
            let name = field.name.clone();
            let numbers = way.walk(&mut lease, &name, field.numbers(), method).await?;
            field.replace(numbers);
        }
        work.slice.grid = Arc::clone(&way.grid);
        Ok(())
    }

    async fn way(
        &mut self,
        at: usize,
        operation: &Operation,
        onto: &Onto,
        from: &Arc<Grid>,
    ) -> Result<Arc<Way>, StepError> {
        let known = self.known.iter().find(|(place, ..)| *place == at);
        if let Some((_, grid, way)) = known
            && (Arc::ptr_eq(grid, from) || grid == from)
        {
            return Ok(Arc::clone(way));
        }
        let info = Arc::clone(self.scope.dataset(&onto.onto)?);
        let source = self.text(&from.crs, &info).await?;
        let other = matches!(operation, Operation::Reproject(_));
        let target = self.crs(&source, &info, other).await?;
        let grid = Arc::new(target_grid(&info, from, target)?);
        let way =
            Arc::new(Way { source: lattice(from, source)?, target: lattice(&grid, grid.crs.clone())?, grid });
        self.known.retain(|(place, ..)| *place != at);
        self.known.push((at, Arc::clone(from), Arc::clone(&way)));
        Ok(way)
    }

    /// The coordinate reference system that numbers come in, with its text.
    async fn text(&self, given: &Crs, info: &DatasetInfo) -> Result<Crs, StepError> {
        if !given.wkt.is_empty() {
            return Ok(given.clone());
        }
        let code = given.code.as_deref().or(self.scope.project.crs.as_deref()).ok_or_else(|| {
            wrong(format!(
                "the source of {} says no coordinate reference system, so nobody knows where its cells lie",
                info.id
            ))
            .help("say `crs` in frazil.yaml for data that do not")
        })?;
        self.named(code).await
    }

    async fn named(&self, code: &str) -> Result<Crs, StepError> {
        match crs::named(code) {
            Some(crs) => Ok(crs),
            None => Ok(Crs { code: Some(code.to_owned()), wkt: self.helpers.crs(code).await?.wkt }),
        }
    }

    /// The coordinate reference system of the target.
    async fn crs(&self, source: &Crs, info: &DatasetInfo, other: bool) -> Result<Crs, StepError> {
        let Some(code) = info.block.crs.as_deref() else {
            return if other {
                Err(wrong(format!("{} declares no `crs`", info.id)))
            } else {
                Ok(source.clone())
            };
        };
        let declared = self.named(code).await?;
        if cube::same_crs(source, &declared) {
            // One text for both: what is the same needs no way.
            return Ok(Crs { code: declared.code, wkt: source.wkt.clone() });
        }
        if other {
            return Ok(declared);
        }
        Err(wrong(format!("the source is in {}, the grid of {} in {code}", cube::crs_name(source), info.id))
            .help("`reproject` leads to another coordinate reference system, `regrid` stays in one"))
    }
}

fn target_grid(info: &DatasetInfo, from: &Grid, crs: Crs) -> Result<Grid, StepError> {
    let GridBlock { origin, cell, shape, names } = declared(info)?;
    let same = crs.wkt == from.crs.wkt || cube::same_crs(&crs, &from.crs);
    let [y, x] = match names {
        Some(names) => names.clone(),
        // Those of the source would say latitude of metres.
        None if same => [from.y.name.clone(), from.x.name.clone()],
        None => ["y".to_owned(), "x".to_owned()],
    };
    let length = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Grid {
        crs,
        y: Axis::regular(&y, origin[1], cell[1], length(shape[0])),
        x: Axis::regular(&x, origin[0], cell[0], length(shape[1])),
        extra: from.extra.clone(),
    })
}

fn lattice(grid: &Grid, crs: Crs) -> Result<Lattice, StepError> {
    let axis = |axis: &Axis| {
        let cell = axis.cell.or_else(|| cube::regular(&axis.centres));
        let (Some(cell), Some(first)) = (cell, axis.centres.first()) else {
            let why =
                if axis.centres.len() < 2 { "has one cell of unknown size" } else { "is not evenly spaced" };
            return Err(wrong(format!("`{}` {why}, so it cannot be brought onto another grid", axis.name)));
        };
        Ok((first - cell / 2.0, cell))
    };
    let ((west, dx), (north, dy)) = (axis(&grid.x)?, axis(&grid.y)?);
    let (rows, columns) = grid.shape();
    Ok(Lattice {
        wkt: crs.wkt,
        origin: [Number(west), Number(north)],
        cell: [Number(dx), Number(dy)],
        rows: rows as u64,
        columns: columns as u64,
    })
}

impl Way {
    /// The numbers of a variable on the target, plane after plane.
    async fn walk(
        &self,
        lease: &mut Lease,
        name: &str,
        numbers: &[f64],
        method: Method,
    ) -> Result<Vec<f64>, StepError> {
        let cells =
            |grid: &Lattice| usize::try_from(grid.rows.saturating_mul(grid.columns)).unwrap_or(usize::MAX);
        let (own, other) = (cells(&self.source).max(1), cells(&self.target).max(1));
        let largest = own.max(other).saturating_mul(8);
        if largest as u64 > MAX_BODY {
            return Err(wrong(format!(
                "a map of `{name}` takes {} MiB, which is too much at once",
                largest >> 20
            ))
            .help("cut the source with `bbox` of fetch, or declare a smaller grid"));
        }
        let codes = if method == Method::Mode { Codes::of(numbers) } else { None };
        let own_numbers: Vec<f64>;
        let numbers = match &codes {
            Some(codes) => {
                own_numbers = numbers.iter().map(|number| codes.code(*number)).collect();
                &own_numbers
            }
            None => numbers,
        };
        let together = (SENT / largest).max(1);
        let mut out = Vec::with_capacity(numbers.len() / own * other);
        for part in numbers.chunks(own * together) {
            let planes = (part.len() / own) as u64;
            let (source, target) = (self.source.clone(), self.target.clone());
            let request = protocol::Warp { source, target, planes, method: method.into() };
            let what = format!("`{name}` on another grid");
            let answer =
                lease.tell(&Request::Warp(Box::new(request)), bytemuck::cast_slice(part), &what).await;
            let bytes = match answer {
                Ok((Reply::Values { .. }, bytes)) if bytes.len() as u64 == planes * other as u64 * 8 => bytes,
                Ok(_) => return Err(misunderstood(&what)),
                Err(Untold::Fault(fault)) => return Err(faulty(&fault, &what)),
                Err(Untold::Error(error)) => return Err(error),
            };
            let (cells, _) = bytes.as_chunks::<8>();
            out.extend(cells.iter().map(|cell| f64::from_le_bytes(*cell)));
        }
        if let Some(codes) = &codes {
            out.iter_mut().for_each(|code| *code = codes.number(*code));
        }
        Ok(out)
    }
}

/// Numbers by their places among those that there are: GDAL compares those of a mode as `float32`.
#[derive(Debug)]
struct Codes(Vec<f64>);

impl Codes {
    /// None where `float32` holds all of them.
    fn of(numbers: &[f64]) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "that is what is asked")]
        let fits = |number: &f64| number.is_nan() || (f64::from(*number as f32) - number).abs() <= 0.0;
        if numbers.iter().all(fits) {
            return None;
        }
        let mut known: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
        known.sort_unstable_by(f64::total_cmp);
        known.dedup();
        Some(Self(known))
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than there are cells")]
    fn code(&self, number: f64) -> f64 {
        if number.is_nan() { number } else { self.0.partition_point(|known| *known < number) as f64 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    fn number(&self, code: f64) -> f64 {
        if code.is_nan() { code } else { self.0.get(code as usize).copied().unwrap_or(f64::NAN) }
    }
}

impl From<Method> for protocol::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Nearest => Self::Nearest,
            Method::Bilinear => Self::Bilinear,
            Method::Cubic => Self::Cubic,
            Method::Average => Self::Average,
            Method::Mode => Self::Mode,
            Method::Sum => Self::Sum,
        }
    }
}

#[cfg(test)]
mod tests;
