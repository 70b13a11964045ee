//! Units as UDUNITS writes them: enough to compare, to convert exactly, and to know a rate.

use std::{collections::BTreeMap, fmt};

/// A unit taken apart: symbols with their exponents, spelled one way.
///
/// `mm/day`, `mm d-1`, `mm day**-1` and `millimetres per day` are the same unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit(BTreeMap<String, i32>);

/// How numbers of one unit become numbers of another: × num ÷ den + add.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conversion {
    num: f64,
    den: f64,
    add: f64,
}

/// Two units between which nothing in the table leads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known that turns `{from}` into `{to}`{why}")]
pub(crate) struct NoConversion {
    from: String,
    to: String,
    why: &'static str,
}

/// Spellings of a symbol, the one that is kept first; as in the UDUNITS-2 database, and those
/// that ECMWF and NOAA files use besides.
const SPELLINGS: &[&[&str]] = &[
    &["K", "kelvin", "kelvins", "Kelvin", "degK", "deg_K", "degree_K", "degrees_K", "degree_Kelvin"],
    &[
        "degC",
        "celsius",
        "Celsius",
        "deg_C",
        "degreeC",
        "degreesC",
        "degree_C",
        "degrees_C",
        "degree_Celsius",
        "degrees_Celsius",
        "degree_celsius",
        "°C",
        "℃",
    ],
    &["m", "metre", "metres", "meter", "meters"],
    &["mm", "millimetre", "millimetres", "millimeter", "millimeters"],
    &["cm", "centimetre", "centimetres", "centimeter", "centimeters"],
    &["km", "kilometre", "kilometres", "kilometer", "kilometers"],
    &["Pa", "pascal", "pascals", "Pascal"],
    &["hPa", "hectopascal", "hectopascals", "mbar", "millibar", "millibars"],
    &["kPa", "kilopascal", "kilopascals"],
    &["kg", "kilogram", "kilograms"],
    &["g", "gram", "grams"],
    &["s", "sec", "second", "seconds"],
    &["min", "minute", "minutes"],
    &["h", "hr", "hrs", "hour", "hours"],
    &["day", "days", "d"],
    &["week", "weeks"],
    &["month", "months"],
    &["year", "years", "yr"],
    &["W", "watt", "watts"],
    &["J", "joule", "joules"],
    &["%", "percent"],
];

/// Symbols of time: below a fraction line they make a rate.
const TIMES: &[&str] = &["s", "min", "h", "day", "week", "month", "year"];

/// Exact ratios, as number by number: SI prefixes; 1 h = 3600 s; 1 % = 1/100 (UDUNITS-2). A layer
/// of 1 mm of water of 1000 kg m-3 weighs 1 kg m-2, which is how the CF standard name table sets
/// `lwe_thickness_of_precipitation_amount` beside `precipitation_amount`.
const RATIOS: &[(&str, &str, f64, f64)] = &[
    ("m", "mm", 1000.0, 1.0),
    ("m", "cm", 100.0, 1.0),
    ("cm", "mm", 10.0, 1.0),
    ("km", "m", 1000.0, 1.0),
    ("Pa", "hPa", 1.0, 100.0),
    ("Pa", "kPa", 1.0, 1000.0),
    ("hPa", "kPa", 1.0, 10.0),
    ("kg m-2", "mm", 1.0, 1.0),
    ("m", "kg m-2", 1000.0, 1.0),
    ("kg", "g", 1000.0, 1.0),
    ("m s-1", "km h-1", 18.0, 5.0),
    ("1", "%", 100.0, 1.0),
];

/// The Celsius scale begins at 273.15 K, exactly (BIPM, The International System of Units,
/// 9th edition, section 2.3.1).
const CELSIUS_ZERO: f64 = 273.15;

impl Unit {
    /// Reads a unit: symbols with exponents (`m-2`, `m**-2`, `m^-2`), divided by `/` or `per`.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        let text = match text {
            "" | "-" | "none" | "dimensionless" | "unitless" | "(0 - 1)" | "fraction" => "1",
            // The ECMWF parameter database writes depths of water so.
            "m of water equivalent" | "m of water" => "m",
            "mm of water equivalent" | "mm of water" => "mm",
            other => other,
        };
        let spaced = text.replace("**", "^").replace('/', " / ").replace(['*', '·', '.'], " ");
        let mut factors = BTreeMap::new();
        let mut sign = 1;
        for word in spaced.split_whitespace() {
            if word == "/" || word == "per" {
                sign = -1;
                continue;
            }
            let (symbol, exponent) = split_exponent(word);
            if symbol != "1" {
                *factors.entry(spelled(symbol).to_owned()).or_insert(0) += sign * exponent;
            }
            sign = 1;
        }
        factors.retain(|_, exponent| *exponent != 0);
        Self(factors)
    }

    /// Whether it is something per time: what must not be summed over periods.
    fn is_rate(&self) -> bool {
        // A watt is a joule per second.
        self.0.get("W").is_some_and(|n| *n > 0) || TIMES.iter().any(|t| self.0.get(*t) == Some(&-1))
    }

    /// The unit without what it is per time, and that.
    fn split_time(&self) -> (Self, Self) {
        let (time, rest) =
            self.0.clone().into_iter().partition(|(symbol, n)| TIMES.contains(&symbol.as_str()) && *n < 0);
        (Self(rest), Self(time))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("1");
        }
        let (over, under): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, n)| **n > 0);
        for (at, (symbol, n)) in over.into_iter().chain(under).enumerate() {
            let space = if at > 0 { " " } else { "" };
            match n {
                1 => write!(f, "{space}{symbol}")?,
                n => write!(f, "{space}{symbol}{n}")?,
            }
        }
        Ok(())
    }
}

impl Conversion {
    /// The numbers stay.
    const SAME: Self = Self { num: 1.0, den: 1.0, add: 0.0 };

    /// A number of the one unit as a number of the other.
    pub(crate) fn apply(self, value: f64) -> f64 {
        value * self.num / self.den + self.add
    }

    /// What differences are multiplied by.
    pub(crate) fn scale(self) -> f64 {
        self.num / self.den
    }

    /// Whether the numbers stay as they are.
    pub(crate) fn is_same(self) -> bool {
        self == Self::SAME
    }
}

/// Whether numbers in `units` are per time (`mm day-1`, `kg m-2 s-1`, `W m-2`), so that their sum
/// over periods means nothing.
pub(crate) fn is_rate(units: &str) -> bool {
    Unit::parse(units).is_rate()
}

/// Whether two texts name the same unit.
pub(crate) fn same(one: &str, other: &str) -> bool {
    Unit::parse(one) == Unit::parse(other)
}

/// How numbers in `from` become numbers in `to`.
///
/// # Errors
/// When the table knows no way: amounts are never made of rates here, since how long a rate
/// lasted is not in its unit.
pub(crate) fn conversion(from: &str, to: &str) -> Result<Conversion, NoConversion> {
    let (one, other) = (Unit::parse(from), Unit::parse(to));
    if one == other {
        return Ok(Conversion::SAME);
    }
    match (one.to_string().as_str(), other.to_string().as_str()) {
        ("K", "degC") => return Ok(Conversion { add: -CELSIUS_ZERO, ..Conversion::SAME }),
        ("degC", "K") => return Ok(Conversion { add: CELSIUS_ZERO, ..Conversion::SAME }),
        _ => {}
    }
    let found = ratio(&one, &other).or_else(|| {
        let ((one, per), (other, per_other)) = (one.split_time(), other.split_time());
        if per == per_other { ratio(&one, &other) } else { None }
    });
    found.ok_or_else(|| NoConversion {
        from: from.to_owned(),
        to: to.to_owned(),
        why: match (is_rate(from), is_rate(to)) {
            (true, false) => ": the one is a rate, the other is not",
            (false, true) => ": the other is a rate, the one is not",
            _ => "",
        },
    })
}

/// Whether the table can turn anything into `units`.
pub(crate) fn is_known(units: &str) -> bool {
    let unit = Unit::parse(units);
    let bare = unit.split_time().0.to_string();
    let text = unit.to_string();
    ["K", "degC"].contains(&text.as_str())
        || RATIOS.iter().any(|(a, b, ..)| [*a, *b].iter().any(|u| *u == text || *u == bare))
}

fn ratio(from: &Unit, to: &Unit) -> Option<Conversion> {
    let (from, to) = (from.to_string(), to.to_string());
    RATIOS.iter().find_map(|&(a, b, num, den)| {
        if (a, b) == (&*from, &*to) {
            Some(Conversion { num, den, add: 0.0 })
        } else if (b, a) == (&*from, &*to) {
            Some(Conversion { num: den, den: num, add: 0.0 })
        } else {
            None
        }
    })
}

fn spelled(symbol: &str) -> &str {
    SPELLINGS.iter().find(|all| all.contains(&symbol)).and_then(|all| all.first()).copied().unwrap_or(symbol)
}

/// `m-2`, `m^-2` and `m2` as a symbol and its exponent.
fn split_exponent(word: &str) -> (&str, i32) {
    if let Some((symbol, exponent)) = word.split_once('^')
        && let Ok(exponent) = exponent.parse()
    {
        return (symbol, exponent);
    }
    let digits = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let symbol = digits.trim_end_matches(['-', '+']);
    match word[symbol.len()..].parse() {
        Ok(exponent) if !symbol.is_empty() => (symbol, exponent),
        _ => (word, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_has_many_spellings() {
        for text in
            ["mm day-1", "mm/day", "mm d-1", "mm day**-1", "mm day^-1", "millimetres per day", "mm.d-1"]
        {
            assert_eq!(Unit::parse(text).to_string(), "mm day-1", "{text}");
        }
        assert!(same("kg m**-2 s**-1", "kg/m2/s"));
        assert!(same("degrees_Celsius", "°C"));
        assert!(same("m of water equivalent", "m"));
        assert!(same("(0 - 1)", "1"));
        assert!(!same("mm", "mm day-1"));
        assert!(!same("m2", "m"));
    }

    #[test]
    fn what_is_per_time_is_a_rate() {
        for units in ["mm day-1", "kg m-2 s-1", "W m-2", "m s-1", "K/day", "m3 s-1", "mm/month"] {
            assert!(is_rate(units), "{units}");
        }
        for units in ["mm", "K", "kg m-2", "1", "%", "J m-2", "m2 s-2", "days", ""] {
            assert!(!is_rate(units), "{units}");
        }
    }

    #[test]
    fn known_conversions_are_exact() {
        let convert = |value: f64, from: &str, to: &str| conversion(from, to).unwrap().apply(value);
        assert_eq!(convert(300.0, "K", "degC"), 300.0 - 273.15);
        assert_eq!(convert(0.0, "celsius", "K"), 273.15);
        assert_eq!(convert(0.001_25, "m", "mm"), 1.25);
        assert_eq!(convert(1.0, "mm", "m"), 1.0 / 1000.0);
        assert_eq!(convert(2.5, "m", "cm"), 250.0);
        assert_eq!(convert(101_325.0, "Pa", "hPa"), 1013.25);
        assert_eq!(convert(10.0, "m s-1", "km/h"), 36.0);
        assert_eq!(convert(36.0, "km h-1", "m s**-1"), 10.0);
        assert_eq!(convert(0.5, "1", "%"), 50.0);
        assert_eq!(convert(4.0, "kg m-2", "mm"), 4.0);
        assert_eq!(convert(0.004, "m day-1", "mm/day"), 4.0);
        assert!(conversion("mm d-1", "mm/day").unwrap().is_same());
    }

    #[test]
    fn unknown_pairs_are_refused_by_name() {
        let refused = conversion("kg m-2 s-1", "mm/day").unwrap_err().to_string();
        assert!(refused.contains("`kg m-2 s-1`") && refused.contains("`mm/day`"), "{refused}");
        assert!(
            conversion("mm day-1", "mm").unwrap_err().to_string().ends_with("is a rate, the other is not")
        );
        for (from, to) in [("K day-1", "degC day-1"), ("mm", "mm day-1"), ("m", "s"), ("K", "mm")] {
            assert!(conversion(from, to).is_err(), "{from} {to}");
        }
        assert!(is_known("mm/day") && is_known("°C") && !is_known("furlong"));
    }
}
