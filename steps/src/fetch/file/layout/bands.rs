//! Files of bands over one grid: GeoTIFF and GRIB.

use frazil_engine::data::{DType, LEAD_TIME, Label};
use frazil_raster_protocol::{Band, Raster};

use super::{
    Decode, Layout, Reference, Series, Side, Steps, Whereabouts, Wrong, dtype, grib, listed, source_name,
};
use crate::fetch::{file::unpack::Packing, source::Wanted};

/// Finds the wanted variables.
pub(super) fn layout(raster: &Raster, driver: &str, wanted: &[Wanted]) -> Result<Layout, Wrong> {
    let messages = driver == "GRIB";
    let (y, x) = sides(raster, messages)?;
    let series = wanted
        .iter()
        .map(|wanted| if messages { message_series(raster, wanted) } else { band_series(raster, wanted) })
        .collect::<Result<_, Wrong>>()?;
    let crs = match &raster.crs {
        // A GRIB message tells the size of its sphere, which places nothing: its longitudes and
        // latitudes are used as anybody else's.
        Some(crs) if crs.geographic && crs.nameless => Reference::Degrees,
        Some(crs) => Reference::Told(crs.clone()),
        None => Reference::Untold,
    };
    Ok(Layout { series, y, x, crs })
}

#[expect(clippy::cast_precision_loss, reason = "sides are far shorter than 2^52 cells")]
fn sides(raster: &Raster, messages: bool) -> Result<(Side, Side), Wrong> {
    let Some(transform) = raster.transform else {
        return Err(Wrong::new("it does not say where its cells lie")
            .help("a GeoTIFF needs its GeoTransform tags; control points are not read"));
    };
    let [x0, dx, turn_x, y0, turn_y, dy] = transform.map(|number| number.0);
    if turn_x != 0.0 || turn_y != 0.0 {
        return Err(Wrong::new("its rows and columns are turned against its reference system"));
    }
    let len = |cells: u64| usize::try_from(cells).map_err(|_| Wrong::new("it is too large"));
    let (height, width) = (len(raster.height)?, len(raster.width)?);
    let side = |origin: f64, cell: f64, len: usize| {
        if !messages {
            return Side::Regular { origin, cell, len };
        }
        // A message counts in millionths of a degree or thousandths of a metre; what is finer comes
        // from the way to an edge and back.
        let centre = |at: usize| tidy(origin + (at as f64 + 0.5) * cell);
        Side::Centres((0..len).map(centre).collect())
    };
    Ok((side(y0, dy, height), side(x0, dx, width)))
}

/// To ten decimals: what arithmetic on decimal numbers leaves beyond is noise.
pub(in crate::fetch::file) fn tidy(number: f64) -> f64 {
    if number.abs() < 1e5 { (number * 1e10).round() / 1e10 } else { number }
}

fn band_series(raster: &Raster, wanted: &Wanted) -> Result<Series, Wrong> {
    if let Some((name, _)) = wanted.inside.first() {
        return Err(Wrong::new(format!("its bands have no labels of `{name}`"))
            .help(format!("read a file per label: `over: {{ {name}: … }}`")));
    }
    let count = raster.bands.len();
    let described = || {
        let from = wanted.select.from.as_deref()?;
        raster.bands.iter().position(|band| band.description == from)
    };
    let at = match wanted.select.band {
        Some(band) => band.get() as usize - 1,
        None if count == 1 => 0,
        None => described().ok_or_else(|| {
            let names: Vec<&str> = raster.bands.iter().map(|band| band.description.as_str()).collect();
            Wrong::new(format!("it has {count} bands: {}", listed(&names)))
                .help("choose one by its number from 1: `variables: { … : { band: 1 } }`")
        })?,
    };
    let band = raster
        .bands
        .get(at)
        .ok_or_else(|| Wrong::new(format!("it has {count} bands, not band {}", at + 1)))?;
    Ok(Series {
        steps: Steps::Unknown,
        place: Whereabouts::Bands(vec![at + 1]),
        decode: Decode::Band {
            nodata: band.nodata.map(|n| n.0),
            scale: band.scale.map(|n| n.0),
            offset: band.offset.map(|n| n.0),
        },
        stored: dtype(band.dtype),
        units: None,
        statuses: Vec::new(),
    })
}

fn message_series(raster: &Raster, wanted: &Wanted) -> Result<Series, Wrong> {
    let (level, lead) = grib_labels(wanted)?;
    let mut found = grib::choose(&raster.bands, source_name(wanted), level, wanted.select.band)?;
    if let Some(hours) = lead {
        found = grib::led(&raster.bands, &found, hours, source_name(wanted))?;
    }
    let first: &Band =
        found.first().map(|at| &raster.bands[*at]).ok_or_else(|| Wrong::new("it has no messages"))?;
    let mut instants = Vec::new();
    for at in &found {
        let (band, led) = (&raster.bands[*at], lead.is_some());
        instants.push(if led { grib::reference_time(band, *at)? } else { grib::valid_time(band, *at)? });
    }
    let block = wanted.block.as_ref();
    let mut missing: Vec<f64> = found.iter().filter_map(|at| raster.bands[*at].nodata.map(|n| n.0)).collect();
    missing.dedup();
    missing.extend(block.and_then(|block| block.nodata));
    Ok(Series {
        steps: Steps::Known(instants),
        place: Whereabouts::Bands(found.iter().map(|at| at + 1).collect()),
        decode: Decode::Cf(Packing {
            stored: DType::Float64,
            missing,
            scale: None,
            offset: None,
            declared: block.and_then(|block| block.dtype),
            fill: block.and_then(|block| block.fill),
            single: true,
        }),
        stored: dtype(first.dtype),
        units: grib::unit(first),
        statuses: Vec::new(),
    })
}

/// The level of messages, as chosen or the label of a dimension called `level`, and their lead in hours.
fn grib_labels(wanted: &Wanted) -> Result<(Option<f64>, Option<i64>), Wrong> {
    let (mut level, mut lead) = (wanted.select.level, wanted.lead);
    for (name, label) in &wanted.inside {
        match (name.as_str(), label) {
            #[expect(clippy::cast_precision_loss, reason = "labels are far below 2^53")]
            ("level", Label::Number(number)) => level = Some(*number as f64),
            (LEAD_TIME, Label::Number(hours)) => lead = Some(*hours),
            _ => {
                return Err(Wrong::new(format!("its messages are not told apart by `{name}`")).help(
                    "of GRIB files the dimensions `level` and `lead_time` are read, with whole numbers as labels",
                ));
            }
        }
    }
    Ok((level, lead))
}
