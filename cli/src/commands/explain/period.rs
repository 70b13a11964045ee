//! One period: who made it, from what, what it waits for, why it is stale.

use chrono::{DateTime, SecondsFormat, Utc};
use frazil_engine::{
    data::{Action, Period, PeriodRange, Snapshot, Status},
    explain::{Explained, Why},
    plan,
};
use frazil_steps::cube::Commit;
use serde_json::{Value, json};

use super::facts::{Facts, Source, made};
use crate::session::Session;

/// What is known of one period.
pub(super) struct Explanation {
    period: Period,
    /// None where it is not on the axis.
    status: Option<Status>,
    /// What was done with it, newest first.
    history: Vec<(Action, Commit)>,
    /// From when on it can be had, by the calendar of the dataset.
    available: DateTime<Utc>,
    /// What it is made of in each source, for a derived dataset.
    inputs: Vec<Explained>,
}

impl Facts {
    /// Explains these periods.
    pub(super) async fn explain(&mut self, session: &Session, periods: &[Period]) -> anyhow::Result<()> {
        let mut left: Vec<Period> = periods.to_vec();
        let commits = match &self.cube {
            Some(cube) => {
                left.retain(|period| cube.axis().position(*period).is_some());
                // Back to where each was added.
                cube.commits(|commit| {
                    left.retain(|period| commit.action(*period) != Some(Action::Add));
                    !left.is_empty()
                })
                .await?
            }
            None => Vec::new(),
        };
        let sources: Vec<Snapshot> = self.sources.iter().map(|source| source.snapshot.clone()).collect();
        let mut inputs = match &self.writer {
            Some((_, node)) if !sources.is_empty() => {
                plan::explain(node, &sources, periods, &session.registry, &self.scope).await?
            }
            _ => Vec::new(),
        }
        .into_iter();
        for &period in periods {
            let action = |commit: &Commit| Some((commit.action(period)?, commit.clone()));
            let explanation = Explanation {
                period,
                status: self.cube.as_ref().and_then(|cube| cube.axis().status(period)),
                history: commits.iter().filter_map(action).collect(),
                available: self.time()?.available_at(period),
                inputs: inputs.next().unwrap_or_default(),
            };
            self.explained.push(explanation);
        }
        Ok(())
    }
}

impl Explanation {
    /// Why it is not as a run would make it now, a sentence each.
    fn stale(&self, facts: &Facts) -> Vec<String> {
        let mut stale = Vec::new();
        if self.status.is_none() {
            return stale;
        }
        if facts.differs() {
            stale.push("its definition differs from the one of the last commit".to_owned());
        }
        let there = |inputs: &&Explained| {
            let of = |s: &&Source| s.snapshot.dataset == inputs.source;
            facts.sources.iter().find(of).is_some_and(|source| source.snapshot.id.is_some())
        };
        for inputs in self.inputs.iter().filter(there) {
            match &inputs.changed {
                None => {
                    stale.push(format!("it is not known what changed in {} since it was made", inputs.source))
                }
                Some(changed) if changed.is_empty() => {}
                Some(changed) => {
                    stale.push(format!("{} of {} changed since it was made", list(changed), inputs.source));
                }
            }
        }
        stale
    }

    /// What it waits for, or what makes it preliminary, a sentence each.
    fn waits(&self, facts: &Facts) -> Vec<String> {
        if !self.inputs.is_empty() {
            let of = |inputs: &Explained| {
                let told = inputs.lacking.iter().map(|lack| format!("{} {lack}", inputs.source));
                told.collect::<Vec<_>>()
            };
            return self.inputs.iter().flat_map(of).collect();
        }
        if self.status.is_some_and(Status::has_values) && self.status != Some(Status::Provisional) {
            return Vec::new();
        }
        let at = self.available.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut waits = Vec::new();
        if self.available > facts.scope.instant {
            waits.push(format!("it cannot be had before {at}"));
        } else if self.status.is_none() {
            waits.push(format!("it could be had since {at}: a run asks its source for it"));
        }
        let failed =
            facts.failure.as_ref().and_then(|failure| Some((&failure.run, failure.error.failure()?)));
        if let Some((run, failure)) = failed.filter(|(_, failure)| self.concerns(failure.period.as_deref())) {
            waits.push(format!("run {run} failed at it: {}", failure.message));
        }
        waits
    }

    /// Whether a failure at `period` is one at this one, or before it.
    fn concerns(&self, period: Option<&str>) -> bool {
        let failed = period.and_then(|text| Period::parse(text, self.period.frequency()).ok());
        failed.is_some_and(|failed| failed <= self.period) && self.status.is_none()
    }

    pub(super) fn human(&self, facts: &Facts) -> String {
        let status = self.status.map_or("not there", Status::name);
        let mut lines = vec![format!("{} {}: {status}", facts.info.id, self.period)];
        let mut say = |what: &str, text: String| lines.push(format!("  {what:<11} {text}"));
        for (action, commit) in &self.history {
            if let Some(mark) = &commit.mark {
                let why = mark.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                say(&mark.to, format!("in {}{why}", made(commit)));
                continue;
            }
            let what = match action {
                Action::Add => "made",
                Action::Revise => "made again",
                Action::Fill => "filled",
            };
            say(what, format!("in {}", made(commit)));
        }
        for inputs in &self.inputs {
            let enough = if inputs.ready { "enough" } else { "not enough" };
            say(
                "made of",
                format!(
                    "{} of {}: {} of {} are there, {enough}",
                    inputs.pieces, inputs.source, inputs.have, inputs.total
                ),
            );
        }
        for reason in self.stale(facts) {
            say("stale", reason);
        }
        for reason in self.waits(facts) {
            say("waits", reason);
        }
        lines.join("\n") + "\n"
    }

    pub(super) fn json(&self, facts: &Facts) -> Value {
        let history: Vec<Value> = self
            .history
            .iter()
            .map(|(action, commit)| {
                json!({
                    "action": action, "commit": commit.id, "at": commit.at, "run": commit.run,
                    "definition": commit.provenance.definition, "sources": commit.provenance.sources,
                    "mark": commit.mark,
                })
            })
            .collect();
        let frontier = |inputs: &Explained| inputs.lacking.iter().any(|lack| lack.why == Why::Frontier);
        json!({
            "frazil": 1, "type": "explained-period", "dataset": facts.info.id, "period": self.period.to_string(),
            "status": self.status, "history": history, "available": self.available,
            "stale": self.stale(facts), "waits": self.waits(facts),
            "inputs": self.inputs, "behind-the-frontier": self.inputs.iter().any(frontier),
        })
    }
}

fn list(ranges: &[PeriodRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
