use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use super::{About, BindError, BoundStep, Role};
use crate::{
    context::{Context, Scope},
    data::{Period, Periods, Slices, Snapshot},
    explain::Explained,
    plan::{Planned, PlannedSlices, PlannedSnapshot, Sizes},
    step::{Batch, Document, Filter, Input, Node, Outcome, Output, Sink, Source, Step, StepError, Written},
};

pub(super) type Bind = fn(&Value) -> Result<BoundStep, BindError>;

/// [`Node`] without its type.
#[async_trait]
pub trait AnyNode: Debug + Send + Sync {
    /// See [`Node::plan`].
    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError>;
    /// See [`Node::explain`].
    async fn explain(
        &self,
        sources: &[Snapshot],
        periods: &[Period],
        scope: &Scope,
    ) -> Result<Vec<Vec<Explained>>, StepError>;
    /// See [`Node::run`].
    async fn run(&self, input: Vec<Document>, cx: &Context) -> Outcome<Document>;
}

/// [`Source`] without its type.
#[async_trait]
pub trait AnySource: Debug + Send + Sync {
    /// See [`Source::plan`].
    async fn plan(&self, periods: &Periods, halo: u32, scope: &Scope) -> Result<PlannedSlices, StepError>;
    /// See [`Source::sizes`].
    async fn sizes(&self, periods: &Periods, most: usize, scope: &Scope) -> Result<Sizes, StepError>;
    /// See [`Source::slices`].
    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices;
}

/// [`Filter`] without its type.
pub trait AnyFilter: Debug + Send + Sync {
    /// See [`Filter::halo`].
    fn halo(&self) -> u32;
    /// See [`Filter::plan`].
    ///
    /// # Errors
    /// When it would refuse the stream.
    fn plan(&self, slices: PlannedSlices, scope: &Scope) -> Result<PlannedSlices, StepError>;
    /// See [`Filter::apply`].
    fn apply(&self, slices: Slices, cx: &Context) -> Slices;
}

/// [`Sink`] without its type.
#[async_trait]
pub trait AnySink: Debug + Send + Sync {
    /// See [`Sink::plan`].
    async fn plan(&self, input: &PlannedSlices, scope: &Scope) -> Result<PlannedSnapshot, StepError>;
    /// See [`Sink::head`].
    async fn head(&self, cx: &Context) -> Result<Snapshot, StepError>;
    /// See [`Sink::write`].
    async fn write(&self, batch: Batch, slices: Slices, cx: &Context) -> Outcome<Written>;
    /// See [`Sink::commit`].
    async fn commit(&self, written: Vec<Written>, cx: &Context) -> Outcome<Snapshot>;
}

// The twins are types of their own: four blanket impls over the same step would overlap in
// method names wherever a concrete step is used.
#[derive(Debug)]
pub(super) struct NodeTwin<S>(pub(super) Arc<S>);
#[derive(Debug)]
pub(super) struct SourceTwin<S>(pub(super) Arc<S>);
#[derive(Debug)]
pub(super) struct FilterTwin<S>(pub(super) Arc<S>);
#[derive(Debug)]
pub(super) struct SinkTwin<S>(pub(super) Arc<S>);

#[async_trait]
impl<S: Node> AnyNode for NodeTwin<S> {
    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        self.0.plan(input, scope).await
    }
    async fn explain(
        &self,
        sources: &[Snapshot],
        periods: &[Period],
        scope: &Scope,
    ) -> Result<Vec<Vec<Explained>>, StepError> {
        self.0.explain(sources, periods, scope).await
    }
    async fn run(&self, input: Vec<Document>, cx: &Context) -> Outcome<Document> {
        match S::Input::from_documents(input) {
            Ok(input) => self.0.run(input, cx).await.map(Output::into_document),
            Err(error) => Err(error).into(),
        }
    }
}

#[async_trait]
impl<S: Source> AnySource for SourceTwin<S> {
    async fn plan(&self, periods: &Periods, halo: u32, scope: &Scope) -> Result<PlannedSlices, StepError> {
        self.0.plan(periods, halo, scope).await
    }
    async fn sizes(&self, periods: &Periods, most: usize, scope: &Scope) -> Result<Sizes, StepError> {
        self.0.sizes(periods, most, scope).await
    }
    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices {
        self.0.slices(periods, halo, cx)
    }
}

impl<S: Filter> AnyFilter for FilterTwin<S> {
    fn halo(&self) -> u32 {
        self.0.halo()
    }
    fn plan(&self, slices: PlannedSlices, scope: &Scope) -> Result<PlannedSlices, StepError> {
        self.0.plan(slices, scope)
    }
    fn apply(&self, slices: Slices, cx: &Context) -> Slices {
        self.0.apply(slices, cx)
    }
}

#[async_trait]
impl<S: Sink> AnySink for SinkTwin<S> {
    async fn plan(&self, input: &PlannedSlices, scope: &Scope) -> Result<PlannedSnapshot, StepError> {
        self.0.plan(input, scope).await
    }
    async fn head(&self, cx: &Context) -> Result<Snapshot, StepError> {
        self.0.head(cx).await
    }
    async fn write(&self, batch: Batch, slices: Slices, cx: &Context) -> Outcome<Written> {
        self.0.write(batch, slices, cx).await
    }
    async fn commit(&self, written: Vec<Written>, cx: &Context) -> Outcome<Snapshot> {
        self.0.commit(written, cx).await
    }
}

/// Decodes settings into a step.
pub(super) fn decode<S: Step>(with: &Value) -> Result<Arc<S>, BindError> {
    let empty = Value::Object(serde_json::Map::new());
    let with = if with.is_null() { &empty } else { with };
    serde_path_to_error::deserialize(with)
        .map(Arc::new)
        .map_err(|error| BindError { pointer: pointer(error.path()), message: error.inner().to_string() })
}

pub(super) fn bound<S: Step>(step: Arc<S>, role: Role) -> BoundStep {
    let about: Arc<dyn About> = step;
    BoundStep { about, role }
}

/// A path as a JSON pointer.
pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}
