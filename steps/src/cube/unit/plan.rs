//! What is known of the arrays of a dataset while a batch is written.

use std::sync::Arc;

use frazil_engine::step::StepError;

use super::places;
use crate::{
    cube::{
        Cube,
        codec::ChunkCodec,
        document::not_a_cube,
        layout::ArrayDocument,
        read::{self, Block},
        template::Template,
        write::refused,
    },
    downsample::{Encoding, Method},
};

/// The arrays that a unit is written to.
#[derive(Debug)]
pub(in crate::cube) struct Plan {
    pub(in crate::cube) template: Template,
    /// Those of the variables, in their order.
    pub(in crate::cube) codecs: Vec<Arc<ChunkCodec>>,
    /// Steps of a unit.
    pub(in crate::cube) length: usize,
    /// The variables at full resolution, then their levels.
    pub(in crate::cube) parts: Vec<Part>,
}

/// One array: a variable, or one of its levels.
#[derive(Debug)]
pub(in crate::cube) struct Part {
    /// Its name in documents.
    pub(in crate::cube) key: String,
    /// Its path in the store.
    pub(in crate::cube) path: String,
    /// The place of its variable.
    pub(in crate::cube) variable: usize,
    /// 0 for full resolution.
    pub(in crate::cube) level: usize,
    pub(in crate::cube) codec: Arc<ChunkCodec>,
    /// Places of the chunks of a unit: along time within it, then along the other dimensions.
    pub(in crate::cube) places: Vec<Vec<u32>>,
    /// What a unit covers.
    pub(in crate::cube) whole: Block,
    /// Chunks of a unit along time.
    pub(in crate::cube) steps: u64,
}

impl Plan {
    pub(in crate::cube) fn of_cube(cube: &Cube) -> Result<Self, StepError> {
        if let Some(reason) = &cube.template.foreign_levels {
            return Err(refused(
                format!("the dataset has overviews that cannot be written: {reason}"),
                "`pyramid` makes them anew; without them readers would see old numbers from afar",
            ));
        }
        let what = format!("cannot write to {}", cube.snapshot.repository);
        let codec = |path: &str| read::codec(&cube.nodes, path, &what).map(Arc::new);
        Self::new(cube.template.clone(), |key, path| match cube.codecs.get(key) {
            Some(codec) => Ok(Arc::clone(codec)),
            None => codec(path),
        })
    }

    pub(in crate::cube) fn of_template(template: Template) -> Result<Self, StepError> {
        let made = template
            .arrays()
            .map(|stored| ChunkCodec::new(&ArrayDocument::variable(stored.array, stored.grid)).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| not_a_cube(error.to_string()))?;
        let mut made = made.into_iter();
        Self::new(template, |key, _| made.next().ok_or_else(|| not_a_cube(format!("`{key}` has no codec"))))
    }

    fn new(
        template: Template,
        mut codec: impl FnMut(&str, &str) -> Result<Arc<ChunkCodec>, StepError>,
    ) -> Result<Self, StepError> {
        let unit = template.write_unit();
        if let Some(other) = template.variables.iter().find(|v| v.unit()[0] != unit) {
            return Err(refused(
                format!("`{}` is stored in steps of {}, others of {unit}", other.name, other.unit()[0]),
                "all variables of a dataset need the same length along `time`: rechunk it",
            ));
        }
        let length = usize::try_from(unit).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        for stored in template.arrays() {
            let path = template.path(&stored.key);
            let lengths = std::iter::once(length).chain(stored.grid.lengths());
            parts.push(Part {
                codec: codec(&stored.key, &path)?,
                places: places(&template, &stored),
                whole: Block { ranges: lengths.map(|length| 0..length).collect() },
                steps: template.steps_of(stored.array),
                variable: stored.variable,
                level: stored.level,
                key: stored.key,
                path,
            });
        }
        let codecs = parts[..template.variables.len()].iter().map(|part| Arc::clone(&part.codec)).collect();
        Ok(Self { template, codecs, length, parts })
    }

    /// Numbers of one period of one variable.
    pub(in crate::cube) fn cells(&self) -> usize {
        self.template.grid.cells()
    }

    /// Bytes of one unit of all variables and their levels.
    pub(in crate::cube) fn unit_bytes(&self) -> usize {
        let period = self.template.period_bytes() + self.template.level_bytes();
        usize::try_from(period).unwrap_or(usize::MAX).saturating_mul(self.length)
    }

    /// How the levels of a variable are made of its numbers; none where there are no levels.
    pub(super) fn downsampling(&self, variable: usize) -> Option<(Encoding, Method)> {
        let method = *self.template.levels.first()?.methods.get(variable)?;
        Some((self.template.variables[variable].encoding(), method))
    }
}
