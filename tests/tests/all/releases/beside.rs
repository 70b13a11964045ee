//! What stands beside a release: datasets that hang from it, marks, plans.

use std::time::{Duration, Instant};

use serde_json::json;

use super::stand::{Stand, UNTIL};

#[test]
fn what_is_derived_follows_another_grid_however_often_it_is_killed() {
    let stand = Stand::of_days(75);
    let before = stand.head("rain_monthly");
    stand.other_cells();
    stand.version("2.0");
    stand.rainfall.sandbox.succeed(&[&["run", "rain_daily"][..], &UNTIL].concat());
    assert_eq!(stand.head("rain_monthly"), before);
    let planned = stand.plan();
    assert!(planned.contains("lies otherwise than what is stored, `y` has 18 cells"), "{planned}");
    assert!(planned.contains("made anew on branch release-layout-"), "{planned}");

    let started = Instant::now();
    stand.rainfall.sandbox.succeed(&["plan", "rainfall", UNTIL[0], UNTIL[1]]);
    let looked = started.elapsed();
    // Each later than the one before: in the end it is through.
    for kill in 1..40_u32 {
        let after = looked / 4 * kill;
        stand.rainfall.sandbox.killed_after(&stand.run_args(), after.max(Duration::from_millis(5)));
        if stand.head("rain_monthly") != before {
            break;
        }
        // Readers see what was there, whole: no commit of `main` has another parent since.
        stand.rainfall.sandbox.succeed(&["explain", "rain_monthly"]);
    }
    stand.run();
    stand.judge("input", 75);
    assert!(stand.plan().contains("rainfall: nothing to do"), "{}", stand.plan());
    let Some(branches) = stand.branches_of("rain_monthly") else { return };
    assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
    let commits = branches["main"].as_array().unwrap();
    assert!(commits.iter().any(|commit| commit["id"] == before), "no commit leaves the ancestry: {branches}");
}

#[test]
fn what_is_marked_meanwhile_does_not_come_back_with_the_release() {
    let stand = Stand::of_days(75);
    stand.version("2.0");
    let part = stand.rainfall.sandbox.run(&["run", "rainfall", "-p", "end=2024-02-10"]);
    // A release that is not whole leaves main where it is, and does not say otherwise.
    let told = String::from_utf8_lossy(&part.stderr).into_owned();
    assert!(told.contains("batch 1 is settled, main stays at "), "{told}");
    assert!(!told.contains("is committed as"), "{told}");
    // The first stands on the branch already, the second does not yet.
    let marked = stand.rainfall.sandbox.succeed(&[
        "mark",
        "rain_daily",
        "--period",
        "2024-01-05",
        "--period",
        "2024-02-20",
    ]);
    assert!(marked.contains("branch release-2.0"), "{marked}");
    let withdrawn = |stand: &Stand| {
        let text = stand.rainfall.sandbox.succeed(&["explain", "rain_daily", "--format", "json"]);
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        found["periods"]["by-status"]["withdrawn"].clone()
    };
    assert_eq!(withdrawn(&stand), json!(2));
    let planned = stand.plan();
    assert!(planned.contains("2024-01: incomplete, in the source 2024-01-05 is withdrawn"), "{planned}");
    assert!(planned.contains("2024-02: incomplete, in the source 2024-02-20 is withdrawn"), "{planned}");
    stand.run();
    assert_eq!(withdrawn(&stand), json!(2), "it holds what main held");
    let explained = stand.rainfall.sandbox.succeed(&["explain", "rain_daily"]);
    assert!(explained.contains("version     2.0"), "{explained}");
    // Only a person brings it back, with the numbers of the version that is there now.
    for period in ["2024-01-05", "2024-02-20"] {
        stand.rainfall.sandbox.succeed(&["mark", "rain_daily", "--clear", "--period", period]);
    }
    stand.run();
    stand.judge("input", 75);
}

#[test]
fn a_plan_sees_that_a_release_went_on() {
    let stand = Stand::of_days(75);
    stand.version("2.0");
    let sandbox = &stand.rainfall.sandbox;
    sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-10"]);
    let before = stand.head("rain_daily");
    sandbox.succeed(&["plan", "rainfall", UNTIL[0], UNTIL[1], "-o", "plan.json"]);
    sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-12"]);
    assert_eq!(stand.head("rain_daily"), before);
    let (_, told) = sandbox.fail(4, &["run", "plan.json"]);
    assert!(told.contains("the release of `rain_daily` stands at "), "{told}");
    sandbox.succeed(&["plan", "rainfall", UNTIL[0], UNTIL[1], "-o", "plan.json"]);
    sandbox.succeed(&["run", "plan.json"]);
    stand.judge("input", 75);
    let (_, told) = sandbox.fail(4, &["run", "plan.json"]);
    assert!(told.contains("stands at"), "{told}");
}
