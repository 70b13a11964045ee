//! Files of named arrays with named dimensions: NetCDF and HDF5.

use frazil_engine::data::{LEAD_TIME, Label};
use frazil_raster_protocol::{Array, Attribute, Dimension};

use super::{
    Decode, Layout, Reference, Role, Series, Steps, Whereabouts, Wrong,
    coordinates::{self, Kind},
    dtype, listed, source_name,
};
use crate::{
    calendar,
    fetch::{
        file::unpack::{Factor, Packing},
        source::Wanted,
    },
};

/// Names under which the leads of forecasts come.
const LEADS: &[&str] =
    &["step", "lead", "leadtime", "forecast_period", "forecast_hour", "prediction_timedelta"];

/// Finds the wanted variables.
pub(super) fn layout(arrays: &[Array], wanted: &[Wanted]) -> Result<Layout, Wrong> {
    let mut shared: Option<Shared<'_>> = None;
    let mut series = Vec::new();
    for wanted in wanted {
        let array = find(arrays, source_name(wanted))?;
        let (one, sides) = variable(arrays, array, wanted)?;
        match &shared {
            Some(shared) if shared.y.name != sides.y.name || shared.x.name != sides.x.name => {
                return Err(Wrong::new(format!(
                    "`{}` lies on ({}, {}), other variables on ({}, {})",
                    array.name, sides.y.name, sides.x.name, shared.y.name, shared.x.name
                ))
                .help("variables of one dataset lie on one grid: put them into datasets of their own"));
            }
            Some(_) => {}
            None => shared = Some(sides),
        }
        series.push(one);
    }
    let shared = shared.ok_or_else(|| Wrong::new("no variable is wanted of it"))?;
    Ok(Layout {
        series,
        y: coordinates::side(shared.y)?,
        x: coordinates::side(shared.x)?,
        crs: match shared.array.crs.clone() {
            Some(crs) => Reference::Told(crs),
            None if coordinates::is_degrees(shared.y) && coordinates::is_degrees(shared.x) => {
                Reference::Degrees
            }
            None => Reference::Untold,
        },
    })
}

/// What the variables of a file have in common.
struct Shared<'a> {
    array: &'a Array,
    y: &'a Array,
    x: &'a Array,
}

fn find<'a>(arrays: &'a [Array], name: &str) -> Result<&'a Array, Wrong> {
    let found = arrays.iter().find(|array| array.name == name && array.dtype.is_some());
    found.ok_or_else(|| {
        let names: Vec<&str> =
            arrays.iter().filter(|array| array.dims.len() > 1).map(|array| array.name.as_str()).collect();
        Wrong::new(format!("it has no variable `{name}`, only {}", listed(&names)))
            .help("write `from:` in `variables` with the name in the file")
    })
}

fn variable<'a>(
    arrays: &'a [Array],
    array: &'a Array,
    wanted: &Wanted,
) -> Result<(Series, Shared<'a>), Wrong> {
    let kinds: Vec<Kinded<'_>> = array
        .dims
        .iter()
        .map(|dim| {
            let coordinate = coordinates::of_dimension(arrays, &dim.name);
            Kinded { dim, coordinate, kind: coordinate.map_or(Kind::Other, coordinates::kind) }
        })
        .collect();
    let only = |kind: Kind, what: &str| {
        let mut all = kinds.iter().enumerate().filter(|(_, kinded)| kinded.kind == kind);
        match (all.next(), all.next()) {
            (Some((at, Kinded { coordinate: Some(coordinate), .. })), None) => Ok((at, *coordinate)),
            _ => Err(no_side(array, what)),
        }
    };
    let ((y_at, y), (x_at, x)) = (only(Kind::Y, "latitude or y")?, only(Kind::X, "longitude or x")?);
    let time_at = time_dimension(&kinds, array)?;
    let mut roles = extra(&kinds, array, wanted)?;
    roles[y_at] = Role::Y;
    roles[x_at] = Role::X;
    if let Some(at) = time_at {
        roles[at] = Role::Time;
    }
    let steps = match time_at.and_then(|at| kinds[at].coordinate) {
        // A file for each lead says for which time it holds, unless it says when it was made.
        Some(time) => match wanted.lead.filter(|_| !coordinates::is_reference(time)) {
            Some(lead) => coordinates::steps(time)?.before(lead),
            None => coordinates::steps(time)?,
        },
        None => Steps::Unknown,
    };
    let time = time_at.map(|at| kinds[at].dim.name.as_str());
    let stored = dtype(array.dtype.ok_or_else(|| Wrong::new(format!("`{}` holds no numbers", array.name)))?);
    let series = Series {
        steps,
        place: Whereabouts::Array { name: array.name.clone(), dims: roles },
        decode: Decode::Cf(packing(array, wanted)),
        stored,
        units: coordinates::text(array, "units").map(str::to_owned),
        statuses: coordinates::statuses(arrays, time)?,
    };
    Ok((series, Shared { array, y, x }))
}

struct Kinded<'a> {
    dim: &'a Dimension,
    coordinate: Option<&'a Array>,
    kind: Kind,
}

fn no_side(array: &Array, what: &str) -> Wrong {
    let dims: Vec<String> = array.dims.iter().map(|dim| dim.name.clone()).collect();
    Wrong::new(format!(
        "`{}` ({}) has no coordinate of one dimension that is a {what}",
        array.name,
        listed(&dims)
    ))
    .help("frazil reads grids whose rows and columns have coordinates of their own")
}

/// The dimension along which periods lie; the longest where singletons are there too.
fn time_dimension(kinds: &[Kinded<'_>], array: &Array) -> Result<Option<usize>, Wrong> {
    let times: Vec<usize> = (0..kinds.len()).filter(|at| kinds[*at].kind == Kind::Time).collect();
    let long: Vec<usize> = times.iter().copied().filter(|at| kinds[*at].dim.len != 1).collect();
    match (long.as_slice(), times.as_slice()) {
        ([one], _) | ([], [one]) => Ok(Some(*one)),
        ([], []) => Ok(None),
        ([], several) => {
            let named = |name: &str| several.iter().copied().find(|at| kinds[*at].dim.name == name);
            Ok(named("valid_time").or_else(|| named("time")).or(several.first().copied()))
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|at| kinds[*at].dim.name.as_str()).collect();
            Err(Wrong::new(format!("`{}` has several time axes: {}", array.name, listed(&names))))
        }
    }
}

/// What is wanted of the dimensions that are neither time nor place: singletons fall away, others
/// need to be chosen from.
fn extra(kinds: &[Kinded<'_>], array: &Array, wanted: &Wanted) -> Result<Vec<Role>, Wrong> {
    let mut roles = vec![Role::At(0); kinds.len()];
    let mut open: Vec<usize> =
        (0..kinds.len()).filter(|at| kinds[*at].kind == Kind::Other && kinds[*at].dim.len > 1).collect();
    for (name, label) in &wanted.inside {
        let at = labelled(kinds, array, name)?;
        roles[at] = Role::At(match label {
            Label::Number(hours) if name == LEAD_TIME => lead(&kinds[at], array, *hours)?,
            label => place(&kinds[at], array, label)?,
        });
        open.retain(|other| *other != at);
    }
    if let Some(level) = wanted.select.level
        && !open.is_empty()
    {
        let at = vertical(kinds, &open);
        let Some(at) = at else {
            return Err(Wrong::new(format!(
                "`{}` has no single dimension from which `level: {level}` could choose",
                array.name
            )));
        };
        roles[at] = Role::At(index_of(kinds[at].coordinate, level, &kinds[at].dim.name)?);
        open.retain(|other| *other != at);
    }
    if let Some(band) = wanted.select.band {
        let band = u64::from(band.get());
        let len = open.first().map_or(1, |at| kinds[*at].dim.len);
        match open.as_slice() {
            [] | [_] if band > len => {
                return Err(Wrong::new(format!("`{}` has {len} bands, not band {band}", array.name)));
            }
            [at] => {
                roles[*at] = Role::At(band - 1);
                open.clear();
            }
            _ => {}
        }
    }
    if open.is_empty() {
        return Ok(roles);
    }
    let shown: Vec<String> =
        open.iter().map(|at| format!("{} ({})", kinds[*at].dim.name, kinds[*at].dim.len)).collect();
    Err(Wrong::new(format!("`{}` has more dimensions than time, y and x: {}", array.name, listed(&shown)))
        .help(
            "choose one index of each: `level:` by the value of its coordinate, `band:` by its number from 1",
        ))
}

/// The dimension of a file that has the name of one of the dataset.
fn labelled(kinds: &[Kinded<'_>], array: &Array, name: &str) -> Result<usize, Wrong> {
    let named = |kinded: &Kinded<'_>| kinded.kind == Kind::Other && kinded.dim.name == name;
    let leads = |kinded: &Kinded<'_>| {
        let said = kinded.coordinate.and_then(|coordinate| coordinates::text(coordinate, "standard_name"));
        kinded.kind == Kind::Other
            && (said == Some("forecast_period") || LEADS.contains(&kinded.dim.name.as_str()))
    };
    let found = kinds.iter().position(named);
    let found = found.or_else(|| kinds.iter().position(leads).filter(|_| name == LEAD_TIME));
    found.ok_or_else(|| {
        let dims: Vec<&str> = array.dims.iter().map(|dim| dim.name.as_str()).collect();
        Wrong::new(format!("`{}` has no dimension `{name}`, only {}", array.name, listed(&dims)))
            .help(format!("give the dimension of the dataset the name that the file has, or read a file per label: `over: {{ {name}: … }}`"))
    })
}

/// Where a lead of so many hours is on a dimension, by its coordinate.
fn lead(kinded: &Kinded<'_>, array: &Array, hours: i64) -> Result<u64, Wrong> {
    let Some(coordinate) = kinded.coordinate else { return place(kinded, array, &Label::Number(hours)) };
    let unit = coordinates::text(coordinate, "units").map_or(1.0, calendar::hours);
    let all: Vec<f64> =
        coordinates::numbers(coordinate).unwrap_or_default().into_iter().map(|lead| lead * unit).collect();
    #[expect(clippy::cast_precision_loss, reason = "labels are far below 2^53")]
    let at = all.iter().position(|lead| (lead - hours as f64).abs() < 1e-3);
    at.map(|at| at as u64).ok_or_else(|| Wrong::lead(hours, &all, &array.name))
}

/// Where a label is on a dimension, by its coordinate.
fn place(kinded: &Kinded<'_>, array: &Array, label: &Label) -> Result<u64, Wrong> {
    let name = &kinded.dim.name;
    match (label, kinded.coordinate) {
        #[expect(clippy::cast_precision_loss, reason = "labels are far below 2^53")]
        (Label::Number(number), Some(coordinate)) => index_of(Some(coordinate), *number as f64, name),
        (Label::Number(_), None) => Err(Wrong::new(format!(
            "`{name}` of `{}` has no coordinate by which its labels could be found",
            array.name
        ))),
        (Label::Text(_), _) => {
            Err(Wrong::new(format!("the labels of `{name}` are texts, a file has numbers"))
                .help("give the dimension of the dataset the numbers of the file's coordinate"))
        }
    }
}

/// The one dimension of height or depth, or the only one there is.
fn vertical(kinds: &[Kinded<'_>], open: &[usize]) -> Option<usize> {
    if let [one] = open {
        return Some(*one);
    }
    let is_vertical = |at: &usize| {
        kinds[*at].coordinate.is_some_and(|array| {
            let name = array.name.to_ascii_lowercase();
            coordinates::text(array, "axis") == Some("Z")
                || array.attributes.contains_key("positive")
                || ["lev", "plev", "z", "depth", "height", "pressure", "isobaric", "altitude"]
                    .iter()
                    .any(|known| name == *known || name.starts_with(*known) && known.len() > 1)
        })
    };
    let mut all = open.iter().copied().filter(is_vertical);
    all.next().filter(|_| all.next().is_none())
}

fn index_of(coordinate: Option<&Array>, level: f64, dim: &str) -> Result<u64, Wrong> {
    let levels = coordinate.and_then(coordinates::numbers).unwrap_or_default();
    // A level written in single precision is not the decimal that a person writes.
    let near = |at: &f64| (at - level).abs() <= 1e-6 * level.abs().max(1.0);
    match levels.iter().position(near) {
        Some(at) => Ok(at as u64),
        None => {
            let shown: Vec<String> = levels.iter().map(f64::to_string).collect();
            Err(Wrong::new(format!("`{dim}` has no {level}, only {}", listed(&shown))))
        }
    }
}

fn packing(array: &Array, wanted: &Wanted) -> Packing {
    let number = |key: &str| match array.attributes.get(key)? {
        Attribute::Number { value, dtype: number } => Some(Factor { value: value.0, dtype: dtype(*number) }),
        Attribute::Text(_) => None,
    };
    let block = wanted.block.as_ref();
    let missing = [
        number("_FillValue").map(|factor| factor.value),
        number("missing_value").map(|factor| factor.value),
        block.and_then(|block| block.nodata),
    ];
    Packing {
        stored: array.dtype.map_or(frazil_engine::data::DType::Float64, dtype),
        missing: missing.into_iter().flatten().collect(),
        scale: number("scale_factor"),
        offset: number("add_offset"),
        declared: block.and_then(|block| block.dtype),
        fill: block.and_then(|block| block.fill),
        single: false,
    }
}
