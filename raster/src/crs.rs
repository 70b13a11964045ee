use frazil_raster_protocol::{CrsText, FaultKind};
use gdal::spatial_ref::SpatialRef;

use crate::session::{Answer, fault, unreadable};

/// A coordinate reference system by code or WKT.
pub(crate) fn look_up(definition: &str) -> Answer<CrsText> {
    // Not any definition that GDAL takes: some are URLs, which it would fetch.
    let system = match definition.strip_prefix("EPSG:").map(str::parse) {
        Some(Ok(code)) => SpatialRef::from_epsg(code),
        Some(Err(_)) => return Err(fault(FaultKind::Absent, format!("`{definition}` is no EPSG code"))),
        None => SpatialRef::from_wkt(definition),
    };
    describe(&system.map_err(|error| unreadable(&error))?)
}

/// A coordinate reference system as text.
pub(crate) fn describe(system: &SpatialRef) -> Answer<CrsText> {
    let wkt = system.to_wkt().map_err(|error| unreadable(&error))?;
    let geographic = system.is_geographic();
    // A GRIB file says how large its sphere is and nothing of where it lies.
    let nameless = wkt.contains("DATUM[\"unnamed\"") || wkt.contains("DATUM[\"unknown\"");
    Ok(CrsText { code: system.authority().ok().or_else(|| identified(system)), wkt, geographic, nameless })
}

fn identified(system: &SpatialRef) -> Option<String> {
    let mut system = system.clone();
    system.auto_identify_epsg().ok()?;
    system.authority().ok()
}
