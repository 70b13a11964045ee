//! The CF standard name table and units: what a name means decides which units fit it.

pub mod units;

/// Names, their canonical units, and what old names are called now, a line each, in order;
/// made by `scripts/cf-standard-names.py`.
static TABLE: &str = include_str!("cf/standard-names.txt");

/// Words that may follow a standard name (CF conventions, appendix C): the variable says something
/// about another one, and its unit is not that of the name.
const MODIFIERS: &[&str] = &["detection_minimum", "number_of_observations", "standard_error", "status_flag"];

/// What the table says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardName {
    /// It is a name; with its canonical units, empty where it is text.
    Known(&'static str),
    /// It was a name once, and is called otherwise now.
    Old(&'static str),
    /// The table lacks it.
    Unknown,
}

/// Looks a standard name up, without what modifies it.
pub(crate) fn standard_name(text: &str) -> StandardName {
    let (name, modifier) = text.split_once(' ').unwrap_or((text, ""));
    if !modifier.is_empty() && !MODIFIERS.contains(&modifier) {
        return StandardName::Unknown;
    }
    match line_of(name).map(|line| &line[name.len() + 2..]) {
        Some(rest) => match rest.strip_prefix("> ") {
            Some(now) => StandardName::Old(now),
            None if modifier.is_empty() => StandardName::Known(rest),
            None => StandardName::Known(""),
        },
        None => StandardName::Unknown,
    }
}

/// The line of a name, by halves: lines are in the order of their names.
fn line_of(name: &str) -> Option<&'static str> {
    let (mut from, mut to) = (0, TABLE.len());
    while from < to {
        let middle = TABLE.get(from..to)?.len() / 2 + from;
        let start = TABLE.as_bytes()[..middle].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let end =
            TABLE.as_bytes()[start..].iter().position(|b| *b == b'\n').map_or(TABLE.len(), |n| start + n);
        let line = &TABLE[start..end];
        let found = line.split(": ").next().unwrap_or(line);
        // Notes at the top begin with `#`, which comes before every letter.
        match found.cmp(name) {
            std::cmp::Ordering::Equal => return Some(line),
            std::cmp::Ordering::Less => from = end + 1,
            std::cmp::Ordering::Greater => to = start,
        }
    }
    None
}

/// The names of the table that are names still.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(": ")).filter(|(_, units)| !units.starts_with("> "))
}

/// A name of the table that says nearly the same and fits these units: `rainfall_flux` for a
/// `rainfall_rate` in `kg m-2 s-1`. It has all of its words, or the two share at least half.
pub(crate) fn name_for(name: &str, units: &str) -> Option<&'static str> {
    // Of what has no unit there is too much to guess from.
    let wanted = units::dimension(units).ok().filter(|wanted| *wanted != units::ONE)?;
    // `_flux` is the word for masses where `_rate` is that for layers.
    let same = |one: &str, other: &str| {
        one == other || (one == "flux" && other == "rate") || (one == "rate" && other == "flux")
    };
    let words: Vec<&str> = name.split('_').collect();
    let alike = |other: &str| {
        let shared = words.iter().filter(|word| other.split('_').any(|o| same(o, word))).count();
        let all = other.split('_').count().max(words.len());
        (shared == words.len() || 2 * shared >= all).then_some(shared)
    };
    let fitting = names().filter(|(_, canonical)| units::dimension(canonical) == Ok(wanted));
    let scored = fitting.filter_map(|(other, _)| Some((alike(other)?, other)));
    scored.max_by_key(|(score, other)| (*score, std::cmp::Reverse(other.len()))).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_has_units_that_can_be_read() {
        let mut count = 0;
        for (name, units) in names() {
            assert_eq!(standard_name(name), StandardName::Known(units), "{name}");
            assert!(units.is_empty() || units::dimension(units).is_ok(), "{name}: {units}");
            count += 1;
        }
        assert!(count > 5000, "{count} names");
        let mut lines =
            TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(": ").next());
        assert!(lines.clone().zip(lines.by_ref().skip(1)).all(|(one, other)| one < other), "in order");
    }

    #[test]
    fn old_names_and_modifiers_are_known() {
        assert_eq!(standard_name("air_temperature"), StandardName::Known("K"));
        assert_eq!(standard_name("air_temperature standard_error"), StandardName::Known(""));
        assert_eq!(standard_name("air_temperature twice"), StandardName::Unknown);
        for name in ["air_temprature", "", "a", "zzz", "# name", "air_temperature:"] {
            assert_eq!(standard_name(name), StandardName::Unknown, "{name}");
        }
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let old = lines.filter_map(|line| line.split_once(": > ")).next().unwrap();
        assert_eq!(standard_name(old.0), StandardName::Old(old.1));
        assert!(matches!(standard_name(old.1), StandardName::Known(_)));
    }

    #[test]
    fn a_name_of_another_kind_of_amount_is_offered() {
        assert_eq!(name_for("precipitation_amount", "mm"), Some("lwe_thickness_of_precipitation_amount"));
        assert_eq!(name_for("rainfall_flux", "mm day-1"), Some("rainfall_rate"));
        assert_eq!(name_for("precipitation_flux", "mm day-1"), Some("lwe_precipitation_rate"));
        assert_eq!(name_for("air_temperature", "mm"), None);
        assert_eq!(name_for("air_temperature", "%"), None);
    }
}
