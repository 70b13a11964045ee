//! What may be checked, as it is written under `checks:`.

use frazil_engine::data::{DatasetId, Duration, Severity, SnapshotId};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which periods are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Extent {
    /// What changed since the last state that passed.
    #[default]
    Changed,
    /// All that is stored.
    All,
}

/// One check, such as `range: { variable: precip, min: 0, max: 2000 }`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Every period between the first and the last is there, and none of them is a gap or incomplete.
    GapFree(GapFree),
    /// Every number lies between `min` and `max`.
    Range(Range),
    /// Not too many cells of a period, and of the newest periods together, are missing.
    NanFraction(NanFraction),
    /// The newest period is no older than it may be, and no period is preliminary or lacking for longer.
    Freshness(Freshness),
    /// Labels of the time axis ascend.
    Monotonic(Monotonic),
    /// Numbers are those of another dataset, or of another state of this one.
    EqualTo(EqualTo),
    /// The grid is the one that it was: y, x, further dimensions, reference system.
    Checksum(Checksum),
}

/// Settings of `gap-free`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GapFree {
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// Settings of `monotonic`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Monotonic {
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// Settings of `range`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Range {
    /// The variable.
    pub(crate) variable: String,
    /// The least that is allowed, in units of the variable.
    pub(crate) min: Option<f64>,
    /// The most that is allowed.
    pub(crate) max: Option<f64>,
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// Settings of `nan-fraction`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NanFraction {
    /// The variable.
    pub(crate) variable: String,
    /// The largest share of missing cells of any one period, from 0 to 1.
    pub(crate) most: Option<f64>,
    /// The same of the newest periods taken together.
    pub(crate) recent: Option<Recent>,
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// The newest periods, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Recent {
    /// How many of them.
    pub(crate) periods: std::num::NonZeroUsize,
    /// The largest share of their cells that may be missing, from 0 to 1.
    pub(crate) most: f64,
}

/// Settings of `freshness`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Freshness {
    /// How long ago the newest period that holds values may have ended.
    pub(crate) within: Option<Duration>,
    /// How long after its end each period must be final: not provisional, a gap or incomplete.
    pub(crate) final_within: Option<Duration>,
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// Settings of `equal-to`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EqualTo {
    /// The other dataset; this one where none is named.
    pub(crate) dataset: Option<DatasetId>,
    /// The state of it; what everyone reads where none is named.
    pub(crate) snapshot: Option<SnapshotId>,
    /// The variable, of this name in both.
    pub(crate) variable: String,
    /// How far numbers may lie apart.
    #[serde(default)]
    pub(crate) tolerance: f64,
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

/// Settings of `checksum`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Checksum {
    /// What it must be; a failing check tells what it is.
    pub(crate) value: String,
    /// What follows where it fails.
    #[serde(default)]
    pub(crate) severity: Severity,
}

impl Check {
    /// Its name, as it is written.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::GapFree(_) => "gap-free",
            Self::Range(_) => "range",
            Self::NanFraction(_) => "nan-fraction",
            Self::Freshness(_) => "freshness",
            Self::Monotonic(_) => "monotonic",
            Self::EqualTo(_) => "equal-to",
            Self::Checksum(_) => "checksum",
        }
    }

    /// The variable that it looks at, where it is about one.
    pub(crate) fn variable(&self) -> Option<&str> {
        match self {
            Self::Range(Range { variable, .. })
            | Self::NanFraction(NanFraction { variable, .. })
            | Self::EqualTo(EqualTo { variable, .. }) => Some(variable),
            _ => None,
        }
    }

    /// What follows where it fails.
    pub(crate) const fn severity(&self) -> Severity {
        match self {
            Self::GapFree(GapFree { severity })
            | Self::Monotonic(Monotonic { severity })
            | Self::Range(Range { severity, .. })
            | Self::NanFraction(NanFraction { severity, .. })
            | Self::Freshness(Freshness { severity, .. })
            | Self::EqualTo(EqualTo { severity, .. })
            | Self::Checksum(Checksum { severity, .. }) => *severity,
        }
    }

    /// What cannot be asked for: where in it, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let share = |value: Option<f64>| value.is_some_and(|share| !(0.0..=1.0).contains(&share));
        match self {
            Self::Range(Range { min: None, max: None, .. }) => {
                Some(("/range", "`range` without `min` and `max` allows everything".to_owned()))
            }
            Self::Range(Range { min: Some(min), max: Some(max), .. }) if min > max => {
                Some(("/range/max", format!("nothing lies between {min} and {max}")))
            }
            Self::NanFraction(NanFraction { most: None, recent: None, .. }) => {
                Some(("/nan-fraction", "`nan-fraction` says neither `most` nor `recent`".to_owned()))
            }
            Self::NanFraction(NanFraction { most, recent, .. })
                if share(*most) || share(recent.map(|recent| recent.most)) =>
            {
                Some(("/nan-fraction", "a share of cells lies between 0 and 1".to_owned()))
            }
            Self::Freshness(Freshness { within: None, final_within: None, .. }) => {
                Some(("/freshness", "`freshness` says neither `within` nor `final-within`".to_owned()))
            }
            Self::EqualTo(EqualTo { dataset: None, snapshot: None, .. }) => {
                Some(("/equal-to", "`equal-to` names neither a `dataset` nor a `snapshot`".to_owned()))
            }
            Self::EqualTo(EqualTo { tolerance, .. }) if tolerance.is_nan() || *tolerance < 0.0 => {
                Some(("/equal-to/tolerance", "a tolerance is 0 or more".to_owned()))
            }
            _ => None,
        }
    }
}
