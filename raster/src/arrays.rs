//! NetCDF, HDF5 and Zarr through GDAL's multidimensional interface.

use std::{collections::BTreeMap, path::Path};

use frazil_raster_protocol::{Array, Attribute, Column, Dimension, FaultKind, Number, NumberType};
use gdal::{
    Dataset, DatasetOptions, DriverManager, GdalOpenFlags,
    cpl::CslStringList,
    raster::{ExtendedDataType, GdalDataType, Group, MDArray},
};

use crate::{
    crs, number,
    session::{Answer, MAX_THINGS, body_len, fault, unreadable},
    zarr,
};

/// The longest coordinate that is told with the description.
const MAX_COLUMN: u64 = 1 << 20;

/// Attributes that decide what numbers mean; asked for by name, since the nodata, scale and offset
/// that GDAL makes of them lose their types (a NaN `_FillValue` of an integer becomes 0).
pub(crate) const ATTRIBUTES: &[&str] = &[
    "_FillValue",
    "_Unsigned",
    "add_offset",
    "axis",
    "bounds",
    "calendar",
    "cell_methods",
    "coordinates",
    "grid_mapping",
    "long_name",
    "missing_value",
    "positive",
    "scale_factor",
    "standard_name",
    "units",
];

fn array<'a>(group: &'a Group<'_>, name: &str) -> Answer<MDArray<'a>> {
    group
        .open_md_array(name, CslStringList::new())
        .map_err(|_| fault(FaultKind::Absent, format!("no array `{name}`")))
}

/// All arrays of the root group.
pub(crate) fn describe(dataset: &Dataset, path: &Path) -> Answer<Vec<Array>> {
    let group = dataset.root_group().map_err(|error| unreadable(&error))?;
    // Scalars too: a single `expver` speaks for the whole file.
    let mut options = CslStringList::new();
    options.set_name_value("SHOW_ALL", "YES").map_err(|error| unreadable(&error))?;
    let names = group.array_names(options);
    if names.len() > MAX_THINGS {
        return Err(fault(FaultKind::TooLarge, format!("{} arrays", names.len())));
    }
    let mut arrays: Vec<Array> =
        names.into_iter().map(|name| describe_one(&array(&group, &name)?, name)).collect::<Answer<_>>()?;
    if path.is_dir() {
        for told in &mut arrays {
            zarr::complete(told, &array(&group, &told.name)?, path)?;
        }
        return Ok(arrays);
    }
    let wordless = |array: &&mut Array| array.dtype.is_none() && array.dims.is_empty();
    let mut wordless = arrays.iter_mut().filter(wordless).peekable();
    if wordless.peek().is_some() {
        scalar_texts(path, wordless);
    }
    Ok(arrays)
}

/// Reads texts without dimensions by the HDF5 driver: the netCDF driver of GDAL before 3.9.2 copies
/// them after it has freed them. What cannot be read stays without a value.
fn scalar_texts<'a>(path: &Path, arrays: impl Iterator<Item = &'a mut Array>) {
    // The HDF5 driver leaves to the netCDF driver what that one knows, so it must not be there.
    let Ok(netcdf) = DriverManager::get_driver_by_name("netCDF") else { return };
    DriverManager::deregister_driver(&netcdf);
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_MULTIDIM_RASTER,
        allowed_drivers: Some(&["HDF5"]),
        ..DatasetOptions::default()
    };
    if let Ok(dataset) = Dataset::open_ex(path, options)
        && let Ok(group) = dataset.root_group()
    {
        for told in arrays {
            told.values = array(&group, &told.name)
                .ok()
                .filter(|array| array.datatype().class().is_string())
                .and_then(|array| array.read_as_string_array().ok())
                .map(Column::Texts);
        }
    }
    DriverManager::register_driver(&netcdf);
}

fn describe_one(array: &MDArray<'_>, name: String) -> Answer<Array> {
    let dims = array.dimensions().map_err(|error| unreadable(&error))?;
    let dims: Vec<Dimension> =
        dims.iter().map(|dim| Dimension { name: dim.name(), len: dim.size() as u64 }).collect();
    let kind = array.datatype();
    let dtype = number_type(&kind);
    let attributes: BTreeMap<String, Attribute> = ATTRIBUTES
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), attribute(array, key)?)))
        .chain(unit(array))
        .collect();
    let crs = attributes
        .contains_key("grid_mapping")
        .then(|| array.spatial_reference().ok())
        .flatten()
        .map(|system| crs::describe(&system))
        .transpose()?;
    let short = dims.len() <= 1 && array.num_elements() <= MAX_COLUMN;
    let values = match dtype {
        _ if !short => None,
        Some(_) => Some(Column::Numbers(numbers(array, &dims)?)),
        None if kind.class().is_string() && !dims.is_empty() => {
            let texts = array.read_as_string_array().map_err(|error| unreadable(&error))?;
            Some(Column::Texts(texts))
        }
        None => None,
    };
    Ok(Array { name, dims, dtype, attributes, crs, values })
}

/// The unit, where GDAL keeps it apart from the attributes.
fn unit(array: &MDArray<'_>) -> Option<(String, Attribute)> {
    let unit = array.unit();
    (!unit.is_empty()).then(|| ("units".to_owned(), Attribute::Text(unit)))
}

fn attribute(array: &MDArray<'_>, key: &str) -> Option<Attribute> {
    let attribute = array.attribute(key).ok()?;
    let kind = attribute.datatype();
    if kind.class().is_string() {
        return Some(Attribute::Text(attribute.read_as_string()));
    }
    // The first, where there are several: those asked for here are single by convention.
    Some(Attribute::Number { value: Number(attribute.read_as_f64()), dtype: number_type(&kind)? })
}

fn number_type(kind: &ExtendedDataType) -> Option<NumberType> {
    if !kind.class().is_numeric() {
        return None;
    }
    number::of(GdalDataType::try_from(kind.numeric_datatype()).ok()?)
}

fn numbers(array: &MDArray<'_>, dims: &[Dimension]) -> Answer<Vec<Number>> {
    let count: Vec<u64> = dims.iter().map(|dim| dim.len).collect();
    if count.contains(&0) {
        return Ok(Vec::new());
    }
    let start = vec![0; count.len()];
    // Exact for every type but 64-bit integers beyond 2^53, which no time or place needs.
    let bytes = block(array, &start, &count, NumberType::Float64)?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|bytes| Number(f64::from_le_bytes(*bytes))).collect())
}

/// A block of an array as it is stored.
pub(crate) fn read(
    dataset: &Dataset,
    name: &str,
    start: &[u64],
    count: &[u64],
) -> Answer<(NumberType, Vec<u8>)> {
    let group = dataset.root_group().map_err(|error| unreadable(&error))?;
    let array = array(&group, name)?;
    let dtype = number_type(&array.datatype())
        .ok_or_else(|| fault(FaultKind::Absent, format!("`{name}` holds no numbers")))?;
    let dims = array.dimensions().map_err(|error| unreadable(&error))?;
    let inside = dims.len() == start.len()
        && dims.len() == count.len()
        && dims.iter().zip(start).zip(count).all(|((dim, start), count)| {
            *count > 0 && start.checked_add(*count).is_some_and(|end| end <= dim.size() as u64)
        });
    if !inside {
        return Err(fault(FaultKind::Absent, format!("a block outside `{name}`")));
    }
    Ok((dtype, block(&array, start, count, dtype)?))
}

fn block(array: &MDArray<'_>, start: &[u64], count: &[u64], dtype: NumberType) -> Answer<Vec<u8>> {
    body_len(count.iter().copied(), dtype.size())?;
    let count: Vec<usize> = count.iter().filter_map(|n| usize::try_from(*n).ok()).collect();
    let start = start.to_vec();
    macro_rules! read {
        ($type:ty) => {
            array
                .read_as::<$type>(start, count)
                .map(|numbers| numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        };
    }
    number::by_type!(dtype, read).map_err(|error| unreadable(&error))
}
