//! Lines of cron on clocks that the tests move: jumps, restarts, queues that are full.

mod files;
mod heads;
mod stage;

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use frazil_engine::{context::ManualClock, trigger::Schedule};
use rand::{Rng, SeedableRng, rngs::StdRng};
use stage::*;

use super::*;

#[tokio::test]
async fn what_is_started_is_anchored_to_the_instant_of_the_line() {
    let stage = Stage::new(&[("rain", "  - { cron: \"30 2 * * *\", timezone: Europe/Berlin, dst: once }\n")]);
    let triggers = stage.triggers(Arc::new(ManualClock::at(at("2026-03-27T12:00:00Z"))));
    let four = async {
        while stage.book.runs().len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    let stop = CancellationToken::new();
    tokio::select! {
        () = four => {}
        () = triggers.work(&stop) => {}
    }
    // The second is of the night in which no clock shows half past two.
    let expected =
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"];
    assert_eq!(stage.book.instants("rain"), expected.map(at));
    let first = &stage.book.runs()[0];
    assert_eq!(first.overlap, Overlap::Skip);
    let line = "30 2 * * * Europe/Berlin".to_owned();
    assert_eq!(first.cause, Cause::Cron { line, scheduled: at(expected[0]) });
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_by_choice_and_new_triggers_begin_now() {
    let line = |missed| format!("  - {{ cron: \"0 6 * * *\", missed: {missed} }}\n");
    let stage = Stage::new(&[("none", &line("none")), ("latest", &line("latest")), ("all", &line("all"))]);
    stage.serve(&[at("2026-03-01T12:00:00Z"), at("2026-03-01T12:00:01Z")]).await;
    assert!(stage.book.runs().is_empty(), "what is new begins now");
    stage.write("new", &line("all"));
    stage.serve(&[at("2026-03-05T12:00:00Z"), at("2026-03-05T12:00:01Z")]).await;
    let days =
        |days: &[u32]| days.iter().map(|day| at(&format!("2026-03-{day:02}T06:00:00Z"))).collect::<Vec<_>>();
    assert_eq!(stage.book.instants("none"), days(&[]));
    assert_eq!(stage.book.instants("latest"), days(&[5]));
    assert_eq!(stage.book.instants("all"), days(&[2, 3, 4, 5]));
    assert_eq!(stage.book.instants("new"), days(&[]));
    let queued = stage.book.runs().into_iter().filter(|run| run.pipeline.as_str() == "all");
    assert!(queued.into_iter().all(|run| run.overlap == Overlap::Queue), "they do not push each other out");
    stage.serve(&[at("2026-03-06T06:00:05Z"), at("2026-03-06T06:00:06Z")]).await;
    assert_eq!(stage.book.instants("none"), days(&[6]));
    assert_eq!(stage.book.instants("new"), days(&[6]));
}

#[tokio::test]
async fn a_clock_that_jumps_starts_nothing_twice_and_loses_nothing() {
    let stage = Stage::new(&[("rain", "  - { cron: \"0 * * * *\", missed: all }\n")]);
    // Back by an hour and a half, then a machine that sleeps through the night.
    let looks = [
        "09:59:59", "10:00:00", "11:00:30", "09:30:00", "10:00:00", "11:00:00", "11:59:59", "12:00:00",
        "12:00:01",
    ];
    let mut looks: Vec<_> = looks.iter().map(|time| at(&format!("2026-03-01T{time}Z"))).collect();
    looks.extend([at("2026-03-02T07:15:00Z"), at("2026-03-02T07:15:01Z")]);
    stage.serve(&looks).await;
    let first = at("2026-03-01T10:00:00Z");
    let expected: Vec<_> = (0..22).map(|hour| first + chrono::TimeDelta::hours(hour)).collect();
    assert_eq!(stage.book.instants("rain"), expected);
}

#[tokio::test]
async fn what_cannot_be_taken_on_is_tried_again() {
    let stage = Stage::new(&[("rain", "  - { cron: \"0 6 * * *\" }\n")]);
    *stage.book.full.lock().unwrap() = 2;
    let second = |second: i64| at("2026-03-01T05:59:58Z") + chrono::TimeDelta::seconds(second);
    stage.serve(&(0..30).map(second).collect::<Vec<_>>()).await;
    assert_eq!(stage.book.instants("rain"), [at("2026-03-01T06:00:00Z")]);
}

#[tokio::test]
async fn how_late_a_line_starts_is_measured_from_the_instant_that_it_names() {
    let stage = Stage::new(&[("rain", "  - { cron: \"0 6 * * *\", missed: all }\n")]);
    stage.serve(&[at("2026-03-01T05:00:00Z"), at("2026-03-01T05:00:01Z")]).await;
    *stage.book.full.lock().unwrap() = 1;
    let looks =
        ["2026-03-02T05:59:59Z", "2026-03-02T06:00:01Z", "2026-03-02T06:00:07Z", "2026-03-02T06:00:08Z"];
    let stop = CancellationToken::new();
    let script = looks.iter().rev().map(|look| at(look)).collect();
    let triggers = stage.triggers(Arc::new(Scripted(Mutex::new(script), stop.clone())));
    tokio::select! {
        () = stop.cancelled() => {}
        () = cron::work(&triggers) => {}
    }
    // That of the day before, and one that came on time to a queue that was full.
    assert_eq!(stage.book.runs().len(), 2);
    let text = triggers.metrics.text((0, 0), 0, true).unwrap();
    let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line}: {text}");
    has("frazil_cron_lateness_seconds_count{pipeline=\"rain\"} 2");
    has("frazil_cron_lateness_seconds_bucket{le=\"5.0\",pipeline=\"rain\"} 0");
    has("frazil_cron_lateness_seconds_bucket{le=\"30.0\",pipeline=\"rain\"} 1");
    has("frazil_cron_lateness_seconds_bucket{le=\"86400.0\",pipeline=\"rain\"} 1");
}

/// A server that dies at any moment, between taking on a run and noting it too.
#[tokio::test]
async fn nothing_is_lost_or_doubled_by_servers_that_die() {
    let stage = Stage::new(&[
        ("rain", "  - { cron: \"*/10 * * * *\", missed: all, jitter: 8m }\n"),
        ("snow", "  - { cron: \"5 1-4 * * *\", missed: all, timezone: Europe/Berlin, dst: both }\n"),
    ]);
    let begin = at("2026-10-24T12:00:00Z");
    let mut random = StdRng::seed_from_u64(7);
    let mut now = begin;
    for life in 0..40 {
        let mut looks = vec![now];
        for _ in 0..random.random_range(1..40) {
            now += chrono::TimeDelta::seconds(random.random_range(0..240));
            looks.push(now);
        }
        looks.push(now);
        if life > 0 {
            stage.book.dies_after(random.random_range(0..6));
        }
        let life = stage.serve(&looks);
        // Who dies waits for ever in the middle.
        drop(tokio::time::timeout(Duration::from_millis(200), life).await);
        now += chrono::TimeDelta::seconds(random.random_range(0..1_000));
    }
    *stage.book.left.lock().unwrap() = None;
    stage.serve(&[now + chrono::TimeDelta::minutes(15), now + chrono::TimeDelta::minutes(15)]).await;
    let project = stage.live().project();
    for (id, pipeline) in &project.pipelines {
        let found = stage.book.instants(id.as_str());
        let until = *found.last().unwrap();
        let ticks = Schedule::of(&pipeline.triggers[0]).unwrap().coming(begin, 2_000);
        let expected: Vec<_> = ticks.iter().map(|tick| tick.at).take_while(|at| *at <= until).collect();
        assert_eq!(found, expected, "{id}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
    }
}

#[tokio::test]
async fn a_pipeline_that_changes_goes_on_and_one_that_goes_away_starts_no_more() {
    let stage =
        Stage::new(&[("rain", "  - { cron: \"0 6 * * *\" }\n"), ("snow", "  - { cron: \"0 7 * * *\" }\n")]);
    let clock = Arc::new(ManualClock::at(at("2026-03-01T05:00:00Z")));
    let triggers = stage.triggers(Arc::clone(&clock) as Arc<dyn Clock>);
    let changing = async {
        while stage.book.runs().len() < 2 {
            tokio::task::yield_now().await;
        }
        stage.write("rain", "  - { cron: \"0 6 * * *\", missed: none }\n  - { cron: \"0 8 * * *\" }\n");
        std::fs::remove_file(stage.folder.path().join("pipelines/snow.yaml")).unwrap();
        assert!(triggers.live.reload().await);
        let known = stage.book.runs().len();
        while stage.book.runs().len() < known + 4 {
            tokio::task::yield_now().await;
        }
        known
    };
    let known = tokio::select! {
        known = changing => known,
        () = cron::work(&triggers) => 0,
    };
    let runs = stage.book.runs();
    assert!(runs[known..].iter().all(|run| run.pipeline.as_str() == "rain"));
    let hours: BTreeSet<_> = runs[known..].iter().map(|run| run.instant.format("%H").to_string()).collect();
    assert_eq!(hours, ["06".to_owned(), "08".to_owned()].into());
    let names: Vec<_> = triggers.seen.all().await.unwrap().into_keys().map(|(_, trigger)| trigger).collect();
    assert_eq!(names, ["0 6 * * *", "0 8 * * *"], "who is gone for good is forgotten");
}
