//! What lines of cron do while files, the state and the clock change under them.

use super::{super::cron::Slots, *};

/// A server whose looks at the clock the test makes one by one.
struct Server {
    stage: Stage,
    triggers: Triggers,
    clock: Arc<Hand>,
    slots: Slots,
}

/// A clock that the test sets.
#[derive(Debug)]
struct Hand(Mutex<DateTime<Utc>>);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

impl Server {
    fn new(triggers: &str) -> Self {
        let stage = Stage::new(&[("rain", triggers)]);
        let clock = Arc::new(Hand(Mutex::new(DateTime::UNIX_EPOCH)));
        let triggers = stage.triggers(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { stage, triggers, clock, slots: Slots::default() }
    }

    async fn try_looks(&mut self, now: &str) -> Result<(), StepError> {
        *self.clock.0.lock().unwrap() = at(now);
        self.slots.look(&self.triggers).await
    }

    async fn looks(&mut self, now: &str) {
        self.try_looks(now).await.unwrap();
    }

    fn started(&self) -> Vec<String> {
        self.stage.book.instants("rain").iter().map(|at| at.format("%dT%H:%M").to_string()).collect()
    }

    async fn writes(&mut self, triggers: Option<&str>) {
        match triggers {
            Some(triggers) => self.stage.write("rain", triggers),
            None => std::fs::remove_file(self.stage.folder.path().join("pipelines/rain.yaml")).unwrap(),
        }
        assert!(self.triggers.live.reload().await);
    }
}

#[tokio::test]
async fn state_that_cannot_be_read_for_a_moment_delays_starts_and_loses_none() {
    let mut server = Server::new("  - { cron: \"0 * * * *\", missed: all }\n");
    server.stage.breaks(true);
    assert!(server.try_looks("2026-03-01T05:30:00Z").await.is_err());
    server.stage.breaks(false);
    server.looks("2026-03-01T05:31:00Z").await;
    server.stage.breaks(true);
    // It is taken on, and cannot be noted: again and again it is the same run.
    assert!(server.try_looks("2026-03-01T06:00:00Z").await.is_err());
    assert!(server.try_looks("2026-03-01T06:00:01Z").await.is_err());
    assert_eq!(server.started(), ["01T06:00"]);
    server.stage.breaks(false);
    server.looks("2026-03-01T07:00:02Z").await;
    assert_eq!(server.started(), ["01T06:00", "01T07:00"]);
    server.looks("2026-03-01T07:00:03Z").await;
    assert_eq!(server.started().len(), 2);
}

#[tokio::test]
async fn a_file_that_comes_back_within_a_minute_goes_on_and_after_it_begins_anew() {
    let line = "  - { cron: \"0 * * * *\", missed: all }\n";
    let mut server = Server::new(line);
    server.looks("2026-03-01T05:59:30Z").await;
    server.writes(None).await;
    server.looks("2026-03-01T05:59:50Z").await;
    server.looks("2026-03-01T06:00:10Z").await;
    assert!(server.started().is_empty(), "what is in no file starts nothing");
    server.writes(Some(line)).await;
    server.looks("2026-03-01T06:00:20Z").await;
    assert_eq!(server.started(), ["01T06:00"]);
    server.writes(None).await;
    server.looks("2026-03-01T06:30:00Z").await;
    server.looks("2026-03-01T06:31:01Z").await;
    server.writes(Some(line)).await;
    server.looks("2026-03-01T08:30:00Z").await;
    server.looks("2026-03-01T09:00:00Z").await;
    assert_eq!(server.started(), ["01T06:00", "01T09:00"]);
}

#[tokio::test]
async fn a_policy_that_changes_is_taken_and_another_line_is_another_trigger() {
    let mut server = Server::new("  - { cron: \"0 * * * *\", overlap: skip }\n");
    server.looks("2026-03-01T05:30:00Z").await;
    server.looks("2026-03-01T06:00:00Z").await;
    server.writes(Some("  - { cron: \"0  *  * * *\", overlap: replace, missed: all }\n")).await;
    server.looks("2026-03-01T08:00:30Z").await;
    assert_eq!(server.started(), ["01T06:00", "01T07:00", "01T08:00"]);
    let overlaps: Vec<_> = server.stage.book.runs().iter().map(|run| run.overlap).collect();
    assert_eq!(
        overlaps,
        [Overlap::Skip, Overlap::Queue, Overlap::Queue],
        "a catch-up comes one after the other"
    );
    server.looks("2026-03-01T09:00:00Z").await;
    assert_eq!(server.stage.book.runs()[3].overlap, Overlap::Replace);
    server.writes(Some("  - { cron: \"30 * * * *\", overlap: queue, missed: all }\n")).await;
    server.looks("2026-03-01T10:45:00Z").await;
    assert_eq!(server.started().len(), 4, "it begins now");
    server.looks("2026-03-01T11:30:00Z").await;
    assert_eq!(server.started()[4..], ["01T11:30"]);
    assert_eq!(server.stage.book.runs()[4].overlap, Overlap::Queue);
}

#[tokio::test]
async fn a_clock_that_is_set_back_and_forward_again_starts_each_instant_once() {
    let mut server = Server::new("  - { cron: \"0 * * * *\", missed: all }\n");
    server.looks("2026-03-01T09:30:00Z").await;
    server.looks("2026-03-01T10:00:00Z").await;
    server.looks("2026-03-01T08:59:00Z").await;
    server.looks("2026-03-01T09:00:00Z").await;
    server.looks("2026-03-01T10:00:00Z").await;
    assert_eq!(server.started(), ["01T10:00"]);
    // Forward by years, for an hour, and back: it does not wait for those years.
    server.writes(Some("  - { cron: \"0 * * * *\" }\n")).await;
    server.looks("2031-03-01T00:00:10Z").await;
    server.looks("2026-03-01T10:30:00Z").await;
    let known = server.started().len();
    server.looks("2026-03-01T11:00:00Z").await;
    server.looks("2026-03-01T12:00:00Z").await;
    assert_eq!(server.started()[known..], ["01T11:00", "01T12:00"]);
}
