//! Which messages of a GRIB file a variable is.

use std::{collections::BTreeSet, num::NonZeroU32};

use chrono::{DateTime, Utc};
use frazil_raster_protocol::Band;

use super::{Wrong, listed};

/// Short names of ecCodes, the abbreviations of the WMO and NCEP tables that GDAL has for them, and
/// the level that the name implies (ecCodes definitions, `grib2/shortName.def`).
const SHORT_NAMES: &[(&str, &str, &str)] = &[
    ("2t", "TMP", "2-HTGL"),
    ("2d", "DPT", "2-HTGL"),
    ("2r", "RH", "2-HTGL"),
    ("10u", "UGRD", "10-HTGL"),
    ("10v", "VGRD", "10-HTGL"),
    ("10si", "WIND", "10-HTGL"),
    ("mx2t", "TMAX", "2-HTGL"),
    ("mn2t", "TMIN", "2-HTGL"),
    ("prmsl", "PRMSL", "0-MSL"),
    ("msl", "PRMSL", "0-MSL"),
    ("sp", "PRES", "0-SFC"),
    ("tp", "APCP", "0-SFC"),
    ("prate", "PRATE", "0-SFC"),
    ("sd", "WEASD", "0-SFC"),
    ("t", "TMP", ""),
    ("u", "UGRD", ""),
    ("v", "VGRD", ""),
    ("w", "VVEL", ""),
    ("q", "SPFH", ""),
    ("r", "RH", ""),
    ("gh", "HGT", ""),
];

fn item<'a>(band: &'a Band, key: &str) -> &'a str {
    band.metadata.get(key).map_or("", String::as_str)
}

/// The messages of a variable, by place in the file, in its order.
pub(super) fn choose(
    bands: &[Band],
    name: &str,
    level: Option<f64>,
    band: Option<NonZeroU32>,
) -> Result<Vec<usize>, Wrong> {
    if let Some(band) = band {
        let at = band.get() as usize - 1;
        if at >= bands.len() {
            return Err(Wrong::new(format!("it has {} messages, not message {band}", bands.len())));
        }
        return Ok(vec![at]);
    }
    let mut found = named(bands, name)?;
    if let Some(level) = level {
        let all = surfaces(bands, &found);
        found.retain(|at| is_at(&bands[*at], level));
        if found.is_empty() {
            return Err(Wrong::new(format!(
                "its `{name}` is not at level {level}, only at {}",
                listed(&all)
            )));
        }
    }
    let surfaces = surfaces(bands, &found);
    if surfaces.len() > 1 {
        return Err(Wrong::new(format!("its `{name}` is at several levels: {}", listed(&surfaces)))
            .help("choose one by its number with `level:`, or one message with `band:`"));
    }
    Ok(found)
}

fn named(bands: &[Band], name: &str) -> Result<Vec<usize>, Wrong> {
    let those = |wanted: &dyn Fn(&Band) -> bool| -> Vec<usize> {
        (0..bands.len()).filter(|at| wanted(&bands[*at])).collect()
    };
    let by_element = those(&|band| item(band, "GRIB_ELEMENT").eq_ignore_ascii_case(name));
    if !by_element.is_empty() {
        return Ok(by_element);
    }
    if let Some((_, element, surface)) =
        SHORT_NAMES.iter().find(|(short, ..)| short.eq_ignore_ascii_case(name))
    {
        let by_alias = those(&|band| {
            item(band, "GRIB_ELEMENT") == *element
                && (surface.is_empty() || item(band, "GRIB_SHORT_NAME") == *surface)
        });
        if !by_alias.is_empty() {
            return Ok(by_alias);
        }
    }
    let elements: BTreeSet<&str> = bands.iter().map(|band| item(band, "GRIB_ELEMENT")).collect();
    let elements: Vec<&str> = elements.into_iter().collect();
    Err(Wrong::new(format!("it has no messages of `{name}`, only of {}", listed(&elements)))
        .help("write `from:` in `variables` with the name in the file"))
}

/// The surfaces that messages are on, such as `850-ISBL`, each once, in the file's order.
fn surfaces(bands: &[Band], found: &[usize]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for at in found {
        let surface = item(&bands[*at], "GRIB_SHORT_NAME");
        if !all.iter().any(|known| known == surface) {
            all.push(surface.to_owned());
        }
    }
    all
}

/// Whether a message is at a level. Isobaric surfaces are counted in hPa whatever the edition.
fn is_at(band: &Band, level: f64) -> bool {
    let Some((number, surface)) = item(band, "GRIB_SHORT_NAME").rsplit_once('-') else { return false };
    let Ok(number) = number.parse::<f64>() else { return false };
    let pascal = surface == "ISBL" && band.description.contains("[Pa]");
    number == if pascal { level * 100.0 } else { level }
}

/// The time at which a message is valid; of what is counted over an interval its end.
pub(super) fn valid_time(band: &Band, at: usize) -> Result<DateTime<Utc>, Wrong> {
    instant(band, "GRIB_VALID_TIME")
        .ok_or_else(|| Wrong::new(format!("message {} has no valid time", at + 1)))
}

/// The time at which the forecast of a message was made.
pub(super) fn reference_time(band: &Band, at: usize) -> Result<DateTime<Utc>, Wrong> {
    instant(band, "GRIB_REF_TIME")
        .ok_or_else(|| Wrong::new(format!("message {} has no reference time", at + 1)))
}

fn instant(band: &Band, key: &str) -> Option<DateTime<Utc>> {
    // Some versions of GDAL write `1597017600 sec UTC`.
    let seconds = item(band, key).split_whitespace().next()?.parse().ok()?;
    DateTime::from_timestamp(seconds, 0)
}

/// Those of the messages that hold so many hours after they were made.
pub(super) fn led(bands: &[Band], found: &[usize], hours: i64, name: &str) -> Result<Vec<usize>, Wrong> {
    let mut leads = Vec::new();
    for at in found {
        leads.push((valid_time(&bands[*at], *at)? - reference_time(&bands[*at], *at)?).num_minutes());
    }
    let kept = found.iter().zip(&leads).filter(|(_, minutes)| **minutes == hours * 60);
    let kept: Vec<usize> = kept.map(|(at, _)| *at).collect();
    if !kept.is_empty() {
        return Ok(kept);
    }
    leads.sort_unstable();
    leads.dedup();
    #[expect(clippy::cast_precision_loss, reason = "leads are far shorter than 2^53 minutes")]
    let all: Vec<f64> = leads.into_iter().map(|minutes| minutes as f64 / 60.0).collect();
    Err(Wrong::lead(hours, &all, name))
}

/// The unit of a message, as UDUNITS writes it.
pub(super) fn unit(band: &Band) -> Option<String> {
    let unit = item(band, "GRIB_UNIT").trim().trim_start_matches('[').trim_end_matches(']').trim();
    (!unit.is_empty() && unit != "-").then(|| unit.replace("^-", "-").replace('^', ""))
}
