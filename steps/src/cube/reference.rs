//! The document of the write half: chunk references, as they stand in a run log.

use std::collections::BTreeMap;

use frazil_engine::data::PeriodRange;
use icechunk::format::{
    ChunkId, ChunkIndices,
    manifest::{ChunkPayload, ChunkRef},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::template::{Template, TemplateVariable};

/// What a `Written` of this sink carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// What the dataset is, when it did not exist yet.
    pub(super) template: Option<Template>,
    /// Digest of what chunks depend on: group, types, chunk shapes, codecs.
    pub(super) layout: String,
    /// Periods whose values are others than those stored; additions are not listed.
    pub(super) changed: Vec<PeriodRange>,
    /// Chunks, by stretch of time that is written together.
    pub(super) units: Vec<UnitRecord>,
}

/// The chunks of one stretch of time that is written together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitRecord {
    /// The first period that was put there, in a range of one.
    pub(super) period: PeriodRange,
    /// Its place in the unit.
    pub(super) phase: usize,
    /// Chunks by variable; those of a level by its group and the variable.
    pub(super) chunks: BTreeMap<String, Vec<ChunkRecord>>,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChunkRecord {
    /// Its place along time within its unit, where the unit has several chunks along time.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(super) step: u32,
    /// Its place along all dimensions but time.
    pub(super) at: Vec<u32>,
    /// The object; none for a chunk of nothing but fill, which is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<Object>,
    /// The object that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<Object>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_first(step: &u32) -> bool {
    *step == 0
}

impl ChunkRecord {
    /// Its place in the array, where its unit is number `unit` along time and has `steps` chunks.
    pub(super) fn indices(&self, unit: usize, steps: u64) -> ChunkIndices {
        let time = (unit as u64).saturating_mul(steps).saturating_add(u64::from(self.step));
        let time = u32::try_from(time).unwrap_or(u32::MAX);
        ChunkIndices(std::iter::once(time).chain(self.at.iter().copied()).collect())
    }
}

/// A reference to a chunk, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Object {
    /// An object of the store: id, offset, length.
    Stored(String, u64, u64),
    /// A small chunk that stands in the manifest itself, in hexadecimal.
    Inline(String),
    /// A reference to somebody else's file, by what is known of it.
    Foreign(String),
}

impl Object {
    /// The text of a reference.
    pub(super) fn of(payload: &ChunkPayload) -> Self {
        match payload {
            ChunkPayload::Ref(r) => Self::Stored(r.id.to_string(), r.offset, r.length),
            ChunkPayload::Inline(bytes) => Self::Inline(bytes.iter().map(|b| format!("{b:02x}")).collect()),
            other => Self::Foreign(format!("{other:?}")),
        }
    }

    /// The reference of a text; none when it is none of ours.
    pub(super) fn payload(&self) -> Option<ChunkPayload> {
        match self {
            Self::Stored(id, offset, length) => {
                let id = ChunkId::try_from(id.as_str()).ok()?;
                Some(ChunkPayload::Ref(ChunkRef { id, offset: *offset, length: *length }))
            }
            Self::Inline(text) => {
                let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
                let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
                Some(ChunkPayload::Inline(bytes?.into()))
            }
            Self::Foreign(_) => None,
        }
    }
}

/// Digest of what chunks depend on. Attributes and coordinates are left out: the first may be
/// edited, the second are compared by themselves.
pub(super) fn digest(template: &Template) -> String {
    let variable = |v: &TemplateVariable| {
        json!([v.name, v.dtype, v.fill, v.scale_factor, v.add_offset, v.chunks, v.shards, v.codecs])
    };
    let variables: Vec<_> = template.variables.iter().map(variable).collect();
    let (rows, columns) = template.grid.shape();
    let mut parts =
        vec![json!(template.group), json!(template.step), json!(rows), json!(columns), json!(variables)];
    if !template.grid.extra.is_empty() {
        parts.push(json!(template.grid.extra.lengths().collect::<Vec<_>>()));
    }
    for level in &template.levels {
        let variables: Vec<_> = level.variables.iter().map(variable).collect();
        parts.push(json!([level.group, level.methods, variables]));
    }
    let text = serde_json::Value::Array(parts).to_string();
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_back_from_text() {
        let stored = ChunkPayload::Ref(ChunkRef { id: ChunkId::random(), offset: 3, length: 9 });
        let inline = ChunkPayload::Inline(vec![0u8, 255, 16].into());
        for payload in [stored, inline] {
            let text = serde_json::to_string(&Object::of(&payload)).unwrap();
            let object: Object = serde_json::from_str(&text).unwrap();
            assert_eq!(object.payload(), Some(payload), "{text}");
        }
    }
}
