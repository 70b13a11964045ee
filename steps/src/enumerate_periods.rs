//! What should exist by now, less what is done.

mod batches;
mod decide;
mod frontier;
mod release;
mod settings;
mod still;
#[cfg(test)]
mod tests;
mod upstream;

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Context, Scope},
    data::{
        DatasetId, Duration, Frequency, Only, Period, PeriodRange, PeriodSpan, Periods, Snapshot, Status,
        Upstream,
    },
    dataset::{Dataset, DatasetInfo, Datasets, RegularTime, TimeAxis},
    plan::{Planned, PlannedDocument, PlannedSnapshot, Work},
    step::{All, ErrorKind, Finding, Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cube::{Cube, Standing};
use batches::Cut;
use decide::{Decision, Request, decide};
use frontier::{Files, Newest, Probe};
use settings::{BatchSize, Bound, Lookback};

/// Lists the periods that a dataset should hold by the run's instant and does not, or may have
/// newer, and cuts them into commits.
///
/// A period that is not on the time axis is added, a provisional one revised, a gap filled. What
/// cannot be had yet is left out. Periods before the axis are inserted, newest first.
///
/// Given Snapshots of other datasets, they say what can be had, instead of the calendar: what all of
/// them hold, and again what changed in one since it was read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EnumeratePeriods {
    /// The dataset that is to hold them.
    dataset: DatasetId,
    /// The first period: of any step, a coarser one means its first. The first that the dataset
    /// ever has where none is said.
    start: Option<Bound>,
    /// The last period: of any step, a coarser one means its last inside; or `latest`, the newest
    /// that can be had.
    end: Option<Bound>,
    /// `missing`: what holds no numbers, gaps of any age too, and nothing is revised. `all`: every
    /// period of the range again. Neither: what is missing, provisional, or a gap within `refill`.
    only: Option<Only>,
    /// How long after their end provisional periods are asked for again, always where nothing is
    /// said; `{ all: 90d }` asks for final ones too.
    lookback: Option<Lookback>,
    /// How long after their end gaps and incomplete periods are asked for again.
    #[serde(default = "default_refill")]
    refill: Duration,
    /// The least that one commit holds; it ends on the next boundary of the stored chunks.
    #[serde(default = "default_batch")]
    batch: BatchSize,
    /// Files of this machine by which the newest period is known, instead of the calendar.
    files: Option<Files>,
    /// A listing by which the newest period is known, instead of the calendar; a run asks for it,
    /// `plan` does not.
    probe: Option<Probe>,
}

const fn default_refill() -> Duration {
    Duration::from_days(90)
}

const fn default_batch() -> BatchSize {
    BatchSize::Count(32)
}

impl Step for EnumeratePeriods {
    const USES: &'static str = "enumerate-periods";
    const SUMMARY: &'static str = "what should exist by the run's instant, less what is done";
    const REVISION: u32 = 1;

    fn reads(&self) -> Vec<DatasetId> {
        vec![self.dataset.clone()]
    }

    fn check(&self, datasets: &Datasets) -> Vec<Finding> {
        let Some(info) = datasets.get(&self.dataset) else { return Vec::new() };
        let finding = |pointer: &str, message: String, help: &str| Finding {
            code: "FZ502",
            pointer: pointer.to_owned(),
            message,
            help: Some(help.to_owned()),
            beside: None,
        };
        let TimeAxis::Regular(time) = &info.block.time else { return self.timeless() };
        let mut found = Vec::new();
        if self.files.is_some() && self.probe.is_some() {
            let message = "both `files` and `probe` say what the newest period is".to_owned();
            found.push(finding("/probe", message, "leave one of them out"));
        }
        let ends = [("/start", &self.start), ("/end", &self.end)];
        for (pointer, bound) in ends.into_iter().filter_map(|(p, b)| Some((p, b.as_ref()?))) {
            // What an expression gives is known when the run begins.
            let wrong = if bound.0.contains("{{") { None } else { bound.first(time.frequency()).err() };
            found.extend(wrong.map(|message| finding(pointer, message, "or write `latest`")));
        }
        // One that is read from another dataset begins where that one does.
        if self.start.is_none() && time.start.is_none() && info.sources.is_empty() {
            let message = format!("nothing says where `{}` begins", self.dataset);
            found.push(finding("", message, "say `start` here, or `time: { start: … }` in the dataset"));
        }
        if found.is_empty()
            && let Ok((Some(start), Some(end))) = self.range(time, DateTime::<Utc>::MAX_UTC)
            && end < start
        {
            let message = format!("the range ends at {end}, before it begins at {start}");
            found.push(finding("/end", message, "let `end` be `start` or later"));
        }
        found
    }
}

impl Node for EnumeratePeriods {
    type Input = All<Snapshot>;
    type Output = Periods;

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let upstream = input.into_iter().filter_map(|planned| match planned.document {
            PlannedDocument::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        });
        let (periods, reasons) = self.asked(scope).list(upstream.collect(), scope, None).await?;
        Ok(Planned { document: PlannedDocument::Periods(periods), work: Work::default(), reasons })
    }

    async fn run(&self, All(input): All<Snapshot>, cx: &Context) -> Outcome<Periods> {
        let upstream = input.into_iter().map(|snapshot| PlannedSnapshot {
            snapshot,
            changes: Vec::new(),
            statuses: Vec::new(),
            work: Work::default(),
            reasons: Vec::new(),
            aside: None,
            layout: None,
        });
        let listed = self.asked(&cx.scope).list(upstream.collect(), &cx.scope, Some(cx)).await;
        if let Ok((periods, reasons)) = &listed {
            for reason in reasons {
                tracing::info!(dataset = %self.dataset, "{reason}");
            }
            tracing::info!(dataset = %self.dataset, periods = periods.count(), batches = periods.batches.len());
        }
        listed.map(|(periods, _)| periods).into()
    }
}

impl EnumeratePeriods {
    /// What is said of periods of a dataset that has none.
    fn timeless(&self) -> Vec<Finding> {
        let said = [
            ("start", self.start.is_some()),
            ("end", self.end.is_some()),
            ("lookback", self.lookback.is_some()),
            ("files", self.files.is_some()),
            ("probe", self.probe.is_some()),
        ];
        let said = said.into_iter().filter(|(_, is_said)| *is_said);
        let finding = |(key, _): (&str, bool)| {
            let found = Finding {
                code: "FZ530",
                pointer: format!("/{key}"),
                message: format!("`{}` has no time axis, so it has no `{key}`", self.dataset),
                help: Some("leave it out: a static dataset is listed as a whole".to_owned()),
                beside: None,
            };
            found.beside(&self.dataset, "/time", "no time axis")
        };
        said.map(finding).collect()
    }

    /// The step as this run asks for it.
    fn asked(&self, scope: &Scope) -> Self {
        let mut asked = self.clone();
        if let Some(backfill) = &scope.backfill {
            asked.start = backfill.from.clone().map(Bound).or(asked.start);
            asked.end = backfill.to.clone().map(Bound).or(asked.end);
            asked.only = backfill.only.or(asked.only);
        }
        asked
    }

    async fn list(
        &self,
        upstream: Vec<PlannedSnapshot>,
        scope: &Scope,
        cx: Option<&Context>,
    ) -> Result<(Periods, Vec<String>), StepError> {
        let info = scope.dataset(&self.dataset)?;
        let standing = Standing::of(info, scope).await?;
        let TimeAxis::Regular(time) = &info.block.time else {
            return still::list(info, &standing, self.only, upstream.first(), scope).await;
        };
        let cube = standing.cube();
        let axis: Vec<(Period, Status)> = cube.map_or_else(Vec::new, |c| c.axis().iter().collect());
        let base = cube.map(Cube::id);
        let read: Vec<Snapshot> = upstream.iter().map(|upstream| upstream.snapshot.clone()).collect();
        let periods = |decision: Decision| Periods {
            dataset: info.id.clone(),
            step: time.frequency(),
            base,
            source: (!read.is_empty()).then(|| Upstream {
                snapshots: read,
                last: decision.batches.last().cloned().unwrap_or_default(),
            }),
            release: release::asked(&standing, decision.range),
            items: decision.items,
            batches: decision.batches,
        };
        let (mut source, mut known) = (None, None);
        if !upstream.is_empty() {
            let target = (&info.id, cube);
            match upstream::look_at_all(&upstream, target, time.frequency(), scope).await? {
                Ok((found, waits)) => (source, known) = (Some(found), waits),
                Err(nothing) => return Ok((periods(Decision::default()), vec![nothing])),
            }
        }
        let newest = match (&self.files, &self.probe) {
            _ if source.is_some() => Newest::Calendar,
            (Some(files), _) => frontier::of_files(files, time.frequency(), scope).await?,
            (None, Some(probe)) => frontier::of_listing(probe, time.frequency(), cx).await?,
            (None, None) => Newest::Calendar,
        };
        let (newest, known) = match newest {
            Newest::Calendar => (None, known),
            Newest::Unasked(why) => (None, Some(why)),
            Newest::Known(period, why) => (Some(period), Some(why)),
            Newest::None(why) => return Ok((periods(Decision::default()), vec![why])),
        };
        let (mut start, mut end) = self.range(time, scope.instant)?;
        let among = among(scope, time.frequency())?;
        if let (Some(ranges), Some(backfill)) = (&among, &scope.backfill) {
            let (first, last) =
                (ranges.iter().map(|range| range.first), ranges.iter().map(|range| range.last));
            start = if backfill.from.is_some() { start } else { first.min() };
            end = if backfill.to.is_some() { end } else { last.max() };
        }
        let request = Request {
            start: release::start(&standing, start),
            end,
            upstream: source.as_ref().map(|source| source.range),
            changed: source.as_ref().map(|source| source.changed.as_slice()),
            newest,
            only: self.only,
            among: among.as_deref(),
            newest_first: scope.backfill.as_ref().is_some_and(|backfill| backfill.newest_first),
            lookback: self.lookback,
            refill: self.refill,
            asked: cube.map_or(&[], |cube| cube.provenance().asked.as_slice()),
            rejected: cube.map_or(&[], |cube| cube.provenance().rejected.as_slice()),
            withdrawn: scope.backfill.as_ref().is_some_and(|backfill| backfill.only == Some(Only::All)),
            cut: self.cut(info, cube, scope.memory),
        };
        let mut decision = decide(&axis, time, &request, scope.instant)?;
        let mut reasons: Vec<String> = release::reasons(&standing, decision.range);
        reasons.extend(known);
        reasons.append(&mut decision.reasons);
        Ok((periods(decision), reasons))
    }

    /// Both ends of the request; `latest` is what can be had at `instant`, and none as an end.
    fn range(
        &self,
        time: &RegularTime,
        instant: DateTime<Utc>,
    ) -> Result<(Option<Period>, Option<Period>), StepError> {
        let step = time.frequency();
        let wrong = |message: String| StepError::permanent(ErrorKind::Data, message);
        let start = match &self.start {
            Some(bound) if bound.is_latest() && instant < DateTime::<Utc>::MAX_UTC => {
                Some(time.latest(instant))
            }
            Some(bound) => bound.first(step).map_err(wrong)?,
            None => None,
        };
        let end = self.end.as_ref().map(|bound| bound.last(step).map_err(wrong)).transpose()?.flatten();
        Ok((start, end))
    }

    fn cut(&self, info: &DatasetInfo, cube: Option<&Cube>, memory: u64) -> Cut {
        let (unit, bytes) = cube.map_or_else(
            || (declared_unit(&info.block), declared_bytes(&info.block)),
            |cube| (cube.template().write_unit(), Some(cube.template().period_bytes())),
        );
        let most = bytes.map(|bytes| usize::try_from(memory / bytes.max(1)).unwrap_or(usize::MAX));
        Cut { size: self.batch, unit: unit.max(1), most }
    }
}

/// The periods that a person named, where any are.
fn among(scope: &Scope, step: Frequency) -> Result<Option<Vec<PeriodRange>>, StepError> {
    let Some(backfill) = scope.backfill.as_ref().filter(|backfill| !backfill.among.is_empty()) else {
        return Ok(None);
    };
    let spans: Result<Vec<PeriodSpan>, _> = backfill.among.iter().map(|text| text.parse()).collect();
    let spans = spans.map_err(|error| StepError::permanent(ErrorKind::Data, error.to_string()))?;
    Ok(Some(spans.into_iter().map(|span| span.range(step)).collect()))
}

/// What a dataset that has no store yet will write together along time.
fn declared_unit(block: &Dataset) -> u64 {
    let default = block.time.frequency().default_time_chunk();
    block.shards.get("time").or_else(|| block.chunks.get("time")).copied().unwrap_or(default)
}

/// Bytes of a period, where grid and number types are declared.
fn declared_bytes(block: &Dataset) -> Option<u64> {
    let [rows, columns] = block.grid.as_ref()?.shape;
    let sizes = block.variables.values().map(|v| v.dtype.map(|dtype| dtype.size() as u64));
    let number = sizes.sum::<Option<u64>>()?;
    let planes = block.dimensions.combinations() as u64;
    Some(rows.saturating_mul(columns).saturating_mul(planes).saturating_mul(number))
}
