//! The YAML of a file as a tree of nodes that know their places; the only code that names the
//! YAML crate.

mod read;
mod tree;

pub(crate) use read::{MAX_BYTES, TOO_LARGE, read};
pub(crate) use tree::{Entry, Node, Tree};
