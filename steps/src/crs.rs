//! Coordinate reference systems by code: the few that need no database.

use frazil_engine::data::Crs;

/// WGS 84 as WKT 2, but for what follows its coordinate system.
const WGS84: &str = r#"["WGS 84",DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]]"#;

/// The reference system of an EPSG code; `None` where it takes a database to know it.
///
/// Known are WGS 84 (4326) and its UTM zones (32601–32660, 32701–32760), as WKT 2 (ISO 19162).
#[must_use]
pub fn epsg(code: u32) -> Option<Crs> {
    let wkt = match code {
        4326 => format!(
            r#"GEOGCRS{WGS84},CS[ellipsoidal,2],AXIS["geodetic latitude (Lat)",north,ORDER[1],ANGLEUNIT["degree",0.0174532925199433]],AXIS["geodetic longitude (Lon)",east,ORDER[2],ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]]"#
        ),
        32_601..=32_660 => utm(code, code - 32_600, 'N'),
        32_701..=32_760 => utm(code, code - 32_700, 'S'),
        _ => return None,
    };
    Some(Crs { code: Some(format!("EPSG:{code}")), wkt })
}

/// The reference system of a text such as `EPSG:4326`; `None` as in [`epsg`].
#[must_use]
pub fn named(text: &str) -> Option<Crs> {
    let (authority, code) = text.split_once(':')?;
    authority.trim().eq_ignore_ascii_case("EPSG").then(|| code.trim().parse().ok().and_then(epsg))?
}

/// Whether coordinates are longitudes and latitudes.
#[must_use]
pub fn is_geographic(crs: &Crs) -> bool {
    ["GEOGCRS", "GEOGCS", "GEODCRS"].iter().any(|name| crs.wkt.trim_start().starts_with(name))
}

fn utm(code: u32, zone: u32, half: char) -> String {
    let meridian = i64::from(zone) * 6 - 183;
    let northing = if half == 'S' { 10_000_000 } else { 0 };
    let parameters = [
        ("Latitude of natural origin", "0".to_owned(), "ANGLEUNIT[\"degree\",0.0174532925199433]", 8801),
        (
            "Longitude of natural origin",
            meridian.to_string(),
            "ANGLEUNIT[\"degree\",0.0174532925199433]",
            8802,
        ),
        ("Scale factor at natural origin", "0.9996".to_owned(), "SCALEUNIT[\"unity\",1]", 8805),
        ("False easting", "500000".to_owned(), "LENGTHUNIT[\"metre\",1]", 8806),
        ("False northing", northing.to_string(), "LENGTHUNIT[\"metre\",1]", 8807),
    ]
    .map(|(name, value, unit, id)| format!(r#"PARAMETER["{name}",{value},{unit},ID["EPSG",{id}]]"#))
    .join(",");
    format!(
        r#"PROJCRS["WGS 84 / UTM zone {zone}{half}",BASEGEOGCRS{WGS84},ID["EPSG",4326]],CONVERSION["UTM zone {zone}{half}",METHOD["Transverse Mercator",ID["EPSG",9807]],{parameters}],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["metre",1]],AXIS["(N)",north,ORDER[2],LENGTHUNIT["metre",1]],ID["EPSG",{code}]]"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_close_and_codes_lead_back() {
        for code in [4326, 32_601, 32_629, 32_733, 32_760] {
            let crs = epsg(code).unwrap();
            assert_eq!(crs.wkt.matches('[').count(), crs.wkt.matches(']').count(), "{code}");
            assert!(crs.wkt.ends_with(&format!(r#"ID["EPSG",{code}]]"#)));
            assert_eq!(named(&format!("epsg:{code}")), Some(crs.clone()));
            assert_eq!(is_geographic(&crs), code == 4326);
        }
        assert!(epsg(32_629).unwrap().wkt.contains(r#""Longitude of natural origin",-9,"#));
        assert!(epsg(32_733).unwrap().wkt.contains(r#""False northing",10000000,"#));
        assert_eq!(epsg(32_661), None);
        assert_eq!(named("OGC:CRS84"), None);
    }
}
