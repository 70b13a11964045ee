//! Attributes of a cube: CF, ACDD and the `proj:` and `spatial:` conventions of Zarr.

use frazil_engine::{
    data::{Frequency, Grid, Status},
    dataset::{Dataset, DatasetInfo, ProviderRole},
};
use serde_json::{Map, Value, json};

use super::{crs, document, forecast, level, template::Template, time::TimeIndex};
use crate::publish_stac::place::degrees;

/// Attributes of the root group.
pub(super) fn root(info: &DatasetInfo, template: &Template, axis: &TimeIndex) -> Map<String, Value> {
    let mut map = Map::new();
    discovery(&info.block, info.id.as_str(), &mut map);
    space(&template.grid, &mut map);
    level::mark(template, &mut map);
    for (key, value) in &info.block.attributes {
        map.insert(key.clone(), value.clone());
    }
    coverage(axis, &mut map);
    map
}

fn discovery(block: &Dataset, id: &str, map: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            map.insert(key.to_owned(), json!(value));
        }
    };
    let people = |role: ProviderRole| {
        let names: Vec<&str> =
            block.providers.iter().filter(|p| p.roles.contains(&role)).map(|p| p.name.as_str()).collect();
        names.join(", ")
    };
    put("Conventions", Some("CF-1.11, ACDD-1.3".to_owned()));
    put("id", Some(id.to_owned()));
    put("title", Some(block.title.clone()));
    put("summary", block.description.clone());
    put("keywords", Some(block.keywords.join(", ")));
    put("license", block.license.clone());
    put("product_version", block.version.clone());
    put("creator_name", Some(people(ProviderRole::Producer)));
    put("contributor_name", Some(people(ProviderRole::Processor)));
    put("publisher_name", Some(people(ProviderRole::Host)));
    put("references", block.citation.clone());
}

/// The extent in time, true after each commit.
pub(super) fn coverage(axis: &TimeIndex, map: &mut Map<String, Value>) {
    let (Some(first), Some(last)) = (axis.first(), axis.last()) else { return };
    if axis.step().is_static() {
        return;
    }
    let instant = |t: chrono::DateTime<chrono::Utc>| json!(t.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    let minutes = (last.end() - first.start()).num_minutes();
    let duration =
        if minutes % 1_440 == 0 { format!("P{}D", minutes / 1_440) } else { format!("PT{minutes}M") };
    map.insert("time_coverage_start".to_owned(), instant(first.start()));
    map.insert("time_coverage_end".to_owned(), instant(last.end()));
    map.insert("time_coverage_duration".to_owned(), json!(duration));
    let resolution = match axis.step() {
        Frequency::Pentad => "P5D".to_owned(),
        Frequency::Dekad => "P10D".to_owned(),
        Frequency::Quarter { .. } => "P3M".to_owned(),
        Frequency::Year { .. } => "P1Y".to_owned(),
        step => step.to_string(),
    };
    map.insert("time_coverage_resolution".to_owned(), json!(resolution));
}

/// `a b c d e f` of a regular grid, from the edge of the first cell.
fn transform(grid: &Grid) -> Option<[f64; 6]> {
    let cell = |axis: &frazil_engine::data::Axis| axis.cell.or_else(|| document::regular(&axis.centres));
    let (dx, dy) = (cell(&grid.x)?, cell(&grid.y)?);
    Some([
        dx,
        0.0,
        tidy(grid.x.centres.first()? - dx / 2.0),
        0.0,
        dy,
        tidy(grid.y.centres.first()? - dy / 2.0),
    ])
}

/// Without the last digits, which halving a cell leaves behind.
fn tidy(value: f64) -> f64 {
    let rounded = (value * 1e10).round() / 1e10;
    if (rounded - value).abs() < 1e-9 { rounded } else { value }
}

/// West, south, east, north, by cell edges.
fn bounds(grid: &Grid) -> Option<[f64; 4]> {
    let ((x0, x1), (y0, y1)) = (grid.x.edges()?, grid.y.edges()?);
    Some([tidy(x0.min(x1)), tidy(y0.min(y1)), tidy(x0.max(x1)), tidy(y0.max(y1))])
}

/// Where the cells lie: by the conventions of Zarr, and for those who search by ACDD.
pub(super) fn space(grid: &Grid, map: &mut Map<String, Value>) {
    if let Some([west, south, east, north]) = bounds(grid) {
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        let projected = !crs::is_geographic(&grid.crs);
        let degrees = if projected { degrees(grid) } else { Some([west, south, east, north]) };
        if let Some([west, south, east, north]) = degrees {
            put("geospatial_lat_min", json!(south));
            put("geospatial_lat_max", json!(north));
            put("geospatial_lon_min", json!(west));
            put("geospatial_lon_max", json!(east));
            put("geospatial_lat_units", json!("degrees_north"));
            put("geospatial_lon_units", json!("degrees_east"));
        }
        let ring = [(west, south), (east, south), (east, north), (west, north), (west, south)];
        let ring: Vec<String> = ring.iter().map(|(x, y)| format!("{x} {y}")).collect();
        put("geospatial_bounds", json!(format!("POLYGON (({}))", ring.join(", "))));
        put("geospatial_bounds_crs", json!(crs::name(&grid.crs)));
    }
    conventions(grid, map);
}

/// The `proj:` and `spatial:` attributes of a group whose arrays lie on `grid`.
pub(super) fn conventions(grid: &Grid, map: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    if let Some(bounds) = bounds(grid) {
        put("spatial:bbox", json!(bounds));
    }
    put(
        "zarr_conventions",
        json!([
            convention("proj", "f17cb550-5864-4468-aeb7-f3180cfb622f"),
            convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"),
        ]),
    );
    if let Some(code) = &grid.crs.code {
        put("proj:code", json!(code));
    }
    if crs::is_wkt2(&grid.crs.wkt) {
        put("proj:wkt2", json!(grid.crs.wkt));
    }
    put("spatial:dimensions", json!([grid.y.name, grid.x.name]));
    put("spatial:registration", json!("pixel"));
    let mut own = json!({});
    place(grid, &mut own);
    map.extend(own.as_object().cloned().unwrap_or_default());
}

/// `spatial:transform` and `spatial:shape` of a grid.
pub(super) fn place(grid: &Grid, value: &mut Value) {
    if let Some(transform) = transform(grid) {
        value["spatial:transform"] = json!(transform);
    }
    let (rows, columns) = grid.shape();
    value["spatial:shape"] = json!([rows, columns]);
}

/// A convention that a group follows, as it is named in `zarr_conventions`.
pub(super) fn convention(name: &str, uuid: &str) -> Value {
    let base = format!("zarr-conventions/{name}");
    json!({
        "name": name,
        "uuid": uuid,
        "schema_url": format!("https://raw.githubusercontent.com/{base}/refs/tags/v0.1/schema.json"),
        "spec_url": format!("https://github.com/{base}/blob/v0.1/README.md"),
    })
}

/// Attributes of `time`.
pub(super) fn time(step: Frequency, grid: &Grid) -> Value {
    // Of forecasts the time that they hold for is another: that of `valid_time`.
    let (standard, long) = match forecast::leads(step, grid) {
        None => ("time", "start of the period"),
        Some(_) => ("forecast_reference_time", "start of the period in which the forecast was made"),
    };
    json!({
        "standard_name": standard,
        "long_name": long,
        "axis": "T",
        "units": step.unit(),
        "calendar": "proleptic_gregorian",
    })
}

/// Attributes of `period_status`.
pub(super) fn period_status() -> Value {
    json!({
        "standard_name": "status_flag",
        "long_name": "what is known of the period",
        "flag_values": Status::ALL.map(Status::code),
        "flag_meanings": Status::ALL.map(Status::name).join(" "),
    })
}

/// Attributes of a horizontal coordinate; `axis` is `Y` or `X`.
pub(super) fn coordinate(grid: &Grid, axis: &str) -> Value {
    let geographic = crs::is_geographic(&grid.crs);
    let (standard, long, units) = match (geographic, axis) {
        (true, "Y") => ("latitude", "latitude", "degrees_north"),
        (true, _) => ("longitude", "longitude", "degrees_east"),
        (false, "Y") => ("projection_y_coordinate", "y of the projection", "m"),
        (false, _) => ("projection_x_coordinate", "x of the projection", "m"),
    };
    json!({ "standard_name": standard, "long_name": long, "units": units, "axis": axis })
}

/// Attributes of `spatial_ref`.
pub(super) fn spatial_ref(grid: &Grid) -> Value {
    let mut map = Map::new();
    map.insert("crs_wkt".to_owned(), json!(grid.crs.wkt));
    map.insert("spatial_ref".to_owned(), json!(grid.crs.wkt));
    if crs::is_geographic(&grid.crs) {
        map.insert("grid_mapping_name".to_owned(), json!("latitude_longitude"));
    }
    if grid.crs.code.as_deref() == Some("EPSG:4326") {
        map.insert("semi_major_axis".to_owned(), json!(6_378_137.0));
        map.insert("inverse_flattening".to_owned(), json!(298.257_223_563));
    }
    if let Some([a, b, c, d, e, f]) = transform(grid) {
        map.insert("GeoTransform".to_owned(), json!(format!("{c} {a} {b} {f} {d} {e}")));
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use frazil_engine::data::Axis;

    use super::*;

    #[test]
    fn the_place_of_a_projected_grid_is_told_in_degrees() {
        let grid = Grid {
            crs: crate::crs::epsg(32_633).unwrap(),
            y: Axis::regular("y", 7_000_000.0, -1000.0, 500),
            x: Axis::regular("x", 0.0, 1000.0, 1000),
            extra: Default::default(),
        };
        let mut map = Map::new();
        space(&grid, &mut map);
        // `transform_bounds(0, 6500000, 1000000, 7000000)` of EPSG:32633 by PROJ 9.
        for (key, proj) in [
            ("geospatial_lon_min", 5.172_365_4),
            ("geospatial_lat_min", 58.353_970_6),
            ("geospatial_lon_max", 24.827_634_6),
            ("geospatial_lat_max", 63.129_339_7),
        ] {
            assert!((map[key].as_f64().unwrap() - proj).abs() < 1e-6, "{key}: {}", map[key]);
        }
        assert_eq!(map["geospatial_bounds_crs"], "EPSG:32633");
        assert_eq!(map["spatial:bbox"], json!([0.0, 6_500_000.0, 1_000_000.0, 7_000_000.0]));
    }
}
