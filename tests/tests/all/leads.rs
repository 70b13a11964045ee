//! Runs of forecasts: settled when their last lead is there, with the times for which they hold beside them.

use std::path::Path;

use frazil_tests::{programs::ask_python, sandbox::Sandbox};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: heat\nstores: { cubes: ./cubes }\nmemory: 256MiB\n";

const LEADS: [i64; 3] = [0, 3, 9];

fn pipeline(source: &str) -> String {
    format!(
        "frazil: 1
id: runs
params:
  start: {{ type: period, default: \"2024-01-01\" }}
  end: {{ type: period, default: \"2024-01-06\" }}
datasets:
  forecast:
    title: Forecasts of temperature, by the time at which they were made
    time: {{ step: P1D }}
    dimensions: {{ lead_time: [0, 3, 9] }}
    variables: {{ t2m: {{ units: K, cell: point, dtype: float32 }} }}
steps:
  days: {{ uses: enumerate-periods, with: {{ dataset: forecast, start: \"{{{{ params.start }}}}\", end: \"{{{{ params.end }}}}\" }} }}
  read: {{ uses: fetch, needs: days, with: {source} }}
  forecast: {{ uses: append-commit, needs: read, with: {{ dataset: forecast }} }}
"
    )
}

fn project(source: &str) -> Sandbox {
    Sandbox::new(&[("frazil.yaml", PROJECT), ("pipelines/runs.yaml", &pipeline(source))])
}

fn seen(sandbox: &Sandbox, dataset: &str) -> Option<Value> {
    let path = sandbox.path("cubes").join(dataset);
    Some(ask_python("read_runs.py", &[&path.display().to_string()])?[0].clone())
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(flat).collect(),
        one => vec![one.as_f64().unwrap_or(f64::NAN)],
    }
}

/// That every group names the same runs of these days, and when each of their leads holds.
fn assert_times(groups: &Value, days: std::ops::RangeInclusive<i64>, what: &str) {
    for (name, group) in groups.as_object().unwrap() {
        let hour = |day: i64, hour: i64| format!("2024-01-{:02}T{:02}", day + hour / 24, hour % 24);
        let made: Vec<String> = days.clone().map(|day| hour(day, 0)).collect();
        let valid: Vec<Vec<String>> =
            days.clone().map(|day| LEADS.iter().map(|lead| hour(day, *lead)).collect()).collect();
        assert_eq!(group["made"], json!(made), "{what} {name}");
        assert_eq!(group["valid"], json!(valid), "{what} {name}");
        assert_eq!(group["leads"], json!(LEADS), "{what} {name}");
        assert_eq!(group["leads_as"], json!(["forecast_period", "hours"]), "{what} {name}");
        assert_eq!(
            (&group["made_as"], &group["valid_as"]),
            (&json!("forecast_reference_time"), &json!("time"))
        );
        assert_eq!(group["valid_dims"], json!(["time", "lead_time"]), "{what} {name}");
        // The root of a multiscale dataset holds no variable that could name it.
        if !group["values"].is_null() {
            assert_eq!(group["coordinate"], json!(true), "{what} {name}");
            assert_eq!(group["of_variable"], json!(true), "{what} {name}");
            assert_eq!(group["dims"], json!(["time", "lead_time", "y", "x"]), "{what} {name}");
        }
    }
}

/// Makes the store that forecasts are read from; gives its numbers of the leads that are wanted, run by run.
fn store(sandbox: &Sandbox, runs: i64, state: &str) -> Option<Vec<Vec<f64>>> {
    let times: Vec<i64> = (0..runs).map(|run| run * 24).collect();
    let spec = json!({ "path": sandbox.path("theirs"), "whole": true, "times": times, "levels": [0, 3, 6, 9],
        "forecast": state, "out": sandbox.path("numbers") });
    ask_python("make_zarr.py", &[&spec.to_string()])?;
    let bytes = std::fs::read(sandbox.path("numbers")).unwrap();
    let all: Vec<f64> =
        bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    // Of four leads the third is not wanted.
    let of = |run: &[f64]| {
        run.chunks(96)
            .enumerate()
            .filter(|(lead, _)| *lead != 2)
            .flat_map(|(_, plane)| plane.to_vec())
            .collect()
    };
    Some(all.chunks(4 * 96).map(of).collect())
}

#[test]
fn the_times_for_which_runs_hold_stay_beside_them_whatever_becomes_of_the_store() {
    let sandbox = project("{ source: zarr, url: ./theirs }");
    let run = |start: &str, end: i64| {
        let (start, end) = (format!("start={start}"), format!("end=2024-01-0{end}"));
        let output = sandbox.run(&["run", "runs", "-p", &start, "-p", &end]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let check = |what: &str, days: std::ops::RangeInclusive<i64>, runs: &[Vec<f64>]| {
        let Some(groups) = seen(&sandbox, "forecast") else { return };
        assert_times(&groups, days.clone(), what);
        let data = if groups.get("0").is_some() { &groups["0"] } else { &groups[""] };
        let wanted: Vec<f64> = days.flat_map(|day| runs[usize::try_from(day - 1).unwrap()].clone()).collect();
        assert!(flat(&data["values"]) == wanted, "{what}");
    };
    let Some(runs) = store(&sandbox, 3, "on its way") else { return };
    let said = run("2024-01-02", 6);
    assert!(said.contains("2024-01-03 is on its way"), "{said}");
    check("the last lead is waited for", 2..=2, &runs);
    let runs = store(&sandbox, 3, "complete").unwrap();
    run("2024-01-02", 6);
    check("it came", 2..=3, &runs);
    run("2024-01-01", 3);
    check("an earlier one is put in front", 1..=3, &runs);
    let rewrites = "frazil: 1
id: rewrites
steps:
  open: { uses: open-dataset, with: { dataset: forecast } }
  maps: { uses: pyramid, needs: open, with: { dataset: forecast, levels: 2 } }
";
    sandbox.write("pipelines/rewrites.yaml", rewrites);
    sandbox.succeed(&["run", "rewrites"]);
    check("levels", 1..=3, &runs);
    let groups = seen(&sandbox, "forecast").unwrap();
    assert_eq!(groups.as_object().unwrap().len(), 4, "root, data and two levels");
    let runs = store(&sandbox, 4, "complete").unwrap();
    run("2024-01-01", 6);
    check("a run more, with levels", 1..=4, &runs);
    let chunks = "chunks: { time: 2, lead_time: 3, y: 4 }";
    sandbox.write(
        "pipelines/rewrites.yaml",
        &rewrites.replace("pyramid", "rechunk").replace("levels: 2", chunks),
    );
    sandbox.succeed(&["run", "rewrites"]);
    check("other chunks", 1..=4, &runs);
    std::fs::remove_file(sandbox.path("pipelines/rewrites.yaml")).unwrap();
    let text = pipeline("{ source: zarr, url: ./theirs }")
        .replace("time: { step: P1D }", "version: \"2\"\n    time: { step: P1D }");
    sandbox.write("pipelines/runs.yaml", &text);
    run("2024-01-01", 6);
    check("another version", 1..=4, &runs);
}

#[test]
fn what_is_made_of_forecasts_says_for_which_time_it_holds() {
    let sandbox = project("{ source: zarr, url: ./theirs }");
    if store(&sandbox, 5, "complete").is_none() {
        return;
    }
    sandbox.succeed(&["run", "runs"]);
    let copies = "frazil: 1
id: copies
datasets:
  copy: { title: A part, time: { step: P1D }, dimensions: { lead_time: [0, 3, 9] }, variables: { t2m: { units: K, cell: point } } }
  pentads: { title: Means of pentads, time: { step: pentad } }
steps:
  open: { uses: open-dataset, with: { dataset: forecast } }
  days: { uses: enumerate-periods, needs: open, with: { dataset: copy } }
  read: { uses: fetch, needs: days, with: { source: dataset, dataset: forecast, bbox: [0, 0, 90, 90] } }
  copy: { uses: append-commit, needs: read, with: { dataset: copy } }
  pentads: { uses: derived-resample, needs: open, with: { dataset: pentads, method: mean } }
";
    sandbox.write("pipelines/copies.yaml", copies);
    sandbox.succeed(&["run", "copies"]);
    assert_times(&seen(&sandbox, "copy").unwrap(), 1..=5, "a part");
    // The five runs of a window are one, made when the first of them was.
    assert_times(&seen(&sandbox, "pentads").unwrap(), 1..=1, "means");
    // As a source of somebody else's project: its time axis is that of the runs.
    let theirs = "frazil: 1
id: others
datasets:
  theirs: { title: Forecasts, time: { step: P1D, start: \"2024-01-01\" }, dimensions: { lead_time: [0, 3, 9] }, variables: { t2m: { units: K, cell: point } } }
steps:
  days: { uses: enumerate-periods, with: { dataset: theirs, end: \"2024-01-05\" } }
  read: { uses: fetch, needs: days, with: { source: icechunk, url: ./cubes/forecast } }
  theirs: { uses: append-commit, needs: read, with: { dataset: theirs } }
";
    sandbox.write("pipelines/theirs.yaml", theirs);
    sandbox.succeed(&["run", "others"]);
    let (one, other) = (seen(&sandbox, "forecast").unwrap(), seen(&sandbox, "theirs").unwrap());
    assert_times(&other, 1..=5, "read from ours");
    assert_eq!(one[""]["values"], other[""]["values"]);
}

/// The numbers of a run that `make_runs.py` made.
fn numbers(made: i64) -> Vec<f64> {
    let of = move |lead: i64| {
        (0..20).map(move |cell| (1000 * made / 24 + 10 * lead) as f64 + f64::from(cell) / 100.0)
    };
    LEADS.into_iter().flat_map(of).collect()
}

/// Runs by the day on which they were made, with the leads that their files have, and those without numbers.
type Runs<'a> = &'a [Run<'a>];

type Run<'a> = (i64, &'a [i64], &'a [i64]);

/// Files of runs in `folder`: of each run one, or one for each lead.
fn files(folder: &Path, kind: &str, each: bool, runs: Runs<'_>) -> Vec<Value> {
    std::fs::create_dir_all(folder).unwrap();
    let mut specs = Vec::new();
    for (day, leads, empty) in runs {
        let spec = |name: String, leads: &[i64]| {
            let path = folder.join(name);
            json!({ "path": path, "kind": kind, "made": (day - 1) * 24, "leads": leads, "empty": empty })
        };
        if each {
            specs.extend(leads.iter().map(|lead| spec(format!("202401{day:02}-{lead}"), &[*lead])));
        } else {
            specs.push(spec(format!("202401{day:02}"), leads));
        }
    }
    specs
}

/// Puts what was made for a moment where it is read from.
fn at(sandbox: &Sandbox, moment: usize) {
    std::fs::remove_dir_all(sandbox.path("in")).ok();
    std::fs::rename(sandbox.path(format!("moment-{moment}")), sandbox.path("in")).unwrap();
}

#[test]
fn a_run_of_files_is_settled_when_its_last_lead_is_there() {
    let whole: &[i64] = &LEADS;
    let cases = [
        ("netcdf", false, false),
        ("netcdf", false, true),
        ("grib", false, false),
        ("grib", true, false),
        ("valid", true, false),
    ];
    let (mut stands, mut specs) = (Vec::new(), Vec::new());
    for (kind, each, empty) in cases {
        let over = if each { ", over: { lead_time: [0, 3, 9] }" } else { "" };
        let lead = if each { "-{{ lead_time }}" } else { "" };
        let from = if kind == "grib" { "t2m: { from: 2t }" } else { "t2m: {}" };
        let url = format!("./in/{{{{ period | date('%Y%m%d') }}}}{lead}");
        let sandbox = project(&format!(
            "{{ source: file, url: \"{url}\", variables: {{ {from} }}{over}, in-flight: 4 }}"
        ));
        let first = [(1, whole, &[][..]), (2, whole, &[])];
        let last: Run<'_> = if empty { (3, whole, &[9]) } else { (3, &[0, 3], &[]) };
        let moments: [Vec<Run<'_>>; 4] = [
            first.into_iter().chain([last]).collect(),
            first.into_iter().chain([(3, whole, &[][..])]).collect(),
            vec![(4, &[0, 3], &[]), (5, whole, &[])],
            vec![(4, &[0, 9], &[])],
        ];
        for (moment, runs) in moments.iter().enumerate() {
            specs.extend(files(&sandbox.path(format!("moment-{moment}")), kind, each, runs));
        }
        stands.push((sandbox, kind, each, format!("{kind} {each} {empty}")));
    }
    if ask_python("make_runs.py", &[&json!(specs).to_string()]).is_none() {
        return;
    }
    for (sandbox, _, each, what) in &stands {
        let run = || {
            let output = sandbox.run(&["run", "runs"]);
            let text = [&output.stdout[..], &output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        };
        at(sandbox, 0);
        let (done, said) = run();
        assert!(done && said.contains("2: 2024-01-01/2024-01-02"), "{what}: {said}");
        assert!(*each || said.contains("2024-01-03 is on its way"), "{what}: {said}");
        at(sandbox, 1);
        let (done, said) = run();
        assert!(done && said.contains("3: 2024-01-01/2024-01-03"), "{what}: {said}");
        // A run that never became complete, while later ones did, is a hole; a lead in the middle is an error.
        at(sandbox, 2);
        let (done, said) = run();
        assert!(!done && said.contains("later periods are there"), "{what}: {said}");
        at(sandbox, 3);
        let (done, said) = run();
        assert_eq!(done, *each, "{what}: {said}");
        assert!(*each || said.contains("no lead of 3 hours, only of 0, 9"), "{what}: {said}");
    }
    let paths: Vec<String> =
        stands.iter().map(|(sandbox, ..)| sandbox.path("cubes/forecast").display().to_string()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let found = ask_python("read_runs.py", &paths).unwrap();
    for ((_, kind, _, what), groups) in stands.iter().zip(found.as_array().unwrap()) {
        assert_times(groups, 1..=3, what);
        // What is written as degrees Celsius lies in the file in kelvin.
        let more = if *kind == "grib" { 273.15 } else { 0.0 };
        let wanted = (0..3).flat_map(|day| numbers(day * 24)).map(|number| number + more);
        let found = flat(&groups[""]["values"]);
        assert_eq!(found.len(), 3 * 3 * 20, "{what}");
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.01), "{what}: {found:?}");
    }
}

#[test]
fn a_plan_lists_no_run_whose_files_are_not_all_there() {
    let url = "./in/{{ period | date('%Y%m%d') }}-{{ lead_time }}";
    let source = format!("{{ source: file, url: \"{url}\", over: {{ lead_time: [0, 3, 9] }} }}");
    let sandbox = project(&source);
    let text = pipeline(&source)
        .replace("end: \"{{ params.end }}\"", "files: { glob: \"in/*\", date: \"in/%Y%m%d-\", each: 3 }");
    sandbox.write("pipelines/runs.yaml", &text);
    let leads: &[i64] = &LEADS;
    let mut specs = Vec::new();
    for (moment, last) in [&leads[..2], leads].into_iter().enumerate() {
        let runs: Runs<'_> = &[(1, leads, &[]), (2, leads, &[]), (3, last, &[])];
        specs.extend(files(&sandbox.path(format!("moment-{moment}")), "valid", true, runs));
    }
    if ask_python("make_runs.py", &[&json!(specs).to_string()]).is_none() {
        return;
    }
    for (moment, newest) in ["2024-01-02", "2024-01-03"].into_iter().enumerate() {
        at(&sandbox, moment);
        let plan = sandbox.succeed(&["plan", "runs"]);
        assert!(plan.contains(&format!("{newest} is the newest in in/*")), "{plan}");
        assert_eq!(plan.contains("2024-01-03 has 2 of 3 files: it is waited for"), moment == 0, "{plan}");
        let ran = sandbox.succeed(&["run", "runs"]);
        assert!(ran.contains(&format!("/{newest} ")), "{ran}");
    }
}
