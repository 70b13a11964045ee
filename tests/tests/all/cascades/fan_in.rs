//! One dataset out of two that other files make: each day waits for both.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

use super::stand::{project, snow};

const WEATHER: &str = "frazil: 1
id: a_weather
datasets:
  weather:
    title: Rain and snow of the coast
    time: { step: P1D }
    variables:
      rain: { units: mm, cell: total, dtype: float32 }
      snow: { units: mm, cell: total, dtype: float32 }
    chunks: { time: 7 }
triggers: [ { dataset: rain_daily }, { dataset: snow_daily } ]
steps:
  rain: { uses: open-dataset, with: { dataset: rain_daily } }
  snow: { uses: open-dataset, with: { dataset: snow_daily } }
  missing: { uses: enumerate-periods, needs: [rain, snow], with: { dataset: weather, batch: 7 } }
  rained:
    uses: fetch
    needs: missing
    with: { source: dataset, dataset: rain_daily, bbox: [-13.1, 8.6, -12.0, 9.8], variables: { rain: { from: precip } } }
  snowed: { uses: fetch, needs: missing, with: { source: dataset, dataset: snow_daily, variables: { snow: {} } } }
  weather: { uses: append-commit, needs: [rained, snowed], with: { dataset: weather } }
";

/// What of the weather differs from one of its sources.
fn compared(rainfall: &Rainfall, source: &str, variable: &str, made: &str) -> Option<Value> {
    let path = |id: &str| rainfall.cube(id).to_string_lossy().into_owned();
    let (source, weather) = (path(source), path("weather"));
    ask_python("check_cut.py", &[&source, variable, &weather, made, "-13.1", "8.6", "-12.0", "9.8"])
}

fn is_whole(rainfall: &Rainfall, days: usize) {
    for (source, variable, made) in [("rain_daily", "precip", "rain"), ("snow_daily", "snow", "snow")] {
        let Some(found) = compared(rainfall, source, variable, made) else { return };
        assert_eq!((&found["periods"], &found["wrong"]), (&json!(days), &json!([])), "{source}: {found}");
    }
}

#[test]
fn a_day_waits_for_both_parents_and_is_made_once() {
    let rainfall =
        project(20, &[("snow", &snow("2024-01-12", "[-13.1, 8.6, -12.0, 9.8]", 5)), ("a_weather", WEATHER)]);
    // One parent alone makes nothing.
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "rainfall.end=2024-01-20"]);
    assert!(!rainfall.cube("weather").exists());
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("missing: snow_daily holds nothing yet"), "{planned}");
    // Both: up to where both are.
    rainfall.sandbox.succeed(&["run", "+weather", "-p", "rainfall.end=2024-01-20"]);
    is_whole(&rainfall, 12);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("snow_daily ends at 2024-01-12: what comes later waits for it"), "{planned}");
    assert!(planned.contains("a_weather: nothing to do"), "{planned}");
    rainfall.sandbox.succeed(&["run", "snow_daily+", "-p", "end=2024-01-20"]);
    is_whole(&rainfall, 20);
    // A day that changed in one of them is read again from both, once.
    let file = |day: u32| rainfall.sandbox.path(format!("input/2024/rain.2024.01.{day:02}.tif"));
    std::fs::copy(file(9), file(3)).unwrap();
    rainfall.sandbox.succeed(&["run", "snow_daily", "-p", "end=2024-01-20", "-p", "only=all"]);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(
        planned.contains("2024-01-03 (1 stored period): the source dataset changed since it was read"),
        "{planned}"
    );
    rainfall.sandbox.succeed(&["run", "a_weather"]);
    is_whole(&rainfall, 20);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("a_weather: nothing to do"), "{planned}");
}
