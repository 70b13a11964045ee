use frazil_engine::data::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a window is made.
///
/// Written `complete` (every period of it is there), `any` (at least one is) or
/// `at-least: 0.9` (that part of its periods is). A window made although periods are lacking is
/// provisional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ready {
    /// Every period of the window is `final` or `provisional`.
    #[default]
    Complete,
    /// At least one is.
    Any,
    /// At least this part of them is, between 0 and 1.
    AtLeast(f64),
}

impl Ready {
    /// Whether a window of which `have` of `total` periods are there may be made.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 periods")]
    pub(crate) fn passes(self, have: usize, total: usize) -> bool {
        match self {
            _ if have == 0 => false,
            Self::Complete => have == total,
            Self::Any => true,
            // 0.9 of 30 is 27, although 0.9 is no binary fraction.
            Self::AtLeast(part) => have as f64 >= part * total as f64 - 1e-9,
        }
    }
}

/// What the periods of one window are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// How many periods the window has.
    pub(super) total: usize,
    /// How many of them hold values.
    pub(super) have: usize,
    /// Whether one of those is provisional.
    pub(super) provisional: bool,
    /// Whether one is on the axis without values: the source said that it has none.
    pub(super) refused: bool,
}

impl Parts {
    /// What the result is.
    pub(super) const fn status(self) -> Status {
        if self.provisional || self.have < self.total { Status::Provisional } else { Status::Final }
    }
}
