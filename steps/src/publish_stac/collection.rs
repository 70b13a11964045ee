//! A dataset as a STAC 1.1.0 collection.

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    data::{Axis, Checked, Frequency, LEAD_TIME},
    dataset::{Dataset, DatasetInfo, Display},
    step::{ErrorKind, StepError},
};
use serde_json::{Map, Value, json};

use super::place::{degrees, epsg, span, tidy};
use crate::{
    cube::{Outline, Template, TemplateVariable},
    validate::remembered::Passed,
};

const EXTENSIONS: [&str; 3] = [
    "https://stac-extensions.github.io/datacube/v2.3.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/zarr/v1.1.0/schema.json",
];
const RENDER: &str = "https://stac-extensions.github.io/render/v2.0.0/schema.json";

/// What is known of a cube, without its numbers.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) info: &'a DatasetInfo,
    pub(super) outline: &'a Outline,
    /// The start of the first period and the end of the last; none of a static dataset.
    pub(super) interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// How it is drawn, and which variable.
    pub(super) display: Option<(&'a Display, String)>,
    /// What checks said of it.
    pub(super) validated: Vec<Passed>,
    pub(super) hrefs: &'a Hrefs,
}

/// Where a collection leads to: relative in a folder, absolute over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hrefs {
    /// The catalog.
    pub root: String,
    /// What lists the collection.
    pub parent: String,
    /// The collection itself.
    pub own: String,
    /// Its data as Zarr: an Icechunk repository, or, where `current` is known, Zarr over HTTP of this state
    /// for ever. None where it lies on the server's own machine and is not served.
    pub zarr: Option<String>,
    /// The same over HTTP of what everyone reads by then.
    pub current: Option<String>,
    /// Its repository, if it has one.
    pub icechunk: Option<String>,
    /// A picture of it.
    pub thumbnail: Option<String>,
}

/// The collection.
///
/// # Errors
/// When nobody can tell without a projection library where the grid lies.
pub(super) fn collection(facts: &Facts<'_>) -> Result<Value, StepError> {
    let block = &facts.info.block;
    let grid = &facts.outline.template.grid;
    let bbox = degrees(grid).ok_or_else(|| {
        let crs = grid.crs.code.as_deref().unwrap_or("a reference system without a code");
        StepError::permanent(
            ErrorKind::Data,
            format!("cannot tell where {} lies in degrees: its grid is in {crs}", facts.info.id),
        )
        .help("publish-stac knows longitudes and latitudes and the UTM zones of WGS 84")
    })?;
    let interval = facts.interval.map(|(start, end)| [stamp(start), stamp(end)]);
    // Open at both ends: it has no place in time.
    let temporal = interval.as_ref().map_or_else(|| json!([null, null]), |interval| json!(interval));
    let mut extensions = EXTENSIONS.to_vec();
    extensions.extend(facts.display.is_some().then_some(RENDER));
    let mut collection = json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": extensions,
        "id": facts.info.id,
        "title": block.title,
        "description": block.description.as_ref().unwrap_or(&block.title),
        "license": block.license.as_deref().unwrap_or("other"),
        "extent": { "spatial": { "bbox": [bbox] }, "temporal": { "interval": [temporal] } },
        "links": links(block, facts.hrefs),
    });
    let mut put = |key: &str, value: Value| collection[key] = value;
    if !block.keywords.is_empty() {
        put("keywords", json!(block.keywords));
    }
    if !block.providers.is_empty() {
        put("providers", Value::Array(block.providers.iter().map(plain).collect()));
    }
    if let Some(citation) = &block.citation {
        put("sci:citation", json!(citation));
    }
    put("cube:dimensions", dimensions(facts, interval.as_ref()));
    put("cube:variables", variables(facts));
    if let Some((display, variable)) = &facts.display {
        put("renders", json!({ variable: render(display, variable, &facts.outline.template) }));
    }
    if !facts.validated.is_empty() {
        put("frazil:validation", Value::Array(facts.validated.iter().map(validation).collect()));
    }
    put("assets", assets(facts));
    Ok(collection)
}

/// What one step found of the state that is published: nothing that blocks, or it were not.
fn validation(passed: &Passed) -> Value {
    let check = |check: &Checked| {
        let mut about = json!({
            "check": check.check, "outcome": check.outcome(), "severity": check.severity,
            "looked_at": check.looked_at, "message": check.message,
        });
        if let Some(variable) = &check.variable {
            about["variable"] = json!(variable);
        }
        if !check.periods.is_empty() {
            about["periods"] = json!(check.periods.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        about
    };
    json!({
        "step": passed.by, "snapshot": passed.snapshot, "at": stamp(passed.at),
        "checks": passed.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn links(block: &Dataset, hrefs: &Hrefs) -> Vec<Value> {
    let own = [("root", &hrefs.root), ("parent", &hrefs.parent), ("self", &hrefs.own)];
    let own = own.map(|(rel, href)| json!({ "rel": rel, "href": href, "type": "application/json" }));
    let mut links = own.to_vec();
    links.extend(block.links.iter().map(plain));
    links
}

/// As JSON, without what is not said.
fn plain(value: &impl serde::Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Value::Object(map.into_iter().filter(|(_, v)| !v.is_null()).collect()),
        _ => Value::Null,
    }
}

fn dimensions(facts: &Facts<'_>, interval: Option<&[String; 2]>) -> Value {
    let grid = &facts.outline.template.grid;
    let system = epsg(&grid.crs).map_or_else(|| json!(grid.crs.wkt), |code| json!(code));
    let space = |axis: &Axis, name: &str| {
        json!({
            "type": "spatial",
            "axis": name,
            "extent": span(axis),
            "step": axis.cell.map(f64::abs),
            "reference_system": system,
        })
    };
    let mut dimensions = Map::new();
    if let Some(interval) = interval {
        let time =
            json!({ "type": "temporal", "extent": interval, "step": iso_step(facts.outline.template.step) });
        dimensions.insert("time".to_owned(), time);
    }
    for dimension in &grid.extra.0 {
        dimensions.insert(dimension.name.clone(), json!({ "type": "other", "values": dimension.labels }));
    }
    dimensions.insert(grid.y.name.clone(), space(&grid.y, "y"));
    dimensions.insert(grid.x.name.clone(), space(&grid.x, "x"));
    Value::Object(dimensions)
}

/// The step as ISO 8601; none for dekads and pentads, which are of no one length.
fn iso_step(step: Frequency) -> Option<String> {
    match step {
        Frequency::Pentad | Frequency::Dekad => None,
        step => Some(step.to_string().split('@').next().unwrap_or_default().to_owned()),
    }
}

fn variables(facts: &Facts<'_>) -> Value {
    let grid = &facts.outline.template.grid;
    // A static dataset has no dimension `time`.
    let first = usize::from(facts.interval.is_none());
    let names: Vec<&str> = std::iter::once("time").chain(grid.names()).skip(first).collect();
    let shape: Vec<usize> = std::iter::once(facts.outline.len).chain(grid.lengths()).skip(first).collect();
    let mut variables = Map::new();
    for variable in &facts.outline.template.variables {
        let mut about = json!({
            "variable_type": "data",
            "type": "data",
            "dimensions": names,
            "data_type": variable.dtype.name(),
            "shape": shape,
            "chunks": variable.chunks.get(first..),
        });
        if let Some(units) = &variable.units {
            about["unit"] = json!(units);
        }
        if let Some(name) = ["long_name", "standard_name"].iter().find_map(|n| variable.attributes.get(*n)) {
            about["description"] = name.clone();
        }
        variables.insert(variable.name.clone(), about);
    }
    if facts.interval.is_none() {
        return Value::Object(variables);
    }
    let status = json!({
        "variable_type": "auxiliary",
        "type": "auxiliary",
        "dimensions": ["time"],
        "data_type": "uint8",
        "shape": [facts.outline.len],
        "description": "what is known of each period: final, provisional, gap, incomplete or withdrawn",
    });
    variables.insert("period_status".to_owned(), status);
    if let Some(leads) = grid.extra.leads() {
        let valid = json!({
            "variable_type": "auxiliary",
            "type": "auxiliary",
            "dimensions": ["time", LEAD_TIME],
            "data_type": "int64",
            "shape": [facts.outline.len, leads.len()],
            "description": "the time for which the forecast holds: its reference time and the lead",
        });
        variables.insert("valid_time".to_owned(), valid);
    }
    Value::Object(variables)
}

fn render(display: &Display, variable: &str, template: &Template) -> Value {
    let units = template.variable(variable).and_then(|v| v.units.as_deref());
    let title = units.map_or_else(|| variable.to_owned(), |units| format!("{variable} ({units})"));
    let mut render = json!({ "title": title, "assets": ["zarr"], "expression": variable });
    if let Some(range) = display.range {
        render["rescale"] = json!([range]);
    }
    if let Some(name) = &display.colormap {
        render["colormap_name"] = json!(name);
    }
    if !display.palette.is_empty() {
        render["colormap"] = json!(display.palette);
    }
    render
}

fn assets(facts: &Facts<'_>) -> Value {
    let (template, hrefs) = (&facts.outline.template, facts.hrefs);
    let is_multiscale = !template.group.is_empty();
    let is_served = hrefs.current.is_some();
    let profile = if is_multiscale { "; profile=multiscales" } else { "" };
    let mut open = json!({ "engine": "zarr", "zarr_format": 3, "consolidated": is_served });
    if is_multiscale {
        open["group"] = json!(template.group);
    }
    let zarr = |href: &str, title: &str| {
        let mut zarr = json!({
            "href": href,
            "type": format!("application/vnd.zarr; version=3{profile}"),
            "title": title,
            "roles": ["data"],
            "zarr:node_type": "group",
            "zarr:zarr_format": 3,
            "xarray:open_kwargs": open,
        });
        for (key, value) in projection(template) {
            zarr[key] = value;
        }
        zarr
    };
    let title = if is_served {
        "Zarr group of this state, for ever"
    } else {
        "Zarr group, in the store of an Icechunk session"
    };
    let mut assets = json!({});
    if let Some(href) = &hrefs.zarr {
        assets["zarr"] = zarr(href, title);
    }
    if let Some(current) = &hrefs.current {
        assets["zarr-current"] = zarr(current, "Zarr group of what everyone reads by then");
    }
    if let Some(href) = &hrefs.icechunk {
        assets["icechunk"] = json!({
            "href": href,
            "type": "application/vnd.zarr+icechunk",
            "title": "Icechunk repository",
            "roles": ["data"],
            "icechunk:branch": facts.outline.snapshot.branch,
            "icechunk:snapshot_id": facts.outline.id,
        });
    }
    if let Some(thumbnail) = &hrefs.thumbnail {
        assets["thumbnail"] = json!({
            "href": thumbnail,
            "type": "image/png",
            "title": shown(facts),
            "roles": ["thumbnail"],
        });
    }
    assets
}

/// What the thumbnail shows: of several combinations the first.
fn shown(facts: &Facts<'_>) -> String {
    let what = if facts.interval.is_some() { "the newest period" } else { "the map" };
    match facts.outline.template.grid.extra.words(0) {
        words if words.is_empty() => what.to_owned(),
        words => format!("{what}, {words}"),
    }
}

fn projection(template: &Template) -> Vec<(&'static str, Value)> {
    let grid = &template.grid;
    let (rows, columns) = grid.shape();
    let mut fields = vec![("proj:shape", json!([rows, columns]))];
    match &grid.crs.code {
        Some(code) => fields.push(("proj:code", json!(code))),
        None => fields.push(("proj:wkt2", json!(grid.crs.wkt))),
    }
    if let (Some([west, east]), Some([south, north])) = (span(&grid.x), span(&grid.y)) {
        fields.push(("proj:bbox", json!([west, south, east, north])));
    }
    let corner = |axis: &Axis| Some((tidy(axis.edges()?.0), axis.cell?));
    if let (Some((x, width)), Some((y, height))) = (corner(&grid.x), corner(&grid.y)) {
        fields.push(("proj:transform", json!([width, 0.0, x, 0.0, height, y])));
    }
    fields
}

/// The variable that is drawn: the one that `display` names, else the first.
pub(super) fn drawn<'a>(display: &Display, template: &'a Template) -> Option<&'a TemplateVariable> {
    match &display.variable {
        Some(name) => template.variable(name),
        None => template.variables.first(),
    }
}

fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
