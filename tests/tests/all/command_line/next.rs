//! `frazil next`: instants of cron triggers.

use frazil_tests::rainfall::Rainfall;
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
