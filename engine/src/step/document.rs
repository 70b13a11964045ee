use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::StepError;
use crate::{
    data::{Periods, Snapshot},
    step::ErrorKind,
};

/// What an edge carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortKind {
    /// The work on a dataset: a document.
    Periods,
    /// Gridded data: an in-process stream with one consumer.
    Slices,
    /// A state of a dataset: a document.
    Snapshot,
    /// No data; a step that gives nothing may only be waited for.
    Nothing,
}

impl fmt::Display for PortKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How many edges a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// None: a root.
    None,
    /// None or one.
    Optional,
    /// Exactly one.
    One,
    /// One or more; those that are there are enough.
    Many,
    /// Any number; all of them.
    All,
    /// One or more; all of them.
    Every,
}

/// What a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// What the edges carry.
    pub kind: PortKind,
    /// How many there are.
    pub arity: Arity,
}

/// A document on an edge between tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// The work on a dataset.
    Periods(#[serde(with = "crate::data::shared")] Arc<Periods>),
    /// A state of a dataset.
    Snapshot(Snapshot),
    /// Done, with nothing to pass on.
    Nothing,
}

/// What a [`super::Node`] takes, made from the documents of its edges.
pub trait Input: Sized + Send + 'static {
    /// Kind and number of edges.
    const PORT: Port;

    /// Takes the documents apart.
    ///
    /// # Errors
    /// When they are not of [`Input::PORT`]; a checked graph makes none such.
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError>;
}

/// What a [`super::Node`] gives.
pub trait Output: Send + 'static {
    /// What the edge carries.
    const KIND: PortKind;

    /// As a document.
    fn into_document(self) -> Document;
}

fn mismatch(wanted: PortKind) -> StepError {
    StepError::permanent(
        ErrorKind::Internal,
        format!("an edge did not carry what a checked graph promises: {wanted}"),
    )
}

fn snapshots(documents: Vec<Document>) -> Result<Vec<Snapshot>, StepError> {
    documents
        .into_iter()
        .map(|document| match document {
            Document::Snapshot(snapshot) => Ok(snapshot),
            _ => Err(mismatch(PortKind::Snapshot)),
        })
        .collect()
}

impl Input for () {
    const PORT: Port = Port { kind: PortKind::Nothing, arity: Arity::None };
    fn from_documents(_: Vec<Document>) -> Result<Self, StepError> {
        Ok(())
    }
}

impl Input for Snapshot {
    const PORT: Port = Port { kind: PortKind::Snapshot, arity: Arity::One };
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError> {
        snapshots(documents)?.pop().ok_or_else(|| mismatch(PortKind::Snapshot))
    }
}

impl Input for Option<Snapshot> {
    const PORT: Port = Port { kind: PortKind::Snapshot, arity: Arity::Optional };
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError> {
        Ok(snapshots(documents)?.pop())
    }
}

impl Input for Vec<Snapshot> {
    const PORT: Port = Port { kind: PortKind::Snapshot, arity: Arity::Many };
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError> {
        snapshots(documents)
    }
}

/// Any number of documents, none too; the step waits for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct All<T>(pub Vec<T>);

impl Input for All<Snapshot> {
    const PORT: Port = Port { kind: PortKind::Snapshot, arity: Arity::All };
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError> {
        snapshots(documents).map(Self)
    }
}

/// One or more documents; the step waits for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Every<T>(pub Vec<T>);

impl Input for Every<Snapshot> {
    const PORT: Port = Port { kind: PortKind::Snapshot, arity: Arity::Every };
    fn from_documents(documents: Vec<Document>) -> Result<Self, StepError> {
        snapshots(documents).map(Self)
    }
}

impl Output for Periods {
    const KIND: PortKind = PortKind::Periods;
    fn into_document(self) -> Document {
        Document::Periods(Arc::new(self))
    }
}

impl Output for Snapshot {
    const KIND: PortKind = PortKind::Snapshot;
    fn into_document(self) -> Document {
        Document::Snapshot(self)
    }
}

impl Output for () {
    const KIND: PortKind = PortKind::Nothing;
    fn into_document(self) -> Document {
        Document::Nothing
    }
}
