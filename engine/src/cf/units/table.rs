/// Exponents of metre, kilogram, second, kelvin, mole, ampere and candela. Angles, fractions and
/// counts have none.
pub(crate) type Dimension = [i8; 7];

/// Nothing that is measured: a fraction, an angle, a count.
pub(crate) const ONE: Dimension = [0; 7];

/// How much of the SI unit of its dimension a unit is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// So much, as number by number.
    Exact(u128, u128),
    /// So much, and its scale begins so many SI units above nothing.
    Above(u128, u128, f64),
    /// It is turned into no other: its size is no ratio, or differs between authorities.
    Own,
}

use Size::{Above, Exact, Own};

type Row = (&'static [&'static str], Dimension, Size);

const LENGTH: Dimension = [1, 0, 0, 0, 0, 0, 0];
const TIME: Dimension = [0, 0, 1, 0, 0, 0, 0];
const KELVIN: Dimension = [0, 0, 0, 1, 0, 0, 0];
const PRESSURE: Dimension = [-1, 1, -2, 0, 0, 0, 0];
const ENERGY: Dimension = [2, 1, -2, 0, 0, 0, 0];
const AREA: Dimension = [2, 0, 0, 0, 0, 0, 0];

/// Where the Celsius scale begins, exactly (SI brochure, 9th edition, section 2.3.1).
const CELSIUS_ZERO: f64 = 273.15;
/// Where the Fahrenheit scale begins, in kelvin.
const FAHRENHEIT_ZERO: f64 = 459.67 * 5.0 / 9.0;

/// Symbols and names, what they measure, and how much; names take an `s` at their end. From the SI
/// brochure, 9th edition, and what UDUNITS-2 knows besides of what stands in climate data. A year is
/// UDUNITS-2's tropical one, a month a twelfth of it.
pub(super) const UNITS: &[Row] = &[
    (&["m", "metre", "meter"], LENGTH, Exact(1, 1)),
    (&["in", "inch"], LENGTH, Exact(254, 10_000)),
    (&["ft", "foot", "feet"], LENGTH, Exact(3_048, 10_000)),
    (&["yd", "yard"], LENGTH, Exact(9_144, 10_000)),
    (&["mi", "mile"], LENGTH, Exact(1_609_344, 1_000)),
    (&["nautical_mile"], LENGTH, Exact(1_852, 1)),
    (&["g", "gram", "gramme"], [0, 1, 0, 0, 0, 0, 0], Exact(1, 1_000)),
    (&["t", "tonne", "metric_ton"], [0, 1, 0, 0, 0, 0, 0], Exact(1_000, 1)),
    (&["s", "sec", "second"], TIME, Exact(1, 1)),
    (&["min", "minute"], TIME, Exact(60, 1)),
    (&["h", "hr", "hour"], TIME, Exact(3_600, 1)),
    (&["d", "day"], TIME, Exact(86_400, 1)),
    (&["week"], TIME, Exact(604_800, 1)),
    (&["month"], TIME, Exact(315_569_259_747, 120_000)),
    (&["year", "yr", "a"], TIME, Exact(315_569_259_747, 10_000)),
    (&["common_year"], TIME, Exact(31_536_000, 1)),
    (
        &[
            "K",
            "kelvin",
            "Kelvin",
            "degK",
            "deg_K",
            "degree_K",
            "degrees_K",
            "degree_kelvin",
            "degree_Kelvin",
        ],
        KELVIN,
        Exact(1, 1),
    ),
    (&["degC", "deg_C", "degreeC", "degreesC", "degree_C", "degrees_C"], KELVIN, Above(1, 1, CELSIUS_ZERO)),
    (&["celsius", "Celsius", "°C", "℃"], KELVIN, Above(1, 1, CELSIUS_ZERO)),
    (
        &["degree_celsius", "degrees_celsius", "degree_Celsius", "degrees_Celsius"],
        KELVIN,
        Above(1, 1, CELSIUS_ZERO),
    ),
    (&["degF", "deg_F", "degree_F", "fahrenheit", "°F"], KELVIN, Above(5, 9, FAHRENHEIT_ZERO)),
    (&["mol", "mole"], [0, 0, 0, 0, 1, 0, 0], Exact(1, 1)),
    (&["molec", "molecule"], [0, 0, 0, 0, 1, 0, 0], Exact(1, 602_214_076_000_000_000_000_000)),
    (&["A", "ampere"], [0, 0, 0, 0, 0, 1, 0], Exact(1, 1)),
    (&["cd", "candela", "lm", "lumen"], [0, 0, 0, 0, 0, 0, 1], Exact(1, 1)),
    (&["Hz", "hertz", "Bq", "becquerel"], [0, 0, -1, 0, 0, 0, 0], Exact(1, 1)),
    (&["N", "newton"], [1, 1, -2, 0, 0, 0, 0], Exact(1, 1)),
    (&["Pa", "pascal", "Pascal"], PRESSURE, Exact(1, 1)),
    (&["bar"], PRESSURE, Exact(100_000, 1)),
    (&["atm", "atmosphere"], PRESSURE, Exact(101_325, 1)),
    (&["torr"], PRESSURE, Exact(101_325, 760)),
    (&["mmHg"], PRESSURE, Own),
    (&["J", "joule"], ENERGY, Exact(1, 1)),
    (&["cal", "calorie"], ENERGY, Own),
    (&["eV", "electronvolt"], ENERGY, Exact(1_602_176_634, 10_000_000_000_000_000_000_000_000_000)),
    (&["W", "watt"], [2, 1, -3, 0, 0, 0, 0], Exact(1, 1)),
    (&["C", "coulomb"], [0, 0, 1, 0, 0, 1, 0], Exact(1, 1)),
    (&["V", "volt"], [2, 1, -3, 0, 0, -1, 0], Exact(1, 1)),
    (&["ohm", "Ω"], [2, 1, -3, 0, 0, -2, 0], Exact(1, 1)),
    (&["S", "siemens", "mho"], [-2, -1, 3, 0, 0, 2, 0], Exact(1, 1)),
    (&["T", "tesla"], [0, 1, -2, 0, 0, -1, 0], Exact(1, 1)),
    (&["lx", "lux"], [-2, 0, 0, 0, 0, 0, 1], Exact(1, 1)),
    (&["Gy", "gray", "Sv", "sievert"], [2, 0, -2, 0, 0, 0, 0], Exact(1, 1)),
    (&["L", "l", "litre", "liter"], [3, 0, 0, 0, 0, 0, 0], Exact(1, 1_000)),
    (&["ha", "hectare"], AREA, Exact(10_000, 1)),
    (&["acre"], AREA, Own),
    (&["kt", "kts", "knot"], [1, 0, -1, 0, 0, 0, 0], Exact(1_852, 3_600)),
    (&["gpm", "geopotential_meter", "geopotential_metre"], [2, 0, -2, 0, 0, 0, 0], Exact(980_665, 100_000)),
    (&["DU", "dobson"], [-2, 0, 0, 0, 1, 0, 0], Own),
    (&["rad", "radian", "sr", "steradian", "count"], ONE, Exact(1, 1)),
    (&["degree", "deg", "°"], ONE, Own),
    (&["arcminute"], ONE, Own),
    (&["arcsecond"], ONE, Own),
    (&["degree_north", "degrees_north", "degree_N", "degrees_N", "degreeN", "degreesN"], ONE, Own),
    (&["degree_east", "degrees_east", "degree_E", "degrees_E", "degreeE", "degreesE"], ONE, Own),
    (&["degree_true", "degrees_true", "degree_T", "degrees_T"], ONE, Own),
    (&["%", "percent"], ONE, Exact(1, 100)),
    (&["ppm", "ppmv"], ONE, Exact(1, 1_000_000)),
    (&["ppb", "ppbv"], ONE, Exact(1, 1_000_000_000)),
    (&["ppt", "pptv"], ONE, Exact(1, 1_000_000_000_000)),
    (&["psu", "PSU"], ONE, Own),
    (&["dB", "decibel"], ONE, Own),
    (&["B", "bel"], ONE, Own),
    (&["dBZ", "dBz", "BZ"], ONE, Own),
    (&["Np", "neper"], ONE, Own),
    (&["sigma_level"], ONE, Own),
    (&["level"], ONE, Own),
    (&["layer"], ONE, Own),
];

/// Prefixes with their powers of ten; only one is taken.
pub(super) const PREFIXES: &[(&str, i32)] = &[
    ("yotta", 24),
    ("zetta", 21),
    ("exa", 18),
    ("peta", 15),
    ("tera", 12),
    ("giga", 9),
    ("mega", 6),
    ("kilo", 3),
    ("hecto", 2),
    ("deca", 1),
    ("deka", 1),
    ("deci", -1),
    ("centi", -2),
    ("milli", -3),
    ("micro", -6),
    ("nano", -9),
    ("pico", -12),
    ("femto", -15),
    ("atto", -18),
    ("zepto", -21),
    ("yocto", -24),
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("µ", -6),
    ("μ", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];
