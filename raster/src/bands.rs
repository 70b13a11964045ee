//! GeoTIFF and GRIB through GDAL's classic interface.

use std::collections::BTreeMap;

use frazil_raster_protocol::{Band, FaultKind, Number, NumberType, Raster, Window};
use gdal::{Dataset, Metadata, raster::RasterBand};

use crate::{
    crs, number,
    session::{Answer, MAX_THINGS, body_len, fault, unreadable},
};

/// Metadata that tells GRIB messages apart.
const METADATA: &[&str] = &[
    "GRIB_COMMENT",
    "GRIB_ELEMENT",
    "GRIB_FORECAST_SECONDS",
    "GRIB_REF_TIME",
    "GRIB_SHORT_NAME",
    "GRIB_UNIT",
    "GRIB_VALID_TIME",
];

/// The grid and all bands.
pub(crate) fn describe(dataset: &Dataset) -> Answer<Raster> {
    let (width, height) = dataset.raster_size();
    let count = dataset.raster_count();
    if count > MAX_THINGS {
        return Err(fault(FaultKind::TooLarge, format!("{count} bands")));
    }
    let bands = (1..=count)
        .map(|index| describe_one(&dataset.rasterband(index).map_err(|error| unreadable(&error))?))
        .collect::<Answer<_>>()?;
    Ok(Raster {
        width: width as u64,
        height: height as u64,
        transform: dataset.geo_transform().ok().map(|transform| transform.map(Number)),
        crs: dataset.spatial_ref().ok().map(|system| crs::describe(&system)).transpose()?,
        bands,
    })
}

fn describe_one(band: &RasterBand<'_>) -> Answer<Band> {
    let metadata: BTreeMap<String, String> =
        METADATA.iter().filter_map(|key| Some(((*key).to_owned(), band.metadata_item(key, "")?))).collect();
    let dtype = number_type(band)?;
    #[expect(clippy::cast_precision_loss, reason = "a sentinel beyond 2^53 is not matched anyway")]
    let nodata = match dtype {
        NumberType::Int64 => band.no_data_value_i64().map(|n| n as f64),
        NumberType::UInt64 => band.no_data_value_u64().map(|n| n as f64),
        _ => band.no_data_value(),
    };
    Ok(Band {
        dtype,
        description: band.description().unwrap_or_default(),
        nodata: nodata.map(Number),
        scale: band.scale().map(Number),
        offset: band.offset().map(Number),
        metadata,
    })
}

fn number_type(band: &RasterBand<'_>) -> Answer<NumberType> {
    let kind = band.band_type();
    number::of(kind).ok_or_else(|| fault(FaultKind::Unreadable, format!("numbers of type {kind}")))
}

/// One window of some bands as they are stored.
pub(crate) fn read(dataset: &Dataset, bands: &[usize], window: Window) -> Answer<(NumberType, Vec<u8>)> {
    let (width, height) = dataset.raster_size();
    let ends = [
        (window.col.checked_add(window.cols), window.cols, width),
        (window.row.checked_add(window.rows), window.rows, height),
    ];
    if !ends.iter().all(|(end, len, size)| *len > 0 && end.is_some_and(|end| end <= *size as u64)) {
        return Err(fault(FaultKind::Absent, "a window outside the raster"));
    }
    let mut types = bands.iter().map(|index| {
        let known = (1..=dataset.raster_count()).contains(index);
        let absent = || fault(FaultKind::Absent, format!("no band {index}"));
        let band = known.then(|| dataset.rasterband(*index).ok()).flatten().ok_or_else(absent)?;
        Ok((number_type(&band)?, band))
    });
    let Some(first) = types.next().transpose()? else {
        return Err(fault(FaultKind::Absent, "no bands are asked for"));
    };
    let dtype = first.0;
    let len = body_len([window.rows, window.cols, bands.len() as u64], dtype.size())?;
    let mut body = Vec::with_capacity(len);
    for band in std::iter::once(Ok(first)).chain(types) {
        let (its, band) = band?;
        if its != dtype {
            return Err(fault(FaultKind::Unreadable, "bands of different types"));
        }
        append(&band, dtype, window, &mut body)?;
    }
    Ok((dtype, body))
}

fn append(band: &RasterBand<'_>, dtype: NumberType, window: Window, body: &mut Vec<u8>) -> Answer<()> {
    // Inside a raster whose sides are of GDAL's own type `int`.
    let signed = |n: u64| isize::try_from(n).unwrap_or(isize::MAX);
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let corner = (signed(window.col), signed(window.row));
    let shape = (size(window.cols), size(window.rows));
    macro_rules! read {
        ($type:ty) => {
            band.read_as::<$type>(corner, shape, shape, None)
                .map(|numbers| body.extend(numbers.data().iter().flat_map(|number| number.to_le_bytes())))
        };
    }
    number::by_type!(dtype, read).map_err(|error| unreadable(&error))
}
