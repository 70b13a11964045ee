//! `frazil test`: what is shipped passes, and what is wrong is told.

use frazil_tests::{
    programs::{frazil, root, succeeded},
    sandbox::Sandbox,
};
use serde_json::Value;

const PROJECT: &str =
    "frazil: 1\nid: t\nextent: { bbox: [0, 0, 2, 2] }\nsecrets: { key: { env: FRAZIL_NO_SUCH_KEY } }\n";

const PIPELINE: &str = "frazil: 1
id: rain
params:
  end: { type: period, default: latest }
datasets:
  rain_days:
    title: Days
    time: { step: P1D, start: \"2024-01-01\" }
    variables: { rain: { units: mm, cell: total, dtype: float32 } }
  rain_months: { title: Months, time: { step: P1M } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_days, start: \"2024-01-01\", end: \"{{ params.end }}\" } }
  slices:
    uses: fetch
    needs: missing
    with: { source: cog, url: \"https://rain.example.org/{{ period | date('%Y%m%d') }}.tif\", variables: { rain: { band: 1 } }, headers: { X-Key: \"{{ secrets.key }}\" } }
  daily: { uses: append-commit, needs: slices, with: { dataset: rain_days } }
  monthly: { uses: derived-resample, needs: daily, with: { dataset: rain_months, method: sum } }
";

/// A second file that hangs from the first.
const YEARS: &str = "frazil: 1
id: years
datasets:
  rain_years: { title: Years, time: { step: P1Y } }
triggers: [{ dataset: rain_months }]
steps:
  months: { uses: open-dataset, with: { dataset: rain_months } }
  yearly: { uses: derived-resample, needs: months, with: { dataset: rain_years, method: sum } }
";

fn project(cases: &str) -> Sandbox {
    let tests = format!("frazil: 1\ncases:\n{cases}");
    Sandbox::new(&[
        ("frazil.yaml", PROJECT),
        ("pipelines/rain.yaml", PIPELINE),
        ("pipelines/years.yaml", YEARS),
        ("pipelines/rain.test.yaml", &tests),
    ])
}

fn case(name: &str, more: &str) -> String {
    format!("  {name}:\n    now: \"2024-02-01T06:00:00Z\"\n{more}")
}

#[test]
fn what_is_shipped_passes() {
    let mut folders = vec![root(), root().join("examples/rainfall"), root().join("examples/real")];
    // Its program is started by this name, which may be one that leads nowhere.
    let python = std::process::Command::new("python3").args(["-c", ""]).output();
    folders.extend(python.is_ok_and(|o| o.status.success()).then(|| root().join("examples/stations")));
    for folder in folders {
        let output = frazil().current_dir(&folder).args(["test", "--format", "json"]).output().unwrap();
        let text = succeeded(&format!("frazil test in {}", folder.display()), &output);
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let least = if folder.ends_with("stations") { 1 } else { 3 };
        assert!(last["passed"].as_u64().unwrap() >= least, "{text}");
        assert!(!folder.join("cubes").exists() || folder == root(), "a test wrote into the project");
    }
}

#[test]
fn test_files_that_are_shipped_fit_the_schema_of_editors() {
    let schema = frazil_engine::schema::suite();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors = |text: &str| {
        let value = frazil_engine::schema::instance(text).unwrap();
        validator.iter_errors(&value).map(|error| error.to_string()).collect::<Vec<_>>()
    };
    let mut count = 0;
    for folder in ["pipelines", "examples/rainfall/pipelines", "examples/real/pipelines"] {
        for path in std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if path.to_string_lossy().ends_with(".test.yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(errors(&text).is_empty(), "{}: {:?}", path.display(), errors(&text));
                assert!(!errors(&text.replacen("    expect:", "    expects:", 1)).is_empty());
                count += 1;
            }
        }
    }
    assert!(count >= 5);
}

#[test]
fn a_cascade_through_files_is_tested_from_what_is_given() {
    let whole = case(
        "year",
        "    run: [rain_days+]
    params: { rain.end: 2024-12-31 }
    given:
      rain_days: [{ periods: 2024-01-01/2024-11-30, value: 1 }, { periods: 2024-12-01/2024-12-30, value: { rain: 2 } }]
    http: [{ url: \"https://rain.example.org/20241231.tif\", raster: 4 }]
    expect:
      commits:
        rain_days: [2024-12-31]
        rain_months: [2024-01/2024-12]
        rain_years: [\"2024\"]
      cascade: [rain_days, rain_months, rain_years]
      values: { rain_months: { 2024-02: 29, 2024-12: 64 }, rain_years: { 2024: 399 } }
",
    );
    let sandbox = project(&whole.replace("2024-02-01T", "2025-01-01T"));
    let text = sandbox.succeed(&["test"]);
    assert!(text.starts_with("ok     pipelines/rain.test.yaml:3: year ("), "{text}");
    for folder in ["cubes", ".frazil", "stac"] {
        assert!(!sandbox.path(folder).exists(), "a test made {folder} in the project");
    }
}

#[test]
fn provisional_days_make_a_provisional_month() {
    let month = case(
        "month",
        "    run: [rain]
    params: { end: 2024-01-31 }
    given: { rain_days: [{ periods: 2024-01-01/2024-01-29, value: 1 }, { periods: 2024-01-30/2024-01-31, value: 2, status: provisional }] }
    http: [{ url: \"*\", status: 404 }]
    expect:
      commits: { rain_months: [2024-01] }
      statuses: { rain_days: { 2024-01-01/2024-01-29: final, 2024-01-30: provisional }, rain_months: { 2024-01: provisional } }
      values: { rain_months: { 2024-01: 33 } }
",
    );
    let sandbox = project(&month);
    sandbox.succeed(&["test"]);
    let tests = std::fs::read_to_string(sandbox.path("pipelines/rain.test.yaml")).unwrap();
    sandbox.write(
        "pipelines/rain.test.yaml",
        &tests.replace("2024-01: provisional }", "2024-01: final, 2024-02: final }"),
    );
    let (text, _) = sandbox.fail(1, &["test"]);
    assert!(text.contains("status of `rain_months` 2024-01: expected final; it is provisional"), "{text}");
    assert!(
        text.contains("status of `rain_months` 2024-02: expected final; the period is not there"),
        "{text}"
    );
}

#[test]
fn what_is_not_as_expected_is_told() {
    let wrong = case(
        "wrong",
        "    run: [rain]
    params: { end: 2024-01-31 }
    given: { rain_days: [{ periods: 2024-01-01/2024-01-29, value: 1 }] }
    http: [{ url: \"*20240130.tif\", raster: 2 }]
    expect:
      commits: { rain_days: [2024-01-30/2024-01-31], rain_months: [2024-01] }
      cascade: [rain_days, rain_months]
      values: { rain_days: { 2024-01-30: 3 }, rain_months: { 2024-01: 33 } }
      requests: 0
",
    );
    let fails = case(
        "fails",
        "    run: [rain_days]
    params: { end: 2024-01-01 }
    http: [{ url: \"*.tif\", status: 403 }]
    expect: { commits: {} }
",
    );
    let passes = case(
        "passes",
        "    run: [rain]\n    params: { end: 2024-01-01 }\n    http: [{ url: \"*\", status: 403 }]\n    expect: { status: failed, error: \"403\", commits: {} }\n",
    );
    let sandbox = project(&format!("{wrong}{fails}{passes}"));
    let (text, errors) = sandbox.fail(1, &["test"]);
    for line in [
        "FAILED pipelines/rain.test.yaml:3: wrong",
        "commits of `rain_days`: expected [2024-01-30/2024-01-31]; made [2024-01-30]",
        "commits of `rain_months`: expected [2024-01]; made none",
        "cascade: expected rain_days → rain_months; changed rain_days",
        "values of `rain_days` 2024-01-30, `rain`: expected 3; found 2",
        "values of `rain_months` 2024-01: the period is not there",
        "requests: expected 0; sources were asked",
        "https://rain.example.org/20240131.tif",
        "FAILED pipelines/rain.test.yaml:14: fails",
        "status: expected successful; the run was failed",
        "403",
        "ok     pipelines/rain.test.yaml:20: passes",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(errors.contains("1 passed, 2 failed"), "{errors}");
    assert!(!text.contains("secret-key"), "{text}");

    let (xml, _) = sandbox.fail(1, &["test", "--format", "junit"]);
    for part in [
        "<testsuites name=\"frazil\" tests=\"3\" failures=\"2\"",
        "<testsuite name=\"pipelines/rain.test.yaml\" tests=\"3\" failures=\"2\"",
        "name=\"passes\"",
        "<failure message=\"status: expected successful; the run was failed\">",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
    let (lines, _) = sandbox.fail(1, &["test", "--format", "json", "--only", "fails"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["test"].as_str(), lines[0]["status"].as_str()), (Some("fails"), Some("failed")));
    assert_eq!((lines[1]["passed"].as_u64(), lines[1]["failed"].as_u64()), (Some(0), Some(1)));
}

#[test]
fn test_files_are_checked_like_pipelines() {
    let bad = case(
        "bad",
        "    run: [rains]
    params: { ende: 2024-01-31 }
    given: { rain_day: [{ periods: 2024-01-01, value: 1 }], rain_days: [{ periods: 2024-01, value: 1 }] }
    http: [{ url: \"*\" }, { url: \"*\", file: nothing.tif }, { url: \"*\", status: 20 }]
    expect: { commits: { rain_months: [2024-01-01] } }
",
    );
    let unknown = case("unknown", "    run: [rain]\n    expects: {}\n    expect: { statuss: failed }\n");
    let when = case("when", "    run: [rain]\n    params: { ende: 2024-01-31 }\n    expect: {}\n")
        .replace("2024-02-01T06:00:00Z", "noon");
    let param = case("param", "    run: [rain]\n    params: { ende: 2024-01-31 }\n    expect: {}\n");
    let grid = case(
        "grid",
        "    run: [rain]\n    grid: { origin: [0, 2], cell: [0.5, 0.5], shape: [0, 2] }\n    expect: {}\n",
    );
    let sandbox = project(&format!("{bad}{unknown}{when}{param}{grid}"));
    let (_, errors) = sandbox.fail(1, &["test"]);
    for part in [
        "there is no pipeline or dataset `rains` to run here",
        "did you mean `rain`?",
        "there is no dataset `rain_day` in this project",
        "did you mean `rain_days`?",
        "an answer is exactly one of `raster`, `file`, `text` and `status`",
        "nothing.tif",
        "this is not the status of an answer",
        "did you mean `expect`?",
        "did you mean `status`?",
        "`noon` is not an instant",
        "nothing that is run has a parameter `ende`",
        "did you mean `end`?",
        "error[FZ108]",
        "has 1 to 1024 rows and columns",
        "has its north-west cell first",
        "pipelines/rain.test.yaml:5:11",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
    assert_eq!(errors.matches("error[FZ108]").count(), 2, "{errors}");
}

#[test]
fn without_tests_it_says_where_they_are_looked_for() {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT), ("pipelines/rain.yaml", PIPELINE)]);
    let (_, errors) = sandbox.fail(64, &["test"]);
    assert!(errors.contains("*.test.yaml"), "{errors}");
    sandbox.write("pipelines/rain.yaml", &PIPELINE.replace("append-commit", "append-comit"));
    sandbox.write(
        "pipelines/rain.test.yaml",
        &format!("frazil: 1\ncases:\n{}", case("a", "    run: [rain]\n    expect: {}\n")),
    );
    let (_, errors) = sandbox.fail(1, &["test"]);
    assert!(errors.contains("append-commit"), "{errors}");
}

/// Two nights: the first finds a day, the second the one that completes the month.
const NIGHTS: &str = "  nights:
    run: [rain]
    given: { rain_days: [{ periods: 2024-01-01/2024-01-29, value: 1 }] }
    http: [{ url: \"*20240130.tif\", raster: 2 }]
    runs:
      - now: \"2024-01-31T06:00:00Z\"
        expect: { commits: { rain_days: [2024-01-30] }, values: { rain_days: { 2024-01-30: 2 } }, requests: 1 }
      - now: \"2024-02-01T06:00:00Z\"
        http: [{ url: \"*20240131.tif\", raster: 4 }]
        expect:
          commits: { rain_days: [2024-01-31], rain_months: [2024-01] }
          cascade: [rain_days, rain_months]
          values: { rain_months: { 2024-01: 35 } }
      - now: \"2024-02-01T07:00:00Z\"
        params: { end: 2024-01-31 }
        expect: { commits: {}, requests: 0 }
";

#[test]
fn several_runs_follow_each_other_over_the_same_stores() {
    let nights = NIGHTS.replace(", requests: 1", "");
    let sandbox = project(&nights);
    sandbox.succeed(&["test"]);
    // Each is judged by what it did itself.
    let wrong = nights.replace("rain_months: { 2024-01: 35 }", "rain_months: { 2024-01: 36 }").replace(
        "expect: { commits: {}, requests",
        "expect: { commits: { rain_days: [2024-01-31] }, requests",
    );
    sandbox.write("pipelines/rain.test.yaml", &format!("frazil: 1\ncases:\n{wrong}"));
    let (text, _) = sandbox.fail(1, &["test"]);
    assert!(text.contains("run 2: values of `rain_months` 2024-01, `rain`: expected 36; found 35"), "{text}");
    assert!(text.contains("run 3: commits of `rain_days`: expected [2024-01-31]; made none"), "{text}");
    assert!(!text.contains("run 1:"), "{text}");
}

#[test]
fn runs_that_cannot_be_are_told() {
    let back = NIGHTS.replace("2024-02-01T06", "2024-01-30T06").replace("nights", "back");
    let both =
        NIGHTS.replace("    runs:", "    now: \"2024-01-31T06:00:00Z\"\n    runs:").replace("nights", "both");
    let none = "  none:\n    run: [rain]\n    expect: {}\n";
    let unknown = NIGHTS
        .replace("2024-01-30: 2 }", "2024-01: 2 }")
        .replace("    runs:", "    vars: { date: x }\n    crs: WGS84\n    runs:")
        .replace("nights", "unknown");
    let sandbox = project(&format!("{back}{both}{none}{unknown}"));
    let (_, errors) = sandbox.fail(1, &["test"]);
    for part in [
        "this run is before the one before it",
        "a test with `runs` has no `now` of its own",
        "a test says `now` and `expect`, or has `runs` that do",
        "the project has no `date` among its `vars`",
        "`WGS84` is not the code of a CRS",
        "error[FZ108]",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
}

#[test]
fn what_is_given_lies_in_the_crs_and_has_the_type_of_its_dataset() {
    let pipeline = PIPELINE
        .replace("    time: { step: P1D", "    crs: EPSG:32629\n    time: { step: P1D")
        .replace("dtype: float32", "dtype: int16, fill: -1");
    let metres = "  metres:
    now: \"2024-01-03T06:00:00Z\"
    run: [rain_days]
    grid: { origin: [500000, 900000], cell: [1000, -1000], shape: [3, 2] }
    crs: EPSG:32629
    given: { rain_days: [{ periods: 2024-01-01, value: 3 }] }
    http: [{ url: \"*20240102.tif\", raster: 4 }]
    expect: { commits: { rain_days: [2024-01-02] }, values: { rain_days: { 2024-01-01: 3, 2024-01-02: 4 } } }
";
    let sandbox = project(metres);
    // A dataset that says none takes that of the test.
    sandbox.succeed(&["test"]);
    sandbox.write("pipelines/rain.yaml", &pipeline);
    sandbox.succeed(&["test"]);
    sandbox.write(
        "pipelines/rain.test.yaml",
        &format!("frazil: 1\ncases:\n{}", metres.replace("    crs: EPSG:32629\n", "")),
    );
    let (text, _) = sandbox.fail(1, &["test"]);
    assert!(text.contains("the grid is in EPSG:4326, the dataset in EPSG:32629"), "{text}");
}
