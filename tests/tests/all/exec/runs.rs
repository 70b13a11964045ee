//! Whole runs whose numbers a Python of our own makes, read back by libraries that we did not write.

use frazil_tests::{
    programs::{ask_python, python},
    sandbox::Sandbox,
};
use serde_json::{Value, json};

use super::made;

/// Writes a field per day in the way that `input.how` says: the number of the day everywhere, 100 more
/// in the second column, NaN in the last cell.
const MAKE: &str = r#"
import json, os, sys
import numpy, xarray

task = json.load(sys.stdin)
how = task["input"]["how"]
times = [numpy.datetime64(p["start"][:19], "ns") for p in task["periods"]]
values = numpy.empty((len(times), 3, 2), "f4")
for at, time in enumerate(times):
    values[at] = int((time - numpy.datetime64("2024-01-01", "ns")) / numpy.timedelta64(1, "D")) + 1
values[:, :, 1] += 100
values[:, 2, 1] = numpy.nan
cube = xarray.Dataset(
    {"v": (("time", "lat", "lon"), values)},
    {"time": times, "lat": ("lat", [2.5, 1.5, 0.5], {"units": "degrees_north"}), "lon": ("lon", [10.5, 11.5], {"units": "degrees_east"})},
)
packed = {"v": {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -999}} if task["input"].get("packed") else {}
print("making", len(times), file=sys.stderr)
answer = {"frazil": 1}
if how == "netcdf":
    cube.to_netcdf(os.path.join(task["folder"], "all.nc"), encoding=packed)
    answer["files"] = ["all.nc"]
elif how == "zarr":
    cube.to_zarr(os.path.join(task["folder"], "all.zarr"), zarr_format=task["input"].get("format", 2), encoding=packed, consolidated=task["input"].get("consolidated", True))
    answer["files"] = ["all.zarr"]
else:
    answer["slices"] = []
    for at, period in enumerate(task["periods"]):
        name = period["period"] + ".nc"
        cube.isel(time=[at]).to_netcdf(os.path.join(task["folder"], name), encoding=packed)
        answer["slices"].append({"period": period["period"], "file": name})
print(json.dumps(answer))
"#;

/// A project whose days are made in this way; `None`, said in a line, without a Python.
fn project(input: &Value) -> Option<Sandbox> {
    Some(made::project(MAKE, &made::pipeline("", "files: [scripts/make.py]", input)?))
}

fn read(sandbox: &Sandbox, dataset: &str) -> Value {
    ask_python("read_cube.py", &[&sandbox.path("cubes").join(dataset).display().to_string()]).unwrap()
}

/// The field of a day as xarray reads it.
fn field(day: u32) -> Value {
    let (one, two) = (f64::from(day), f64::from(day + 100));
    json!([[one, two], [one, two], [one, null]])
}

fn assert_days(sandbox: &Sandbox, count: u32, context: &str) {
    let found = read(sandbox, "days");
    let expected: Vec<Value> = (1..=count).map(field).collect();
    assert_eq!(found["variables"]["v"]["values"], json!(expected), "{context}");
    let times: Vec<String> = (1..=count).map(|day| format!("2024-01-{day:02}T00:00:00")).collect();
    assert_eq!(found["time"], json!(times), "{context}");
    assert_eq!((&found["y"], &found["x"]), (&json!([2.5, 1.5, 0.5]), &json!([10.5, 11.5])), "{context}");
}

/// The newest run.
fn newest_run(sandbox: &Sandbox) -> String {
    let runs = sandbox.succeed(&["runs", "--format", "json"]);
    let run: Value = serde_json::from_str(runs.lines().next().unwrap()).unwrap();
    run["run"].as_str().unwrap().to_owned()
}

#[test]
fn whatever_a_program_writes_opens_in_xarray() {
    for input in [
        json!({ "how": "slices" }),
        json!({ "how": "netcdf", "packed": true }),
        json!({ "how": "zarr" }),
        json!({ "how": "zarr", "packed": true, "consolidated": false }),
        json!({ "how": "zarr", "format": 3 }),
        json!({ "how": "zarr", "format": 3, "packed": true, "consolidated": false }),
    ] {
        let Some(sandbox) = project(&input) else { return };
        let output = sandbox.run(&["run", "made"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{input}: {said}");
        assert!(said.contains("made: making 2"), "what it prints is shown: {said}");
        let logs = sandbox.succeed(&["logs", &newest_run(&sandbox)]);
        assert!(logs.contains("made says: making 3") && logs.contains("made says: making 2"), "{logs}");
        assert_days(&sandbox, 5, &input.to_string());
        let found = read(&sandbox, "days");
        assert_eq!(found["commits"].as_array().unwrap().len(), 3, "a commit a batch, and the first of all");
    }
}

#[test]
fn a_run_that_was_killed_is_taken_up_again() {
    let Some(sandbox) = project(&json!({ "how": "netcdf" })) else { return };
    for event in ["written", "committed"] {
        let died = sandbox.command(&["run", "made"]).env("FRAZIL_ABORT_AFTER", event).output().unwrap();
        assert!(died.status.code().is_none(), "it should have died after {event}: {}", died.status);
    }
    sandbox.succeed(&["run", "made"]);
    assert_days(&sandbox, 5, "after two deaths");
    assert!(sandbox.succeed(&["plan", "made"]).contains("made: nothing to do"));
}

#[test]
fn another_program_is_another_definition() {
    let Some(sandbox) = project(&json!({ "how": "netcdf" })) else { return };
    let planned = sandbox.succeed(&["plan", "made"]);
    assert!(planned.contains("scripts/make.py` 2 times"), "{planned}");
    sandbox.succeed(&["run", "made"]);
    let differs = "its definition differs from the one of its last commit";
    assert!(!sandbox.succeed(&["plan", "made"]).contains(differs));
    sandbox.write("scripts/make.py", &MAKE.replace("+ 1\n", "+ 2\n"));
    let planned = sandbox.succeed(&["plan", "made"]);
    assert!(planned.contains(differs), "{planned}");
    sandbox.write("scripts/make.py", MAKE);
    assert!(!sandbox.succeed(&["plan", "made"]).contains(differs), "the same program is the same definition");
    // How it runs is none of it.
    let text = std::fs::read_to_string(sandbox.path("pipelines/made.yaml")).unwrap();
    sandbox.write("pipelines/made.yaml", &text.replace("4GiB", "3GiB"));
    assert!(!sandbox.succeed(&["plan", "made"]).contains(differs));
    sandbox.write("pipelines/made.yaml", &text.replace("netcdf", "zarr"));
    assert!(sandbox.succeed(&["plan", "made"]).contains(differs));
}

/// Doubles what another dataset holds, at the snapshot that it is told.
const DOUBLE: &str = r#"
import json, os, sys
import icechunk, numpy, xarray

task = json.load(sys.stdin)
[source] = task["datasets"]
repository = icechunk.Repository.open(icechunk.local_filesystem_storage(source["repository"]))
cube = xarray.open_zarr(repository.readonly_session(snapshot_id=source["snapshot"]).store, consolidated=False)
times = [numpy.datetime64(period["start"][:19], "ns") for period in task["periods"]]
doubled = (cube[["v"]].sel(time=times) * 2).drop_vars(["spatial_ref", "period_status"]).load()
doubled.attrs, doubled.v.attrs = {}, {}
doubled.to_netcdf(os.path.join(task["folder"], "doubled.nc"))
print(json.dumps({"frazil": 1, "files": ["doubled.nc"]}))
sys.stdout.flush()
os._exit(0)
"#;

const DOUBLED: &str = r#"frazil: 1
id: doubled
datasets:
  doubles:
    title: Doubles
    time: { step: P1D }
    crs: EPSG:4326
    variables: { v: { units: mm, dtype: float32 } }
steps:
  days: { uses: open-dataset, with: { dataset: days } }
  missing: { uses: enumerate-periods, needs: days, with: { dataset: doubles } }
  made: { uses: exec, needs: missing, with: { command: [PYTHON, double.py], files: [double.py], datasets: [days], memory: 4GiB } }
  kept: { uses: append-commit, needs: made, with: { dataset: doubles } }
"#;

#[test]
fn a_program_reads_another_dataset_at_one_state_of_it() {
    let Some(sandbox) = project(&json!({ "how": "netcdf" })) else { return };
    sandbox.write("double.py", DOUBLE);
    sandbox.write(
        "pipelines/doubled.yaml",
        &DOUBLED.replace("PYTHON", &python().unwrap().display().to_string()),
    );
    sandbox.succeed(&["run", "made"]);
    let head = read(&sandbox, "days");
    let planned = sandbox.succeed(&["plan", "doubled"]);
    assert!(planned.contains("reads days at "), "{planned}");
    sandbox.succeed(&["run", "doubled"]);
    let found = read(&sandbox, "doubles");
    let (one, two) = (6.0, 206.0);
    assert_eq!(found["variables"]["v"]["values"][2], json!([[one, two], [one, two], [one, null]]));
    let sources = &found["commits"][0]["properties"]["sources"];
    let id = planned.split("reads days at ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(sources.to_string().contains(id), "{sources} does not name {id} of {}", head["commits"][0]);
    assert!(sandbox.succeed(&["plan", "doubled"]).contains("doubled: nothing to do"));
    // A dataset that it reads and that nobody gives it is told by `check`.
    let text = std::fs::read_to_string(sandbox.path("pipelines/doubled.yaml")).unwrap();
    sandbox.write(
        "pipelines/doubled.yaml",
        &text.replace(
            "needs: days, with: { dataset: doubles }",
            "with: { dataset: doubles, start: \"2024-01-01\" }",
        ),
    );
    let (problems, _) = sandbox.fail(1, &["check"]);
    assert!(
        problems.contains("error[FZ311]") && problems.contains("write `needs: days` at `missing`"),
        "{problems}"
    );
}
