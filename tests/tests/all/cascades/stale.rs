//! A changed definition: what hangs by it is made again, once, and said before.

use frazil_tests::rainfall::Rainfall;
use serde_json::json;

use super::stand::{DEKADS, project, windows};

const UNTIL: [&str; 2] = ["-p", "end=2024-02-20"];

fn run(rainfall: &Rainfall) {
    rainfall.sandbox.succeed(&[&["run", "rain_daily+"][..], &UNTIL].concat());
}

fn plan(rainfall: &Rainfall) -> String {
    rainfall.sandbox.succeed(&[&["plan", "rain_daily+"][..], &UNTIL].concat())
}

fn commits(rainfall: &Rainfall, dataset: &str) -> usize {
    std::fs::read_dir(rainfall.cube(dataset).join("snapshots")).unwrap().count()
}

#[test]
fn another_method_makes_the_windows_again_once_and_what_hangs_from_them() {
    let rainfall = project(51, &[("dekads", DEKADS)]);
    run(&rainfall);
    let before = ["rain_daily", "rain_dekads", "rain_years"].map(|dataset| commits(&rainfall, dataset));
    // What people read of it decides no value.
    let file = DEKADS.replace("Rainfall of ten days", "Rain of a third of a month");
    rainfall.sandbox.write("pipelines/dekads.yaml", &file);
    assert!(plan(&rainfall).contains("dekads: nothing to do"), "{}", plan(&rainfall));
    rainfall.sandbox.write("pipelines/dekads.yaml", &file.replace("method: sum", "method: mean, ready: any"));
    // A mean of totals is refused; the largest of them is a number that says something.
    assert!(!rainfall.sandbox.run(&["check"]).status.success());
    let file = file.replace("method: sum", "method: max");
    rainfall.sandbox.write("pipelines/dekads.yaml", &file);
    let planned = plan(&rainfall);
    assert!(
        planned.contains("dekads: its definition differs from the one it was made by: everything is made again (2024-01-D1/2024-02-D2)"),
        "{planned}"
    );
    assert!(planned.contains("years: 2024: made again, their inputs changed"), "{planned}");
    run(&rainfall);
    let after = ["rain_daily", "rain_dekads", "rain_years"].map(|dataset| commits(&rainfall, dataset));
    assert_eq!(after, [before[0], before[1] + 1, before[2] + 1], "readers never meet two definitions");
    assert!(plan(&rainfall).contains("dekads: nothing to do"), "{}", plan(&rainfall));
    run(&rainfall);
    assert_eq!(["rain_daily", "rain_dekads", "rain_years"].map(|dataset| commits(&rainfall, dataset)), after);
    let Some(found) = windows(&rainfall, "rain_daily", "rain_dekads", "max", "nested") else { return };
    assert_eq!((&found["wrong"], found["windows"].as_array().unwrap().len()), (&json!([]), 5), "{found}");
    let found = windows(&rainfall, "rain_dekads", "rain_years", "max", "nested").unwrap();
    assert_eq!(found["wrong"], json!([]), "{found}");
}

#[test]
fn what_is_fetched_is_not_remade_by_itself_and_the_plan_says_so() {
    let rainfall = project(40, &[]);
    rainfall.sandbox.succeed(&["run", "rain_daily", "-p", "end=2024-02-05"]);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("variables: { precip: { band: 1 } }", "variables: { precip: { from: rain, band: 1 } }"),
    )
    .unwrap();
    let planned = rainfall.sandbox.succeed(&["plan", "rain_daily", "-p", "end=2024-02-05"]);
    assert!(planned.contains("daily: its definition differs from the one of its last commit"), "{planned}");
    assert!(planned.contains("rainfall: nothing to do"), "{planned}");
}
