//! `fetch`: periods in, slices out, one source file at a time.

mod cog;
mod file;
mod frontier;
mod gaps;
mod numbers;
mod reader;
mod recipe;
mod settings;
mod shop;
mod source;
mod stream;
mod window;
mod work;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use frazil_engine::{
    context::{Context, Scope},
    data::{Periods, Slices},
    dataset::Datasets,
    plan::PlannedSlices,
    step::{Finding, Source, Step, StepError},
    template::Template,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Access;
pub use crate::net::{Auth, Basic, S3};
use recipe::Recipe;
pub use settings::{Alternative, OnMissing, Selection, Share, SourceKind, Stamp, Wait};
use source::Opener;

/// Reads periods from remote or local files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fetch {
    /// How the source is read.
    pub source: SourceKind,
    /// Where a period is: `http://`, `https://`, `s3://`, `file://`, or a path relative to the project.
    pub url: Template,
    /// West, south, east, north in degrees: cells that overlap it are kept. All where none is said.
    pub bbox: Option<[f64; 4]>,
    /// Variables by their name in the dataset; all of the dataset's, by the same name, where none is said.
    #[serde(default)]
    pub variables: BTreeMap<String, Selection>,
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

    fn check(&self, _: &Datasets) -> Vec<Finding> {
        let finding = |pointer: &str, message: &str, help: &str| Finding {
            code: "FZ510",
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            help: Some(help.to_owned()),
        };
        let mut findings = Vec::new();
        if let Some(bbox) = self.bbox
            && let Err(message) = window::proper(bbox)
        {
            findings.push(finding("/bbox", &message, "write west, south, east, north in degrees"));
        }
        if self.max_gaps.is_some() && self.on_missing == OnMissing::Stop {
            findings.push(finding(
                "/max-gaps",
                "`max-gaps` limits gaps, but none is ever recorded: a missing period stops the step",
                "write `on-missing: gap` beside it, or leave it out",
            ));
        }
        if self.wait.is_some_and(|wait| wait.every.to_std().is_zero()) {
            findings.push(finding(
                "/wait/every",
                "a source that is asked without a pause may shut us out",
                "write a pause such as `every: 1m`",
            ));
        }
        if self.alternatives.iter().rev().skip(1).any(|alternative| alternative.provisional) {
            findings.push(finding(
                "/alternatives",
                "only the last alternative may be provisional",
                "what is provisional is asked for again until an earlier one is there: put it last",
            ));
        }
        findings
    }
}

impl Fetch {
    fn opener(&self, cx: &Context) -> Arc<dyn Opener> {
        match self.source {
            SourceKind::Cog => Arc::new(cog::CogOpener),
            SourceKind::File => Arc::new(file::FileOpener::new(cx)),
        }
    }

    fn access(&self) -> Access {
        Access { auth: self.auth.clone(), headers: self.headers.clone() }
    }

    /// Whether one source file may hold many periods.
    const fn many_in_one(&self) -> bool {
        matches!(self.source, SourceKind::File)
    }

    /// Periods held at a time: on their way, being handed on, and one in each of two queues.
    const fn held(&self) -> usize {
        self.in_flight.get() + 3
    }
}

impl Source for Fetch {
    async fn plan(&self, periods: &Periods, halo: u32, scope: &Scope) -> Result<PlannedSlices, StepError> {
        let recipe = Recipe::new(self, periods, scope)?;
        Ok(PlannedSlices {
            periods: periods.clone(),
            requests: work::source_files(self, &recipe, periods, halo, scope)?,
            bytes: None,
            in_flight: self.held(),
            reasons: Vec::new(),
        })
    }

    fn slices(&self, periods: Periods, halo: u32, cx: &Context) -> Slices {
        stream::slices(self.clone(), periods, halo, cx.clone())
    }
}
