use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Number, NumberType};

/// Raised when a message changes; both programs are built from one source.
pub const VERSION: u32 = 2;

/// What frazil asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// What is in this file? It stays open for the reads that follow.
    Describe {
        /// An absolute path.
        path: String,
    },
    /// Some of its numbers, as they are stored.
    Read {
        /// An absolute path; the file described last stays open.
        path: String,
        /// Which.
        part: Part,
    },
    /// What is this coordinate reference system?
    Crs {
        /// `EPSG:n`, or WKT.
        definition: String,
    },
    /// The numbers of the body on another grid: planes of `float64`, missing ones NaN.
    Warp(Box<Warp>),
}

/// Planes of numbers that are to lie on another grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warp {
    /// Where the numbers of the body lie.
    pub source: Lattice,
    /// Where those of the answer are to lie.
    pub target: Lattice,
    /// How many planes there are, one after the other.
    pub planes: u64,
    /// How a number is made of several.
    pub method: Method,
}

/// A regular grid. One whose text is that of another lies in the same coordinate reference system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lattice {
    /// Its coordinate reference system, as WKT.
    pub wkt: String,
    /// The outer corner of the first cell, x then y.
    pub origin: [Number; 2],
    /// Signed size of a cell, x then y.
    pub cell: [Number; 2],
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
}

/// How a number of a grid is made of those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// That of the cell that holds the centre.
    Nearest,
    /// Of the cells around the centre, by distance.
    Bilinear,
    /// As above, by a cubic, of more cells.
    Cubic,
    /// The mean of what is covered, by area.
    Average,
    /// The number that covers most.
    Mode,
    /// The sum of what is covered, by area: a total over the grid stays what it is.
    Sum,
}

/// Numbers of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A block of an array, in C order.
    Array {
        /// Its name.
        name: String,
        /// First index along each dimension.
        start: Vec<u64>,
        /// How many along each dimension.
        count: Vec<u64>,
    },
    /// The same window of some bands, one after another.
    Bands {
        /// Their numbers, from 1.
        bands: Vec<usize>,
        /// The window.
        window: Window,
    },
}

/// A window of a raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first row.
    pub row: u64,
    /// The first column.
    pub col: u64,
    /// How many rows.
    pub rows: u64,
    /// How many columns.
    pub cols: u64,
}

/// What frazil-gdal answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// What is in the file.
    Described(Box<Description>),
    /// The numbers are in the body.
    Values {
        /// Their type.
        dtype: NumberType,
        /// Files opened by this process so far.
        opens: u64,
    },
    /// The coordinate reference system.
    Crs(CrsText),
    /// It could not be done.
    Failed(Fault),
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of thing it is.
    pub kind: FaultKind,
    /// A lowercase fragment.
    pub message: String,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The file cannot be opened or decoded.
    Unreadable,
    /// It is beyond what is sensible: its size, or the number of things in it.
    TooLarge,
    /// The request asks for something that is not there.
    Absent,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Raised when a message changes.
    pub version: u32,
    /// GDAL's short name of the format.
    pub driver: String,
    /// What it holds.
    pub content: Content,
    /// Files opened by this process so far.
    pub opens: u64,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Named arrays with named dimensions (NetCDF, HDF5).
    Arrays(Vec<Array>),
    /// Bands over one grid (GeoTIFF, GRIB).
    Raster(Raster),
}

/// A named array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Array {
    /// Its name.
    pub name: String,
    /// Its dimensions, slowest first.
    pub dims: Vec<Dimension>,
    /// Its number type; none for text and compounds.
    pub dtype: Option<NumberType>,
    /// Those of its attributes that decide what its numbers mean.
    pub attributes: BTreeMap<String, Attribute>,
    /// Its coordinate reference system, where a grid mapping says one.
    pub crs: Option<CrsText>,
    /// All its values, where it has at most one dimension and is short.
    pub values: Option<Column>,
}

/// A named dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Its length.
    pub len: u64,
}

/// The values of a short array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Numbers.
    Numbers(Vec<Number>),
    /// Texts.
    Texts(Vec<String>),
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number and its type.
    Number {
        /// Its value.
        value: Number,
        /// The type that it is stored in: decides the type of unpacked numbers.
        dtype: NumberType,
    },
}

/// Bands over one grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Raster {
    /// Columns.
    pub width: u64,
    /// Rows.
    pub height: u64,
    /// `x = t0 + col·t1 + row·t2`, `y = t3 + col·t4 + row·t5`, of corners; none without a grid.
    pub transform: Option<[Number; 6]>,
    /// Its coordinate reference system.
    pub crs: Option<CrsText>,
    /// Its bands, in order.
    pub bands: Vec<Band>,
}

/// One band, or one GRIB message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Its number type.
    pub dtype: NumberType,
    /// What it says of itself.
    pub description: String,
    /// The number that marks missing data.
    pub nodata: Option<Number>,
    /// Stored × scale …
    pub scale: Option<Number>,
    /// … + offset is the value.
    pub offset: Option<Number>,
    /// Its metadata (`GRIB_ELEMENT`, `GRIB_VALID_TIME`, `GRIB_UNIT`, …).
    pub metadata: BTreeMap<String, String>,
}

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrsText {
    /// Authority and code, where they are known.
    pub code: Option<String>,
    /// WKT 2.
    pub wkt: String,
    /// Longitude and latitude in degrees, without a projection.
    pub geographic: bool,
    /// The earth is a bare sphere or ellipsoid, without a datum that has a name.
    pub nameless: bool,
}
