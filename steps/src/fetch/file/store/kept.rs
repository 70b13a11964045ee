//! Chunks on disk: each is brought once, and kept for as long as it may be needed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    cube::foreign::Encoded,
    scratch::{Brought, Scratch},
};

/// Bytes of chunks that are kept on disk beside those in use: whoever reads the same store in the
/// same run finds them there.
const KEPT: u64 = 8 << 30;

/// The chunks of one store that were brought.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) scratch: Arc<Scratch>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // Bounded by `KEPT`, and by what one block of each variable needs.
    chunks: HashMap<String, Chunk>,
    /// Blocks begun so far.
    blocks: u64,
    /// How many blocks lie back what may still be needed.
    in_use: u64,
}

#[derive(Debug)]
struct Chunk {
    brought: Brought,
    bytes: u64,
    /// The last block that it was read for.
    block: u64,
}

impl Kept {
    pub(super) fn new(scratch: &Arc<Scratch>) -> Arc<Self> {
        Arc::new(Self { scratch: Arc::clone(scratch), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another block is read, of one of `variables`.
    pub(super) fn begin(&self, variables: usize) {
        let mut state = self.state();
        state.blocks += 1;
        state.in_use = variables as u64;
    }

    /// The block that is read.
    pub(super) fn block(&self) -> u64 {
        self.state().blocks
    }

    /// Keeps a chunk, by its name in the scratch folder, that the block needs.
    pub(super) async fn keep(&self, name: String, brought: Brought) -> Encoded {
        let bytes = tokio::fs::metadata(&brought.path).await.map_or(0, |about| about.len());
        let path = brought.path.clone();
        let mut state = self.state();
        let block = state.blocks;
        state.chunks.insert(name, Chunk { brought, bytes, block });
        Encoded::File(path)
    }

    /// Deletes what was not read for a while, as far as more is kept than should be.
    pub(super) async fn let_go(&self) {
        let spare = self.state().spare(KEPT);
        for (name, brought) in spare {
            self.scratch.forget(&name, &brought).await;
        }
    }
}

impl State {
    /// What may be deleted to keep no more than `most` bytes, the oldest first.
    fn spare(&mut self, most: u64) -> Vec<(String, Brought)> {
        let mut total: u64 = self.chunks.values().map(|chunk| chunk.bytes).sum();
        if total <= most {
            return Vec::new();
        }
        let needed = self.blocks.saturating_sub(self.in_use);
        let old = self.chunks.iter().filter(|(_, chunk)| chunk.block <= needed);
        let mut old: Vec<(u64, String)> = old.map(|(name, chunk)| (chunk.block, name.clone())).collect();
        old.sort();
        let mut spare = Vec::new();
        for (_, name) in old {
            if total <= most {
                break;
            }
            if let Some(chunk) = self.chunks.remove(&name) {
                total -= chunk.bytes;
                spare.push((name, chunk.brought));
            }
        }
        spare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_what_the_last_blocks_read_stays() {
        let mut state = State { in_use: 2, ..State::default() };
        for block in 1..=5 {
            state.blocks = block;
            let brought = Brought::here(format!("/{block}").into());
            state.chunks.insert(block.to_string(), Chunk { brought, bytes: 10, block });
        }
        let names =
            |state: &mut State, most| state.spare(most).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&mut state, 50), Vec::<String>::new());
        assert_eq!(names(&mut state, 35), ["1", "2"]);
        assert_eq!(
            names(&mut state, 0),
            ["3"],
            "two variables are read in turn: their last blocks are in use"
        );
    }
}
