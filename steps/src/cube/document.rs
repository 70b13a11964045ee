//! `zarr.json` documents, read.

use std::collections::BTreeMap;

use frazil_engine::{
    data::{Axis, Crs, DType, Dimensions, Frequency, Grid},
    dataset::CellMethod,
    step::{ErrorKind, StepError},
};
use serde_json::Value;

use super::{
    level::inside,
    template::{Template, TemplateVariable},
};

/// The nodes of a repository: path → `zarr.json`.
pub(super) type Nodes = BTreeMap<String, Value>;

/// A store that is no cube as frazil knows it.
pub(super) fn not_a_cube(message: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Store, message)
}

/// The group that holds the arrays, found by the `multiscales` attribute.
pub(super) fn group(nodes: &Nodes) -> String {
    let layout = nodes.get("/").map(|root| &root["attributes"]["multiscales"]["layout"]);
    layout.and_then(|l| l[0]["asset"].as_str()).unwrap_or_default().to_owned()
}

/// What the stored documents say, with the coordinates of all dimensions but time and the step of
/// the dataset.
pub(super) fn template(
    nodes: &Nodes,
    step: Frequency,
    y: Vec<f64>,
    x: Vec<f64>,
    extra: Dimensions,
) -> Result<Template, StepError> {
    let group = group(nodes);
    let names = axes(nodes)?;
    let between: Vec<&str> = extra.0.iter().map(|dimension| dimension.name.as_str()).collect();
    let variables = nodes
        .iter()
        .filter(|(path, document)| between_of(path, document, &group, &names).as_ref() == Some(&between))
        .map(|(path, document)| variable(path, document))
        .collect::<Result<Vec<_>, _>>()?;
    if variables.is_empty() {
        return Err(not_a_cube(format!("no array with dimensions time, {}, {}", names.0, names.1)));
    }
    let stored = transform(nodes, &group);
    let axis = |name: &str, centres: Vec<f64>, stored: Option<(f64, f64)>| {
        let stored = stored.filter(|(origin, cell)| fits(&centres, *origin, *cell)).map(|(_, cell)| cell);
        Axis { name: name.to_owned(), cell: stored.or_else(|| regular(&centres)), centres }
    };
    let grid = Grid {
        crs: crs(nodes, &group),
        y: axis(&names.0, y, stored.map(|[.., f, _, e]| (f, e))),
        x: axis(&names.1, x, stored.map(|[c, a, ..]| (c, a))),
        extra,
    };
    Ok(Template { group, step, grid, variables, levels: Vec::new(), foreign_levels: None })
}

/// Names of the horizontal dimensions, y then x.
pub(super) fn axes(nodes: &Nodes) -> Result<(String, String), StepError> {
    let group = group(nodes);
    let at = |path: &str| nodes.get(path).map(|d| &d["attributes"]["spatial:dimensions"]);
    let declared = at("/")
        .into_iter()
        .chain(at(&format!("/{group}")))
        .find_map(|d| Some((d[0].as_str()?.to_owned(), d[1].as_str()?.to_owned())));
    let found = || {
        nodes.values().find_map(|document| {
            let names = document["dimension_names"].as_array()?;
            let [first, .., y, x] = names.as_slice() else { return None };
            (first == "time" && names.len() >= 3)
                .then(|| Some((y.as_str()?.to_owned(), x.as_str()?.to_owned())))?
        })
    };
    declared.or_else(found).ok_or_else(|| not_a_cube("no array with dimensions time, y, x"))
}

/// The dimensions between time and y of an array that is a variable.
fn between_of<'a>(
    path: &str,
    document: &'a Value,
    group: &str,
    names: &(String, String),
) -> Option<Vec<&'a str>> {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent).trim_start_matches('/');
    let dims: Vec<&str> =
        document["dimension_names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ["time", between @ .., y, x] = dims.as_slice() else { return None };
    (parent == group && *y == names.0 && *x == names.1).then(|| between.to_vec())
}

/// Names and lengths of the dimensions between time and y. What others wrote may have variables of
/// several kinds: those without such dimensions come first, else those like the first one.
pub(super) fn between(nodes: &Nodes) -> Result<Vec<(String, usize)>, StepError> {
    let (group, names) = (group(nodes), axes(nodes)?);
    let mut all = nodes
        .iter()
        .filter_map(|(path, document)| Some((between_of(path, document, &group, &names)?, document)));
    let Some((first, document)) = all.next() else { return Ok(Vec::new()) };
    if first.is_empty() || all.any(|(between, _)| between.is_empty()) {
        return Ok(Vec::new());
    }
    let length = |at: usize| document["shape"][at].as_u64().and_then(|n| usize::try_from(n).ok());
    let named = |(at, name): (usize, &str)| (name.to_owned(), length(at + 1).unwrap_or_default());
    Ok(first.into_iter().enumerate().map(named).collect())
}

/// An array of a variable.
pub(super) fn variable(path: &str, document: &Value) -> Result<TemplateVariable, StepError> {
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let bad = |what: &str| not_a_cube(format!("{what} of `{name}` cannot be read"));
    let dtype = document["data_type"].as_str();
    let dtype =
        DType::ALL.iter().copied().find(|d| Some(d.name()) == dtype).ok_or_else(|| bad("the type"))?;
    let attributes = document["attributes"].as_object().cloned().unwrap_or_default();
    let unit = lengths(&document["chunk_grid"]["configuration"]["chunk_shape"])
        .ok_or_else(|| bad("the chunk grid"))?;
    let codecs = document["codecs"].as_array().cloned().unwrap_or_default();
    let inner = codecs
        .iter()
        .find(|c| c["name"] == "sharding_indexed")
        .map(|c| lengths(&c["configuration"]["chunk_shape"]).ok_or_else(|| bad("the shards")))
        .transpose()?;
    let number = |key: &str| attributes.get(key).and_then(Value::as_f64);
    Ok(TemplateVariable {
        dtype,
        fill: if dtype.is_float() { None } else { number("_FillValue") },
        scale_factor: number("scale_factor"),
        add_offset: number("add_offset"),
        units: attributes.get("units").and_then(Value::as_str).map(str::to_owned),
        cell: attributes.get("cell_methods").and_then(Value::as_str).and_then(cell),
        shards: inner.is_some().then(|| unit.clone()),
        chunks: inner.unwrap_or(unit),
        codecs,
        attributes,
        name,
    })
}

fn lengths(value: &Value) -> Option<Vec<u64>> {
    let lengths: Option<Vec<u64>> = value.as_array()?.iter().map(Value::as_u64).collect();
    lengths.filter(|lengths| lengths.len() > 2)
}

/// What CF `cell_methods` says of time.
fn cell(text: &str) -> Option<CellMethod> {
    Some(match text.strip_prefix("time: ")?.split_whitespace().next()? {
        "point" => CellMethod::Point,
        "mean" => CellMethod::Mean,
        "sum" => CellMethod::Total,
        "minimum" => CellMethod::Minimum,
        "maximum" => CellMethod::Maximum,
        _ => return None,
    })
}

/// CF `cell_methods` of a variable.
pub(super) const fn cell_methods(cell: CellMethod) -> &'static str {
    match cell {
        CellMethod::Point => "time: point",
        CellMethod::Mean => "time: mean",
        CellMethod::Total => "time: sum",
        CellMethod::Minimum => "time: minimum",
        CellMethod::Maximum => "time: maximum",
    }
}

fn crs(nodes: &Nodes, group: &str) -> Crs {
    let attributes = |path: &str| nodes.get(path).map_or(&Value::Null, |d| &d["attributes"]);
    let root = attributes("/");
    let reference = attributes(&inside(group, "spatial_ref"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Crs {
        code: text(&root["proj:code"]),
        wkt: text(&reference["crs_wkt"]).or_else(|| text(&root["proj:wkt2"])).unwrap_or_default(),
    }
}

/// Origin and cells as they were stored, in the order of GDAL: x, dx, 0, y, 0, dy; none where
/// nothing says them, or the grid is turned. From the text where there is one: a number in JSON
/// may be read a unit in the last place off.
fn transform(nodes: &Nodes, group: &str) -> Option<[f64; 6]> {
    let prefix = if group.is_empty() { String::new() } else { format!("/{group}") };
    let attributes = |path: &str| nodes.get(path).map(|document| &document["attributes"]);
    let text = attributes(&format!("{prefix}/spatial_ref")).and_then(|a| a["GeoTransform"].as_str());
    let numbers = |text: &str| text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>().ok();
    let of_text = || text.and_then(numbers)?.try_into().ok();
    let of_group = |path: &str| {
        let listed = attributes(path)?["spatial:transform"].as_array()?;
        let numbers: Vec<f64> = listed.iter().map(Value::as_f64).collect::<Option<_>>()?;
        let [a, b, c, d, e, f]: [f64; 6] = numbers.try_into().ok()?;
        Some([c, a, b, f, d, e])
    };
    let found = of_text().or_else(|| of_group(&prefix)).or_else(|| of_group("/"));
    found.filter(|[_, _, b, _, d, _]| *b == 0.0 && *d == 0.0)
}

/// Whether centres are those of cells of this length from this edge on: attributes that were left
/// behind by an edit count for nothing.
fn fits(centres: &[f64], origin: f64, cell: f64) -> bool {
    let regular = Axis::regular("", origin, cell, centres.len());
    cell != 0.0 && regular.centres.iter().zip(centres).all(|(a, b)| (a - b).abs() <= EVEN * cell.abs())
}

/// Centres are evenly spaced when each is within this part of a cell of where it should be.
const EVEN: f64 = 1e-3;

/// The distance between centres, where they are evenly spaced.
pub(crate) fn regular(centres: &[f64]) -> Option<f64> {
    let (first, last) = (*centres.first()?, *centres.last()?);
    if centres.len() < 2 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    let cell = (last - first) / (centres.len() - 1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    let even =
        centres.iter().enumerate().all(|(i, c)| (first + i as f64 * cell - c).abs() <= EVEN * cell.abs());
    even.then_some(cell)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cube::attributes;

    fn grid(origin: [f64; 2], cell: [f64; 2], shape: [usize; 2]) -> Grid {
        Grid {
            crs: crate::crs::epsg(4326).unwrap(),
            y: Axis::regular("y", origin[1], cell[1], shape[0]),
            x: Axis::regular("x", origin[0], cell[0], shape[1]),
            extra: Dimensions::default(),
        }
    }

    /// The documents of `grid` with an array `v`, after they were text.
    fn nodes(grid: &Grid) -> Nodes {
        let array = json!({ "data_type": "float32", "dimension_names": ["time", "y", "x"], "attributes": {},
            "codecs": [], "chunk_grid": { "configuration": { "chunk_shape": [1, 1, 1] } } });
        let mut root = serde_json::Map::new();
        attributes::space(grid, &mut root);
        let documents = [
            ("/", json!({ "attributes": root })),
            ("/spatial_ref", json!({ "attributes": attributes::spatial_ref(grid) })),
            ("/v", array),
        ];
        let read = |document: Value| serde_json::from_str(&document.to_string()).unwrap();
        documents.into_iter().map(|(path, document)| (path.to_owned(), read(document))).collect()
    }

    fn back(nodes: &Nodes, grid: &Grid) -> Grid {
        let (y, x) = (grid.y.centres.clone(), grid.x.centres.clone());
        template(nodes, Frequency::Day, y, x, Dimensions::default()).unwrap().grid
    }

    proptest! {
        #[test]
        fn a_grid_comes_back_as_it_was_written(
            west in -1800i32..1800, north in -900i32..900,
            cells in prop::sample::select(vec![0.05, 0.1, 0.25, 1.0 / 3.0, 0.008_333_333_333_333_333, 10.0]),
            rows in 1usize..300, columns in 1usize..300,
        ) {
            let grid = grid([f64::from(west) / 10.0, f64::from(north) / 10.0], [cells, -cells], [rows, columns]);
            prop_assert_eq!(back(&nodes(&grid), &grid), grid);
        }
    }

    #[test]
    fn cells_are_those_of_the_attributes_where_they_fit_the_coordinates() {
        let grid = grid([-13.5, 10.1], [0.05, -0.05], [66, 68]);
        let mut nodes = nodes(&grid);
        // The conventions' own transform, where there is no text.
        nodes.get_mut("/spatial_ref").unwrap()["attributes"] = json!({ "crs_wkt": grid.crs.wkt });
        assert_eq!(back(&nodes, &grid).x.cell, Some(0.05));
        // One of another grid is passed over, and so is one that is turned.
        for transform in
            [json!([0.1, 0.0, -13.5, 0.0, -0.1, 10.1]), json!([0.05, 0.01, -13.5, 0.0, -0.05, 10.1])]
        {
            nodes.get_mut("/").unwrap()["attributes"]["spatial:transform"] = transform;
            let cell = back(&nodes, &grid).x.cell.unwrap();
            assert!((cell - 0.05).abs() < 1e-9 && cell != 0.05, "{cell}");
        }
    }
}
