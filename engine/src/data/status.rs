use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of one period on a cube's time axis.
///
/// Stored beside `time` as a `uint8` auxiliary coordinate `period_status` with CF
/// `flag_values` and `flag_meanings` (CF conventions 1.11, section 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Status {
    /// The source will not change it any more.
    Final = 0,
    /// A preliminary value that a later release replaces.
    Provisional = 1,
    /// The source has none; the cube holds fill.
    Gap = 2,
    /// A window that was passed by a later complete one; the cube holds fill.
    Incomplete = 3,
    /// Taken out by a person.
    Withdrawn = 4,
}

impl Status {
    /// All statuses, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Final, Self::Provisional, Self::Gap, Self::Incomplete, Self::Withdrawn];

    /// The code stored in `period_status`.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status of a stored code, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word used in `flag_meanings` and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Provisional => "provisional",
            Self::Gap => "gap",
            Self::Incomplete => "incomplete",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether the period holds values that a derived dataset may use.
    #[must_use]
    pub const fn has_values(self) -> bool {
        matches!(self, Self::Final | Self::Provisional)
    }
}
