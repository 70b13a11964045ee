//! Keeps a coarser dataset in step with a finer one.
//!
//! What is to be made is [decided](decide) over plain data; [`survey`] reads what the decision
//! looks at; [`compute`] streams the source's chunks through; [`settle`] commits.

mod check;
mod compute;
mod decide;
mod explain;
mod inherit;
mod mosaic;
mod pieces;
mod ready;
mod reasons;
mod settle;
mod survey;

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Scope},
    data::{DatasetId, Period, Snapshot},
    dataset::{Datasets, TimeAxis},
    explain::Explained,
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{ErrorKind, Finding, Node, Outcome, Step, StepError, Write},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use pieces::Windows;
pub(crate) use ready::Ready;

use crate::resample::Method;

/// Keeps a coarser dataset in step with its source: hours become days, days become months.
///
/// A window is made when its periods are there, and made again when one of them changed; nothing
/// else is. The step of the windows is that of the dataset. Where source periods lie across the borders
/// of windows, `windows` says what becomes of them.
///
/// ```yaml
/// steps:
///   monthly: { uses: derived-resample, needs: daily, with: { dataset: chirps3_monthly, method: sum } }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DerivedResample {
    /// The dataset that is made.
    pub(crate) dataset: DatasetId,
    /// How the periods of a window become one, for all variables of the source.
    pub(crate) method: Option<Method>,
    /// Instead of `method`: the variables of the dataset, each with the source variable it is
    /// made from, such as `t2m_max: { from: t2m, method: max }`.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Choice>,
    /// When a window is made: `complete`, `any` or `at-least: 0.9`.
    #[serde(default)]
    pub(crate) ready: Ready,
    /// Which periods belong to a window where some lie across its borders, as weeks lie across those
    /// of months: `overlapping`, `contained` or `weighted`. Without it each must lie within one.
    pub(crate) windows: Option<Windows>,
}

/// How one variable is made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Choice {
    /// The variable of the source.
    pub(crate) from: String,
    /// How the periods of a window become one.
    pub(crate) method: Method,
}

impl Step for DerivedResample {
    const USES: &'static str = "derived-resample";
    const SUMMARY: &'static str = "keeps a coarser dataset in step with its source";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Values(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        check::check(self, datasets)
    }
}

impl Node for DerivedResample {
    type Input = Snapshot;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let Some(Planned { document: PlannedDocument::Snapshot(source), .. }) = input.into_iter().next()
        else {
            return Err(StepError::permanent(
                ErrorKind::Internal,
                "derived-resample is planned over a snapshot",
            ));
        };
        let survey = survey::Survey::of(self, &source.snapshot, &source.changes, scope).await?;
        let decision = survey.decide(self.ready);
        let batches = survey.batches(&decision);
        let work = Work {
            periods: decision.windows.len() + decision.earlier.len(),
            commits: batches.len(),
            memory: survey.memory(),
            ..Work::default()
        };
        let planned = PlannedSnapshot {
            snapshot: survey.head(),
            changes: decision.items(),
            work: work.clone(),
            reasons: decision.reasons.clone(),
        };
        Ok(Planned { document: PlannedDocument::Snapshot(planned), work, reasons: decision.reasons })
    }

    async fn explain(
        &self,
        source: &Snapshot,
        periods: &[Period],
        scope: &Scope,
    ) -> Result<Vec<Explained>, StepError> {
        let survey = survey::Survey::of(self, source, &[], scope).await?;
        let TimeAxis::Regular(time) = &scope.dataset(&source.dataset)?.block.time else {
            return Ok(Vec::new());
        };
        let one = |window: &Period| {
            explain::explained(&survey.inputs(self.ready), &source.dataset, time, scope.instant, *window)
        };
        Ok(periods.iter().map(one).collect())
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<Snapshot> {
        let survey = match survey::Survey::of(self, &input, &[], &cx.scope).await {
            Ok(survey) => survey,
            Err(error) => return Err(error).into(),
        };
        settle::settle(self, &survey, cx).await
    }
}

#[cfg(test)]
mod tests;
