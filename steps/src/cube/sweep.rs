//! What is let go of the past of a dataset, or would be.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use frazil_engine::data::SnapshotId;
use serde::Serialize;

/// What is let go of a dataset, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sweep {
    /// Snapshots made before this instant are let go.
    pub before: DateTime<Utc>,
    /// Why that is no later, a sentence each.
    pub reasons: Vec<String>,
    /// Snapshots that are let go, oldest first.
    pub snapshots: Vec<Gone>,
    /// Objects made before this instant are deleted where nothing refers to them.
    pub unreferenced_before: DateTime<Utc>,
    /// Objects that are deleted, by folder of the repository.
    pub deleted: BTreeMap<String, Objects>,
    /// Objects that stay.
    pub kept: BTreeMap<String, Objects>,
}

/// A snapshot that is let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Its name.
    pub id: SnapshotId,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// What it said of itself.
    pub message: String,
}

/// Objects of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Objects {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sweep {
    /// Bytes that are deleted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.deleted.values().map(|objects| objects.bytes).sum()
    }

    /// Objects that are deleted.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.deleted.values().map(|objects| objects.count).sum()
    }

    /// Whether nothing goes.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.snapshots.is_empty() && self.objects() == 0
    }

    pub(super) fn count(&mut self, folder: &str, goes: bool, bytes: u64) {
        let objects = if goes { &mut self.deleted } else { &mut self.kept };
        let objects = objects.entry(folder.to_owned()).or_default();
        objects.count += 1;
        objects.bytes += bytes;
    }
}

/// As `released 412 snapshots, deleted 1,236 objects (52.1 MiB)`.
impl std::fmt::Display for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = |n: u64| if n == 1 { "" } else { "s" };
        let (snapshots, objects) = (self.snapshots.len() as u64, self.objects());
        let size = size(self.bytes());
        write!(f, "{snapshots} snapshot{}, {objects} object{} ({size})", s(snapshots), s(objects))
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
