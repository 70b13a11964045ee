//! Who dies while a release is made leaves `main` as it was, or whole; the next run goes on.

use std::time::Instant;

use serde_json::Value;

use super::stand::{FIRST, Stand};

/// Enough to meet each of the three commits and the move of `main`.
const KILLS: u32 = 12;

#[test]
fn main_is_of_one_version_after_every_event() {
    let stand = Stand::of_days(75);
    let before = stand.head("rain_daily");
    for (number, event) in ["accepted", "written", "committed", "written:2"].into_iter().enumerate() {
        stand.version(&format!("2.{number}"));
        let died =
            stand.rainfall.sandbox.command(&stand.run_args()).env("FRAZIL_ABORT_AFTER", event).output();
        assert!(died.unwrap().status.code().is_none(), "{event}: it did not die");
        assert_eq!(stand.head("rain_daily"), before, "{event}");
    }
    stand.judge(FIRST, 75);
    // What the last one had written is part of the release that is wanted still.
    stand.rainfall.server.forget();
    stand.run();
    assert_eq!(stand.rainfall.server.requests().len(), 0, "what was written is not fetched again");
    stand.judge("input", 75);
}

#[test]
fn kills_at_any_moment_leave_one_version_whole() {
    let stand = Stand::of_days(75);
    let started = Instant::now();
    let mut versions = 2..;
    stand.version(&format!("{}.0", versions.next().unwrap()));
    stand.run();
    let whole_run = started.elapsed();
    stand.judge("input", 75);
    let mut moved = 0;
    for kill in 0..KILLS {
        // The version of a release that is under way goes on; one that is published makes room.
        let before = stand.head("rain_daily");
        let version = format!("{}.0", 3 + moved);
        stand.version(&version);
        let moment = whole_run.mul_f64((f64::from(kill + 1) * 0.618_033_988_75).fract());
        stand.rainfall.sandbox.killed_after(&stand.run_args(), moment);
        if stand.head("rain_daily") != before {
            moved += 1;
        }
        if kill % 6 == 0 {
            stand.judge("input", 75);
        }
    }
    stand.run();
    stand.judge("input", 75);
    if let Some(branches) = stand.branches() {
        assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
        let number =
            |commit: &Value| commit["version"].as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
        let versions: Vec<f64> = branches["main"].as_array().unwrap().iter().map(number).collect();
        assert!(versions.is_sorted_by(|newer, older| newer >= older), "{versions:?}");
    }
}
