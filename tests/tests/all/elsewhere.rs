//! Stores that other programs make, from the command line: as sources of fetch, and as datasets that
//! others hang from.

use std::path::Path;

use frazil_tests::{
    programs::ask_python,
    sandbox::Sandbox,
    server::{Fault, Server},
};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: heat\nstores: { cubes: ./cubes }\nmemory: 256MiB\n";

/// Makes a store in the project, or adds to it.
fn make(sandbox: &Sandbox, spec: Value) -> Option<Value> {
    let mut all = json!({ "path": sandbox.path("theirs"), "whole": true });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    ask_python("make_zarr.py", &[&all.to_string()])
}

fn hours(from: i64, to: i64) -> Vec<i64> {
    (from..to).collect()
}

/// What stands in a cube of ours, period by period, rows and columns one after the other.
fn cube(path: &Path, variable: &str) -> Vec<Value> {
    let seen = ask_python("read_cube.py", &[path.to_str().unwrap()]).unwrap();
    seen["variables"][variable]["values"].as_array().unwrap().clone()
}

fn daily(url: &str) -> String {
    format!(
        "frazil: 1
id: days
datasets:
  theirs:
    title: Temperature, made elsewhere
    external: {url}
    time: {{ step: PT1H }}
    variables: {{ t2m: {{ units: K, cell: point }} }}
  daily:
    title: Daily maximum
    time: {{ step: P1D }}
steps:
  theirs: {{ uses: open-dataset, with: {{ dataset: theirs }} }}
  daily: {{ uses: derived-resample, needs: theirs, with: {{ dataset: daily, method: max }} }}
"
    )
}

#[test]
fn a_dataset_hangs_from_a_repository_that_xarray_writes() {
    for (over_http, spec) in [
        (false, json!({ "dtype": "f8", "units": "hours since 1900-01-01" })),
        (true, json!({ "units": "minutes since 2000-01-01", "codec": "blosc", "chunks": [5, 4, 6] })),
    ] {
        let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
        let server = Server::start(sandbox.path(""), 0).unwrap();
        let url = if over_http { format!("{}/theirs", server.url()) } else { "./theirs".to_owned() };
        sandbox.write("pipelines/daily.yaml", &daily(&url));
        // Looking creates nothing, and what nobody here makes must be there.
        let (table, said) = sandbox.fail(5, &["plan", "days"]);
        let said = table + &said;
        assert!(said.contains("there is no dataset at"), "{said}");
        assert!(!sandbox.path("theirs").exists());
        let mut all = spec.clone();
        all.as_object_mut().unwrap().extend(
            json!({ "icechunk": true, "times": hours(0, 48), "daily": true }).as_object().unwrap().clone(),
        );
        let Some(said) = make(&sandbox, all) else { return };
        sandbox.succeed(&["run", "days"]);
        assert_eq!(json!(cube(&sandbox.path("cubes/daily"), "t2m")), said["daily"]);
        // Two days more: the days before are not done again.
        let mut more = spec.clone();
        more.as_object_mut().unwrap().extend(
            json!({ "icechunk": true, "append": true, "times": hours(48, 96), "daily": true })
                .as_object()
                .unwrap()
                .clone(),
        );
        let said = make(&sandbox, more).unwrap();
        let plan = sandbox.succeed(&["plan", "days"]);
        assert!(plan.contains("2024-01-03/2024-01-04") && !plan.contains("2024-01-01"), "{plan}");
        sandbox.succeed(&["run", "days"]);
        assert_eq!(json!(cube(&sandbox.path("cubes/daily"), "t2m")), said["daily"]);
        let again = sandbox.run(&["plan", "days", "--exit-code"]);
        assert_eq!(again.status.code(), Some(0), "there is nothing more to do");
    }
}

#[test]
fn a_dataset_hangs_from_a_zarr_store() {
    for (over_http, spec) in [
        (false, json!({ "format": 2, "codec": "zlib", "packed": true })),
        // Windows of days share shards of ten hours.
        (true, json!({ "shards": [10, 8, 12], "chunks": [5, 4, 6] })),
    ] {
        let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
        let server = Server::start(sandbox.path(""), 0).unwrap();
        server.first("/theirs/t2m/c/1/0/0", [Fault::Status(503, None), Fault::Reset]);
        let url = if over_http { format!("{}/theirs", server.url()) } else { "./theirs".to_owned() };
        sandbox.write("pipelines/daily.yaml", &daily(&url));
        for days in [2, 3] {
            let mut all = spec.clone();
            all.as_object_mut()
                .unwrap()
                .extend(json!({ "times": hours(0, days * 24), "daily": true }).as_object().unwrap().clone());
            let Some(said) = make(&sandbox, all) else { return };
            server.forget();
            sandbox.succeed(&["run", "days"]);
            assert_eq!(json!(cube(&sandbox.path("cubes/daily"), "t2m")), said["daily"], "{url} {days}");
            for shard in 0..7 {
                let path = format!("/theirs/t2m/c/{shard}/0/0");
                let faults = if days == 2 && shard == 1 { 2 } else { 0 };
                assert!(server.count(&path) <= 1 + faults, "{path} is asked for once in a run");
            }
            let again = sandbox.run(&["plan", "days", "--exit-code"]);
            assert_eq!(again.status.code(), Some(0), "there is nothing more to do");
        }
        // Hour by hour they are read from what was kept of each chunk.
        let copies = "frazil: 1
id: copies
datasets:
  copy: { title: A copy, time: { step: PT1H }, variables: { t2m: { units: K, cell: point } } }
steps:
  theirs: { uses: open-dataset, with: { dataset: theirs } }
  hours: { uses: enumerate-periods, needs: theirs, with: { dataset: copy } }
  read: { uses: fetch, needs: hours, with: { source: dataset, dataset: theirs } }
  copy: { uses: append-commit, needs: read, with: { dataset: copy } }
";
        sandbox.write("pipelines/copies.yaml", copies);
        server.forget();
        sandbox.succeed(&["run", "copies"]);
        for shard in 0..8 {
            let path = format!("/theirs/t2m/c/{shard}/0/0");
            assert!(server.count(&path) <= 1, "{path} is asked for {} times", server.count(&path));
        }
        // Nothing was written beside what is theirs.
        assert!(!sandbox.path("theirs/repo").exists() && !sandbox.path("theirs.lock").exists());
    }
}

fn hourly(url: &str) -> String {
    format!(
        "frazil: 1
id: store
datasets:
  hourly:
    title: Temperature
    time: {{ step: PT1H, start: \"2024-01-01T00\", late: 10d }}
    variables: {{ t2m: {{ units: K, cell: point, dtype: float32 }} }}
    chunks: {{ time: 24, y: 512, x: 512 }}
steps:
  hours: {{ uses: enumerate-periods, with: {{ dataset: hourly, end: \"2024-01-08T23\", batch: 24 }} }}
  read: {{ uses: fetch, needs: hours, with: {{ source: zarr, url: \"{url}\", in-flight: 2 }} }}
  hourly: {{ uses: append-commit, needs: read, with: {{ dataset: hourly }} }}
"
    )
}

#[test]
fn a_run_over_a_store_that_is_killed_goes_on_and_brings_each_chunk_once_a_run() {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    let server = Server::start(sandbox.path(""), 0).unwrap();
    sandbox.write("pipelines/hourly.yaml", &hourly(&format!("{}/theirs", server.url())));
    let spec = json!({ "times": hours(0, 150), "chunks": [100, 4, 6], "format": 2, "codec": "blosc", "east": true,
        "out": sandbox.path("numbers") });
    if make(&sandbox, spec).is_none() {
        return;
    }
    let chunks = || {
        let asked = server.requests().into_iter().map(|request| request.path);
        asked.filter(|path| path.starts_with("/theirs/t2m/") && !path.contains("/.z")).count()
    };
    // Six whole days and a part of the seventh; two chunks along time, four beside one another.
    let died = sandbox.command(&["run", "store"]).env("FRAZIL_ABORT_AFTER", "committed").output().unwrap();
    assert!(died.status.code().is_none());
    assert!(chunks() <= 8, "{}", chunks());
    server.forget();
    let output = sandbox.run(&["run", "store"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(chunks(), 8);
    // What the store lacks is older than ten days.
    assert!(said.contains("has gone quiet"), "{said}");
    let found: Vec<f64> = cube(&sandbox.path("cubes/hourly"), "t2m").iter().flat_map(flat).collect();
    let bytes = std::fs::read(sandbox.path("numbers")).unwrap();
    let expected: Vec<f64> =
        bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
    server.forget();
    sandbox.succeed(&["run", "store"]);
    assert_eq!(chunks(), 0, "there is nothing to bring");
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(flat).collect(),
        one => vec![one.as_f64().unwrap_or(f64::NAN)],
    }
}
