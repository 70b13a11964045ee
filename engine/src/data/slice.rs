use std::{fmt, sync::Arc};

use futures::stream::BoxStream;

use super::{Dimensions, Period, Status, Values};
use crate::step::StepError;

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Crs {
    /// Authority and code, such as `EPSG:4326`, where they are known.
    pub code: Option<String>,
    /// WKT 2, or WKT 1 where the source has no other.
    pub wkt: String,
}

/// One horizontal axis: the centres of its cells, in the order in which they are stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Axis {
    /// The name of the dimension and of its coordinate.
    pub name: String,
    /// Centres of the cells, in the unit of the CRS.
    pub centres: Vec<f64>,
    /// Signed distance between centres where the axis is regular.
    pub cell: Option<f64>,
}

impl Axis {
    /// An axis of `len` cells whose first begins at the edge `origin`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "axes are far shorter than 2^52 cells")]
    pub fn regular(name: &str, origin: f64, cell: f64, len: usize) -> Self {
        let centres = (0..len).map(|i| origin + (i as f64 + 0.5) * cell).collect();
        Self { name: name.to_owned(), centres, cell: Some(cell) }
    }

    /// Outer edges of the first and the last cell; half of the neighbouring distance where irregular.
    #[must_use]
    pub fn edges(&self) -> Option<(f64, f64)> {
        let (first, last) = (*self.centres.first()?, *self.centres.last()?);
        let n = self.centres.len();
        let (lead, trail) = match (self.cell, n) {
            (Some(cell), _) => (cell, cell),
            (None, 1) => (0.0, 0.0),
            (None, _) => (self.centres[1] - first, last - self.centres[n - 2]),
        };
        Some((first - lead / 2.0, last + trail / 2.0))
    }
}

/// Where the numbers of a slice lie: rows are `y`, columns `x`, one plane of them for each combination
/// of further dimensions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Grid {
    /// The coordinate reference system of both axes.
    pub crs: Crs,
    /// Rows.
    pub y: Axis,
    /// Columns.
    pub x: Axis,
    /// Dimensions between time and y; usually none.
    #[serde(default)]
    pub extra: Dimensions,
}

impl Grid {
    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.y.centres.len(), self.x.centres.len())
    }

    /// Cells of one period: of all planes.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.planes() * self.y.centres.len() * self.x.centres.len()
    }

    /// Combinations of the further dimensions: 1 where there are none.
    #[must_use]
    pub fn planes(&self) -> usize {
        self.extra.combinations()
    }

    /// Lengths of all dimensions but time: the further ones, y, x.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        let (rows, columns) = self.shape();
        self.extra.lengths().chain([rows, columns]).collect()
    }

    /// Names of all dimensions but time: the further ones, y, x.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let extra = self.extra.0.iter().map(|dimension| dimension.name.as_str());
        extra.chain([self.y.name.as_str(), self.x.name.as_str()])
    }
}

/// The numbers of one variable in one period, shape (further dimensions, y, x).
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The variable, as the dataset names it.
    pub name: String,
    /// C order, x varies fastest. What the source marks as missing is NaN in floats, `fill` in integers.
    pub values: Values,
    /// What marks a missing number among integers.
    pub fill: Option<f64>,
    /// The unit the numbers are in, where the source or a transform has said it.
    pub units: Option<String>,
}

/// One period of gridded data on its way from a source into a cube.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The period; its label is its start.
    pub period: Period,
    /// What will be known of the period. A gap carries no fields.
    pub status: Status,
    /// Read only because a step asked for what lies before; never committed.
    pub context: bool,
    /// Where the numbers lie, shared by all slices of a source.
    pub grid: Arc<Grid>,
    /// One field per variable.
    pub fields: Vec<Field>,
}

/// What arrives on a `Slices` edge.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// The numbers of a period, or its gap.
    Slice(Slice),
    /// The source has nothing newer for this `revise` or `fill` period: what is stored stays.
    Kept(Period),
}

impl Arrival {
    /// The period that it is about.
    #[must_use]
    pub const fn period(&self) -> Period {
        match self {
            Self::Slice(slice) => slice.period,
            Self::Kept(period) => *period,
        }
    }
}

/// The stream of a `Slices` edge: in the order of the work, bounded, in this process only.
///
/// An error ends it; what came before it stands. It may end early without one: the frontier.
pub struct Slices(pub BoxStream<'static, Result<Arrival, StepError>>);

impl fmt::Debug for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slices(…)")
    }
}
