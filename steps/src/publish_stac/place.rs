//! Where a grid lies on the globe.

use frazil_engine::data::{Axis, Crs, Grid};

use crate::crs;

/// Points on each side of a projected grid: its straight edges are curves in degrees.
const POINTS_PER_SIDE: u32 = 21;

/// Least and largest edge of an axis, whichever way it runs; an empty axis lies nowhere.
pub(super) fn span(axis: &Axis) -> Option<[f64; 2]> {
    let (first, last) = axis.edges()?;
    Some([tidy(first.min(last)), tidy(first.max(last))])
}

/// West, south, east, north of a grid in degrees of WGS 84, from the edges of its cells.
///
/// Known are longitudes and latitudes, and UTM: anything else takes a projection library.
#[must_use]
pub fn degrees(grid: &Grid) -> Option<[f64; 4]> {
    let ([west, east], [south, north]) = (span(&grid.x)?, span(&grid.y)?);
    if is_geographic(&grid.crs) {
        // Grids of cell centres at the poles and the date line overhang by half a cell.
        return Some([west.max(-180.0), south.max(-90.0), east.min(180.0), north.min(90.0)]);
    }
    let (zone, is_south) = utm_zone(&grid.crs)?;
    let mut bbox = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for i in 0..POINTS_PER_SIDE {
        let part = f64::from(i) / f64::from(POINTS_PER_SIDE - 1);
        let (x, y) = (west + part * (east - west), south + part * (north - south));
        for (x, y) in [(x, south), (x, north), (west, y), (east, y)] {
            let (longitude, latitude) = from_utm(x, y, zone, is_south);
            bbox[0] = bbox[0].min(longitude);
            bbox[1] = bbox[1].min(latitude);
            bbox[2] = bbox[2].max(longitude);
            bbox[3] = bbox[3].max(latitude);
        }
    }
    Some(bbox.map(|v| (v * 1e7).round() / 1e7))
}

/// The number of an `EPSG:n` code.
pub(super) fn epsg(crs: &Crs) -> Option<u32> {
    crs.code.as_deref()?.strip_prefix("EPSG:")?.parse().ok()
}

pub(super) fn is_geographic(crs: &Crs) -> bool {
    epsg(crs) == Some(4326) || crs::is_geographic(crs)
}

/// Edges are sums of a corner and many cells: what is left of rounding is no part of them.
pub(super) fn tidy(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn utm_zone(crs: &Crs) -> Option<(u32, bool)> {
    match epsg(crs)? {
        code @ 32_601..=32_660 => Some((code - 32_600, false)),
        code @ 32_701..=32_760 => Some((code - 32_700, true)),
        _ => None,
    }
}

/// Longitude and latitude of a UTM point on WGS 84, to about a millimetre: the series in the third
/// flattening of L. Krüger, Konforme Abbildung des Erdellipsoids in der Ebene (1912), to its third
/// power.
fn from_utm(easting: f64, northing: f64, zone: u32, is_south: bool) -> (f64, f64) {
    let flattening: f64 = 1.0 / 298.257_223_563;
    let n = flattening / (2.0 - flattening);
    let radius = 6_378_137.0 / (1.0 + n) * (1.0 + n.powi(2) / 4.0 + n.powi(4) / 64.0) * 0.9996;
    let beta = [
        n / 2.0 - 2.0 / 3.0 * n.powi(2) + 37.0 / 96.0 * n.powi(3),
        n.powi(2) / 48.0 + n.powi(3) / 15.0,
        17.0 / 480.0 * n.powi(3),
    ];
    let delta = [
        2.0 * n - 2.0 / 3.0 * n.powi(2) - 2.0 * n.powi(3),
        7.0 / 3.0 * n.powi(2) - 8.0 / 5.0 * n.powi(3),
        56.0 / 15.0 * n.powi(3),
    ];
    let origin = if is_south { 10_000_000.0 } else { 0.0 };
    let (xi, eta) = ((northing - origin) / radius, (easting - 500_000.0) / radius);
    let (mut north, mut east) = (xi, eta);
    for (twice, b) in [2.0, 4.0, 6.0].into_iter().zip(beta) {
        north -= b * (twice * xi).sin() * (twice * eta).cosh();
        east -= b * (twice * xi).cos() * (twice * eta).sinh();
    }
    let conformal = (north.sin() / east.cosh()).asin();
    let series = [2.0, 4.0, 6.0].into_iter().zip(delta);
    let latitude = conformal + series.map(|(twice, d)| d * (twice * conformal).sin()).sum::<f64>();
    let meridian = f64::from(zone) * 6.0 - 183.0;
    (meridian + east.sinh().atan2(north.cos()).to_degrees(), latitude.to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(code: &str, x: (f64, f64, usize), y: (f64, f64, usize)) -> Grid {
        let crs = Crs { code: Some(code.to_owned()), wkt: "PROJCRS[]".to_owned() };
        Grid {
            crs,
            y: Axis::regular("y", y.0, y.1, y.2),
            x: Axis::regular("x", x.0, x.1, x.2),
            extra: Default::default(),
        }
    }

    #[test]
    fn degrees_are_cell_edges_and_stay_on_the_globe() {
        let land = grid("EPSG:4326", (-13.5, 0.05, 68), (10.1, -0.05, 66));
        assert_eq!(degrees(&land), Some([-13.5, 6.8, -10.1, 10.1]));
        let globe = grid("EPSG:4326", (-180.05, 0.1, 3600), (-90.05, 0.1, 1801));
        assert_eq!(degrees(&globe), Some([-180.0, -90.0, 179.95, 90.0]));
    }

    #[test]
    fn utm_is_known_and_its_bent_edges_too() {
        let (longitude, latitude) = from_utm(500_000.0, 0.0, 33, false);
        assert!((longitude - 15.0).abs() < 1e-9 && latitude.abs() < 1e-9);
        // The same point by PROJ 9.
        let (longitude, latitude) = from_utm(200_000.0, 7_000_000.0, 33, false);
        assert!((longitude - 9.070_045_849_603).abs() < 1e-8 && (latitude - 63.005_027_789_195).abs() < 1e-8);
        let bbox = degrees(&grid("EPSG:32633", (0.0, 1000.0, 1000), (7_000_000.0, -1000.0, 500))).unwrap();
        for (got, proj) in bbox.into_iter().zip(UTM33_BY_PROJ) {
            assert!((got - proj).abs() < 1e-6, "{bbox:?}");
        }
        assert_eq!(degrees(&grid("EPSG:2154", (0.0, 1.0, 2), (0.0, -1.0, 2))), None);
    }

    /// `transform_bounds(0, 6500000, 1000000, 7000000, densify_pts=19)` of EPSG:32633 by PROJ 9.
    const UTM33_BY_PROJ: [f64; 4] =
        [5.172_365_366_59, 58.353_970_601_25, 24.827_634_633_41, 63.129_339_711_81];
}
