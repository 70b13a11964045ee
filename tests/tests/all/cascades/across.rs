//! Weeks, dekads and months that do not nest, judged by Python from labels alone.

use serde_json::json;

use super::stand::{project, windows};

const WEEKS: &str = "frazil: 1
id: weeks
datasets:
  rain_weeks: { title: Weekly rainfall, time: { step: P1W } }
  rain_weighted: { title: Months of weeks by their share, time: { step: P1M } }
  rain_touched: { title: The wettest week that touches a month, time: { step: P1M } }
  rain_inside: { title: The wettest whole week of a month, time: { step: P1M } }
  rain_dekads: { title: Ten days of weeks, time: { step: dekad } }
steps:
  daily: { uses: open-dataset, with: { dataset: rain_daily } }
  weeks: { uses: derived-resample, needs: daily, with: { dataset: rain_weeks, method: sum } }
  weighted: { uses: derived-resample, needs: weeks, with: { dataset: rain_weighted, method: sum, windows: weighted } }
  touched: { uses: derived-resample, needs: weeks, with: { dataset: rain_touched, method: max, windows: overlapping } }
  inside: { uses: derived-resample, needs: weeks, with: { dataset: rain_inside, method: max, windows: contained } }
  dekads: { uses: derived-resample, needs: weeks, with: { dataset: rain_dekads, method: sum, windows: weighted } }
";

#[test]
fn windows_across_borders_hold_what_their_rule_says() {
    let rainfall = project(80, &[("weeks", WEEKS)]);
    // In two runs: the week across the border is read again for the second month.
    for end in ["2024-02-02", "2024-03-20"] {
        rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", &format!("end={end}")]);
    }
    let planned = rainfall.sandbox.succeed(&["plan", "weeks"]);
    assert!(planned.contains("weeks: nothing to do"), "{planned}");
    // March ends in a week that is not there yet.
    assert!(planned.contains("weighted: 2024-03: waits for 2024-W12/2024-W13"), "{planned}");
    // 2024-01-01 is a Monday, so January begins with a week and ends within one.
    for (dataset, method, rule, months) in [
        ("rain_weighted", "sum", "weighted", &["2024-01-01", "2024-02-01"][..]),
        ("rain_touched", "max", "overlapping", &["2024-01-01", "2024-02-01"]),
        ("rain_inside", "max", "contained", &["2024-01-01", "2024-02-01"]),
    ] {
        let Some(found) = windows(&rainfall, "rain_weeks", dataset, method, rule) else { return };
        assert_eq!((&found["wrong"], &found["windows"]), (&json!([]), &json!(months)), "{dataset}: {found}");
    }
    let found = windows(&rainfall, "rain_weeks", "rain_dekads", "sum", "weighted").unwrap();
    assert_eq!((&found["wrong"], found["windows"].as_array().unwrap().len()), (&json!([]), 7), "{found}");
    let weeks = windows(&rainfall, "rain_daily", "rain_weeks", "sum", "nested").unwrap();
    assert_eq!(weeks["wrong"], json!([]), "{weeks}");
    // Two rules are two numbers: the test would not tell them apart otherwise.
    let other = windows(&rainfall, "rain_weeks", "rain_weighted", "sum", "overlapping").unwrap();
    assert_eq!(other["wrong"].as_array().unwrap().len(), 2, "{other}");
}
