//! Levels of a multiscale dataset: the same arrays with fewer and fewer cells, each in a group of its
//! own beside the one of the data.

mod convention;
mod stored;

use frazil_engine::data::{Axis, Grid};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use convention::{METHOD, mark};
pub(super) use stored::{Places, groups, stored};

use super::{
    template::{Template, TemplateVariable, exact_grid},
    unit::places,
};
use crate::downsample::{Encoding, Method};

/// The group of the data in a multiscale dataset that frazil makes.
const DATA: &str = "0";

/// A level of a [`Template`]: half the rows and columns of the one before it, each variable in the order
/// of the template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The group that holds its arrays.
    pub group: String,
    /// Where its numbers lie.
    #[serde(with = "exact_grid")]
    pub grid: Grid,
    /// Its arrays.
    pub variables: Vec<TemplateVariable>,
    /// How the cells of each are made.
    pub methods: Vec<Method>,
}

/// One array of a template: a variable at full resolution or in one of the levels.
#[derive(Debug, Clone)]
pub(super) struct Stored<'a> {
    /// Its name in documents: the variable's, after group and `/` where it is one of a level.
    pub(super) key: String,
    /// The place of the variable in the template.
    pub(super) variable: usize,
    /// 0 for full resolution.
    pub(super) level: usize,
    pub(super) array: &'a TemplateVariable,
    pub(super) grid: &'a Grid,
}

impl Template {
    /// The same dataset with `count` levels, the data in a group of their own; without any for 0.
    /// Levels are chunked as the data are, but not in shards, which map clients do not read.
    #[must_use]
    pub fn with_levels(&self, count: usize, method: impl Fn(&TemplateVariable) -> Method) -> Self {
        let mut grid = self.grid.clone();
        let mut levels = Vec::new();
        for number in 1..=count {
            grid = halved(&grid);
            let variables = self.variables.iter().map(|v| of_level(v, &grid, method(v))).collect();
            let methods = self.variables.iter().map(&method).collect();
            levels.push(Level { group: number.to_string(), grid: grid.clone(), variables, methods });
        }
        let group = if count == 0 { String::new() } else { DATA.to_owned() };
        Self { group, levels, foreign_levels: None, ..self.clone() }
    }

    /// The same dataset with levels as those of `other`, a version before it: as many as leave a cell. A
    /// variable that is new becomes them as `pyramid` has it where nothing is said.
    #[must_use]
    pub fn leveled_as(&self, other: &Self) -> Self {
        let (rows, columns) = self.grid.shape();
        let most = rows.min(columns).checked_ilog2().unwrap_or_default() as usize;
        let method =
            |v: &TemplateVariable| other.method(&v.name).unwrap_or_else(|| Method::of(v.is_categories()));
        self.with_levels(other.levels.len().min(most), method)
    }

    /// All arrays of variables: those at full resolution, then those of each level.
    pub(super) fn arrays(&self) -> impl Iterator<Item = Stored<'_>> {
        let full = self.variables.iter().enumerate().map(|(variable, array)| Stored {
            key: array.name.clone(),
            variable,
            level: 0,
            array,
            grid: &self.grid,
        });
        let of_levels = self.levels.iter().enumerate().flat_map(|(at, level)| {
            level.variables.iter().enumerate().map(move |(variable, array)| Stored {
                key: format!("{}/{}", level.group, array.name),
                variable,
                level: at + 1,
                array,
                grid: &level.grid,
            })
        });
        full.chain(of_levels)
    }

    /// An array by its name in documents.
    pub(super) fn array(&self, key: &str) -> Option<Stored<'_>> {
        self.arrays().find(|stored| stored.key == key)
    }

    /// Where the numbers of an array lie, by its name in documents.
    pub(super) fn grid_of(&self, key: &str) -> &Grid {
        let group = key.split_once('/').map(|(group, _)| group);
        let level = group.and_then(|group| self.levels.iter().find(|level| level.group == group));
        level.map_or(&self.grid, |level| &level.grid)
    }

    /// Chunks along time of one write unit of an array; 1 but for levels of a dataset with shards.
    pub(super) fn steps_of(&self, array: &TemplateVariable) -> u64 {
        (self.write_unit() / array.unit()[0].max(1)).max(1)
    }

    /// The same, by the name of an array in documents.
    pub(super) fn steps_in(&self, key: &str) -> u64 {
        self.array(key).map_or(1, |stored| self.steps_of(stored.array))
    }

    /// The groups that hold `time` and what else has no place in space: in a multiscale dataset also the
    /// root, where map clients look for it.
    pub(super) fn groups(&self) -> Vec<&str> {
        let mut groups = vec![self.group.as_str()];
        if !self.group.is_empty() {
            groups.insert(0, "");
            groups.extend(self.levels.iter().map(|level| level.group.as_str()));
        }
        groups
    }

    /// Bytes of one period of all levels, uncompressed.
    #[must_use]
    pub fn level_bytes(&self) -> u64 {
        let of = |level: &Level| {
            let cells = level.grid.cells() as u64;
            level.variables.iter().map(|v| cells * v.dtype.size() as u64).sum::<u64>()
        };
        self.levels.iter().map(of).sum()
    }

    /// Whether the data and the levels are stored in the groups of `other`, and made the same way.
    #[must_use]
    pub fn is_leveled_as(&self, other: &Self) -> bool {
        let of = |template: &Self| -> Vec<(String, Vec<Method>)> {
            template.levels.iter().map(|level| (level.group.clone(), level.methods.clone())).collect()
        };
        self.foreign_levels.is_none() && self.group == other.group && of(self) == of(other)
    }

    /// Chunk objects of all levels of so many periods, at most.
    #[must_use]
    pub fn level_chunks(&self, periods: usize) -> u64 {
        let units = (periods as u64).div_ceil(self.write_unit());
        let levels = self.arrays().filter(|stored| stored.level > 0);
        levels.map(|stored| places(self, &stored).len() as u64).sum::<u64>() * units
    }

    /// Peak memory of making the levels of what is stored, in bytes: of the largest variable a few write
    /// units, each with its levels and the sums of a plane.
    #[must_use]
    pub fn level_peak(&self) -> u64 {
        let unit = |v: &TemplateVariable| {
            (self.grid.cells() as u64 * v.dtype.size() as u64).saturating_mul(self.write_unit())
        };
        let largest = self.variables.iter().map(unit).max().unwrap_or_default();
        let (rows, columns) = self.grid.shape();
        // A sum and a count for four cells, and a third of the unit for the levels.
        let work = (rows * columns) as u64 / 4 * 12;
        units_at_a_time(largest) as u64 * (largest + largest / 3 + work)
    }

    /// How a variable becomes its levels; none where there are none.
    #[must_use]
    pub fn method(&self, variable: &str) -> Option<Method> {
        let at = self.variables.iter().position(|v| v.name == variable)?;
        self.levels.first()?.methods.get(at).copied()
    }
}

/// Units of so many bytes that are made into levels at a time: two keep two cores busy; of large ones,
/// whose chunks keep them busy as well, one.
pub(super) const fn units_at_a_time(bytes: u64) -> usize {
    const LARGE: u64 = 64 << 20;
    if bytes > LARGE { 1 } else { 2 }
}

impl TemplateVariable {
    /// Whether its numbers stand for categories.
    #[must_use]
    pub fn is_categories(&self) -> bool {
        self.attributes.contains_key("flag_values")
    }

    /// How its stored numbers are to be understood.
    pub(super) fn encoding(&self) -> Encoding {
        Encoding {
            dtype: self.dtype,
            fill: self.fill,
            scale: self.scale_factor.unwrap_or(1.0),
            offset: self.add_offset.unwrap_or(0.0),
        }
    }
}

/// The path of a node called `name` in `group`, which is empty for the root.
pub(super) fn inside(group: &str, name: &str) -> String {
    if group.is_empty() { format!("/{name}") } else { format!("/{group}/{name}") }
}

/// Every other edge of a grid; a last cell without a partner is dropped.
pub(super) fn halved(grid: &Grid) -> Grid {
    let axis = |axis: &Axis| Axis {
        name: axis.name.clone(),
        centres: axis.centres.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect(),
        cell: axis.cell.map(|cell| 2.0 * cell),
    };
    Grid { crs: grid.crs.clone(), y: axis(&grid.y), x: axis(&grid.x), extra: grid.extra.clone() }
}

/// The array of a level of a variable.
fn of_level(variable: &TemplateVariable, grid: &Grid, method: Method) -> TemplateVariable {
    let lengths = grid.lengths().into_iter().map(|n| (n as u64).max(1));
    let chunks = variable.chunks.iter().zip(std::iter::once(u64::MAX).chain(lengths));
    let mut attributes = variable.attributes.clone();
    attributes.insert(METHOD.to_owned(), json!(method.name()));
    TemplateVariable {
        chunks: chunks.map(|(chunk, length)| (*chunk).min(length)).collect(),
        shards: None,
        codecs: plain(&variable.codecs),
        attributes,
        ..variable.clone()
    }
}

/// The codecs of a chunk, taken out of those of a shard.
fn plain(codecs: &[Value]) -> Vec<Value> {
    let shard = codecs.iter().find(|codec| codec["name"] == "sharding_indexed");
    let inner = shard.and_then(|shard| shard["configuration"]["codecs"].as_array());
    inner.map_or_else(|| codecs.to_vec(), Clone::clone)
}
