//! Where the wanted variables lie in a file, by what the file says of itself.

mod bands;
mod coordinates;
mod dimensions;
mod grib;

use chrono::{DateTime, TimeDelta, Utc};
use frazil_engine::{
    data::{DType, Status},
    step::{ErrorKind, StepError},
};
use frazil_raster_protocol::{Content, CrsText, Description, NumberType};

use super::unpack::Packing;
use crate::fetch::source::{Request, Wanted};
pub(super) use bands::tidy;
pub(super) use coordinates::is_coordinate;

/// A file as its wanted variables need it.
#[derive(Debug)]
pub(super) struct Layout {
    /// One per wanted variable, in their order.
    pub(super) series: Vec<Series>,
    /// Rows.
    pub(super) y: Side,
    /// Columns.
    pub(super) x: Side,
    /// The reference system, as far as the file says it.
    pub(super) crs: Reference,
}

/// One wanted variable.
#[derive(Debug)]
pub(super) struct Series {
    /// What stands at which time.
    pub(super) steps: Steps,
    /// Where its numbers are.
    pub(super) place: Whereabouts,
    /// How they are stored.
    pub(super) decode: Decode,
    /// The type in which they are stored.
    pub(super) stored: DType,
    /// Their unit.
    pub(super) units: Option<String>,
    /// What the file says of each step, or of all.
    pub(super) statuses: Vec<Status>,
}

/// What stands at which time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// The file does not say: it holds the period that is asked for.
    Unknown,
    /// One step each.
    Known(Vec<DateTime<Utc>>),
    /// One step whose time is written as 0, which many writers leave there: believed where it is
    /// the period that is asked for, else not.
    Zero(DateTime<Utc>),
}

/// Where the numbers of a variable are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// In an array.
    Array {
        /// Its name.
        name: String,
        /// What its dimensions are.
        dims: Vec<Role>,
    },
    /// In bands, one for each step.
    Bands(Vec<usize>),
}

/// What a dimension of an array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Steps.
    Time,
    /// Rows.
    Y,
    /// Columns.
    X,
    /// Neither: one index of it is wanted.
    At(u64),
}

/// How stored numbers become values.
#[derive(Debug)]
pub(super) enum Decode {
    /// As CF attributes say.
    Cf(Packing),
    /// As a GeoTIFF says.
    Band { nodata: Option<f64>, scale: Option<f64>, offset: Option<f64> },
}

/// The cells of a horizontal axis, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    /// All of one size.
    Regular {
        /// Outer edge of the first.
        origin: f64,
        /// Signed size.
        cell: f64,
        /// How many there are.
        len: usize,
    },
    /// By their centres.
    Centres(Vec<f64>),
}

/// What a file says of its reference system.
#[derive(Debug, PartialEq)]
pub(super) enum Reference {
    /// All of it.
    Told(CrsText),
    /// Longitudes and latitudes in degrees, without a datum.
    Degrees,
    /// Nothing.
    Untold,
}

impl Steps {
    /// Times at which forecasts were made, of those that hold so many hours later.
    fn before(self, hours: i64) -> Self {
        let earlier = |instant: DateTime<Utc>| {
            TimeDelta::try_hours(hours).and_then(|lead| instant.checked_sub_signed(lead)).unwrap_or(instant)
        };
        match self {
            Self::Known(instants) => Self::Known(instants.into_iter().map(earlier).collect()),
            other => other,
        }
    }
}

impl Layout {
    /// Finds the wanted variables; none in a file that has earlier leads of a forecast alone.
    ///
    /// # Errors
    /// When one is not there, is there several times, or lies on no grid that frazil reads.
    pub(super) fn of(description: &Description, request: &Request) -> Result<Option<Self>, StepError> {
        let found = match &description.content {
            Content::Arrays(arrays) => dimensions::layout(arrays, &request.variables),
            Content::Raster(raster) => bands::layout(raster, &description.driver, &request.variables),
        };
        match found {
            Err(wrong) if wrong.under_way => {
                tracing::info!(place = %request.place, what = wrong.what, "the run is on its way");
                Ok(None)
            }
            found => found.map(Some).map_err(|wrong| wrong.of(&request.place.to_string())),
        }
    }
}

/// What is wrong with a file, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    what: String,
    help: Option<String>,
    /// A later lead than the file has is wanted: it is on its way.
    under_way: bool,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, under_way: false }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The lead of `hours` is not among those of the file.
    fn lead(hours: i64, all: &[f64], of: &str) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "labels are far below 2^53")]
        let under_way = all.iter().all(|lead| *lead < hours as f64);
        let shown: Vec<String> = all.iter().map(f64::to_string).collect();
        let what = format!("`{of}` has no lead of {hours} hours, only of {}", listed(&shown));
        Self { under_way, ..Self::new(what) }
    }

    /// As an error of `file`.
    fn of(self, file: &str) -> StepError {
        let error = StepError::permanent(ErrorKind::Data, format!("{file}: {}", self.what));
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// A variable by its name in the source.
fn source_name(wanted: &Wanted) -> &str {
    wanted.select.from.as_deref().unwrap_or(&wanted.name)
}

fn dtype(number: NumberType) -> DType {
    match number {
        NumberType::Int8 => DType::Int8,
        NumberType::UInt8 => DType::UInt8,
        NumberType::Int16 => DType::Int16,
        NumberType::UInt16 => DType::UInt16,
        NumberType::Int32 => DType::Int32,
        NumberType::UInt32 => DType::UInt32,
        NumberType::Int64 => DType::Int64,
        NumberType::UInt64 => DType::UInt64,
        NumberType::Float32 => DType::Float32,
        NumberType::Float64 => DType::Float64,
    }
}

/// Names for a message: the first of them.
fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
