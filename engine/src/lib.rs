//! The engine of frazil: documents, graphs and runs.
//!
//! It knows no cloud, no arrays and no HTTP. Step types come from another crate and are
//! known here by name only, through a [`registry::Registry`].
//!
//! Reading order: [`data`] is the vocabulary, [`step`] what a step type is,
//! [`registry`] how it is found by name, [`context`] what it may use while it works.

pub mod cf;
pub mod context;
pub mod data;
pub mod dataset;
pub mod diagnostic;
mod document;
pub mod event;
pub mod executor;
pub mod explain;
mod graph;
pub mod lock;
pub mod pipeline;
pub mod plan;
pub mod project;
pub mod registry;
pub mod review;
pub mod scheduler;
pub mod schema;
pub mod step;
pub mod store;
pub mod suite;
pub mod template;
pub mod trigger;
