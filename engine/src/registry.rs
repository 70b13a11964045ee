//! Step types by name, and their erased twins.
//!
//! The list is explicit: whoever assembles the program writes one line per step type.

mod erased;

use std::{collections::BTreeMap, fmt, sync::Arc};

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

pub(crate) use erased::pointer;
pub use erased::{AnyFilter, AnyNode, AnySink, AnySource};
use erased::{Bind, FilterTwin, NodeTwin, SinkTwin, SourceTwin};

use crate::{
    data::DatasetId,
    dataset::Datasets,
    step::{
        Arity, Filter, Finding, Input, Keeps, Node, Output, Over, Port, PortKind, Sink, Source, Step, Write,
    },
};

/// What is known of a step type without settings.
#[derive(Debug, Clone, Copy)]
pub struct StepType {
    /// The name after `uses:`.
    pub uses: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Raised when its numbers change.
    pub revision: u32,
    /// What it takes.
    pub input: Port,
    /// What it gives.
    pub output: PortKind,
    /// Pointers into `with:` that are evaluated per source file.
    pub per_period: &'static [&'static str],
    /// Its settings as JSON Schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    bind: Bind,
}

/// A step with its settings.
#[derive(Clone)]
pub struct BoundStep {
    about: Arc<dyn About>,
    /// What it does.
    pub role: Role,
}

/// What a step does, behind a pointer.
#[derive(Clone)]
pub enum Role {
    /// Documents in, one out.
    Node(Arc<dyn AnyNode>),
    /// Periods in, slices out.
    Source(Arc<dyn AnySource>),
    /// Slices in, slices out.
    Filter(Arc<dyn AnyFilter>),
    /// The end of a segment.
    Sink(Arc<dyn AnySink>),
}

/// The parts of [`Step`] that need no type.
trait About: fmt::Debug + Send + Sync {
    fn reads(&self) -> Vec<DatasetId>;
    fn writes(&self) -> Option<Write>;
    fn keeps(&self) -> Option<Keeps>;
    fn files(&self) -> Vec<String>;
    fn over(&self) -> Option<Over>;
    fn check(&self, datasets: &Datasets) -> Vec<Finding>;
    fn template(&self, datasets: &Datasets, project_crs: Option<&str>) -> Option<(DatasetId, Value)>;
}

impl<S: Step> About for S {
    fn reads(&self) -> Vec<DatasetId> {
        Step::reads(self)
    }
    fn writes(&self) -> Option<Write> {
        Step::writes(self)
    }
    fn keeps(&self) -> Option<Keeps> {
        Step::keeps(self)
    }
    fn files(&self) -> Vec<String> {
        Step::files(self)
    }
    fn over(&self) -> Option<Over> {
        Step::over(self)
    }
    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        Step::check(self, datasets)
    }
    fn template(&self, datasets: &Datasets, project_crs: Option<&str>) -> Option<(DatasetId, Value)> {
        Step::template(self, datasets, project_crs)
    }
}

impl BoundStep {
    /// Datasets whose stores it reads.
    #[must_use]
    pub fn reads(&self) -> Vec<DatasetId> {
        self.about.reads()
    }

    /// The dataset that it writes.
    #[must_use]
    pub fn writes(&self) -> Option<Write> {
        self.about.writes()
    }

    /// What it does for a dataset besides its values.
    #[must_use]
    pub fn keeps(&self) -> Option<Keeps> {
        self.about.keeps()
    }

    /// Files of the project whose content decides its values.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.about.files()
    }

    /// The dimensions between time and y that it reads a source file per combination of.
    #[must_use]
    pub fn over(&self) -> Option<Over> {
        self.about.over()
    }

    /// What its type knows to be wrong with its settings.
    #[must_use]
    pub fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        self.about.check(datasets)
    }

    /// The metadata that it would create its dataset with, as far as the block says it.
    #[must_use]
    pub fn template(&self, datasets: &Datasets, project_crs: Option<&str>) -> Option<(DatasetId, Value)> {
        self.about.template(datasets, project_crs)
    }
}

impl fmt::Debug for BoundStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.fmt(f)
    }
}

impl StepType {
    /// Decodes settings.
    ///
    /// # Errors
    /// When they do not decode: the JSON pointer of the place, and what is wrong with it.
    pub fn bind(&self, with: &Value) -> Result<BoundStep, BindError> {
        (self.bind)(with)
    }
}

/// Settings that do not decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BindError {
    /// Where, as a JSON pointer into the settings.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Step types by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    types: BTreeMap<&'static str, StepType>,
}

impl Registry {
    /// No step types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a step type from documents to a document.
    #[must_use]
    pub fn node<S: Node>(self) -> Self {
        self.with::<S>(<S::Input as Input>::PORT, <S::Output as Output>::KIND, |with| {
            let step = erased::decode::<S>(with)?;
            Ok(erased::bound(Arc::clone(&step), Role::Node(Arc::new(NodeTwin(step)))))
        })
    }

    /// With a step type that reads slices.
    #[must_use]
    pub fn source<S: Source>(self) -> Self {
        let input = Port { kind: PortKind::Periods, arity: Arity::One };
        self.with::<S>(input, PortKind::Slices, |with| {
            let step = erased::decode::<S>(with)?;
            Ok(erased::bound(Arc::clone(&step), Role::Source(Arc::new(SourceTwin(step)))))
        })
    }

    /// With a step type that changes slices.
    #[must_use]
    pub fn filter<S: Filter>(self) -> Self {
        let input = Port { kind: PortKind::Slices, arity: Arity::One };
        self.with::<S>(input, PortKind::Slices, |with| {
            let step = erased::decode::<S>(with)?;
            Ok(erased::bound(Arc::clone(&step), Role::Filter(Arc::new(FilterTwin(step)))))
        })
    }

    /// With a step type that settles slices.
    #[must_use]
    pub fn sink<S: Sink>(self) -> Self {
        let input = Port { kind: PortKind::Slices, arity: Arity::Many };
        self.with::<S>(input, PortKind::Snapshot, |with| {
            let step = erased::decode::<S>(with)?;
            Ok(erased::bound(Arc::clone(&step), Role::Sink(Arc::new(SinkTwin(step)))))
        })
    }

    fn with<S: Step>(mut self, input: Port, output: PortKind, bind: Bind) -> Self {
        let step_type = StepType {
            uses: S::USES,
            summary: S::SUMMARY,
            revision: S::REVISION,
            input,
            output,
            per_period: S::PER_PERIOD,
            schema: |generator| generator.subschema_for::<S>(),
            bind,
        };
        self.types.insert(S::USES, step_type);
        self
    }

    /// The step type of this name.
    #[must_use]
    pub fn get(&self, uses: &str) -> Option<&StepType> {
        self.types.get(uses)
    }

    /// All step types, by name.
    pub fn iter(&self) -> impl Iterator<Item = &StepType> {
        self.types.values()
    }
}
