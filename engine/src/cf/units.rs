//! Units as UDUNITS reads them, as far as what they measure: enough to know whether one can be
//! turned into another.

/// Exponents of metre, kilogram, second, kelvin, mole, ampere and candela. Angles, fractions and
/// counts have none.
pub(crate) type Dimension = [i8; 7];

/// Nothing that is measured: a fraction, an angle, a count.
pub(crate) const ONE: Dimension = [0; 7];

/// Symbols and names, with what they measure; names take an `s` at their end. From the SI brochure,
/// 9th edition, and what UDUNITS-2 knows besides of what stands in climate data.
const UNITS: &[(&[&str], Dimension)] = &[
    (&["m", "metre", "meter"], [1, 0, 0, 0, 0, 0, 0]),
    (&["g", "gram", "gramme", "t", "tonne", "metric_ton"], [0, 1, 0, 0, 0, 0, 0]),
    (&["s", "sec", "second", "min", "minute", "h", "hr", "hour", "d", "day"], [0, 0, 1, 0, 0, 0, 0]),
    (&["week", "month", "year", "yr", "a", "common_year"], [0, 0, 1, 0, 0, 0, 0]),
    (
        &["K", "kelvin", "Kelvin", "degK", "deg_K", "degree_K", "degrees_K", "degree_kelvin"],
        [0, 0, 0, 1, 0, 0, 0],
    ),
    (&["degC", "deg_C", "degreeC", "degreesC", "degree_C", "degrees_C"], [0, 0, 0, 1, 0, 0, 0]),
    (
        &[
            "celsius",
            "Celsius",
            "degree_celsius",
            "degrees_celsius",
            "degree_Celsius",
            "degrees_Celsius",
            "°C",
            "℃",
        ],
        [0, 0, 0, 1, 0, 0, 0],
    ),
    (&["degF", "deg_F", "degree_F", "fahrenheit", "°F"], [0, 0, 0, 1, 0, 0, 0]),
    (&["mol", "mole", "molec", "molecule"], [0, 0, 0, 0, 1, 0, 0]),
    (&["A", "ampere"], [0, 0, 0, 0, 0, 1, 0]),
    (&["cd", "candela", "lm", "lumen"], [0, 0, 0, 0, 0, 0, 1]),
    (&["Hz", "hertz", "Bq", "becquerel"], [0, 0, -1, 0, 0, 0, 0]),
    (&["N", "newton"], [1, 1, -2, 0, 0, 0, 0]),
    (&["Pa", "pascal", "bar", "atm", "atmosphere", "torr", "mmHg"], [-1, 1, -2, 0, 0, 0, 0]),
    (&["J", "joule", "cal", "calorie", "eV", "electronvolt"], [2, 1, -2, 0, 0, 0, 0]),
    (&["W", "watt"], [2, 1, -3, 0, 0, 0, 0]),
    (&["C", "coulomb"], [0, 0, 1, 0, 0, 1, 0]),
    (&["V", "volt"], [2, 1, -3, 0, 0, -1, 0]),
    (&["ohm", "Ω"], [2, 1, -3, 0, 0, -2, 0]),
    (&["S", "siemens", "mho"], [-2, -1, 3, 0, 0, 2, 0]),
    (&["T", "tesla"], [0, 1, -2, 0, 0, -1, 0]),
    (&["lx", "lux"], [-2, 0, 0, 0, 0, 0, 1]),
    (&["Gy", "gray", "Sv", "sievert"], [2, 0, -2, 0, 0, 0, 0]),
    (&["L", "l", "litre", "liter"], [3, 0, 0, 0, 0, 0, 0]),
    (&["ha", "hectare", "acre"], [2, 0, 0, 0, 0, 0, 0]),
    (
        &["in", "inch", "ft", "foot", "feet", "yd", "yard", "mi", "mile", "nautical_mile"],
        [1, 0, 0, 0, 0, 0, 0],
    ),
    (&["kt", "kts", "knot"], [1, 0, -1, 0, 0, 0, 0]),
    (&["gpm", "geopotential_meter", "geopotential_metre"], [2, 0, -2, 0, 0, 0, 0]),
    (&["DU", "dobson"], [-2, 0, 0, 0, 1, 0, 0]),
    (&["rad", "radian", "sr", "steradian", "degree", "deg", "°", "arcminute", "arcsecond"], ONE),
    (&["degree_north", "degrees_north", "degree_N", "degrees_N", "degreeN", "degreesN"], ONE),
    (&["degree_east", "degrees_east", "degree_E", "degrees_E", "degreeE", "degreesE"], ONE),
    (&["degree_true", "degrees_true", "degree_T", "degrees_T"], ONE),
    (&["%", "percent", "ppm", "ppmv", "ppb", "ppbv", "ppt", "pptv", "psu", "PSU", "count"], ONE),
    (&["dB", "decibel", "B", "bel", "dBZ", "dBz", "BZ", "Np", "neper", "sigma_level", "level", "layer"], ONE),
];

/// Prefixes; only one is taken.
const PREFIXES: &[&str] = &[
    "yotta", "zetta", "exa", "peta", "tera", "giga", "mega", "kilo", "hecto", "deca", "deka", "deci",
    "centi", "milli", "micro", "nano", "pico", "femto", "atto", "zepto", "yocto", "da", "Y", "Z", "E", "P",
    "T", "G", "M", "k", "h", "d", "c", "m", "u", "µ", "μ", "n", "p", "f", "a", "z", "y",
];

/// Why a unit cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoUnit {
    /// This part of it is not known.
    Unknown(String),
    /// It has another form.
    Malformed,
}

/// What a unit measures.
///
/// # Errors
/// When a part of it is not known, or it has another form.
pub(crate) fn dimension(text: &str) -> Result<Dimension, NoUnit> {
    if text.len() > 200 || text.trim().is_empty() || text.contains(" since ") {
        return Err(NoUnit::Malformed);
    }
    let spaced = text.replace("**", "^");
    let mut reader = Reader { rest: spaced.trim() };
    let found = reader.product(0)?;
    if reader.rest.is_empty() { Ok(found) } else { Err(NoUnit::Malformed) }
}

/// Whether it is something per time (`mm day-1`, `W m-2`), so that a sum over periods means nothing.
pub(crate) fn is_rate(text: &str) -> bool {
    // What measures no time in the end may say it: `m2 s-2` is an energy per mass, not a rate.
    let per_time = dimension(text).is_ok_and(|d| d[2] == -1 || (d[2] == -3 && d[1] == 1));
    per_time && !text.contains("Hz") && !text.contains("Bq")
}

/// The dimension to the power of `n`.
fn power(dimension: Dimension, n: i8) -> Result<Dimension, NoUnit> {
    let mut out = dimension;
    for exponent in &mut out {
        *exponent = exponent.checked_mul(n).ok_or(NoUnit::Malformed)?;
    }
    Ok(out)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Factors, one after the other or with a mark between them.
    fn product(&mut self, depth: usize) -> Result<Dimension, NoUnit> {
        let mut product = self.factor(depth)?;
        loop {
            let mut sign = 1;
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix('/').or_else(|| self.rest.strip_prefix("per ")) {
                (sign, self.rest) = (-1, rest);
            } else if let Some(rest) = self.rest.strip_prefix(['.', '*', '·', '⋅']) {
                self.rest = rest;
            } else if self.rest.is_empty() || self.rest.starts_with(')') {
                return Ok(product);
            }
            let factor = power(self.factor(depth)?, sign)?;
            for (all, one) in product.iter_mut().zip(factor) {
                *all = all.checked_add(one).ok_or(NoUnit::Malformed)?;
            }
        }
    }

    /// A number, a symbol or something in brackets, with its exponent.
    fn factor(&mut self, depth: usize) -> Result<Dimension, NoUnit> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('(') {
            if depth > 4 {
                return Err(NoUnit::Malformed);
            }
            self.rest = rest;
            let inner = self.product(depth + 1)?;
            self.rest = self.rest.trim_start().strip_prefix(')').ok_or(NoUnit::Malformed)?;
            return power(inner, self.exponent()?);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let number = |c: char| c.is_ascii_digit() || c == '.';
            let end = self.rest.find(|c| !number(c)).unwrap_or(self.rest.len());
            let tail = &self.rest[end..];
            let signed = tail.strip_prefix(['e', 'E']).map(|t| t.strip_prefix(['-', '+']).unwrap_or(t));
            let digits = signed.filter(|t| t.starts_with(|c: char| c.is_ascii_digit()));
            self.rest = digits.map_or(tail, |t| t.trim_start_matches(|c: char| c.is_ascii_digit()));
            self.exponent()?;
            return Ok(ONE);
        }
        let symbol = |c: char| c.is_alphabetic() || matches!(c, '_' | '%' | '°' | '℃' | 'µ' | '\'' | '"');
        let end = self.rest.find(|c| !symbol(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(NoUnit::Malformed);
        }
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        let found = known(word).ok_or_else(|| NoUnit::Unknown(word.to_owned()))?;
        power(found, self.exponent()?)
    }

    /// `^2`, `-2`, `2`, or nothing.
    fn exponent(&mut self) -> Result<i8, NoUnit> {
        let marked = self.rest.strip_prefix('^');
        let rest = marked.unwrap_or(self.rest);
        let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if end == 0 {
            return if marked.is_some() { Err(NoUnit::Malformed) } else { Ok(1) };
        }
        let length = rest.len() - digits.len() + end;
        self.rest = &rest[length..];
        rest[..length].parse().map_err(|_| NoUnit::Malformed)
    }
}

fn known(word: &str) -> Option<Dimension> {
    let bare = |word: &str| {
        let of = |word: &str| {
            UNITS.iter().find(|(names, _)| names.contains(&word)).map(|(_, dimension)| *dimension)
        };
        of(word).or_else(|| word.strip_suffix('s').filter(|one| one.len() > 2).and_then(of))
    };
    bare(word).or_else(|| PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix).and_then(bare)))
}

/// The name or symbol that was most likely meant.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    // Nearly every short word is near a symbol.
    let usual = ["millimetres", "centimetres", "kilometres", "kilograms", "hectopascals", "kilopascals"];
    let all = UNITS.iter().flat_map(|(names, _)| names.iter().copied()).chain(usual);
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
    fn what_is_per_time_is_a_rate() {
        for units in ["mm day-1", "kg m-2 s-1", "W m-2", "m s-1", "K/day", "m3 s-1", "mm/month"] {
            assert!(is_rate(units), "{units}");
        }
        for units in ["mm", "K", "kg m-2", "1", "%", "J m-2", "m2 s-2", "days", "hPa", "Bq m-3", "N m-2"] {
            assert!(!is_rate(units), "{units}");
        }
    }
}
