//! `fetch`: periods in, slices out, one source file at a time.

pub(crate) mod assembly;
mod check;
mod cog;
mod dataset;
pub(crate) mod file;
mod frontier;
mod gaps;
mod numbers;
mod reader;
mod recipe;
mod settings;
mod shop;
mod sizes;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod window;
pub(crate) mod work;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Dimensions, Periods, Slices},
    dataset::Datasets,
    plan::{PlannedSlices, Sizes},
    step::{Finding, Over, Source, Step, StepError},
    template::Template,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::net::{Auth, Basic, S3};
use crate::{cube::foreign::Version, net::Access};
use recipe::Recipe;
pub use settings::{Alternative, OnMissing, Selection, Share, SourceKind, Stamp, Wait};
use source::Opener;

/// Reads periods from remote or local files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend(
    "if" = { "properties": { "source": { "const": "dataset" } } },
    "then" = { "required": ["dataset"] },
    "else" = { "required": ["url"] },
))]
pub struct Fetch {
    /// How the source is read.
    pub source: SourceKind,
    /// Where a period is: `http://`, `https://`, `s3://`, `file://`, or a path relative to the project.
    /// Every source but `dataset` has one.
    pub url: Option<Template>,
    /// With `source: dataset`: the dataset that is read. The step that lists the periods needs the
    /// step that opens or writes it.
    pub dataset: Option<DatasetId>,
    /// With `source: icechunk`: the branch whose head is read, as it is when the run opens it; `main`
    /// where nothing is said.
    pub branch: Option<String>,
    /// With `source: icechunk`: the tag that is read.
    pub tag: Option<String>,
    /// With `source: icechunk`: the id of the snapshot that is read.
    pub snapshot: Option<String>,
    /// West, south, east, north in degrees: cells that overlap it are kept. All where none is said.
    pub bbox: Option<[f64; 4]>,
    /// Variables by their name in the dataset; all of the dataset's, by the same name, where none is said.
    #[serde(default)]
    pub variables: BTreeMap<String, Selection>,
    /// Labels of dimensions between time and y: `{ age: [0, 1], sex: [f, m] }` reads a source file per
    /// combination. `url` names them: `…_{{ sex }}_{{ age }}.tif`. A period is there when all of its
    /// combinations are.
    #[serde(default)]
    pub over: Dimensions,
    /// Source files on their way at a time.
    #[serde(default = "one")]
    pub in_flight: NonZeroUsize,
    /// What to do with a period that the source lacks although it has later ones.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// With `on-missing: gap`: the most gaps that may stand among all periods of the dataset, as `2%`.
    /// One more is an error.
    pub max_gaps: Option<Share>,
    /// How long a source file that is not there yet is waited for; not at all where nothing is said.
    pub wait: Option<Wait>,
    /// Which end of its interval the source's stamp names.
    #[serde(default)]
    pub stamp: Stamp,
    /// Other places to look, in order, when a source file is not there.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// How the source knows who asks.
    pub auth: Option<Auth>,
    /// Further headers of HTTP requests.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

impl Step for Fetch {
    const USES: &'static str = "fetch";
    const SUMMARY: &'static str = "reads periods from remote or local files, one at a time";
    const REVISION: u32 = 1;
    const PER_PERIOD: &'static [&'static str] = &[
        "/url",
        "/variables/*/url",
        "/alternatives/*/url",
        "/auth/basic/user",
        "/auth/basic/password",
        "/auth/bearer",
        "/auth/s3/access-key",
        "/auth/s3/secret-key",
        "/auth/s3/session-token",
        "/headers/*",
    ];

    fn reads(&self) -> Vec<DatasetId> {
        self.dataset.iter().cloned().collect()
    }

    fn over(&self) -> Option<Over> {
        let inside = self.many_in_one();
        (self.source != SourceKind::Dataset).then(|| Over { dimensions: self.over.clone(), inside })
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        check::check(self, datasets)
    }
}

impl Fetch {
    fn opener(&self, dataset: &DatasetId, cx: &Context) -> Arc<dyn Opener> {
        match self.source {
            SourceKind::Cog => Arc::new(cog::CogOpener),
            SourceKind::Zarr | SourceKind::Icechunk => {
                Arc::new(file::store::StoreOpener::new(self, dataset, cx))
            }
            // A dataset has no files: its slices are read elsewhere.
            SourceKind::File | SourceKind::Dataset => Arc::new(file::FileOpener::new(cx)),
        }
    }

    fn access(&self) -> Access {
        Access { auth: self.auth.clone(), headers: self.headers.clone() }
    }

    /// Which state of an Icechunk repository is read.
    fn version(&self) -> Version {
        match (&self.snapshot, &self.tag, &self.branch) {
            (Some(id), ..) => Version::Snapshot(id.clone()),
            (None, Some(tag), _) => Version::Tag(tag.clone()),
            (None, None, Some(branch)) => Version::Branch(branch.clone()),
            (None, None, None) => Version::Branch("main".to_owned()),
        }
    }

    /// Whether a source is many objects, of which some are read.
    const fn is_store(&self) -> bool {
        matches!(self.source, SourceKind::Zarr | SourceKind::Icechunk)
    }

    /// Whether one source file may hold many periods.
    const fn many_in_one(&self) -> bool {
        !matches!(self.source, SourceKind::Cog)
    }

    /// Periods whose source files are opened at a time, where each takes so many.
    const fn jobs(&self, files: usize) -> usize {
        self.in_flight.get().div_ceil(if files == 0 { 1 } else { files })
    }

    /// Periods held at a time: on their way, being handed on, and one in each of two queues.
    const fn held(&self, files: usize) -> usize {
        self.jobs(files) + 3
    }
}

impl Source for Fetch {
    async fn plan(&self, periods: &Periods, halo: u32, scope: &Scope) -> Result<PlannedSlices, StepError> {
        if self.source == SourceKind::Dataset {
            return dataset::plan(self, periods, scope).await;
        }
        let recipe = Recipe::new(self, periods, scope)?;
        Ok(PlannedSlices {
            periods: periods.clone(),
            requests: work::source_files(self, &recipe, periods, halo, scope)?,
            bytes: None,
            in_flight: self.held(recipe.files()),
            memory: if self.is_store() { file::store::held(scope.memory) } else { 0 },
            reasons: Vec::new(),
        })
    }

    async fn sizes(&self, periods: &Periods, most: usize, scope: &Scope) -> Result<Sizes, StepError> {
        sizes::sizes(self, periods, most, scope).await
    }

    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices {
        match self.source {
            SourceKind::Dataset => dataset::slices(self.clone(), periods, halo, cx.clone()),
            _ => stream::slices(self.clone(), periods, halo, cx.clone()),
        }
    }
}
