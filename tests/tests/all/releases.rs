//! Another `version` of a dataset: made on a branch of its own, published at once.

#[path = "releases/beside.rs"]
mod beside;
#[path = "releases/deaths.rs"]
mod deaths;
#[path = "releases/stand.rs"]
mod stand;

use frazil_tests::server::Fault;
use serde_json::json;

use stand::{FIRST, Stand, UNTIL};

/// The second batch of the release is 1 to 15 March.
const FIFTH: &str = "/2024/rain.2024.03.05.tif";

#[test]
fn readers_see_the_version_before_until_the_last_period_is_there() {
    let stand = Stand::of_days(75);
    let before = stand.head("rain_daily");
    stand.version("2.0");
    let planned = stand.plan();
    assert!(planned.contains("missing: release 2.0: 0 of 75 periods on branch release-2.0"), "{planned}");
    assert!(planned.contains("that of main `1.0`"), "{planned}");
    assert!(planned.contains("daily: main moves to version 2.0"), "{planned}");
    assert!(planned.contains("monthly: 2024-01/2024-02: made again, their inputs changed"), "{planned}");
    assert_eq!(stand.head("rain_daily"), before, "a plan changes nothing");

    // It fails on its way: main stands, and so does what hangs from it.
    stand.rainfall.server.always(FIFTH, Fault::Status(403, None));
    assert!(!stand.rainfall.sandbox.run(&stand.run_args()).status.success());
    stand.rainfall.server.always(FIFTH, Fault::None);
    assert_eq!(stand.head("rain_daily"), before);
    stand.judge(FIRST, 75);
    let explained = stand.rainfall.sandbox.succeed(&["explain", "rain_daily"]);
    assert!(explained.contains("2.0: 64 of 75 periods on branch release-2.0"), "{explained}");
    let status = stand.rainfall.sandbox.succeed(&["status", "rain_daily"]);
    assert!(status.contains("release 2.0: 64 of 75 periods on branch release-2.0"), "{status}");
    let planned = stand.plan();
    assert!(planned.contains("release 2.0: 64 of 75 periods on branch release-2.0"), "{planned}");
    assert!(planned.contains("missing: 2024-03-05/2024-03-15 (11 periods)"), "{planned}");

    // The next run goes on from there.
    stand.rainfall.server.forget();
    stand.run();
    assert_eq!(stand.rainfall.server.count("/2024/rain.2024.03.04.tif"), 0, "what is there is not asked for");
    stand.judge("input", 75);
    assert!(stand.plan().contains("rainfall: nothing to do"), "{}", stand.plan());
    let Some(branches) = stand.branches() else { return };
    assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
    let commits = branches["main"].as_array().unwrap();
    assert_eq!(commits[0]["version"], json!("2.0"));
    assert!(commits.iter().any(|commit| commit["id"] == before), "no commit leaves the ancestry: {branches}");
    let named =
        commits.iter().filter(|commit| commit["version"].is_string() && commit["definition"].is_string());
    assert_eq!(named.count(), commits.len() - 1, "all but the first, which holds nothing: {branches}");
}

#[test]
fn a_release_may_have_another_grid_and_main_never_shrinks() {
    let stand = Stand::of_days(75);
    let before = stand.head("rain_daily");
    // Cells twice as large.
    stand.other_cells();
    stand.version("2.0");
    // Fewer periods than main holds are no release yet, however whole they are.
    stand.rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-02-10"]);
    assert_eq!(stand.head("rain_daily"), before);
    let planned = stand.rainfall.sandbox.succeed(&["plan", "rain_daily", "-p", "end=2024-02-12"]);
    assert!(planned.contains("main holds 2024-02-13/2024-03-15 too"), "{planned}");
    assert!(!planned.contains("main moves to"), "{planned}");
    stand.rainfall.sandbox.succeed(&[&["run", "rain_daily"][..], &UNTIL].concat());
    assert_ne!(stand.head("rain_daily"), before);
    if let Some(found) = stand.found_in("input", false) {
        assert_eq!((&found["days"], &found["wrong_days"]), (&json!(75), &json!([])), "{found}");
    }
    // What hangs from it follows, another day as well.
    stand.run();
    stand.judge("input", 75);
}

#[test]
fn another_version_in_the_middle_abandons_the_branch() {
    let stand = Stand::of_days(75);
    let before = stand.head("rain_daily");
    stand.version("2.0");
    stand.rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-10"]);
    stand.version("3.0");
    let planned = stand.plan();
    assert!(planned.contains("the release on branch release-2.0 is not wanted any more"), "{planned}");
    assert!(planned.contains("release 3.0: 0 of 75 periods on branch release-3.0"), "{planned}");
    stand.rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-10"]);
    let names =
        |stand: &Stand| stand.branches().map(|b| b.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    if let Some(names) = names(&stand) {
        assert_eq!(names, ["main", "release-3.0"]);
    }
    // The one that main has: there is nothing to do but to remove the branch.
    stand.version("1.0");
    assert!(stand.plan().contains("release-3.0 is not wanted any more, main is of version `1.0`"));
    stand.run();
    assert_eq!(stand.head("rain_daily"), before);
    if let Some(names) = names(&stand) {
        assert_eq!(names, ["main"]);
    }
    stand.judge(FIRST, 75);
}

#[test]
fn a_release_ends_where_its_source_does() {
    let stand = Stand::of_days(75);
    stand.version("2.0");
    // The calendar knows no lag, so it lists more days than the source has.
    let open = ["run", "rainfall", "-p", "end=latest", "--as-of", "2024-04-02T00:00:00Z"];
    stand.rainfall.sandbox.succeed(&open);
    stand.judge("input", 75);
    let explained = stand.rainfall.sandbox.succeed(&["explain", "rain_daily"]);
    assert!(explained.contains("version     2.0") && !explained.contains("release-2.0"), "{explained}");
}

#[test]
fn what_main_got_meanwhile_stays_in_its_history() {
    let stand = Stand::of_days(75);
    stand.version("2.0");
    stand.rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-02-10"]);
    // Another project that knows of no release writes to main.
    let file = stand.file();
    stand.rainfall.sandbox.write("pipelines/rainfall.yaml", &file.replace("    version: \"2.0\"\n", ""));
    stand.old_input();
    stand.rainfall.sandbox.succeed(&[
        "backfill",
        "rain_daily",
        "--from",
        "2024-01-03",
        "--to",
        "2024-01-03",
        "--only",
        "all",
    ]);
    let foreign = stand.head("rain_daily");
    stand.new_input();
    stand.rainfall.sandbox.write("pipelines/rainfall.yaml", &file);
    stand.run();
    stand.judge("input", 75);
    let Some(branches) = stand.branches() else { return };
    assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
    let commits = branches["main"].as_array().unwrap();
    assert!(commits.iter().any(|commit| commit["id"] == foreign), "{branches}");
}
