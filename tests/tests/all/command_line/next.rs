//! `frazil next`: instants of cron triggers.

use frazil_engine::store::Seen;
use frazil_tests::{rainfall::Rainfall, sandbox::Sandbox};
use serde_json::{Value, json};

use super::versioned;

fn with_triggers(triggers: &str) -> Rainfall {
    let rainfall = Rainfall::of_days(1);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("  - cron: \"30 6 * * *\"\n", triggers)).unwrap();
    rainfall
}

fn next(rainfall: &Rainfall, args: &[&str]) -> Vec<Value> {
    versioned(&rainfall.sandbox.succeed(&[&["next", "--format", "json"][..], args].concat()))
}

#[test]
fn triggers_are_listed_by_their_instants_and_clock_changes_are_told() {
    let rainfall = with_triggers(
        "  - { cron: \"30 2 * * *\", timezone: Europe/Berlin, dst: once }\n  - { cron: \"15 12 * * *\", jitter: 5m }\n  - http: {}\n",
    );
    let ticks = next(&rainfall, &["--as-of", "2026-03-28T12:15:00Z", "--limit", "3"]);
    let shown: Vec<_> = ticks.iter().map(|t| (&t["at"], &t["local"], &t["clock-change"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("2026-03-29T01:00:00Z"), &json!("2026-03-29T02:30:00"), &json!("moved")),
            (&json!("2026-03-29T12:15:00Z"), &json!("2026-03-29T12:15:00"), &Value::Null),
            (&json!("2026-03-30T00:30:00Z"), &json!("2026-03-30T02:30:00"), &Value::Null),
        ]
    );
    assert_eq!((&ticks[0]["timezone"], &ticks[1]["timezone"]), (&json!("Europe/Berlin"), &json!("UTC")));
    let human = rainfall.sandbox.succeed(&["next", "rainfall", "--as-of", "2026-03-28T12:15:00Z"]);
    assert!(human.contains("no clock shows this time") && human.contains("up to 5m later"), "{human}");
    assert_eq!(human.lines().count(), 11, "{human}");
    let (_, errors) = rainfall.sandbox.fail(64, &["next", "rainfal"]);
    assert!(errors.contains("did you mean `rainfall`?"), "{errors}");
}

#[test]
fn where_nothing_fires_that_is_told() {
    let rainfall = with_triggers("  - http: {}\n");
    let (ticks, errors) = rainfall.sandbox.fail(0, &["next"]);
    assert_eq!((ticks.as_str(), errors.as_str()), ("", "no `cron` trigger here fires\n"));
}

/// As a server notes it whose last look at a trigger was at an instant.
fn settled(sandbox: &Sandbox, trigger: &str, until: &str) {
    let state = sandbox.path(".frazil");
    std::fs::create_dir_all(&state).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = Seen::in_folder(&state);
    runtime.block_on(seen.note(&"rainfall".parse().unwrap(), trigger, until)).unwrap();
}

#[test]
fn what_was_missed_is_listed_before_what_comes_as_a_server_would_start_it() {
    let rainfall = with_triggers(
        "  - { cron: \"30 2 * * *\", timezone: Europe/Berlin, dst: both, missed: all, jitter: 5m }\n  - { cron: \"0 6 * * *\" }\n",
    );
    let as_of = |limit: &str| {
        let lines = next(&rainfall, &["--as-of", "2026-10-25T12:00:00Z", "--limit", limit]);
        let text = |line: &Value| {
            let [kind, at, change] =
                ["type", "at", "clock-change"].map(|key| line[key].as_str().unwrap_or(""));
            let (missed, count) =
                (line["missed"].as_bool().unwrap_or(false), line["count"].as_u64().unwrap_or(0));
            format!("{kind} {at} {change} {missed} {count}")
        };
        lines.iter().map(text).collect::<Vec<_>>()
    };
    let coming = ["tick 2026-10-26T01:30:00Z  false 0", "tick 2026-10-26T06:00:00Z  false 0"];
    assert_eq!(as_of("2"), coming, "what no server has seen begins with the first");
    assert!(!rainfall.sandbox.path(".frazil/runs.sqlite").exists(), "looking makes nothing");

    settled(&rainfall.sandbox, "30 2 * * * Europe/Berlin", "2026-10-23T12:00:00Z");
    settled(&rainfall.sandbox, "0 6 * * *", "2026-10-22T12:00:00Z");
    let missed = [
        "left-out   false 2",
        "tick 2026-10-24T00:30:00Z  true 0",
        "tick 2026-10-25T00:30:00Z first true 0",
        "tick 2026-10-25T01:30:00Z second true 0",
        "tick 2026-10-25T06:00:00Z  true 0",
    ];
    assert_eq!(as_of("4")[..5], missed);
    assert_eq!(as_of("2"), [&missed[..1], &missed[3..], &coming[..]].concat());
    let args = ["next", "--as-of", "2026-10-25T12:00:00Z", "--limit", "2"];
    let (human, notes) = rainfall.sandbox.fail(0, &args);
    assert_eq!(human.matches("missed: starts when a server does").count(), 2, "{human}");
    assert!(
        human.contains("starts when a server does; the clocks show this time twice: the second\n"),
        "{human}"
    );
    assert!(notes.contains("rainfall, 0 6 * * *: 2 missed before that are left out"), "{notes}");
    assert!(notes.contains("2 more were missed before and start too"), "{notes}");
    // What cannot be read is not nothing.
    std::fs::write(rainfall.sandbox.path(".frazil/runs.sqlite"), "no database".repeat(500)).unwrap();
    rainfall.sandbox.fail(5, &args);
}
