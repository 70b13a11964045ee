//! What a trigger is to do when somebody looks at the clock.

use chrono::{DateTime, TimeDelta, Utc};

use super::Schedule;
use crate::{
    data::PipelineId,
    pipeline::{Missed, Trigger},
};

/// A start that comes no later than this after its time is no missed one: lines name whole minutes.
const ON_TIME: TimeDelta = TimeDelta::minutes(1);

/// Of `missed: all`, the newest so many: more than anybody wants, and less than fills a disk.
pub const CATCH_UP: usize = 1_000;

/// Who finds that the last start lies further ahead than this knows that the clock was wrong then.
/// Clocks that are set by the wrong zone are wrong by less.
const WRONG: TimeDelta = TimeDelta::hours(26);

/// Ticks that are looked at together: mostly two are enough, the one that is due and the next.
const FEW: usize = 3;
const MANY: usize = 512;

/// A cron trigger of a pipeline.
#[derive(Debug, Clone)]
pub struct Timer {
    schedule: Schedule,
    missed: Missed,
    /// The longest time by which a start is put off, in milliseconds.
    jitter: u64,
    /// What waits are drawn from: pipelines of one line do not start together.
    seed: [u8; 32],
}

/// What a trigger is to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Instants that start a run each, ascending: those that the line names, not those at which one looks.
    pub starts: Vec<DateTime<Utc>>,
    /// How many were missed and are left out.
    pub left_out: usize,
    /// All up to here is settled once these are started.
    pub settled: DateTime<Utc>,
    /// Whether what was settled lay so far ahead that the clock had been wrong: all begins anew now.
    pub anew: bool,
    /// When there is something to do again; none for a line that never fires.
    pub next: Option<DateTime<Utc>>,
}

impl Timer {
    /// The timer of a trigger; none for one that is no cron.
    #[must_use]
    pub fn of(pipeline: &PipelineId, trigger: &Trigger) -> Option<Self> {
        let schedule = Schedule::of(trigger)?;
        let jitter = trigger
            .jitter
            .map_or(TimeDelta::zero(), |jitter| jitter.after(DateTime::UNIX_EPOCH) - DateTime::UNIX_EPOCH);
        let seed = blake3::hash(format!("{pipeline}\0{}", trigger.name()).as_bytes());
        Some(Self {
            schedule,
            missed: trigger.missed.unwrap_or(Missed::Latest),
            jitter: u64::try_from(jitter.num_milliseconds()).unwrap_or(0),
            seed: *seed.as_bytes(),
        })
    }

    /// What is to be done at `now` where all up to `settled` is.
    #[must_use]
    pub fn due(&self, settled: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let anew = settled > now + WRONG;
        let mut due = Due { settled: if anew { now } else { settled }, anew, ..Due::default() };
        let (mut missed, mut part) = (Vec::new(), FEW);
        'all: loop {
            let ticks = self.starts(due.settled, part);
            part = MANY;
            for pair in ticks.windows(2) {
                let [at, following] = pair else { continue };
                let start = self.start(*at, *following);
                if start > now {
                    due.next = Some(start);
                    break 'all;
                }
                due.settled = *at;
                if now - start > ON_TIME { missed.push(*at) } else { due.starts.push(*at) }
            }
            // Lines that fire at all fire again and again.
            if ticks.len() < 2 {
                break;
            }
        }
        let keep = match self.missed {
            Missed::None => 0,
            // One that is on time is newer than all that were missed.
            Missed::Latest => usize::from(due.starts.is_empty()),
            Missed::All => CATCH_UP,
        };
        due.left_out = missed.len().saturating_sub(keep);
        due.starts.splice(..0, missed.drain(due.left_out..));
        due
    }

    /// The coming instants at which a run starts, without any wait.
    fn starts(&self, mut after: DateTime<Utc>, part: usize) -> Vec<DateTime<Utc>> {
        loop {
            let ticks = self.schedule.coming(after, part);
            let starts: Vec<_> = ticks.iter().filter(|tick| tick.fires()).map(|tick| tick.at).collect();
            match ticks.last() {
                // None of many fires: a line of a time that clocks skip, each year.
                Some(last) if starts.len() < 2 && ticks.len() == part => after = last.at,
                _ => return starts,
            }
        }
    }

    /// When a start comes that is spread: always by as much, and before the following one.
    #[must_use]
    fn start(&self, at: DateTime<Utc>, following: DateTime<Utc>) -> DateTime<Utc> {
        let gap = u64::try_from((following - at).num_milliseconds()).unwrap_or(0);
        let most = self.jitter.min(gap);
        if most == 0 {
            return at;
        }
        let drawn = blake3::keyed_hash(&self.seed, &at.timestamp_millis().to_le_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *drawn.as_bytes();
        let wait = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % most;
        at + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(0))
    }
}

impl Trigger {
    /// What tells a trigger from the others of its pipeline, for people too: its line with its zone,
    /// or its dataset. What policies it has and how it is spread do not make it another.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = match (&self.cron, &self.dataset) {
            (Some(line), _) => line.split_whitespace().collect::<Vec<_>>().join(" "),
            (None, Some(dataset)) => format!("dataset {dataset}"),
            (None, None) => "http".to_owned(),
        };
        if let Some(zone) = &self.timezone {
            name.push_str(&format!(" {zone}"));
        }
        if !self.params.is_empty() {
            let params: Vec<_> = self.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
            name.push_str(&format!(" with {}", params.join(", ")));
        }
        name
    }
}
