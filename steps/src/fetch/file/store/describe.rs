//! What a store holds, in the words in which files are described.

use std::collections::BTreeMap;

use frazil_engine::{data::Values, step::StepError};
use frazil_raster_protocol::{
    Array, Attribute, Column, Content, CrsText, Description, Dimension, Number, NumberType, VERSION,
};
use serde_json::Value;

use super::super::layout::is_coordinate;
use crate::{
    cube::foreign::{Limits, Member, Store},
    raster::Helpers,
};

/// Numbers of a coordinate at most: a century of minutes fits.
const LABELS: u64 = 64 << 20;

/// Describes all arrays, with the values of the coordinates that the wanted ones have.
pub(super) async fn description(
    store: &Store,
    wanted: &[String],
    helpers: &Helpers,
    limits: Limits,
) -> Result<Description, StepError> {
    let mut arrays: Vec<Array> = store.arrays().iter().map(array).collect();
    for array in arrays.iter_mut().filter(|array| wanted.contains(&array.name)) {
        if let Some(definition) = store.array(&array.name).and_then(|member| mapping(store, member)) {
            array.crs = Some(crs(helpers, &definition).await?);
        }
    }
    let dims: Vec<String> = arrays
        .iter()
        .filter(|array| wanted.contains(&array.name))
        .flat_map(|array| array.dims.iter().map(|dim| dim.name.clone()))
        .collect();
    let needed: Vec<usize> = (0..arrays.len()).filter(|at| is_needed(&arrays, *at, &dims)).collect();
    for at in needed {
        fits(store, &arrays, wanted, &arrays[at])?;
        if let Some(member) = store.array(&arrays[at].name) {
            arrays[at].values = values(store, member, limits).await?;
        }
    }
    Ok(Description {
        version: VERSION,
        driver: "Zarr".to_owned(),
        content: Content::Arrays(arrays),
        opens: 1,
    })
}

/// Whether the values of an array are needed: those of a coordinate of a wanted dimension, and what
/// tells preliminary numbers from final ones.
fn is_needed(arrays: &[Array], at: usize, dims: &[String]) -> bool {
    let array = &arrays[at];
    match array.dims.as_slice() {
        [] => array.name == "expver",
        [dim] if dims.contains(&dim.name) => {
            let own = array.name == dim.name;
            let other = !arrays.iter().any(|other| other.name == dim.name && other.dims.len() == 1);
            own || array.name == "expver" || other && is_coordinate(array)
        }
        _ => false,
    }
}

/// Refuses arrays that are longer or shorter than the coordinate of their dimension.
fn fits(store: &Store, arrays: &[Array], wanted: &[String], coordinate: &Array) -> Result<(), StepError> {
    let [own] = coordinate.dims.as_slice() else { return Ok(()) };
    for array in arrays.iter().filter(|array| wanted.contains(&array.name)) {
        if let Some(dim) = array.dims.iter().find(|dim| dim.name == own.name && dim.len != own.len) {
            let what = format!(
                "`{}` has {} along `{}`, whose coordinate `{}` has {}",
                array.name, dim.len, dim.name, coordinate.name, own.len
            );
            return Err(store.wrong(what).help("somebody may be writing it: run again, or ask the provider"));
        }
    }
    Ok(())
}

/// All numbers or texts of an array of at most one dimension; none of one that holds something else.
async fn values(store: &Store, member: &Member, limits: Limits) -> Result<Option<Column>, StepError> {
    if member.shape().product::<u64>() > LABELS {
        return Ok(None);
    }
    let Some(dtype) = member.dtype else {
        return Ok(store.texts(member, limits).await?.map(Column::Texts));
    };
    let all: Vec<_> = member.shape().map(|length| 0..length).collect();
    let bytes = store.read(member, &all, limits).await?;
    let values = Values::from_le_bytes(dtype, &bytes);
    Ok(values.map(|values| Column::Numbers((0..values.len()).map(|at| Number(values.get(at))).collect())))
}

fn array(member: &Member) -> Array {
    let dims = member.dims.iter().map(|(name, len)| Dimension { name: name.clone(), len: *len }).collect();
    let attributes: BTreeMap<String, Attribute> =
        member.attributes.iter().filter_map(|(key, value)| Some((key.clone(), attribute(value)?))).collect();
    let dtype = member.dtype.map(number_type);
    Array { name: member.name.clone(), dims, dtype, attributes, crs: None, values: None }
}

/// An attribute that is a text or one number. A number with a point in it is a double, as Python reads it.
fn attribute(value: &Value) -> Option<Attribute> {
    match value {
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Some(Attribute::Number { value: Number(f64::NAN), dtype: NumberType::Float64 }),
            _ => Some(Attribute::Text(text.clone())),
        },
        Value::Number(number) => {
            let whole = number.is_i64() || number.is_u64();
            let dtype = if whole { NumberType::Int64 } else { NumberType::Float64 };
            Some(Attribute::Number { value: Number(number.as_f64()?), dtype })
        }
        Value::Array(one) => match one.as_slice() {
            [one @ Value::Number(_)] => attribute(one),
            _ => None,
        },
        _ => None,
    }
}

const fn number_type(dtype: frazil_engine::data::DType) -> NumberType {
    use frazil_engine::data::DType;
    match dtype {
        DType::Int8 => NumberType::Int8,
        DType::UInt8 => NumberType::UInt8,
        DType::Int16 => NumberType::Int16,
        DType::UInt16 => NumberType::UInt16,
        DType::Int32 => NumberType::Int32,
        DType::UInt32 => NumberType::UInt32,
        DType::Int64 => NumberType::Int64,
        DType::UInt64 => NumberType::UInt64,
        DType::Float32 => NumberType::Float32,
        DType::Float64 => NumberType::Float64,
    }
}

/// What defines the reference system of an array: the text of its grid mapping, or else what the
/// group says by the conventions of Zarr.
fn mapping(store: &Store, member: &Member) -> Option<String> {
    let text = |attributes: &serde_json::Map<String, Value>, key: &str| {
        attributes.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty()).map(str::to_owned)
    };
    let name = text(&member.attributes, "grid_mapping");
    let name = name.as_deref().and_then(|name| name.split([' ', ':']).next()).unwrap_or("spatial_ref");
    let own = store.array(name).and_then(|mapping| {
        text(&mapping.attributes, "crs_wkt").or_else(|| text(&mapping.attributes, "spatial_ref"))
    });
    let of = |attributes| text(attributes, "proj:code").or_else(|| text(attributes, "proj:wkt2"));
    own.or_else(|| of(&member.attributes)).or_else(|| of(store.attributes()))
}

/// Longitudes and latitudes by name need no tables.
async fn crs(helpers: &Helpers, definition: &str) -> Result<CrsText, StepError> {
    match crate::crs::named(definition) {
        Some(known) => Ok(CrsText {
            geographic: crate::crs::is_geographic(&known),
            code: known.code,
            wkt: known.wkt,
            nameless: false,
        }),
        None => helpers.crs(definition).await,
    }
}
