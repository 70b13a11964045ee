use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// How a date stands in a text: `rain.%Y.%m.%d.tif`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DatePattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter after `%`, and how many digits it stands for.
    Digits(char, usize),
}

/// Numbers of a date, as far as they were found.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    year: i32,
    month: Option<u32>,
    day: Option<u32>,
    of_year: Option<u32>,
    hour: u32,
}

impl Found {
    fn instant(self) -> Option<DateTime<Utc>> {
        let date = match self.of_year {
            Some(day) => NaiveDate::from_yo_opt(self.year, day)?,
            None => NaiveDate::from_ymd_opt(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        Some(date.and_hms_opt(self.hour, 0, 0)?.and_utc())
    }
}

impl DatePattern {
    /// All dates in a text, in their order. What looks like one and is none, as a 31st of June, is
    /// passed over.
    pub(in super::super) fn find(&self, text: &str) -> impl Iterator<Item = DateTime<Utc>> {
        text.char_indices().filter_map(|(at, _)| self.at_beginning(&text[at..]))
    }

    fn at_beginning(&self, mut text: &str) -> Option<DateTime<Utc>> {
        let mut found = Found::default();
        for part in &self.0 {
            match part {
                Part::Text(wanted) => text = text.strip_prefix(wanted.as_str())?,
                Part::Digits(letter, count) => {
                    let digits = text.get(..*count).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
                    let number: u32 = digits.parse().ok()?;
                    match letter {
                        'Y' => found.year = i32::try_from(number).ok()?,
                        'm' => found.month = Some(number),
                        'd' => found.day = Some(number),
                        'j' => found.of_year = Some(number),
                        _ => found.hour = number,
                    }
                    text = &text[*count..];
                }
            }
        }
        found.instant()
    }
}

impl TryFrom<String> for DatePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('%') {
            let letter = rest[at + 1..].chars().next();
            let digits = match letter {
                Some('Y') => 4,
                Some('m' | 'd' | 'H') => 2,
                Some('j') => 3,
                _ => return Err(format!("`{text}`: after % comes Y, m, d, j or H")),
            };
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.extend(letter.map(|letter| Part::Digits(letter, digits)));
            rest = &rest[at + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let year = parts.iter().any(|part| matches!(part, Part::Digits('Y', _)));
        if year { Ok(Self(parts)) } else { Err(format!("`{text}` says no year: write `%Y` where it stands")) }
    }
}

impl JsonSchema for DatePattern {
    fn schema_name() -> Cow<'static, str> {
        "DatePattern".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How a date stands in a text, as `rain.%Y.%m.%d.tif`: `%Y`, `%m`, `%d`, `%j` (day of the year), `%H`.",
            "type": "string",
            "pattern": "%Y",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(pattern: &str, text: &str) -> Vec<String> {
        let pattern = DatePattern::try_from(pattern.to_owned()).unwrap();
        pattern.find(text).map(|date| date.format("%Y-%m-%dT%H").to_string()).collect()
    }

    #[test]
    fn dates_are_found_where_they_stand() {
        let page =
            "<a href=\"rain.2024.03.01.tif\">rain.2024.03.01.tif</a> rain.2024.02.30.tif rain.2024.13.01.tif";
        assert_eq!(dates("rain.%Y.%m.%d.tif", page), ["2024-03-01T00", "2024-03-01T00"]);
        assert_eq!(dates("%Y%m%d%H", "x2024030105.nc"), ["2024-03-01T05"]);
        assert_eq!(dates("A%Y%j", "A2024060 A2023366"), ["2024-02-29T00"]);
        assert_eq!(dates("/%Y/", "a/2024/b é/2025/"), ["2024-01-01T00", "2025-01-01T00"]);
        assert_eq!(dates("%Y-%m", "nothing of the kind"), Vec::<String>::new());
    }

    #[test]
    fn a_pattern_needs_a_year_and_known_letters() {
        for bad in ["", "%m%d", "%Y%y", "%", "100%"] {
            assert!(DatePattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
