use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Duration, Frequency, Period};

/// The time axis of a dataset: `none`, or regular.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TimeBlock", into = "TimeBlock")]
pub enum TimeAxis {
    /// A static dataset.
    None,
    /// Periods of one step.
    Regular(RegularTime),
}

/// A regular time axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegularTime {
    /// The step of the axis.
    pub step: Frequency,
    /// The first period that there ever is.
    pub start: Option<String>,
    /// When a period can be had. Where nothing is said: from its end, but an end that is asked for
    /// by name is taken at its word.
    pub available: Option<Available>,
    /// The age at which a missing newest period is reported as late.
    pub late: Option<Duration>,
    /// The month in which quarters or years begin.
    pub anchor: Option<u32>,
}

/// When a period can be had: `lag` after the end of the `whole` unit that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Available {
    /// How long after the end.
    #[serde(default = "no_lag")]
    pub lag: Duration,
    /// The unit that appears as a whole; the period itself where none is said.
    pub whole: Option<Whole>,
}

const fn no_lag() -> Duration {
    Duration::from_millis(0)
}

/// A calendar unit that a source publishes as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whole {
    /// A day.
    Day,
    /// Five days, six a month.
    Pentad,
    /// Ten days, three a month.
    Dekad,
    /// An ISO week.
    Week,
    /// A month.
    Month,
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

impl Whole {
    pub(crate) const fn frequency(self) -> Frequency {
        match self {
            Self::Day => Frequency::Day,
            Self::Pentad => Frequency::Pentad,
            Self::Dekad => Frequency::Dekad,
            Self::Week => Frequency::Week,
            Self::Month => Frequency::Month,
            Self::Quarter => Frequency::Quarter { anchor: 1 },
            Self::Year => Frequency::Year { anchor: 1 },
        }
    }
}

impl TimeAxis {
    /// The step of the axis; that of static datasets where there is none.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        match self {
            Self::None => Frequency::Static,
            Self::Regular(time) => time.frequency(),
        }
    }
}

impl RegularTime {
    /// The step, anchored.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        self.anchor.map_or(self.step, |month| self.step.anchored(month))
    }

    /// The instant from which `period` can be had.
    #[must_use]
    pub fn available_at(&self, period: Period) -> DateTime<Utc> {
        let Some(available) = self.available else { return period.end() };
        let end = available.whole.map_or_else(
            || period.end(),
            |unit| {
                let last = period.end() - chrono::Duration::seconds(1);
                Period::containing(last, unit.frequency()).end()
            },
        );
        available.lag.after(end)
    }

    /// The newest period that can be had at `now`.
    #[must_use]
    pub fn latest(&self, now: DateTime<Utc>) -> Period {
        // Availability never runs backwards along the axis, so a search from a period that is
        // too new walks down to the newest one there is; a whole unit is at most a year.
        let lag = self.available.map_or_else(no_lag, |a| a.lag);
        let mut period = Period::containing(lag.before(now), self.frequency());
        while self.available_at(period) > now {
            period = period.plus(-1);
        }
        while self.available_at(period.plus(1)) <= now {
            period = period.plus(1);
        }
        period
    }
}

/// The block as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum TimeBlock {
    Word(String),
    Regular(RegularTime),
}

impl TryFrom<TimeBlock> for TimeAxis {
    type Error = String;
    fn try_from(block: TimeBlock) -> Result<Self, String> {
        match block {
            TimeBlock::Word(word) if word == "none" => Ok(Self::None),
            TimeBlock::Word(word) => {
                Err(format!("`{word}` is no time axis: write `none` or `{{ step: P1D }}`"))
            }
            TimeBlock::Regular(time) => {
                if time.step.is_static() {
                    return Err("a dataset without a time axis says `time: none`".to_owned());
                }
                if time.anchor.is_some_and(|m| !(1..=12).contains(&m)) {
                    return Err("`anchor` is a month: 1 to 12".to_owned());
                }
                Ok(Self::Regular(time))
            }
        }
    }
}

impl From<TimeAxis> for TimeBlock {
    fn from(axis: TimeAxis) -> Self {
        match axis {
            TimeAxis::None => Self::Word("none".to_owned()),
            TimeAxis::Regular(time) => Self::Regular(time),
        }
    }
}

impl JsonSchema for TimeAxis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeAxis".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let regular = generator.subschema_for::<RegularTime>();
        schemars::json_schema!({
            "description": "The time axis: `none` for a static dataset, or `{ step: P1D }`.",
            "anyOf": [{ "const": "none" }, regular],
        })
    }
}
