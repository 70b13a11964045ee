//! Texts of the coordinate reference systems that most cubes are in.

use frazil_engine::data::Crs;

/// WKT 2 of `EPSG:4326` with longitude and latitude as CF has them, in degrees
/// (EPSG registry; ISO 19162:2019).
const WGS84: &str = r#"GEOGCRS["WGS 84",ENSEMBLE["World Geodetic System 1984 ensemble",MEMBER["World Geodetic System 1984 (Transit)"],MEMBER["World Geodetic System 1984 (G730)"],MEMBER["World Geodetic System 1984 (G873)"],MEMBER["World Geodetic System 1984 (G1150)"],MEMBER["World Geodetic System 1984 (G1674)"],MEMBER["World Geodetic System 1984 (G1762)"],MEMBER["World Geodetic System 1984 (G2139)"],ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]],ENSEMBLEACCURACY[2.0]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],CS[ellipsoidal,2],AXIS["geodetic latitude (Lat)",north,ORDER[1],ANGLEUNIT["degree",0.0174532925199433]],AXIS["geodetic longitude (Lon)",east,ORDER[2],ANGLEUNIT["degree",0.0174532925199433]],USAGE[SCOPE["Horizontal component of 3D system."],AREA["World."],BBOX[-90,-180,90,180]],ID["EPSG",4326]]"#;

/// The text of a code, for WGS 84 and its UTM zones.
pub(crate) fn wkt(code: &str) -> Option<String> {
    let number: u32 = code.strip_prefix("EPSG:")?.parse().ok()?;
    match number {
        4326 => Some(WGS84.to_owned()),
        32601..=32660 => Some(utm(number, number - 32600, true)),
        32701..=32760 => Some(utm(number, number - 32700, false)),
        _ => None,
    }
}

/// WKT 2 of a UTM zone on WGS 84 (EPSG method 9807, transverse Mercator).
fn utm(code: u32, zone: u32, north: bool) -> String {
    let (letter, false_northing) = if north { ('N', 0) } else { ('S', 10_000_000) };
    let meridian = i64::from(zone) * 6 - 183;
    let base = r#"BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]]"#;
    let degree = r#"ANGLEUNIT["degree",0.0174532925199433]"#;
    let metre = r#"LENGTHUNIT["metre",1]"#;
    format!(
        r#"PROJCRS["WGS 84 / UTM zone {zone}{letter}",{base},CONVERSION["UTM zone {zone}{letter}",METHOD["Transverse Mercator",ID["EPSG",9807]],PARAMETER["Latitude of natural origin",0,{degree},ID["EPSG",8801]],PARAMETER["Longitude of natural origin",{meridian},{degree},ID["EPSG",8802]],PARAMETER["Scale factor at natural origin",0.9996,SCALEUNIT["unity",1],ID["EPSG",8805]],PARAMETER["False easting",500000,{metre},ID["EPSG",8806]],PARAMETER["False northing",{false_northing},{metre},ID["EPSG",8807]]],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],{metre}],AXIS["(N)",north,ORDER[2],{metre}],ID["EPSG",{code}]]"#
    )
}

/// Whether its axes are longitude and latitude.
pub(crate) fn is_geographic(crs: &Crs) -> bool {
    let text = crs.wkt.trim_start();
    if text.is_empty() {
        return crs.code.as_deref() == Some("EPSG:4326");
    }
    text.starts_with("GEOGCRS") || text.starts_with("GEOGCS") || text.starts_with("GEODCRS")
}

/// Whether a text is WKT 2.
pub(crate) fn is_wkt2(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_balanced_and_end_in_their_code() {
        for code in ["EPSG:4326", "EPSG:32629", "EPSG:32737"] {
            let text = wkt(code).unwrap();
            let depth = text.chars().fold(0i32, |d, c| d + i32::from(c == '[') - i32::from(c == ']'));
            let end = format!("ID[\"EPSG\",{}]]", &code[5..]);
            assert!(depth == 0 && text.ends_with(&end), "{text}");
        }
        assert_eq!(wkt("EPSG:3857"), None);
        assert!(wkt("EPSG:32701").unwrap().contains("origin\",-177,"));
    }
}
