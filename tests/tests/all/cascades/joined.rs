//! One dataset that is derived from several: each window waits for all of them.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

use super::stand::{DEKADS, lines, project, snow};

/// Months of both.
const WEATHER: &str = "frazil: 1
id: a_weather
datasets:
  weather: { title: Rain and snow of a month, time: { step: P1M } }
triggers: [ { dataset: rain_daily }, { dataset: snow_daily } ]
steps:
  rain: { uses: open-dataset, with: { dataset: rain_daily } }
  snow: { uses: open-dataset, with: { dataset: snow_daily } }
  weather:
    uses: derived-resample
    needs: [rain, snow]
    with:
      dataset: weather
      variables:
        rain: { from: precip, method: sum }
        snow: { from: snow, method: sum }
        worst: { from: snow_daily.snow, method: max }
";

/// Quarters of the dekads and the months of one dataset.
const QUARTERS: &str = "frazil: 1
id: a_quarters
datasets:
  rain_quarters: { title: The most rain of a month and of ten days, time: { step: P3M } }
steps:
  dekads: { uses: open-dataset, with: { dataset: rain_dekads } }
  months: { uses: open-dataset, with: { dataset: rain_monthly } }
  quarters:
    uses: derived-resample
    needs: [months, dekads]
    with:
      dataset: rain_quarters
      variables:
        month: { from: rain_monthly.precip, method: max }
        dekad: { from: rain_dekads.precip, method: max }
";

/// Snow on the grid of the rain.
fn everywhere() -> String {
    snow("2024-05-20", "\"{{ project.extent.bbox }}\"", 7)
}

fn commits(rainfall: &Rainfall, dataset: &str) -> usize {
    // The first snapshot holds nothing.
    std::fs::read_dir(rainfall.cube(dataset).join("snapshots")).map_or(0, |found| found.count() - 1)
}

/// What xarray makes of the sources, compared with what stands in `weather`.
fn judged(rainfall: &Rainfall) -> Option<Value> {
    let path = |id: &str| rainfall.cube(id).to_string_lossy().into_owned();
    let (rain, snow) = (path("rain_daily"), path("snow_daily"));
    let (rained, snowed) = (format!("rain={rain}:precip:sum"), format!("snow={snow}:snow:sum"));
    let worst = format!("worst={snow}:snow:max");
    ask_python("check_joined.py", &[&path("weather"), "MS", &rained, &snowed, &worst])
}

fn is_right(rainfall: &Rainfall, months: &[&str]) {
    let Some(found) = judged(rainfall) else { return };
    assert_eq!(
        (&found["windows"], &found["wrong"], &found["variables"]),
        (&json!(months), &json!([]), &json!(["rain", "snow", "worst"])),
        "{found}"
    );
}

#[test]
fn a_month_waits_for_both_sources_and_says_for_which() {
    let rainfall = project(153, &[("snow", &everywhere()), ("a_weather", WEATHER)]);
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "rainfall.end=2024-06-01"]);
    assert!(!rainfall.cube("weather").exists(), "one source alone makes nothing");
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("weather: snow_daily holds no periods yet"), "{planned}");
    // A plan looks forward over both, and the run does what it lists.
    let planned = rainfall.sandbox.succeed(&["plan", "+weather", "-p", "rainfall.end=2024-06-01"]);
    assert!(planned.contains("weather: 2024-01/2024-04: made"), "{planned}");
    rainfall.sandbox.succeed(&["run", "+weather", "-p", "rainfall.end=2024-06-01"]);
    let months = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"];
    is_right(&rainfall, &months[..4]);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(
        planned.contains("weather: 2024-05: waits for snow_daily 2024-05-21/2024-05-31 (11 of 31)")
            && planned.contains("a_weather: nothing to do"),
        "{planned}"
    );
    let explained =
        lines(&rainfall.sandbox.succeed(&["explain", "weather", "--period", "2024-05", "--format", "json"]));
    let told = &explained[0];
    let inputs: Vec<(&Value, &Value, &Value)> =
        told["inputs"].as_array().unwrap().iter().map(|i| (&i["source"], &i["have"], &i["ready"])).collect();
    assert_eq!(
        inputs,
        [(&json!("rain_daily"), &json!(31), &json!(true)), (&json!("snow_daily"), &json!(20), &json!(false))]
    );
    assert_eq!(
        told["waits"],
        json!(["snow_daily 2024-05-21/2024-05-31: behind its newest period"]),
        "{told}"
    );
    // The head tells of both.
    let dataset = &lines(&rainfall.sandbox.succeed(&["explain", "weather", "--format", "json"]))[0];
    let sources = &dataset["commit"]["provenance"]["sources"];
    for (at, source) in ["rain_daily", "snow_daily"].into_iter().enumerate() {
        assert_eq!(dataset["sources"][at]["dataset"], source, "{dataset}");
        assert_eq!(sources[source]["snapshot"], dataset["sources"][at]["head"], "{dataset}");
    }
    rainfall.sandbox.succeed(&["run", "snow_daily+", "-p", "end=2024-06-01"]);
    // May is read in several parts, which lie elsewhere in each source.
    is_right(&rainfall, &months);
    assert_eq!(commits(&rainfall, "weather"), 2);
}

#[test]
fn what_changed_in_any_source_is_made_again_and_nothing_else() {
    let rainfall = project(60, &[("snow", &everywhere()), ("a_weather", WEATHER)]);
    let until = ["-p", "rainfall.end=2024-02-29", "-p", "snow.end=2024-02-29"];
    rainfall.sandbox.succeed(&[&["run", "+weather"][..], &until].concat());
    is_right(&rainfall, &["2024-01-01", "2024-02-01"]);
    let before = commits(&rainfall, "weather");
    // One day of snow is another one.
    let file = |day: u32| rainfall.sandbox.path(format!("input/2024/rain.2024.01.{day:02}.tif"));
    std::fs::copy(file(9), file(3)).unwrap();
    rainfall.sandbox.succeed(&["run", "snow_daily", "-p", "end=2024-02-29", "-p", "only=all"]);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("weather: 2024-01: made again, their inputs changed"), "{planned}");
    let told = rainfall.sandbox.succeed(&["explain", "weather", "--period", "2024-01"]);
    assert!(told.contains("stale       2024-01-03 of snow_daily changed since it was made"), "{told}");
    rainfall.sandbox.succeed(&["run", "a_weather"]);
    is_right(&rainfall, &["2024-01-01", "2024-02-01"]);
    assert_eq!(commits(&rainfall, "weather"), before + 1);
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("a_weather: nothing to do"), "{planned}");
    // Another definition of one variable is another dataset.
    rainfall
        .sandbox
        .write("pipelines/a_weather.yaml", &WEATHER.replace("snow, method: max", "snow, method: min"));
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("everything is made again (2024-01/2024-02)"), "{planned}");
    rainfall.sandbox.succeed(&["run", "a_weather"]);
    assert_eq!(commits(&rainfall, "weather"), before + 2, "at once");
    let planned = rainfall.sandbox.succeed(&["plan", "a_weather"]);
    assert!(planned.contains("a_weather: nothing to do"), "{planned}");
}

#[test]
fn the_end_of_a_diamond_is_made_once_per_window() {
    let rainfall = project(122, &[("dekads", DEKADS), ("a_quarters", QUARTERS)]);
    // The last ten days of March lack one, and so does the month.
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-03-30"]);
    assert_eq!(commits(&rainfall, "rain_quarters"), 0);
    let planned = rainfall.sandbox.succeed(&["plan", "a_quarters"]);
    assert!(
        planned.contains("quarters: 2024-Q1: waits for rain_monthly 2024-03, rain_dekads 2024-03-D3")
            || planned.contains("quarters: 2024-01: waits for rain_monthly 2024-03, rain_dekads 2024-03-D3"),
        "{planned}"
    );
    let before: Vec<usize> =
        ["rain_daily", "rain_monthly", "rain_dekads"].iter().map(|id| commits(&rainfall, id)).collect();
    rainfall.server.forget();
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-03-31"]);
    let asked = rainfall.server.requests();
    assert!(asked.iter().all(|request| request.path.contains("rain.2024.03.31")), "{asked:?}");
    let after: Vec<usize> =
        ["rain_daily", "rain_monthly", "rain_dekads"].iter().map(|id| commits(&rainfall, id)).collect();
    assert_eq!(after, before.iter().map(|n| n + 1).collect::<Vec<_>>(), "each side once");
    assert_eq!(commits(&rainfall, "rain_quarters"), 1, "and what both meet in once");
    let runs = lines(&rainfall.sandbox.succeed(&["runs", "a_quarters", "--format", "json"]));
    assert_eq!(runs.len(), 2, "a run of it for each run of the root: {runs:?}");
    // Nothing new: no request, no commit.
    rainfall.server.forget();
    rainfall.sandbox.succeed(&["run", "rain_daily+", "-p", "end=2024-03-31"]);
    assert_eq!((rainfall.server.requests().len(), commits(&rainfall, "rain_quarters")), (0, 1));
    let path = |id: &str| rainfall.cube(id).to_string_lossy().into_owned();
    let (month, dekad) = (
        format!("month={}:precip:max", path("rain_monthly")),
        format!("dekad={}:precip:max", path("rain_dekads")),
    );
    let args = [&path("rain_quarters"), "QS", &month, &dekad];
    let Some(found) = ask_python("check_joined.py", &args) else { return };
    assert_eq!((&found["windows"], &found["wrong"]), (&json!(["2024-01-01"]), &json!([])), "{found}");
}

#[test]
fn sources_on_two_grids_are_refused_before_anything_is_written() {
    let snow = snow("2024-05-20", "[-13.1, 8.6, -12.0, 9.8]", 7);
    let rainfall = project(31, &[("snow", &snow), ("a_weather", WEATHER)]);
    let until = ["-p", "rainfall.end=2024-01-31", "-p", "snow.end=2024-01-31"];
    let (_, errors) = rainfall.sandbox.fail(1, &[&["run", "+weather"][..], &until].concat());
    assert!(errors.contains("snow_daily does not lie where rain_daily lies: `y` has"), "{errors}");
    assert!(!rainfall.cube("weather").exists());
}
