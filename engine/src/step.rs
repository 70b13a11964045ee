//! What a step type is.
//!
//! A step type is a struct that deserializes: its fields are its `with:` block, its JSON Schema
//! and its reference page. Besides [`Step`] it implements exactly one of four roles:
//!
//! - [`Node`]: small documents in, one out (`enumerate-periods`, `derived-resample`, `publish-stac`);
//! - [`Source`]: `Periods` in, a stream of slices out (`fetch`);
//! - [`Filter`]: slices to slices (`transform`);
//! - [`Sink`]: the end of a segment, in two halves, write and commit (`append-commit`).

mod document;
mod error;
mod written;

use std::{fmt::Debug, future::Future};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use document::{All, Arity, Document, Every, Input, Output, Port, PortKind};
pub use error::{ErrorKind, Failure, StepError};
pub use written::{Batch, Ended, PeriodLabel, ReadFrom, Written};

use crate::{
    context::{Context, Scope},
    data::{DatasetId, Dimensions, Period, Periods, Slices, Snapshot},
    dataset::Datasets,
    explain::Explained,
    plan::{Planned, PlannedSlices, PlannedSnapshot, Sizes},
};

/// What every step type says of itself.
pub trait Step: DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static {
    /// The name after `uses:`.
    const USES: &'static str;
    /// One line for `--help`, the editor and the reference.
    const SUMMARY: &'static str;
    /// Raised when the numbers that it makes change; part of the definition digest.
    const REVISION: u32;
    /// JSON pointers into `with:` whose expressions are evaluated per source file, where `period`
    /// and the names of `over` are known. `*` stands for any one key.
    const PER_PERIOD: &'static [&'static str] = &[];

    /// Datasets whose stores it reads.
    fn reads(&self) -> Vec<DatasetId> {
        Vec::new()
    }

    /// The dataset that it writes.
    fn writes(&self) -> Option<Write> {
        None
    }

    /// What it does for a dataset besides its values.
    fn keeps(&self) -> Option<Keeps> {
        None
    }

    /// Files of the project, by their paths in its folder, whose content decides values as settings
    /// do: part of the definition digest.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// The dimensions between time and y that it reads a source file per combination of; none for a
    /// step that reads no source files.
    fn over(&self) -> Option<Over> {
        None
    }

    /// The metadata that it would create its dataset with, as far as the block of the dataset says it;
    /// `project_crs` is that of new grids, where the data do not say.
    fn template(
        &self,
        _datasets: &Datasets,
        _project_crs: Option<&str>,
    ) -> Option<(DatasetId, serde_json::Value)> {
        None
    }

    /// What only this type knows to be wrong with its settings, found without a network or files.
    fn check(&self, _datasets: &Datasets) -> Vec<Finding> {
        Vec::new()
    }
}

/// Dimensions between time and y, as a step that reads source files has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Those of `over`, with their labels: a source file for each combination.
    pub dimensions: Dimensions,
    /// Whether a source file may hold further dimensions itself.
    pub inside: bool,
}

/// How a step writes its dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Changes values: one per dataset in the whole project.
    Values(DatasetId),
    /// Keeps values and changes how they are stored: may sit in other pipelines too.
    Keep(DatasetId),
}

/// What a step does for a dataset besides its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// Looks whether what stands there may be used.
    Validates(DatasetId),
    /// Publishes what an audited dataset holds on its branch.
    Promotes(DatasetId),
    /// Lets go of its past.
    Maintains(DatasetId),
}

impl Keeps {
    /// The dataset.
    #[must_use]
    pub const fn dataset(&self) -> &DatasetId {
        match self {
            Self::Validates(id) | Self::Promotes(id) | Self::Maintains(id) => id,
        }
    }
}

impl Write {
    /// The dataset.
    #[must_use]
    pub const fn dataset(&self) -> &DatasetId {
        match self {
            Self::Values(id) | Self::Keep(id) => id,
        }
    }
}

/// A problem that a step type found in its own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable code, such as `FZ501`.
    pub code: &'static str,
    /// Where in `with:`, as a JSON pointer; empty for the block itself.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What in the block of a dataset it contradicts.
    pub beside: Option<Beside>,
}

impl Finding {
    /// With a place in the block of a dataset, and what is there.
    #[must_use]
    pub fn beside(
        mut self,
        dataset: &DatasetId,
        pointer: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        self.beside = Some(Beside { dataset: dataset.clone(), pointer: pointer.into(), text: text.into() });
        self
    }
}

/// A place in the `datasets` block that belongs to a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The dataset.
    pub dataset: DatasetId,
    /// Where in its block, as a JSON pointer.
    pub pointer: String,
    /// What is there, in a few words.
    pub text: String,
}

/// What a task gave: an output, an error, or both when it did a part of its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    /// What there is now.
    pub output: Option<T>,
    /// What stopped it.
    pub error: Option<StepError>,
}

impl<T> Outcome<T> {
    /// All done.
    pub const fn done(output: T) -> Self {
        Self { output: Some(output), error: None }
    }

    /// A part was done, then this happened.
    pub const fn partial(output: T, error: StepError) -> Self {
        Self { output: Some(output), error: Some(error) }
    }

    /// The same outcome with another output.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome { output: self.output.map(f), error: self.error }
    }
}

impl<T> From<Result<T, StepError>> for Outcome<T> {
    fn from(result: Result<T, StepError>) -> Self {
        match result {
            Ok(output) => Self::done(output),
            Err(error) => Self { output: None, error: Some(error) },
        }
    }
}

/// Documents in, one document out.
pub trait Node: Step {
    /// What it takes.
    type Input: Input;
    /// What it gives.
    type Output: Output;

    /// What [`Node::run`] would do with this input. Reads stores, writes nothing.
    fn plan(
        &self,
        input: Vec<Planned>,
        scope: &Scope,
    ) -> impl Future<Output = Result<Planned, StepError>> + Send;

    /// What each of these periods of the dataset that it writes is made of, waits for and lacks, seen
    /// from these states of its sources, one after the other; nothing where the type makes no periods of others.
    fn explain(
        &self,
        _sources: &[Snapshot],
        _periods: &[Period],
        _scope: &Scope,
    ) -> impl Future<Output = Result<Vec<Vec<Explained>>, StepError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Does what [`Node::plan`] lists. Idempotent; may be cancelled at any await.
    fn run(&self, input: Self::Input, cx: &Context) -> impl Future<Output = Outcome<Self::Output>> + Send;
}

/// Periods in, slices out.
pub trait Source: Step {
    /// Requests and bytes that the work would cost.
    fn plan(
        &self,
        periods: &Periods,
        halo: u32,
        scope: &Scope,
    ) -> impl Future<Output = Result<PlannedSlices, StepError>> + Send;

    /// Sizes of at most `most` of the source files of the work, where the source tells them without
    /// sending them; none where it does not. A plan asks for them when it is told to.
    fn sizes(
        &self,
        _periods: &Periods,
        _most: usize,
        _scope: &Scope,
    ) -> impl Future<Output = Result<Sizes, StepError>> + Send {
        std::future::ready(Ok(Sizes::default()))
    }

    /// Slices of all batches of the work, in its order, each unbroken forward stretch preceded by
    /// `halo` periods of context where the source has them. Reads ahead over batch borders,
    /// bounded; dropping the stream stops the work.
    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices;
}

/// Slices in, slices out.
pub trait Filter: Step {
    /// Periods of context that it needs before each unbroken stretch.
    fn halo(&self) -> u32 {
        0
    }

    /// What it makes of a stream, said of the stream that would come.
    ///
    /// # Errors
    /// When it would refuse it.
    fn plan(&self, slices: PlannedSlices, _scope: &Scope) -> Result<PlannedSlices, StepError> {
        Ok(slices)
    }

    /// The stream with its slices changed. Context passes through.
    fn apply(&self, slices: Slices, cx: &Context) -> Slices;
}

/// The end of a segment, in two halves, so that many may write while one commits.
pub trait Sink: Step {
    /// What would stand in the dataset afterwards.
    fn plan(
        &self,
        input: &PlannedSlices,
        scope: &Scope,
    ) -> impl Future<Output = Result<PlannedSnapshot, StepError>> + Send;

    /// The head as it stands: what is passed on when there is nothing to do.
    fn head(&self, cx: &Context) -> impl Future<Output = Result<Snapshot, StepError>> + Send;

    /// Writes the slices of one batch as objects that nothing refers to yet.
    /// With an error, `output` holds the whole periods before it.
    fn write(
        &self,
        batch: Batch,
        slices: Slices,
        cx: &Context,
    ) -> impl Future<Output = Outcome<Written>> + Send;

    /// Commits successive [`Written`] documents under the dataset's lock. What is on the axis
    /// already is skipped, so that committing twice is committing once. Gives the head.
    fn commit(&self, written: Vec<Written>, cx: &Context) -> impl Future<Output = Outcome<Snapshot>> + Send;
}
