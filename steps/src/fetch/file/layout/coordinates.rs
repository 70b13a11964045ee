//! What the coordinates of a file with named arrays are.

use frazil_engine::data::Status;
use frazil_raster_protocol::{Array, Attribute, Column};

use super::{Side, Steps, Wrong, listed};
use crate::calendar;

/// What a coordinate is along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Y,
    X,
    Other,
}

pub(super) fn text<'a>(array: &'a Array, key: &str) -> Option<&'a str> {
    match array.attributes.get(key)? {
        Attribute::Text(text) => Some(text.trim()),
        Attribute::Number { .. } => None,
    }
}

pub(super) fn numbers(array: &Array) -> Option<Vec<f64>> {
    match array.values.as_ref()? {
        Column::Numbers(numbers) => Some(numbers.iter().map(|n| n.0).collect()),
        Column::Texts(_) => None,
    }
}

/// The coordinate of a dimension: of its own name, or else the one array along it that says what
/// it is. Scalars and coordinates of two dimensions are none.
pub(super) fn of_dimension<'a>(arrays: &'a [Array], dim: &str) -> Option<&'a Array> {
    let along = |array: &&Array| array.dims.len() == 1 && array.dims[0].name == dim;
    let own = arrays.iter().filter(along).find(|array| array.name == dim && array.dtype.is_some());
    if own.is_some() {
        return own;
    }
    let telling: Vec<&Array> =
        arrays.iter().filter(along).filter(|array| kind(array) != Kind::Other).collect();
    match telling.as_slice() {
        [one] => Some(one),
        several => ["valid_time", "time"]
            .iter()
            .find_map(|name| several.iter().find(|array| array.name == *name).copied()),
    }
}

/// What a coordinate is along, by its unit, its standard name, its axis, or, at last, its name.
pub(super) fn kind(array: &Array) -> Kind {
    let units = text(array, "units").unwrap_or_default();
    let name = array.name.to_ascii_lowercase();
    if calendar::is_time(units) {
        return Kind::Time;
    }
    match text(array, "standard_name").unwrap_or_default() {
        "longitude" | "projection_x_coordinate" | "grid_longitude" => return Kind::X,
        "latitude" | "projection_y_coordinate" | "grid_latitude" => return Kind::Y,
        "time" => return Kind::Time,
        _ => {}
    }
    match units {
        "degrees_east" | "degree_east" | "degrees_E" | "degree_E" | "degreesE" | "degreeE" => return Kind::X,
        "degrees_north" | "degree_north" | "degrees_N" | "degree_N" | "degreesN" | "degreeN" => {
            return Kind::Y;
        }
        _ => {}
    }
    match text(array, "axis").unwrap_or_default() {
        "X" => return Kind::X,
        "Y" => return Kind::Y,
        "T" => return Kind::Time,
        _ => {}
    }
    match name.as_str() {
        "x" | "lon" | "longitude" | "easting" => Kind::X,
        "y" | "lat" | "latitude" | "northing" => Kind::Y,
        "time" | "valid_time" => Kind::Time,
        _ => Kind::Other,
    }
}

/// Whether an array says that it is a coordinate of time or place.
pub(in crate::fetch::file) fn is_coordinate(array: &Array) -> bool {
    kind(array) != Kind::Other
}

/// Whether a time axis says when forecasts were made, in place of the times that they hold for.
pub(super) fn is_reference(array: &Array) -> bool {
    text(array, "standard_name") == Some("forecast_reference_time")
        || matches!(array.name.as_str(), "init_time" | "reference_time" | "forecast_reference_time")
}

/// Whether a horizontal coordinate is a longitude or a latitude of the globe.
pub(super) fn is_degrees(array: &Array) -> bool {
    let standard = text(array, "standard_name").unwrap_or_default();
    let units = text(array, "units").unwrap_or_default().to_ascii_lowercase();
    let name = array.name.to_ascii_lowercase();
    matches!(standard, "longitude" | "latitude")
        || (standard.is_empty() || standard == "unknown")
            && (units.starts_with("degree") && (units.contains('_') || units.len() > "degrees".len())
                || matches!(name.as_str(), "lon" | "lat" | "longitude" | "latitude")
                    && !units.starts_with('m'))
}

/// The cells of a horizontal coordinate.
pub(super) fn side(array: &Array) -> Result<Side, Wrong> {
    let Some(mut centres) = numbers(array) else {
        return Err(Wrong::new(format!("its coordinate `{}` is too long or not a number", array.name)));
    };
    if let Some(at) = centres.iter().position(|centre| !centre.is_finite()) {
        return Err(Wrong::new(format!("its coordinate `{}` holds {} at {at}", array.name, centres[at])));
    }
    if centres.is_empty() {
        return Err(Wrong::new(format!("its coordinate `{}` is empty", array.name)));
    }
    // Reference systems count metres.
    if matches!(text(array, "units"), Some("km" | "kilometer" | "kilometers" | "kilometre" | "kilometres")) {
        centres.iter_mut().for_each(|centre| *centre *= 1_000.0);
    }
    Ok(Side::Centres(centres))
}

/// The times of a time coordinate.
pub(super) fn steps(array: &Array) -> Result<Steps, Wrong> {
    let wrong = |what: String| Wrong::new(format!("its time axis `{}` {what}", array.name));
    let values = numbers(array).ok_or_else(|| wrong("is too long or not a number".to_owned()))?;
    let units = text(array, "units").unwrap_or_default();
    let zero = values == [0.0];
    let instants = match calendar::instants(&values, units, text(array, "calendar")) {
        Ok(instants) => instants,
        // A lone number without a unit says nothing; a calendar that we do not read does.
        Err(_) if values.len() == 1 && !calendar::is_time(units) => return Ok(Steps::Unknown),
        Err(what) => return Err(wrong(what)),
    };
    Ok(match instants.as_slice() {
        [instant] if zero => Steps::Zero(*instant),
        _ => Steps::Known(instants),
    })
}

/// What `expver` says of each step, or of all: 1 is final, 5 (ERA5T) provisional.
pub(super) fn statuses(arrays: &[Array], time: Option<&str>) -> Result<Vec<Status>, Wrong> {
    let Some(array) = arrays.iter().find(|array| array.name == "expver") else { return Ok(Vec::new()) };
    let speaks = match array.dims.as_slice() {
        [] => true,
        [dim] => dim.len == 1 || Some(dim.name.as_str()) == time,
        _ => false,
    };
    if !speaks {
        return Ok(Vec::new());
    }
    let words: Vec<String> = match &array.values {
        Some(Column::Texts(texts)) => texts.clone(),
        Some(Column::Numbers(numbers)) => numbers.iter().map(|n| n.0.to_string()).collect(),
        None => {
            return Err(Wrong::new(
                "its `expver` cannot be read, so final and provisional cannot be told apart",
            ));
        }
    };
    words
        .iter()
        .map(|word| match word.trim().trim_start_matches('0') {
            "5" => Ok(Status::Provisional),
            "1" => Ok(Status::Final),
            _ => Err(Wrong::new(format!(
                "its `expver` is {}, neither 1 (final) nor 5 (provisional)",
                listed(&[word])
            ))),
        })
        .collect()
}
