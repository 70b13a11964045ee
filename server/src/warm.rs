//! Chunks that were read lately, in memory: what a map shows is asked for again and again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use frazil_engine::data::SnapshotId;

/// Bytes that are kept: some hundred chunks of the usual length.
const BYTES: usize = 32 << 20;

/// What an entry takes besides its name and its bytes, about.
const ENTRY: usize = 128;

/// The longest chunk that is kept.
const LONGEST: usize = 4 << 20;

/// Chunks by what tells them from all others, and those names by what asks for them. They are forgotten by halves: what was not asked for while
/// one half filled goes with the other.
#[derive(Debug, Default)]
pub(crate) struct Warm(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<String, Bytes>,
    old: HashMap<String, Bytes>,
    /// Those of the young half.
    bytes: usize,
}

impl Warm {
    /// A chunk by where it is asked for, if it is kept: its tag, and its bytes, which are shared.
    pub(crate) fn chunk(&self, place: &str, id: &SnapshotId, key: &str) -> Option<(String, Bytes)> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = halves.get(&format!("{place}\n{id}\n{key}"))?;
        let tag = std::str::from_utf8(&tag).ok()?;
        Some((tag.to_owned(), halves.get(&format!("{place}\n{tag}"))?))
    }

    /// Keeps a chunk, unless it is long. States that share it share its bytes.
    pub(crate) fn keep(&self, asked: (&str, &SnapshotId, &str), tag: &str, bytes: &Bytes) {
        let (place, id, key) = asked;
        if bytes.len() <= LONGEST {
            let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            halves.put(format!("{place}\n{id}\n{key}"), Bytes::copy_from_slice(tag.as_bytes()));
            halves.put(format!("{place}\n{tag}"), bytes.clone());
        }
    }
}

impl Halves {
    fn get(&mut self, name: &str) -> Option<Bytes> {
        if let Some(bytes) = self.young.get(name) {
            return Some(bytes.clone());
        }
        let (name, bytes) = self.old.remove_entry(name)?;
        self.put(name, bytes.clone());
        Some(bytes)
    }

    fn put(&mut self, name: String, bytes: Bytes) {
        self.bytes += ENTRY + name.len() + bytes.len();
        self.young.insert(name, bytes);
        if self.bytes > BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_what_is_kept_is_bounded() {
        let (warm, one, id) = (Warm::default(), Bytes::from(vec![7; 1 << 20]), SnapshotId("S".to_owned()));
        for n in 0..200 {
            let n = n.to_string();
            warm.keep(("place", &id, &n), &format!("tag{n}"), &one);
            assert_eq!(warm.chunk("place", &id, "0"), Some(("tag0".to_owned(), one.clone())), "{n}");
        }
        assert!(warm.chunk("place", &id, "1").is_none() && warm.chunk("place", &id, "199").is_some());
        assert!(warm.chunk("elsewhere", &id, "199").is_none());
        assert!(warm.chunk("place", &SnapshotId("T".to_owned()), "199").is_none());
        let halves = warm.0.lock().unwrap();
        let held: usize = halves.young.values().chain(halves.old.values()).map(Bytes::len).sum();
        assert!(held <= BYTES + LONGEST, "{held}");
    }

    #[test]
    fn long_chunks_are_not_kept() {
        let (warm, id) = (Warm::default(), SnapshotId("S".to_owned()));
        warm.keep(("place", &id, "long"), "tag", &Bytes::from(vec![0; LONGEST + 1]));
        assert!(warm.chunk("place", &id, "long").is_none());
    }
}
