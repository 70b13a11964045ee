//! What a new cube is: the declared dataset with what its first slice adds.

use frazil_engine::{
    data::{Axis, Crs, DType, Grid, Slice},
    dataset::{Dataset, DatasetInfo, Variable},
    step::{ErrorKind, StepError},
};
use serde_json::{Map, Value, json};

use super::{
    crs, document,
    forecast::{self, VALID_TIME},
    grid,
    lengths::{Lengths, codecs},
    template::{Template, TemplateVariable},
};

pub(super) fn refused(message: impl Into<String>, help: impl Into<String>) -> StepError {
    StepError::permanent(ErrorKind::Data, message).help(help)
}

/// The template of a dataset that does not exist yet.
pub(super) fn declare(
    info: &DatasetInfo,
    project_crs: Option<&str>,
    slice: &Slice,
) -> Result<Template, StepError> {
    let block = &info.block;
    let step = block.time.frequency();
    let grid = declared_grid(block, project_crs, &slice.grid)?;
    let mut names: Vec<String> = if block.variables.is_empty() {
        slice.fields.iter().map(|f| f.name.clone()).collect()
    } else {
        block.variables.keys().cloned().collect()
    };
    if names.is_empty() {
        return Err(refused("nothing says which variables the dataset has", "declare `variables`"));
    }
    // The order in which a store lists them.
    names.sort_unstable();
    let variables = names
        .iter()
        .map(|name| {
            let field = slice.fields.iter().find(|f| f.name == *name);
            let declared = block.variables.get(name).cloned().unwrap_or_else(undeclared);
            let dtype = declared.dtype.or_else(|| field.map(|f| f.values.dtype())).ok_or_else(|| {
                refused(
                    format!("`{name}` has no type: the first slice does not hold it"),
                    format!("declare `variables.{name}.dtype`"),
                )
            })?;
            let fill = declared.fill.or_else(|| field.and_then(|f| f.fill));
            let units = declared.units.clone().or_else(|| field.and_then(|f| f.units.clone()));
            let mut variable =
                variable(name, &declared, dtype, fill, units, &Lengths::of(block, step, &grid)?)?;
            if forecast::leads(step, &grid).is_some() && !declared.attributes.contains_key("coordinates") {
                let named = format!("period_status spatial_ref {VALID_TIME}");
                variable.attributes.insert("coordinates".to_owned(), json!(named));
            }
            Ok::<_, StepError>(variable)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Template { group: String::new(), step, grid, variables, levels: Vec::new(), foreign_levels: None })
}

fn undeclared() -> Variable {
    Variable {
        units: None,
        standard_name: None,
        long_name: None,
        short_name: None,
        cell: None,
        dtype: None,
        nodata: None,
        fill: None,
        scale_factor: None,
        add_offset: None,
        valid: None,
        categories: std::collections::BTreeMap::new(),
        mantissa_bits: None,
        attributes: std::collections::BTreeMap::new(),
    }
}

/// Steps that are written together in a dataset that does not exist yet.
pub(crate) fn declared_unit(info: &DatasetInfo) -> u64 {
    let block = &info.block;
    let default = block.time.frequency().default_time_chunk();
    let chunk = block.chunks.get("time").copied().unwrap_or(default).max(1);
    block.shards.get("time").copied().unwrap_or(chunk).max(chunk)
}

/// Peak memory of writing a dataset that does not exist yet, in bytes; none where its grid or
/// its types are not declared.
pub(crate) fn declared_peak(info: &DatasetInfo, in_flight: usize) -> Option<u64> {
    let grid = info.block.grid.as_ref()?;
    let planes = info.block.dimensions.combinations() as u64;
    let cells = grid.shape[0].checked_mul(grid.shape[1])?.checked_mul(planes)?;
    let sizes = info.block.variables.values().map(|v| v.dtype.map(|d| d.size() as u64));
    let bytes: u64 = sizes.sum::<Option<u64>>().filter(|bytes| *bytes > 0)?;
    Some(cells.saturating_mul(bytes).saturating_mul(declared_unit(info) + in_flight as u64))
}

/// The declared grid, which the slice must have; else that of the slice.
fn declared_grid(block: &Dataset, project_crs: Option<&str>, given: &Grid) -> Result<Grid, StepError> {
    let mut crs = given.crs.clone();
    if crs.code.is_none() && crs.wkt.is_empty() {
        let code = block.crs.as_deref().or(project_crs).ok_or_else(|| {
            refused("the source says no coordinate reference system", "declare `crs`, such as EPSG:4326")
        })?;
        crs = Crs { code: Some(code.to_owned()), wkt: String::new() };
    }
    if !block.dimensions.is_empty() {
        grid::labelled(&block.dimensions, &given.extra)?;
    }
    if let Some(code) = block.crs.as_deref() {
        let declared = Crs { code: Some(code.to_owned()), wkt: crs::wkt(code).unwrap_or_default() };
        if !crs::same(&declared, &crs) {
            return Err(refused(
                format!("the source is in {}, the dataset declares {code}", crs::name(&crs)),
                "declare the CRS of the source, or reproject it",
            ));
        }
        crs.code = Some(code.to_owned());
    }
    if crs.wkt.is_empty() {
        crs.wkt = crs.code.as_deref().and_then(crs::wkt).ok_or_else(|| {
            refused(
                format!("no text is known for {}", crs::name(&crs)),
                "only EPSG:4326 and UTM zones on WGS 84 are built in; a source that carries its WKT needs none",
            )
        })?;
    }
    // What is stored is read back with the cell that its coordinates have, said or not.
    let axis =
        |axis: &Axis| Axis { cell: axis.cell.or_else(|| document::regular(&axis.centres)), ..axis.clone() };
    let mut own = Grid { crs, y: axis(&given.y), x: axis(&given.x), extra: given.extra.clone() };
    if let Some(declared) = &block.grid {
        let length = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let axis = |own: &Axis, at: usize, n: u64| {
            Axis::regular(&own.name, declared.origin[at], declared.cell[at], length(n))
        };
        let stored = Grid {
            crs: own.crs.clone(),
            y: axis(&own.y, 1, declared.shape[0]),
            x: axis(&own.x, 0, declared.shape[1]),
            extra: own.extra.clone(),
        };
        grid::same(&stored, &own)?;
        own = stored;
        if let Some([y, x]) = &declared.names {
            own.y.name.clone_from(y);
            own.x.name.clone_from(x);
        }
    }
    Ok(own)
}

fn variable(
    name: &str,
    declared: &Variable,
    dtype: DType,
    fill: Option<f64>,
    units: Option<String>,
    lengths: &Lengths,
) -> Result<TemplateVariable, StepError> {
    let packed = declared.scale_factor.is_some() || declared.add_offset.is_some();
    if packed && dtype.is_float() {
        return Err(refused(
            format!("`{name}` has scale-factor or add-offset, but is stored as {}", dtype.name()),
            format!("packing needs an integer type: declare `variables.{name}.dtype: int16`"),
        ));
    }
    let mut variable = TemplateVariable {
        name: name.to_owned(),
        dtype,
        fill: if dtype.is_float() { None } else { fill },
        scale_factor: declared.scale_factor,
        add_offset: declared.add_offset,
        units,
        cell: declared.cell,
        chunks: lengths.chunks.clone(),
        shards: lengths.shards.clone(),
        codecs: lengths.codecs(dtype),
        attributes: Map::new(),
    };
    variable.attributes = attributes(&variable, declared);
    Ok(variable)
}

fn attributes(variable: &TemplateVariable, declared: &Variable) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    let integer =
        |v: f64| if v.fract() == 0.0 && !variable.dtype.is_float() { json!(v as i64) } else { json!(v) };
    put("long_name", declared.long_name.as_ref().map(|v| json!(v)));
    put("short_name", declared.short_name.as_ref().map(|v| json!(v)));
    put("standard_name", declared.standard_name.as_ref().map(|v| json!(v)));
    put("units", variable.units.as_ref().map(|v| json!(v)));
    put("cell_methods", variable.cell.map(|c| json!(document::cell_methods(c))));
    put("scale_factor", variable.scale_factor.map(|v| json!(v)));
    put("add_offset", variable.add_offset.map(|v| json!(v)));
    // xarray reads the fill of a float as base64 of a little-endian float64: this is NaN.
    let fill =
        if variable.dtype.is_float() { Some(json!("AAAAAAAA+H8=")) } else { variable.fill.map(integer) };
    put("_FillValue", fill);
    // Of packed data CF wants the range of the stored numbers, which readers differ about.
    let range = declared.valid.filter(|_| !variable.is_packed());
    put("valid_range", range.map(|[low, high]| json!([integer(low), integer(high)])));
    if !declared.categories.is_empty() {
        let mut flags: Vec<(f64, &String)> =
            declared.categories.iter().filter_map(|(k, v)| Some((k.parse().ok()?, v))).collect();
        flags.sort_by(|a, b| a.0.total_cmp(&b.0));
        put("flag_values", Some(flags.iter().map(|f| integer(f.0)).collect()));
        let words: Vec<String> =
            flags.iter().map(|f| f.1.split_whitespace().collect::<Vec<_>>().join("_")).collect();
        put("flag_meanings", Some(json!(words.join(" "))));
    }
    put("grid_mapping", Some(json!("spatial_ref")));
    put("coordinates", Some(json!("period_status spatial_ref")));
    for (key, value) in &declared.attributes {
        put(key, Some(value.clone()));
    }
    map
}

/// A `zarr.json` of an array.
pub(super) struct ArrayDocument<'a> {
    pub(super) shape: Vec<u64>,
    pub(super) chunks: Vec<u64>,
    pub(super) dtype: DType,
    pub(super) fill: Value,
    pub(super) codecs: Vec<Value>,
    pub(super) attributes: Map<String, Value>,
    pub(super) dimensions: Vec<&'a str>,
}

impl ArrayDocument<'_> {
    pub(super) fn json(self) -> Value {
        json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.dtype.name(),
            "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": self.chunks } },
            "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
            "fill_value": self.fill,
            "codecs": self.codecs,
            "attributes": self.attributes,
            "dimension_names": self.dimensions,
            "storage_transformers": [],
        })
    }

    /// A coordinate of one dimension.
    pub(super) fn coordinate(name: &str, length: u64, chunk: u64, dtype: DType, attributes: Value) -> Value {
        ArrayDocument {
            shape: vec![length],
            chunks: vec![chunk.max(1)],
            dtype,
            fill: if dtype.is_float() { json!("NaN") } else { json!(0) },
            codecs: codecs(dtype, 3),
            attributes: attributes.as_object().cloned().unwrap_or_default(),
            dimensions: vec![name],
        }
        .json()
    }

    /// A variable without periods yet.
    pub(super) fn variable(variable: &TemplateVariable, grid: &Grid) -> Value {
        #[expect(clippy::cast_possible_truncation, reason = "a fill of an integer type")]
        let fill = match (variable.dtype.is_float(), variable.fill) {
            (true, _) => json!("NaN"),
            (false, fill) => json!(fill.unwrap_or(0.0) as i64),
        };
        ArrayDocument {
            shape: std::iter::once(0).chain(grid.lengths().into_iter().map(|n| n as u64)).collect(),
            chunks: variable.unit().to_vec(),
            dtype: variable.dtype,
            fill,
            codecs: variable.codecs.clone(),
            attributes: variable.attributes.clone(),
            dimensions: std::iter::once("time").chain(grid.names()).collect(),
        }
        .json()
    }
}
