use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, NaiveTime, Utc};
use frazil_engine::data::{DatasetId, Period};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::fetch::Stamp;

/// One thing that is done to the numbers of variables.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Operation {
    /// Turns running totals into the amount of each period.
    Deaccumulate(Deaccumulate),
    /// Turns numbers into another unit, by variable: `{ t2m: degC, tp: mm }`. The unit they come in
    /// is the one that the source, or an operation before, says.
    Convert(BTreeMap<String, String>),
    /// Number × scale + offset, by variable.
    ScaleOffset(BTreeMap<String, ScaleOffset>),
    /// Takes numbers out, by variable: what is masked is missing.
    Mask(BTreeMap<String, Mask>),
    /// Gives variables other names: `{ old: new }`.
    Rename(BTreeMap<String, String>),
    /// Brings all variables onto the grid of a dataset, in the coordinate reference system that they
    /// come in.
    Regrid(Onto),
    /// Brings all variables onto the grid of a dataset in another coordinate reference system, which
    /// its `crs` says.
    Reproject(Onto),
}

/// A grid, and how numbers are brought onto it.
///
/// The grid is that of the block of a dataset (`grid`, and `crs` where it is another). Cells that the
/// source does not cover are missing; a missing number is never mixed into its neighbours; longitudes
/// are found in every turn of the earth, so that a source from 0 to 360 fills a window over Greenwich.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Onto {
    /// The dataset whose `grid` it is.
    pub(super) onto: DatasetId,
    /// How a number is made of several.
    pub(super) method: Method,
    /// Another method for some of the variables, by name: `{ landcover: mode }`.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Method>,
}

/// How a number of a grid is made of those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// That of the cell that holds the centre.
    Nearest,
    /// Of the four cells around the centre, by distance; of all that a larger cell covers.
    Bilinear,
    /// Of the sixteen cells around the centre, by a cubic; of all that a larger cell covers.
    Cubic,
    /// The mean of what the cell covers, by area.
    Average,
    /// The number that covers most of the cell: for categories.
    Mode,
    /// The sum of what the cell covers, by area: for counts, whose total stays what it is.
    Sum,
}

impl Onto {
    /// How the numbers of a variable are made.
    pub(super) fn method(&self, name: &str) -> Method {
        self.variables.get(name).copied().unwrap_or(self.method)
    }
}

impl Operation {
    /// The grid that it leads to, where it leads to another.
    pub(super) const fn onto(&self) -> Option<&Onto> {
        match self {
            Self::Regrid(onto) | Self::Reproject(onto) => Some(onto),
            _ => None,
        }
    }
}

impl Method {
    /// Its word in pipeline files.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Cubic => "cubic",
            Self::Average => "average",
            Self::Mode => "mode",
            Self::Sum => "sum",
        }
    }
}

/// Turns running totals into the amount of each period, by the clock of the source.
///
/// `reset` and `stamp` are both about the stamps of the source, as its documentation gives them.
/// ERA5-Land accumulates from 00 UTC and stamps the end of each hour: the stamp 01:00 holds the
/// first hour, and 00:00 of the next day the whole day, so `reset: "01:00"` (the first stamp of a
/// new total) and `stamp: end`, which is what accumulations nearly always do and the default here.
/// Which totals are differences follows from these alone, never from a change of sign.
///
/// A period after a break, or the very first one, has no total before it and becomes missing,
/// unless a new total begins with it. Totals that fall by less than 0.01 of the unit that the
/// variable has in the end are rounding and count as no amount; more is an error.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Deaccumulate {
    /// The variables that hold running totals.
    pub(super) variables: Vec<String>,
    /// The first stamp of a new total, as a time of day in UTC.
    pub(super) reset: TimeOfDay,
    /// Which end of its interval a stamp names; say what `stamp` of the fetch step says.
    #[serde(default = "end")]
    pub(super) stamp: Stamp,
}

const fn end() -> Stamp {
    Stamp::End
}

/// Number × scale + offset.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ScaleOffset {
    /// What numbers are multiplied by.
    #[serde(default = "one")]
    pub(super) scale: f64,
    /// What is added afterwards.
    #[serde(default)]
    pub(super) offset: f64,
    /// The unit of the result. With neither scale nor offset it says the unit of numbers whose
    /// source does not.
    pub(super) units: Option<String>,
}

const fn one() -> f64 {
    1.0
}

/// Which numbers are taken out.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Mask {
    /// Those below.
    pub(super) below: Option<f64>,
    /// Those above.
    pub(super) above: Option<f64>,
    /// Those equal.
    pub(super) equal: Option<f64>,
}

/// A time of day in UTC, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TimeOfDay(NaiveTime);

impl Mask {
    /// Whether `value` is taken out.
    pub(super) fn takes(&self, value: f64) -> bool {
        self.below.is_some_and(|b| value < b)
            || self.above.is_some_and(|a| value > a)
            || self.equal.is_some_and(|e| (value - e).abs() <= 0.0)
    }
}

impl Deaccumulate {
    /// Whether the total of `period` begins with it: a reset lies after the stamp of the period
    /// before and not after its own.
    pub(super) fn begins_anew(&self, period: Period) -> bool {
        let (before, stamp) = match self.stamp {
            Stamp::End => (period.start(), period.end()),
            Stamp::Start => (period.plus(-1).start(), period.start()),
        };
        self.reset.after(before) <= stamp
    }
}

impl TimeOfDay {
    /// The first instant after `instant` at which the clock shows this time.
    fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let same_day = instant.date_naive().and_time(self.0).and_utc();
        if same_day > instant { same_day } else { same_day + chrono::Duration::days(1) }
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let well_formed = text.len() == 5;
        match NaiveTime::parse_from_str(&text, "%H:%M") {
            Ok(time) if well_formed => Ok(Self(time)),
            _ => Err(format!("`{text}` is not a time of day: write `01:00`")),
        }
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A time of day in UTC, such as `01:00`.",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
        })
    }
}
