//! What GDAL keeps to itself of a Zarr store of version 2: its driver takes scale, offset and fill value
//! out of the attributes, and knows no grid mappings.

use std::{fs, io::Read, path::Path};

use frazil_raster_protocol::{Array, Attribute, FaultKind, Number, NumberType};
use gdal::raster::MDArray;
use serde_json::{Map, Value};

use crate::{
    arrays::ATTRIBUTES,
    crs,
    session::{Answer, fault},
};

/// The most that the attributes of an array may take, in bytes.
const MAX_ATTRIBUTES: u64 = 1 << 20;

/// Adds what the files of the store at `path` say of an array.
pub(crate) fn complete(told: &mut Array, array: &MDArray<'_>, path: &Path) -> Answer<()> {
    let attributes = attributes(path, &told.name)?;
    let known =
        ATTRIBUTES.iter().filter_map(|key| Some(((*key).to_owned(), attribute(attributes.get(*key)?)?)));
    told.attributes.extend(known);
    // It has the type of the array, and means what `_FillValue` of CF does.
    if let (Some(value), Some(dtype)) = (array.no_data_value_as_double(), told.dtype) {
        let fill = Attribute::Number { value: Number(value), dtype };
        told.attributes.entry("_FillValue".to_owned()).or_insert(fill);
    }
    if let (None, Some(mapping)) = (&told.crs, attributes.get("grid_mapping").and_then(Value::as_str)) {
        let mapping = self::attributes(path, mapping)?;
        let wkt = ["crs_wkt", "spatial_ref"].iter().find_map(|key| mapping.get(*key)?.as_str());
        told.crs = wkt.map(crs::look_up).transpose()?;
    }
    Ok(())
}

/// The attributes of an array; none where it has none.
fn attributes(path: &Path, name: &str) -> Answer<Map<String, Value>> {
    let unreadable = |why: String| fault(FaultKind::Unreadable, format!("the attributes of `{name}`: {why}"));
    // A name out of an attribute leads nowhere else.
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Ok(Map::new());
    }
    let file = match fs::File::open(path.join(name).join(".zattrs")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        opened => opened.map_err(|error| unreadable(error.to_string()))?,
    };
    let mut text = String::new();
    file.take(MAX_ATTRIBUTES).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
}

/// An attribute as those of NetCDF are told: numbers of JSON have no type but this one.
fn attribute(value: &Value) -> Option<Attribute> {
    match value {
        Value::String(text) => Some(Attribute::Text(text.clone())),
        Value::Array(items) => attribute(items.first()?),
        value => Some(Attribute::Number { value: Number(value.as_f64()?), dtype: NumberType::Float64 }),
    }
}
