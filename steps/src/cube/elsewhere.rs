//! Datasets that other programs made: their documents told as ours are, their times counted as ours.

use std::collections::BTreeSet;

use frazil_engine::{
    data::{Crs, Frequency, Period, Values},
    step::{ErrorKind, StepError},
};
use serde_json::Value;

use super::{
    document::{self, Nodes, not_a_cube},
    level::inside,
};
use crate::{calendar, crs};

/// Calls the dimension along which periods lie `time`, and gives the path of its coordinate: it is
/// the first one of the variables, and its coordinate has the unit of a time axis.
///
/// # Errors
/// When there are several such dimensions.
pub(super) fn told(nodes: &mut Nodes) -> Result<String, StepError> {
    let group = document::group(nodes);
    let time = inside(&group, "time");
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (path, document) in nodes.iter() {
        let own = path.rsplit_once('/').map_or("", |(parent, _)| parent).trim_start_matches('/') == group;
        let names = names(document);
        if let [first, _, _, ..] = names.as_slice()
            && own
            && nodes.get(&inside(&group, first)).is_some_and(is_time)
        {
            found.insert((*first).to_owned());
        }
    }
    if found.is_empty() || found.contains("time") {
        return Ok(time);
    }
    let mut all = found.into_iter();
    let (Some(name), None) = (all.next(), all.next()) else {
        return Err(not_a_cube(
            "its variables lie along several time axes, and none of them is called `time`",
        ));
    };
    for document in nodes.values_mut() {
        for dimension in document["dimension_names"].as_array_mut().into_iter().flatten() {
            if dimension == name.as_str() {
                *dimension = Value::from("time");
            }
        }
    }
    Ok(inside(&group, &name))
}

fn names(document: &Value) -> Vec<&str> {
    document["dimension_names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether an array is a coordinate of one dimension that counts time.
fn is_time(document: &Value) -> bool {
    names(document).len() == 1 && document["attributes"]["units"].as_str().is_some_and(calendar::is_time)
}

/// Labels as a cube of this step counts them: each stamp belongs to the period that holds it.
///
/// # Errors
/// When the calendar is another one, or the unit is not understood.
pub(super) fn labels(
    step: Frequency,
    values: &Values,
    attributes: &Value,
    what: &str,
) -> Result<Vec<i64>, StepError> {
    let text = |key: &str| attributes[key].as_str();
    let numbers: Vec<f64> = (0..values.len()).map(|at| values.get(at)).collect();
    let instants = calendar::instants(&numbers, text("units").unwrap_or_default(), text("calendar"));
    let instants = instants.map_err(|why| {
        StepError::permanent(ErrorKind::Data, format!("{what}: its time axis {why}"))
            .help("only the proleptic Gregorian calendar is known; another would shift dates silently")
    })?;
    Ok(instants.into_iter().map(|instant| Period::containing(instant, step).label()).collect())
}

/// Longitudes and latitudes where the coordinates say degrees and nothing else says more.
pub(super) fn degrees(nodes: &Nodes, group: &str, (y, x): (&str, &str)) -> Option<Crs> {
    let says = |name: &str, standard: &str, units: &str| {
        let attributes = &nodes.get(&inside(group, name))?["attributes"];
        let told = |key: &str| attributes[key].as_str().unwrap_or_default();
        Some(told("standard_name") == standard || told("units").starts_with(units))
    };
    let both = says(y, "latitude", "degree")? && says(x, "longitude", "degree")?;
    let named =
        |name: &str, short: &str| name.eq_ignore_ascii_case(short) || name.eq_ignore_ascii_case(&short[..3]);
    (both || named(y, "latitude") && named(x, "longitude")).then(|| crs::epsg(4326)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nodes(arrays: &[(&str, &[&str], &str)]) -> Nodes {
        let one = |(name, dims, units): &(&str, &[&str], &str)| {
            (format!("/{name}"), json!({ "dimension_names": dims, "attributes": { "units": units } }))
        };
        arrays.iter().map(one).collect()
    }

    #[test]
    fn the_dimension_of_time_is_called_time_whatever_its_name_was() {
        let mut found = nodes(&[
            ("valid_time", &["valid_time"], "hours since 1900-01-01"),
            ("lat", &["lat"], "degrees_north"),
            ("lon", &["lon"], "degrees_east"),
            ("t2m", &["valid_time", "lat", "lon"], "K"),
        ]);
        assert_eq!(told(&mut found).unwrap(), "/valid_time");
        assert_eq!(found["/t2m"]["dimension_names"], json!(["time", "lat", "lon"]));
        assert_eq!(
            degrees(&found, "", ("lat", "lon")).and_then(|crs| crs.code).as_deref(),
            Some("EPSG:4326")
        );
        assert_eq!(told(&mut found).unwrap(), "/time", "twice is once");
        let mut two = nodes(&[
            ("begin", &["begin"], "hours since 1900-01-01"),
            ("end", &["end"], "hours since 1900-01-01"),
            ("a", &["begin", "y", "x"], "K"),
            ("b", &["end", "y", "x"], "K"),
        ]);
        assert!(told(&mut two).is_err());
    }

    #[test]
    fn stamps_belong_to_the_period_that_holds_them() {
        let attributes = json!({ "units": "hours since 1970-01-01 06:00", "calendar": "standard" });
        let values = Values::Float64(vec![0.0, 24.0]);
        assert_eq!(labels(Frequency::Day, &values, &attributes, "a").unwrap(), [0, 1]);
        let other = json!({ "units": "days since 1970-01-01", "calendar": "360_day" });
        assert!(labels(Frequency::Day, &values, &other, "a").unwrap_err().to_string().contains("`360_day`"));
    }
}
