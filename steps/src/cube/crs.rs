//! Coordinate reference systems, as a cube compares and names them.

use frazil_engine::data::Crs;

/// The text of a code, for WGS 84 and its UTM zones.
pub(super) fn wkt(code: &str) -> Option<String> {
    crate::crs::named(code).map(|crs| crs.wkt)
}

/// Whether its axes are longitude and latitude.
pub(super) fn is_geographic(crs: &Crs) -> bool {
    if crs.wkt.is_empty() { crs.code.as_deref() == Some("EPSG:4326") } else { crate::crs::is_geographic(crs) }
}

/// Whether a text is WKT 2.
pub(super) fn is_wkt2(text: &str) -> bool {
    ["GEOGCRS[", "GEODCRS[", "PROJCRS[", "BOUNDCRS[", "COMPOUNDCRS["].iter().any(|k| text.starts_with(k))
}

/// Whether two systems are the same, as far as their codes, else their texts say.
pub(crate) fn same(a: &Crs, b: &Crs) -> bool {
    match (&a.code, &b.code) {
        (Some(a), Some(b)) => a == b,
        _ => {
            let plain = |t: &str| t.split_whitespace().collect::<String>();
            a.wkt.is_empty() || b.wkt.is_empty() || plain(&a.wkt) == plain(&b.wkt)
        }
    }
}

/// What people call it: its code, else the name in its text.
pub(crate) fn name(crs: &Crs) -> String {
    crs.code.clone().unwrap_or_else(|| {
        crs.wkt.split('"').nth(1).map_or_else(|| "no CRS".to_owned(), |name| format!("“{name}”"))
    })
}
