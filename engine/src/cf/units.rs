//! Units as UDUNITS reads them: what they measure, whether they are rates, and how numbers of one
//! become numbers of another.

mod ratio;
mod read;
mod table;

use ratio::Ratio;
use read::{Measure, Scale, read};
use table::UNITS;

pub(crate) use read::NoUnit;
pub(crate) use table::{Dimension, ONE};

/// How numbers of one unit become numbers of another: × num ÷ den + add.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    num: f64,
    den: f64,
    add: f64,
}

/// Two units neither of which can be turned into the other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known that turns `{from}` into `{to}`{why}")]
pub struct NoConversion {
    from: String,
    to: String,
    why: &'static str,
}

/// What a unit measures.
///
/// # Errors
/// When a part of it is not known, or it has another form.
pub(crate) fn dimension(text: &str) -> Result<Dimension, NoUnit> {
    read(text).map(|measure| measure.dimension)
}

/// Whether it is something per time (`mm day-1`, `W m-2`), so that a sum over periods means nothing.
#[must_use]
pub fn is_rate(text: &str) -> bool {
    // What measures no time in the end may say it: `m2 s-2` is an energy per mass, not a rate.
    let per_time = dimension(text).is_ok_and(|d| d[2] == -1 || (d[2] == -3 && d[1] == 1));
    per_time && !text.contains("Hz") && !text.contains("Bq")
}

/// Whether numbers in this unit are amounts of things, so that those of two cells side by side add up:
/// a mass, an area, a volume, an energy, a power or a number of things, but no depth, density or
/// temperature. None where nobody knows the unit.
#[must_use]
pub fn adds_up(text: &str) -> Option<bool> {
    let [length, mass, time, rest @ ..] = dimension(written(text)).ok()?;
    let amount = matches!((length, mass, time), (0, 0 | 1, 0) | (2 | 3, 0, 0) | (2, 1, -2 | -3));
    Some(amount && rest == [0; 4])
}

/// Whether two texts name the same unit: `mm/day` and `mm d-1`, `degC` and `°C`.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (written(one), written(other));
    match (read(one), read(other)) {
        // A depth of water and its mass are not the same, although their numbers may be.
        (Ok(one), Ok(other)) => {
            one.dimension == other.dimension
                && Conversion::between(one, other).is_some_and(Conversion::is_same)
        }
        _ => one == other,
    }
}

/// Whether anything can be turned into this unit.
#[must_use]
pub fn is_known(units: &str) -> bool {
    read(written(units)).is_ok()
}

/// How numbers in `from` become numbers in `to`. A layer of water of 1 mm weighs 1 kg m-2, as the CF
/// standard name table sets `lwe_thickness_of_precipitation_amount` beside `precipitation_amount`.
///
/// # Errors
/// When they measure different things. Amounts are never made of rates, since how long a rate
/// lasted is not in its unit.
pub fn conversion(from: &str, to: &str) -> Result<Conversion, NoConversion> {
    let (one, other) = (written(from), written(to));
    let found = match (read(one), read(other)) {
        (Ok(one), Ok(other)) => Conversion::between(one, other),
        // A unit that nobody knows is itself.
        _ => (one == other).then_some(Conversion::SAME),
    };
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

/// A unit for what files write in its place.
fn written(text: &str) -> &str {
    match text.trim() {
        "" | "-" | "none" | "dimensionless" | "unitless" | "(0 - 1)" | "fraction" => "1",
        // The ECMWF parameter database writes depths of water so.
        "m of water equivalent" | "m of water" => "m",
        "mm of water equivalent" | "mm of water" => "mm",
        other => other,
    }
}

/// What a layer of water of one metre weighs, in kg m-2: its density is 1000 kg m-3.
const WATER: Ratio = Ratio { num: 1_000, den: 1 };

impl Conversion {
    /// The numbers stay.
    const SAME: Self = Self { num: 1.0, den: 1.0, add: 0.0 };

    fn between(one: Measure, other: Measure) -> Option<Self> {
        let (a, zero, b, other_zero) = match (one.scale, other.scale) {
            (Scale::Exact(a, zero), Scale::Exact(b, other_zero)) => (a, zero, b, other_zero),
            (Scale::Own(a), Scale::Own(b)) => return (a == b).then_some(Self::SAME),
            _ => return None,
        };
        let by = a.times(b.inverse())?;
        let ratio = if one.dimension == other.dimension {
            by
        } else if is_depth(one.dimension) && other.dimension == mass_of(one.dimension) {
            by.times(WATER)?
        } else if is_depth(other.dimension) && one.dimension == mass_of(other.dimension) {
            by.times(WATER.inverse())?
        } else {
            return None;
        };
        Some(Self {
            num: float(ratio.num),
            den: float(ratio.den),
            add: (zero - other_zero) * float(b.den) / float(b.num),
        })
    }

    /// A number of the one unit as a number of the other.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        value * self.num / self.den + self.add
    }

    /// What differences are multiplied by.
    #[must_use]
    pub fn scale(self) -> f64 {
        self.num / self.den
    }

    /// Whether the numbers stay as they are.
    #[must_use]
    pub fn is_same(self) -> bool {
        self == Self::SAME
    }
}

#[expect(clippy::cast_precision_loss, reason = "ratios of units have few digits")]
fn float(n: u128) -> f64 {
    n as f64
}

/// Whether it is a length, or a length per time.
fn is_depth([length, mass, time, rest @ ..]: Dimension) -> bool {
    (length, mass) == (1, 0) && (time == 0 || time == -1) && rest == [0; 4]
}

/// What a depth of water weighs per area.
fn mass_of(mut depth: Dimension) -> Dimension {
    (depth[0], depth[1]) = (-2, 1);
    depth
}

/// The name or symbol that was most likely meant.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    // Nearly every short word is near a symbol.
    let usual = ["millimetres", "centimetres", "kilometres", "kilograms", "hectopascals", "kilopascals"];
    let all = UNITS.iter().flat_map(|(names, ..)| names.iter().copied()).chain(usual);
    let names = all.filter(|name| name.len() > 2);
    Some(word).filter(|word| word.len() > 3).and_then(|word| crate::diagnostic::nearest(word, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_measure_the_same() {
        for same in [
            ["mm day-1", "mm/day", "m s-1"],
            ["kg m-2 s-1", "kg/m2/s", "kg m**-2 s^-1"],
            ["degC", "°C", "K"],
            ["hPa", "millibar", "Pa"],
            ["W m-2 sr-1 (m-1)-1", "W m-2 sr-1 m", "W m-1"],
            ["%", "1", "1e-3"],
            ["km per hour", "kilometres/hour", "kt"],
            ["kg m-2", "g.cm-2", "tonnes ha-1"],
            ["J m-2", "W s m-2", "N m m-2"],
            ["mmol m-3", "μmol/m3", "mol/L"],
        ] {
            let all: Vec<_> = same.iter().map(|text| dimension(text)).collect();
            assert!(all[0].is_ok() && all.iter().all(|d| *d == all[0]), "{same:?} {all:?}");
        }
        assert_ne!(dimension("mm"), dimension("kg m-2"));
    }

    #[test]
    fn what_is_no_unit_is_told() {
        for (text, part) in [("mm dya-1", "dya"), ("furlongs", "furlongs"), ("persons km-2", "persons")] {
            assert_eq!(dimension(text), Err(NoUnit::Unknown(part.into())), "{text}");
        }
        for text in [
            "",
            " ",
            "mm^",
            "m^^2",
            "(m",
            "m)",
            "days since 1970-01-01",
            "m99999",
            "((((((((m))))))))",
            "mm;day",
            "m-",
        ] {
            assert_eq!(dimension(text), Err(NoUnit::Malformed), "{text}");
        }
        assert_eq!(
            (meant("metrs"), meant("milimetres"), meant("mn")),
            (Some("metre"), Some("millimetres"), None)
        );
    }

    #[test]
    fn amounts_add_up_from_cell_to_cell() {
        for units in ["1", "kg", "m3", "km2", "J", "MW", "ha"] {
            assert_eq!(adds_up(units), Some(true), "{units}");
        }
        for units in ["mm", "kg m-2", "K", "degC", "m s-1", "Pa", "W m-2", "mm day-1", "km-2"] {
            assert_eq!(adds_up(units), Some(false), "{units}");
        }
        assert_eq!(adds_up("people"), None);
    }

    #[test]
    fn what_is_per_time_is_a_rate() {
        for units in ["mm day-1", "kg m-2 s-1", "W m-2", "m s-1", "K/day", "m3 s-1", "mm/month"] {
            assert!(is_rate(units), "{units}");
        }
        for units in ["mm", "K", "kg m-2", "1", "%", "J m-2", "m2 s-2", "days", "hPa", "Bq m-3", "N m-2"] {
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
        // A flux of water is a depth per time; a difference of temperatures has no beginning.
        assert_eq!(convert(1.0, "kg m-2 s-1", "mm/day"), 86_400.0);
        assert_eq!(convert(3.0, "degC/day", "K day-1"), 3.0);
        assert_eq!(convert(5.0, "ppm", "1e-6"), 5.0);
        assert_eq!(convert(2.0, "100 m", "km"), 0.2);
        assert_eq!(convert(212.0, "degF", "degC").round(), 100.0);
        assert_eq!(convert(7.0, "g kg-1", "1"), 7.0 / 1000.0);
    }

    #[test]
    fn unknown_pairs_are_refused_by_name() {
        let refused = conversion("kg m-2 s-1", "K/day").unwrap_err().to_string();
        assert!(refused.contains("`kg m-2 s-1`") && refused.contains("`K/day`"), "{refused}");
        assert!(
            conversion("mm day-1", "mm").unwrap_err().to_string().ends_with("is a rate, the other is not")
        );
        for (from, to) in [
            ("degrees_north", "1"),
            ("mm", "mm day-1"),
            ("m", "s"),
            ("K", "mm"),
            ("dBZ", "1"),
            ("m2", "kg m-1"),
        ] {
            assert!(conversion(from, to).is_err(), "{from} {to}");
        }
        assert!(is_known("mm/day") && is_known("°C") && !is_known("furlong"));
    }

    #[test]
    fn one_unit_has_many_spellings() {
        for text in
            ["mm day-1", "mm/day", "mm d-1", "mm day**-1", "mm day^-1", "millimetres per day", "mm.d-1"]
        {
            assert!(same(text, "mm day-1"), "{text}");
        }
        assert!(same("kg m**-2 s**-1", "kg/m2/s"));
        assert!(same("degrees_Celsius", "°C") && same("Pa", "N m-2") && same("mbar", "hPa"));
        assert!(same("m of water equivalent", "m") && same("(0 - 1)", "1"));
        assert!(same("degrees_north", "degree_N") && same("persons", "persons"));
        for (one, other) in [
            ("mm", "mm day-1"),
            ("m2", "m"),
            ("mm", "kg m-2"),
            ("degrees_north", "1"),
            ("%", "1"),
            ("K", "degC"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
