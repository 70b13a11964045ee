//! Keeps a coarser dataset in step with finer ones.
//!
//! What is to be made is [decided](decide) over plain data; [`survey`] reads what the decision
//! looks at; [`compute`] streams the chunks of the sources through; [`settle`] commits.

mod check;
mod compute;
mod decide;
mod explain;
mod from;
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
    step::{ErrorKind, Every, Finding, Node, Outcome, Step, StepError, Write},
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use pieces::Windows;
pub(crate) use ready::Ready;

use crate::resample::Method;
use survey::{Given, Survey};

/// Keeps a coarser dataset in step with its sources: hours become days, days become months.
///
/// A window is made when its periods are there, and made again when one of them changed; nothing
/// else is. The step of the windows is that of the dataset. Where source periods lie across the borders
/// of windows, `windows` says what becomes of them.
///
/// ```yaml
/// steps:
///   monthly: { uses: derived-resample, needs: daily, with: { dataset: chirps3_monthly, method: sum } }
/// ```
///
/// It may need several datasets, of any finer steps but on one grid. A window then waits until each of
/// them has its periods, and is made again when one of any changed.
///
/// ```yaml
/// steps:
///   weather:
///     uses: derived-resample
///     needs: [rain, temperature]
///     with:
///       dataset: weather_monthly
///       variables:
///         rain: { from: precip, method: sum }
///         hottest: { from: era5_hourly.t2m, method: max }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DerivedResample {
    /// The dataset that is made.
    pub(crate) dataset: DatasetId,
    /// How the periods of a window become one, for all variables of all sources.
    pub(crate) method: Option<Method>,
    /// Instead of `method`: the variables of the dataset, each with the source variable it is
    /// made from, such as `t2m_max: { from: t2m, method: max }`. Where several sources have a variable
    /// of that name, `from: dataset.t2m` says which is meant.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Choice>,
    /// When a window is made: `complete`, `any` or `at-least: 0.9`, of the periods of each source.
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
    /// The variable of the source, or `dataset.variable`.
    pub(crate) from: String,
    /// How the periods of a window become one.
    pub(crate) method: Method,
}

impl Step for DerivedResample {
    const USES: &'static str = "derived-resample";
    const SUMMARY: &'static str = "keeps a coarser dataset in step with its sources";
    const REVISION: u32 = 1;

    fn writes(&self) -> Option<Write> {
        Some(Write::Values(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        check::check(self, datasets)
    }
}

impl Node for DerivedResample {
    type Input = Every<Snapshot>;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let snapshot = |planned: Planned| match planned.document {
            PlannedDocument::Snapshot(source) => Ok(source),
            _ => Err(StepError::permanent(ErrorKind::Internal, "derived-resample is planned over snapshots")),
        };
        let sources = input.into_iter().map(snapshot).collect::<Result<Vec<_>, _>>()?;
        let survey = Survey::of(self, &once(sources.iter().map(Given::planned)), scope).await?;
        let decision = survey.decide(self.ready);
        let batches = survey.batches(&decision);
        let layout = survey.layout();
        let (changes, statuses) = survey.changes(&decision);
        let reasons = survey.reasons(&decision);
        let work = Work {
            periods: decision.windows.len() + decision.earlier.len(),
            // To move `main` is no commit, but it is work.
            commits: batches.len().max(usize::from(!changes.is_empty())),
            chunks: layout.as_ref().map(|layout| survey.chunks(layout, &batches)),
            memory: survey.memory(),
            ..Work::default()
        };
        let planned = PlannedSnapshot {
            snapshot: survey.head(),
            changes,
            statuses,
            work: work.clone(),
            reasons: reasons.clone(),
            aside: survey.standing.aside(),
            layout: layout.filter(|_| survey.is_new()).and_then(|l| serde_json::to_value(l).ok()),
        };
        Ok(Planned { document: PlannedDocument::Snapshot(planned), work, reasons })
    }

    async fn explain(
        &self,
        sources: &[Snapshot],
        periods: &[Period],
        scope: &Scope,
    ) -> Result<Vec<Vec<Explained>>, StepError> {
        let given = once(sources.iter().map(Given::found));
        let survey = Survey::of(self, &given, scope).await?;
        let inputs = survey.inputs(self.ready);
        let mut explained: Vec<Vec<Explained>> = periods.iter().map(|_| Vec::new()).collect();
        for (source, Given { snapshot: Snapshot { dataset, .. }, .. }) in inputs.sources.iter().zip(&given) {
            let TimeAxis::Regular(time) = &scope.dataset(dataset)?.block.time else { continue };
            for (window, all) in periods.iter().zip(&mut explained) {
                all.push(explain::explained(&inputs, source, dataset, time, scope.instant, *window));
            }
        }
        Ok(explained)
    }

    async fn run(&self, Every(input): Every<Snapshot>, cx: &Context) -> Outcome<Snapshot> {
        let given = once(input.iter().map(Given::found));
        let survey = match Survey::of(self, &given, &cx.scope).await {
            Ok(survey) => survey,
            Err(error) => return Err(error).into(),
        };
        settle::settle(self, &survey, cx).await
    }
}

/// Each dataset once: two steps may open the same.
fn once<'a>(given: impl Iterator<Item = Given<'a>>) -> Vec<Given<'a>> {
    let mut found: Vec<Given<'_>> = Vec::new();
    for one in given {
        if !found.iter().any(|known| known.snapshot.dataset == one.snapshot.dataset) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests;
