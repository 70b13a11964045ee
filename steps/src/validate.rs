//! `validate`: looks at the data of a dataset, and stops what hangs below where they cannot be used.

mod count;
mod judge;
pub(crate) mod remembered;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use frazil_engine::{
    context::{Context, Scope, Tick},
    data::{Checked, DatasetId, Period, PeriodRange, Snapshot, SnapshotId, Status},
    dataset::{DatasetInfo, Datasets},
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{ErrorKind, Finding, Keeps, Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cube::{self, Changes, Cube},
    keeper,
};
use count::Other;
use judge::{Differences, Known, Selection};
use remembered::Passed;
use settings::{Check, Extent};

/// Checks the data of a dataset. A check that fails and says `severity: block` (as all do that say
/// nothing) stops what hangs below; one that says `warn` is told.
///
/// Looked at is what changed since the last state that passed, each stored chunk once for all checks;
/// `extent: all` looks at everything. A check that finds nothing to look at fails. What was found stands in
/// the run log (`frazil show`, `frazil logs`), and beside the dataset in the STAC catalog. Of a dataset with
/// `audit: true` the periods that do not pass are fetched again by the next run.
///
/// ```yaml
/// steps:
///   checked:
///     uses: validate
///     needs: daily
///     with:
///       dataset: chirps3_daily
///       checks:
///         - gap-free: {}
///         - range: { variable: precip, min: 0, max: 2000 }
///         - nan-fraction: { variable: precip, most: 0.3, recent: { periods: 30, most: 0.2 }, severity: warn }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Validate {
    /// The dataset.
    dataset: DatasetId,
    /// Which periods are looked at.
    #[serde(default)]
    extent: Extent,
    /// What is checked; at least one.
    #[schemars(length(min = 1))]
    checks: Vec<Check>,
}

impl Step for Validate {
    const USES: &'static str = "validate";
    const SUMMARY: &'static str = "checks data, and stops what hangs below where they cannot be used";
    const REVISION: u32 = 1;

    fn reads(&self) -> Vec<DatasetId> {
        let compared = self.checks.iter().filter_map(|check| match check {
            Check::EqualTo(equal) => equal.dataset.clone(),
            _ => None,
        });
        let mut reads = vec![self.dataset.clone()];
        reads.extend(compared.filter(|id| *id != self.dataset));
        reads
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::Validates(self.dataset.clone()))
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let finding = |pointer: String, message: String, help: Option<&str>| Finding {
            code: "FZ550",
            pointer,
            message,
            help: help.map(str::to_owned),
            beside: None,
        };
        let mut findings = Vec::new();
        let variables = datasets.get(&self.dataset).map(|info| &info.block.variables);
        for (at, check) in self.checks.iter().enumerate() {
            let place = |rest: &str| format!("/checks/{at}{rest}");
            if let Some((pointer, message)) = check.problem() {
                findings.push(finding(place(pointer), message, None));
            }
            // A derived dataset may take its variables from its sources.
            let (Some(variables), Some(name)) = (variables.filter(|all| !all.is_empty()), check.variable())
            else {
                continue;
            };
            if !variables.contains_key(name) {
                let known: Vec<&str> = variables.keys().map(String::as_str).collect();
                let message = format!("`{}` has no variable `{name}`", self.dataset);
                let help = format!("its variables: {}", known.join(", "));
                let pointer = place(&format!("/{}/variable", check.name()));
                let found = finding(pointer, message, Some(&help));
                findings.push(found.beside(&self.dataset, "/variables", "its variables"));
            }
        }
        if self.checks.is_empty() {
            findings.push(finding(
                "/checks".to_owned(),
                "nothing is checked".to_owned(),
                Some("name at least one check"),
            ));
        }
        findings
    }
}

impl Node for Validate {
    type Input = Snapshot;
    type Output = Snapshot;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let given = keeper::given(input)?;
        let info = scope.dataset(&self.dataset)?;
        let mut selected: Vec<Period> = given.changes.iter().flat_map(|item| item.range.iter()).collect();
        let mut work = Work::default();
        if let Some(id) = &given.snapshot.id {
            let cube = Cube::open_at(info, scope, id).await?;
            work.memory = Some(count::memory(cube.template(), &self.checks)).filter(|bytes| *bytes > 0);
            if let Selection::Periods(more) = self.select(&cube, &self.since(info, scope).await?).await? {
                selected.extend(more);
            }
        }
        selected.sort_unstable();
        selected.dedup();
        let mut reasons = Vec::new();
        if !selected.is_empty() {
            let ranges: Vec<String> = PeriodRange::collect(selected.iter().copied())
                .iter()
                .take(3)
                .map(ToString::to_string)
                .collect();
            let checks: Vec<&str> = self.checks.iter().map(Check::name).collect();
            let s = if selected.len() == 1 { "" } else { "s" };
            let count = selected.len();
            reasons.push(format!("checks {} ({count} period{s}): {}", ranges.join(", "), checks.join(", ")));
        }
        // What they will say nobody knows before the numbers are there.
        let document = PlannedSnapshot { work: Work::default(), reasons: reasons.clone(), ..given };
        Ok(Planned { document: PlannedDocument::Snapshot(document), work, reasons })
    }

    async fn run(&self, input: Snapshot, cx: &Context) -> Outcome<Snapshot> {
        self.validate(input, cx).await.into()
    }
}

/// From where on is looked at.
enum Since {
    /// Everything.
    Beginning,
    /// What follows this state.
    State(SnapshotId, Option<Box<Passed>>),
}

impl Validate {
    fn digest(&self) -> String {
        blake3::hash(format!("{:?}", self.checks).as_bytes()).to_hex()[..16].to_owned()
    }

    /// What everyone reads of an audited dataset passed, or somebody accepted it; of another one it is
    /// remembered what passed.
    async fn since(&self, info: &DatasetInfo, scope: &Scope) -> Result<Since, StepError> {
        if self.extent == Extent::All {
            return Ok(Since::Beginning);
        }
        if info.block.audit {
            let main = Cube::open(info, scope).await?;
            return Ok(main.map_or(Since::Beginning, |main| Since::State(main.id(), None)));
        }
        let own = |passed: &Passed| passed.digest == self.digest() && passed.repository == info.location.url;
        let known = remembered::all(&scope.project.state, &self.dataset).await?;
        let known = known.into_iter().find(own);
        Ok(known
            .map_or(Since::Beginning, |passed| Since::State(passed.snapshot.clone(), Some(Box::new(passed)))))
    }

    async fn select(&self, cube: &Cube, since: &Since) -> Result<Selection, StepError> {
        let all = || Selection::Periods(cube.axis().periods().to_vec());
        let Since::State(id, _) = since else { return Ok(all()) };
        if *id == cube.id() {
            return Ok(Selection::Unchanged);
        }
        let ranges = match cube.changes_since(id).await? {
            Changes::NotAncestor => return Ok(all()),
            Changes::Periods(ranges) | Changes::Foreign(ranges) => ranges,
        };
        let axis = cube.axis();
        let periods = ranges.into_iter().flat_map(|range| axis.periods()[axis.positions(range)].to_vec());
        let periods: Vec<Period> = periods.collect();
        Ok(if periods.is_empty() { Selection::Unchanged } else { Selection::Periods(periods) })
    }

    async fn validate(&self, input: Snapshot, cx: &Context) -> Result<Snapshot, StepError> {
        keeper::own(&self.dataset, &input.dataset)?;
        let info = cx.scope.dataset(&self.dataset)?;
        // What does not exist yet waits, and so do those who hang from it.
        let Some(id) = input.id.clone() else { return Ok(input) };
        let cube = Cube::open_at(info, &cx.scope, &id).await?;
        let since = self.since(info, &cx.scope).await?;
        let selection = self.select(&cube, &since).await?;
        let checks = self.look(&cube, &selection, cx).await?;
        cx.progress.tick(Tick::Checked(checks.clone()));
        // What blocks is told by the error that it becomes.
        for check in checks.iter().filter(|check| !check.passed && !check.blocks()) {
            cx.progress.tick(Tick::Note(check.to_string()));
        }
        let blocking: Vec<&Checked> = checks.iter().filter(|check| check.blocks()).collect();
        let mut passed = input;
        if info.block.audit {
            let rejected = rejected(&blocking);
            if let Some(id) = cube::reject(info, &cube, rejected, cx).await? {
                passed.id = Some(id);
            }
        }
        if !blocking.is_empty() {
            return Err(self.blocked(&blocking, info));
        }
        if let Some(id) = &passed.id {
            let before = match &since {
                Since::State(_, passed) => passed.as_deref(),
                Since::Beginning => None,
            };
            let selected = match &selection {
                Selection::Unchanged => Vec::new(),
                Selection::Periods(periods) => PeriodRange::collect(periods.iter().copied()),
            };
            let found = Passed::new(cx, &passed, id, &self.digest()).found(checks, before, &selected);
            remembered::keep(&cx.scope.project.state, &self.dataset, found).await?;
        }
        Ok(passed)
    }

    /// Reads what is looked at, and judges it.
    async fn look(
        &self,
        cube: &Cube,
        selection: &Selection,
        cx: &Context,
    ) -> Result<Vec<Checked>, StepError> {
        let axis: Vec<(Period, Status)> = cube.axis().iter().collect();
        let mut others = Vec::new();
        let mut apart = Differences::new();
        let mut positions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if let Selection::Periods(selected) = selection {
            for (at, check) in self.checks.iter().enumerate() {
                if let Check::EqualTo(equal) = check {
                    match self.other(equal, cube, &cx.scope).await? {
                        Ok(found) => others.push(Other::of(at, equal, found, equal.variable.clone())),
                        Err(reason) => drop(apart.insert(at, reason)),
                    }
                }
                let Some(name) = check.variable() else { continue };
                let mut wanted: Vec<Period> = selected.clone();
                if let Check::NanFraction(settings::NanFraction { recent: Some(recent), .. }) = check {
                    wanted.extend(judge::newest(&axis, *recent));
                }
                let holds = |period: &Period| cube.axis().status(*period).is_some_and(Status::has_values);
                let found = wanted.iter().filter(|period| holds(period));
                let of = positions.entry(name.to_owned()).or_default();
                of.extend(found.filter_map(|period| cube.axis().position(*period)));
                of.sort_unstable();
                of.dedup();
            }
        }
        let counted = count::count(cube, &positions, &others).await?;
        let grid = cube.template().grid_digest();
        let known = Known { axis: &axis, selection, instant: cx.scope.instant, grid: &grid };
        Ok(judge::judge(&self.checks, &known, &counted, &apart))
    }

    /// What numbers are compared with, or why they cannot be.
    async fn other(
        &self,
        equal: &settings::EqualTo,
        cube: &Cube,
        scope: &Scope,
    ) -> Result<Result<Cube, String>, StepError> {
        let id = equal.dataset.as_ref().unwrap_or(&self.dataset);
        let info = scope.dataset(id)?;
        let other = match &equal.snapshot {
            Some(snapshot) => Some(Cube::open_at(info, scope, snapshot).await?),
            None => Cube::open(info, scope).await?,
        };
        let Some(other) = other else {
            return Ok(Err(format!("there is nothing to compare with: {id} holds nothing")));
        };
        if let Some(difference) = cube::grid_difference(&cube.template().grid, &other.template().grid) {
            return Ok(Err(format!("{id} lies on another grid: {difference}")));
        }
        if other.template().variable(&equal.variable).is_none() {
            return Ok(Err(format!("{id} has no variable `{}`", equal.variable)));
        }
        Ok(Ok(other))
    }

    fn blocked(&self, blocking: &[&Checked], info: &DatasetInfo) -> StepError {
        let said: Vec<String> = blocking.iter().map(ToString::to_string).collect();
        let message = format!("{} does not pass: {}", self.dataset, said.join("; "));
        let help = if info.block.audit {
            format!(
                "`main` is as it was, and what does not pass stays on branch `audit`: the next run asks for it again; `frazil audit {0}` shows it, `--accept` and `--drop` decide",
                self.dataset
            )
        } else {
            format!(
                "what hangs below was not run; `frazil mark {0} --period …` takes a period out, `frazil backfill {0} --only all` has it again",
                self.dataset
            )
        };
        StepError::permanent(ErrorKind::Data, message).help(help)
    }
}

/// Periods that do not pass.
fn rejected(blocking: &[&Checked]) -> Vec<PeriodRange> {
    let mut periods: Vec<Period> =
        blocking.iter().flat_map(|check| &check.periods).flat_map(PeriodRange::iter).collect();
    periods.sort_unstable();
    periods.dedup();
    PeriodRange::collect(periods)
}
