use frazil_engine::{
    data::{DType, Frequency, Grid},
    dataset::CellMethod,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::level::{Level, inside};

/// What a cube is without its time axis and its numbers: grid, variables, layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The group that holds the arrays: empty for the root, `0` in a multiscale dataset.
    pub group: String,
    /// The step of the time axis.
    pub step: Frequency,
    /// Where the numbers lie.
    #[serde(with = "exact_grid")]
    pub grid: Grid,
    /// The variables, in the order in which they are declared, or by name where they were found.
    pub variables: Vec<TemplateVariable>,
    /// Overviews that are written with the data, the finest first; none in a dataset of one scale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
    /// Why stored overviews cannot be written: another program made them in a way of its own.
    #[serde(skip)]
    pub foreign_levels: Option<String>,
}

/// One variable of a [`Template`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateVariable {
    /// Its name.
    pub name: String,
    /// The number type that is stored.
    pub dtype: DType,
    /// What marks a missing number in an integer array; floats use NaN.
    pub fill: Option<f64>,
    /// CF packing: stored × scale-factor + add-offset is the value.
    pub scale_factor: Option<f64>,
    /// CF packing, as above.
    pub add_offset: Option<f64>,
    /// The unit of its values.
    pub units: Option<String>,
    /// What one number says of its period.
    pub cell: Option<CellMethod>,
    /// Lengths of its chunks: time, further dimensions, y, x.
    pub chunks: Vec<u64>,
    /// Lengths of its shards, where chunks are gathered in shards.
    pub shards: Option<Vec<u64>>,
    /// The `codecs` of its Zarr metadata.
    pub codecs: Vec<Value>,
    /// All its attributes as they are stored.
    pub attributes: Map<String, Value>,
}

impl Template {
    /// The variable of this name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&TemplateVariable> {
        self.variables.iter().find(|v| v.name == name)
    }

    /// Steps of `time` that are always written together: of a shard where there are shards,
    /// else of a chunk.
    #[must_use]
    pub fn write_unit(&self) -> u64 {
        self.variables.iter().map(|v| v.unit()[0]).max().unwrap_or(1).max(1)
    }

    /// Length of a chunk along `time`.
    #[must_use]
    pub fn time_chunk(&self) -> u64 {
        self.variables.iter().map(|v| v.chunks[0]).max().unwrap_or(1).max(1)
    }

    /// Bytes of one period of all variables, uncompressed.
    #[must_use]
    pub fn period_bytes(&self) -> u64 {
        let cells = self.grid.cells() as u64;
        self.variables.iter().map(|v| cells * v.dtype.size() as u64).sum()
    }

    /// Peak memory of writing, in bytes: what the source holds, and one write unit with its levels.
    #[must_use]
    pub fn peak(&self, in_flight: usize) -> u64 {
        let levels = self.level_bytes().saturating_mul(self.write_unit());
        self.period_bytes().saturating_mul(self.write_unit() + in_flight as u64).saturating_add(levels)
    }

    /// A checksum of where the numbers lie: coordinates, labels, reference system.
    #[must_use]
    pub fn grid_digest(&self) -> String {
        let grid = &self.grid;
        let crs = grid.crs.code.as_ref().unwrap_or(&grid.crs.wkt);
        let text = format!("{crs};{:?};{:?};{:?}", grid.y.centres, grid.x.centres, grid.extra);
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// The path of an array of this name; of one in a level by group and name.
    pub(super) fn path(&self, name: &str) -> String {
        if name.contains('/') { format!("/{name}") } else { inside(&self.group, name) }
    }
}

impl TemplateVariable {
    /// Lengths of what is written together: the shard where there are shards, else the chunk.
    #[must_use]
    pub fn unit(&self) -> &[u64] {
        self.shards.as_ref().unwrap_or(&self.chunks)
    }

    /// Whether values are packed into integers.
    #[must_use]
    pub const fn is_packed(&self) -> bool {
        self.scale_factor.is_some() || self.add_offset.is_some()
    }

    /// The value of a stored number; none where it marks a missing one.
    #[must_use]
    pub fn value(&self, stored: f64) -> Option<f64> {
        if stored.is_nan() || self.fill == Some(stored) {
            return None;
        }
        Some(stored * self.scale_factor.unwrap_or(1.0) + self.add_offset.unwrap_or(0.0))
    }
}

/// Coordinates as text, so that reading them back gives the same bits: JSON numbers may come
/// back a unit in the last place off.
pub(super) mod exact_grid {
    use frazil_engine::data::{Axis, Crs, Dimensions, Grid};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    struct Text {
        crs: Crs,
        y: AxisText,
        x: AxisText,
        #[serde(default, skip_serializing_if = "Dimensions::is_empty")]
        extra: Dimensions,
    }

    #[derive(Serialize, Deserialize)]
    struct AxisText {
        name: String,
        centres: String,
        cell: Option<String>,
    }

    fn text(axis: &Axis) -> AxisText {
        let centres: Vec<String> = axis.centres.iter().map(f64::to_string).collect();
        AxisText {
            name: axis.name.clone(),
            centres: centres.join(" "),
            cell: axis.cell.map(|c| c.to_string()),
        }
    }

    fn axis<E: Error>(text: AxisText) -> Result<Axis, E> {
        let number = |t: &str| t.parse::<f64>().map_err(|_| E::custom(format!("`{t}` is no coordinate")));
        Ok(Axis {
            centres: text.centres.split_whitespace().map(number).collect::<Result<_, E>>()?,
            cell: text.cell.as_deref().map(number).transpose()?,
            name: text.name,
        })
    }

    pub(in crate::cube) fn serialize<S: Serializer>(grid: &Grid, serializer: S) -> Result<S::Ok, S::Error> {
        let (y, x) = (text(&grid.y), text(&grid.x));
        Text { crs: grid.crs.clone(), y, x, extra: grid.extra.clone() }.serialize(serializer)
    }

    pub(in crate::cube) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Grid, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(Grid { crs: text.crs, y: axis(text.y)?, x: axis(text.x)?, extra: text.extra })
    }
}
