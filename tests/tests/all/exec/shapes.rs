//! What a program is told of the shape of its dataset, and what becomes of another one.

use frazil_tests::{programs::ask_python, sandbox::Sandbox};
use serde_json::{Value, json};

use super::made;

/// A number per day, member and row; the rows are as many as `input.rows` says. Notes the grid and the
/// dimensions that it is told.
const MAKE: &str = r#"
import json, os, sys
import numpy, xarray

task = json.load(sys.stdin)
with open("told", "a") as told:
    grid = task.get("grid")
    print(json.dumps([len(grid["y"]["centres"]) if grid else None, task.get("dimensions")]), file=told)
rows, members = task["input"]["rows"], task["input"].get("members")
times = [numpy.datetime64(p["start"][:19], "ns") for p in task["periods"]]
days = [int((time - numpy.datetime64("2024-01-01", "ns")) / numpy.timedelta64(1, "D")) + 1 for time in times]
lat = [0.5 + row for row in reversed(range(rows))]
values = numpy.zeros((len(times), len(members or [0]), rows, 2), "f4")
values += numpy.array(days).reshape(-1, 1, 1, 1) + numpy.arange(rows).reshape(1, 1, -1, 1) / 4
values += 100 * numpy.array(members or [0]).reshape(1, -1, 1, 1)
coordinates = {"time": times, "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", [10.5, 11.5], {"units": "degrees_east"})}
if members:
    data, coordinates["member"] = (("time", "member", "lat", "lon"), values), members
else:
    data = (("time", "lat", "lon"), values[:, 0])
cube = xarray.Dataset({"v": data}, coordinates)
cube.to_netcdf(os.path.join(task["folder"], "all.nc"))
print(json.dumps({"frazil": 1, "files": ["all.nc"]}))
"#;

const VERSION: &str = "    version: \"1\"\n";

fn pipeline(block: &str, input: &Value) -> Option<String> {
    made::pipeline(block, "version: \"1\"", input)
}

fn project(block: &str, input: &Value) -> Option<Sandbox> {
    Some(made::project(MAKE, &pipeline(block, input)?))
}

fn read(sandbox: &Sandbox) -> Value {
    ask_python("read_cube.py", &[&sandbox.path("cubes/days").display().to_string()]).unwrap()
}

fn told(sandbox: &Sandbox) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.path("told")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_a_program_gives_back_may_have_further_dimensions() {
    // The file has them in another order than the dataset.
    let members = "    dimensions: { member: [0, 1, 2] }\n";
    let Some(sandbox) = project(members, &json!({ "rows": 2, "members": [2, 0, 1] })) else { return };
    sandbox.succeed(&["run", "made"]);
    let found = read(&sandbox);
    assert_eq!(found["variables"]["v"]["dims"], json!(["time", "member", "y", "x"]));
    assert_eq!(found["labels"]["member"], json!([0, 1, 2]));
    let row = |n: f64| json!([n, n]);
    let day = |n: f64| {
        let member = |m: f64| json!([row(n + 100.0 * m), row(n + 100.0 * m + 0.25)]);
        json!([member(0.0), member(1.0), member(2.0)])
    };
    let days: Vec<Value> = (1..=5).map(|n| day(f64::from(n))).collect();
    assert_eq!(found["variables"]["v"]["values"], json!(days));
    assert_eq!(told(&sandbox)[0], json!([null, { "member": [0, 1, 2] }]));
    // One that the file lacks is told by its name.
    let Some(sandbox) = project(members, &json!({ "rows": 2, "members": [0, 1] })) else { return };
    let output = sandbox.run(&["run", "made"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("member"), "{said}");
}

#[test]
fn a_release_of_another_grid_is_told_its_own_cells() {
    let Some(sandbox) = project(VERSION, &json!({ "rows": 3 })) else { return };
    sandbox.succeed(&["run", "made"]);
    sandbox.succeed(&["run", "made", "-p", "end=2024-01-06"]);
    let Some(next) = pipeline(VERSION, &json!({ "rows": 2 })) else { return };
    sandbox.write("pipelines/made.yaml", &next.replace(VERSION, "    version: \"2\"\n"));
    sandbox.succeed(&["run", "made", "-p", "end=2024-01-03"]);
    sandbox.succeed(&["run", "made", "-p", "end=2024-01-06"]);
    let rows: Vec<Value> = told(&sandbox).into_iter().map(|line| line[0].clone()).collect();
    // Two calls of the first run, one of the second; then the release, which begins without cells.
    assert_eq!(rows, [json!(null), json!(null), json!(3), json!(null), json!(2)]);
    assert_eq!(read(&sandbox)["sizes"]["y"], json!(2));
}
