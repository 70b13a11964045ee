//! Datasets without a time axis: elevation, people of a year that no other follows.

use frazil_tests::{
    geotiff::GeoTiff,
    programs::{ask_python, genuine_data},
    sandbox::Sandbox,
    server::{Fault, Server},
};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: still\n";

const PIPELINE: &str = "frazil: 1
id: elevation
datasets:
  dem:
    title: Elevation
    license: CC0-1.0
    time: none
    variables: { dsm: { units: m, standard-name: surface_altitude, cell: point, dtype: float32, nodata: -9999, valid: [-500, 9000] } }
    chunks: { y: 8, x: 8 }
    shards: { y: 16, x: 16 }
    display: { colormap: blues, range: [0, 500] }
steps:
  list: { uses: enumerate-periods, with: { dataset: dem } }
  read: { uses: fetch, needs: list, with: { source: cog, url: \"input/dem.tif\", variables: { dsm: { band: 1 } } } }
  dem: { uses: append-commit, needs: read, with: { dataset: dem } }
  catalog: { uses: publish-stac, needs: dem }
";

/// 20 × 24 cells; one is sea.
fn height(add: f32) -> impl Fn(usize, usize) -> f32 {
    move |r, c| if (r, c) == (3, 4) { -9999.0 } else { (r * 24 + c) as f32 + add }
}

fn project() -> Sandbox {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT), ("pipelines/elevation.yaml", PIPELINE)]);
    write(&sandbox, "dem", 0.0);
    sandbox
}

fn write(sandbox: &Sandbox, name: &str, add: f32) {
    let raster = GeoTiff::of((-13.0, 10.0), 0.1, (20, 24), height(add));
    raster.write(&sandbox.path(format!("input/{name}.tif"))).unwrap();
}

fn read(sandbox: &Sandbox, dataset: &str) -> Option<Value> {
    ask_python("read_static.py", &[&sandbox.path("cubes").join(dataset).display().to_string()])
}

fn values(add: f32) -> Value {
    let height = height(add);
    let cell = |r: usize, c: usize| Some(f64::from(height(r, c))).filter(|v| *v > -9000.0);
    (0..20).flat_map(|r| (0..24).map(move |c| (r, c))).map(|(r, c)| json!(cell(r, c))).collect()
}

fn head(sandbox: &Sandbox) -> Value {
    let said = sandbox.succeed(&["plan", "elevation", "--format", "json"]);
    let plan: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    plan["pipelines"][0]["heads"].clone()
}

#[test]
fn a_map_is_read_once_and_stored_without_time() {
    let sandbox = project();
    let plan = sandbox.succeed(&["plan", "elevation"]);
    assert!(plan.contains("static") && plan.contains("not stored yet"), "{plan}");
    let ran = sandbox.succeed(&["run", "elevation"]);
    assert!(ran.contains("dem      static"), "{ran}");
    if let Some(seen) = read(&sandbox, "dem") {
        assert_eq!(seen["sizes"], json!({ "y": 20, "x": 24 }));
        assert_eq!(seen["coordinates"], json!(["spatial_ref", "x", "y"]));
        assert_eq!(seen["arrays"], json!(["dsm", "spatial_ref", "x", "y"]));
        let dsm = &seen["variables"]["dsm"];
        assert_eq!((&dsm["dims"], &dsm["dtype"]), (&json!(["y", "x"]), &json!("float32")));
        assert_eq!((&dsm["chunks"], &dsm["shards"]), (&json!([8, 8]), &json!([16, 16])));
        assert_eq!(dsm["values"], values(0.0));
        // What is said of periods is not said of what has none.
        let said = format!("{}{}", seen["attributes"], dsm["attributes"]);
        assert!(!said.contains("time_coverage") && !said.contains("cell_methods"), "{said}");
        assert_eq!(seen["crs"], json!(4326));
        let transform: Vec<f64> = serde_json::from_value(seen["transform"].clone()).unwrap();
        for (found, expected) in transform.iter().zip([0.1, 0.0, -13.0, 0.0, -0.1, 10.0]) {
            assert!((found - expected).abs() < 1e-9, "{transform:?}");
        }
        assert_eq!(seen["commits"][0]["message"], "add static");
    }
    // Done is done.
    assert!(sandbox.run(&["plan", "--exit-code", "elevation"]).status.success());
    std::fs::remove_file(sandbox.path("input/dem.tif")).unwrap();
    sandbox.succeed(&["run", "elevation"]);

    let text = std::fs::read(sandbox.path("stac/collections/dem/collection.json")).unwrap();
    let collection: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(collection["extent"]["temporal"]["interval"], json!([[null, null]]));
    let dimensions: Vec<&String> = collection["cube:dimensions"].as_object().unwrap().keys().collect();
    assert_eq!(dimensions, ["y", "x"]);
    let variables = collection["cube:variables"].as_object().unwrap();
    assert_eq!(variables.keys().collect::<Vec<_>>(), ["dsm"]);
    assert_eq!(variables["dsm"]["shape"], json!([20, 24]));
    assert_eq!(variables["dsm"]["chunks"], json!([8, 8]));
    assert_eq!(collection["assets"]["thumbnail"]["title"], "the map");
    let schemas = frazil_tests::programs::root().join("tests/data/stac").display().to_string();
    if let Some(judged) =
        ask_python("validate_stac.py", &[&schemas, &sandbox.path("stac").display().to_string()])
    {
        assert_eq!(judged["problems"], json!([]), "{judged}");
    }
}

#[test]
fn another_definition_is_read_again_in_place() {
    let sandbox = project();
    sandbox.succeed(&["run", "elevation"]);
    let change = |from: &str, to: &str| {
        let path = sandbox.path("pipelines/elevation.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    // The same numbers from another file: one commit says so, and none follows.
    write(&sandbox, "copy", 0.0);
    change("input/dem.tif", "input/copy.tif");
    let plan = sandbox.succeed(&["plan", "elevation"]);
    assert!(plan.contains("its definition differs"), "{plan}");
    sandbox.succeed(&["run", "elevation"]);
    assert!(sandbox.run(&["plan", "--exit-code", "elevation"]).status.success());
    // Other numbers.
    write(&sandbox, "newer", 0.5);
    change("input/copy.tif", "input/newer.tif");
    sandbox.succeed(&["run", "elevation"]);
    assert!(sandbox.run(&["plan", "--exit-code", "elevation"]).status.success());
    // The same definition, asked for by name.
    write(&sandbox, "newer", 1.5);
    sandbox.succeed(&["run", "elevation"]);
    sandbox.succeed(&["backfill", "dem", "--only", "all"]);
    if let Some(seen) = read(&sandbox, "dem") {
        assert_eq!(seen["variables"]["dsm"]["values"], values(1.5));
        let commits: Vec<&str> =
            seen["commits"].as_array().unwrap().iter().map(|c| c["message"].as_str().unwrap()).collect();
        assert_eq!(
            commits[..4],
            ["revise static", "revise static", "record sources", "add static"],
            "{commits:?}"
        );
    }
    let before = head(&sandbox);
    sandbox.succeed(&["backfill", "dem", "--only", "all"]);
    assert_eq!(head(&sandbox), before, "equal values are no commit");
}

#[test]
fn a_source_that_changed_under_its_url_is_read_again() {
    let sandbox = project();
    let server = Server::start(sandbox.path("input"), 0).unwrap();
    sandbox.write(
        "pipelines/elevation.yaml",
        &PIPELINE.replace("input/dem.tif", &format!("{}/dem.tif", server.url())),
    );
    let reads = || server.requests().iter().filter(|request| request.method == "GET").count();
    let done = || sandbox.run(&["plan", "--exit-code", "elevation"]).status.success();
    sandbox.succeed(&["run", "elevation"]);
    assert!(reads() > 0 && done());
    server.forget();
    sandbox.succeed(&["run", "elevation"]);
    assert_eq!(reads(), 0, "it is looked at, and not read");
    // Other numbers.
    write(&sandbox, "dem", 0.5);
    let plan = sandbox.succeed(&["plan", "elevation"]);
    assert!(plan.contains("dem.tif is another one") && plan.contains("it is read again"), "{plan}");
    sandbox.succeed(&["run", "elevation"]);
    assert!(done());
    // The same numbers, written again: one commit says so, and none follows.
    std::fs::copy(sandbox.path("input/dem.tif"), sandbox.path("input/same.tif")).unwrap();
    std::fs::rename(sandbox.path("input/same.tif"), sandbox.path("input/dem.tif")).unwrap();
    assert!(!done());
    sandbox.succeed(&["run", "elevation"]);
    assert!(done());
    // What is gone, or cannot be asked, is no reason to do anything; and no error.
    server.always("/dem.tif", Fault::Status(503, None));
    let plan = sandbox.succeed(&["plan", "elevation"]);
    assert!(plan.contains("could not be found out") && done(), "{plan}");
    sandbox.succeed(&["run", "elevation"]);
    server.always("/dem.tif", Fault::Status(404, None));
    let plan = sandbox.succeed(&["plan", "elevation"]);
    assert!(plan.contains("is not there any more: what is stored stays") && done(), "{plan}");
    if let Some(seen) = read(&sandbox, "dem") {
        assert_eq!(seen["variables"]["dsm"]["values"], values(0.5));
        let commits = seen["commits"].as_array().unwrap();
        let messages: Vec<&str> = commits.iter().map(|c| c["message"].as_str().unwrap()).collect();
        assert_eq!(messages[..3], ["record sources", "revise static", "add static"], "{messages:?}");
        let files = commits[0]["properties"]["files"].as_object().unwrap();
        assert!(files.keys().all(|name| name.ends_with("/dem.tif")) && files.len() == 1, "{files:?}");
    }
}

#[test]
fn a_map_gets_levels_and_other_chunks_as_any_dataset_does() {
    let sandbox = project();
    sandbox.succeed(&["run", "elevation"]);
    let rewrites = |step: &str| {
        let text = format!(
            "frazil: 1
id: rewrites
steps:
  open: {{ uses: open-dataset, with: {{ dataset: dem }} }}
  done: {{ uses: {step}, needs: open, with: {{ dataset: dem, {{}} }} }}
"
        );
        move |with: &str| text.replace("{}", with)
    };
    let run = |text: String| {
        sandbox.write("pipelines/rewrites.yaml", &text);
        let plan = sandbox.succeed(&["plan", "rewrites"]);
        assert!(!plan.contains("as it should be"), "{plan}");
        sandbox.succeed(&["run", "rewrites"]);
        assert!(sandbox.run(&["plan", "--exit-code", "rewrites"]).status.success());
        std::fs::remove_file(sandbox.path("pipelines/rewrites.yaml")).unwrap();
    };
    run(rewrites("rechunk")("chunks: { y: 5, x: 24 }"));
    let Some(seen) = read(&sandbox, "dem") else { return };
    let dsm = &seen["variables"]["dsm"];
    assert_eq!(
        (&dsm["chunks"], &dsm["shards"], &dsm["dims"]),
        (&json!([5, 24]), &json!([]), &json!(["y", "x"]))
    );
    assert_eq!(dsm["values"], values(0.0));
    assert_eq!(dsm["gdal"]["same"], true);
    run(rewrites("pyramid")("levels: 2, method: max"));
    let path = sandbox.path("cubes/dem").display().to_string();
    let levels = |add: f32| {
        let levels = ask_python("read_levels.py", &[&path, "dsm"]).unwrap();
        assert_eq!(levels["groups"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0", "1", "2"]);
        let mut above: Vec<Vec<Option<f64>>> =
            serde_json::from_value(levels["groups"]["0"]["values"].clone()).unwrap();
        let flat: Vec<Option<f64>> = above.iter().flatten().copied().collect();
        assert_eq!(json!(flat), values(add));
        for group in ["1", "2"] {
            let half: Vec<Vec<Option<f64>>> = above
                .chunks_exact(2)
                .map(|rows| {
                    let of = |x: usize| {
                        rows.iter().flat_map(|row| row[x..x + 2].to_vec()).flatten().reduce(f64::max)
                    };
                    (0..rows[0].len() / 2).map(|x| of(2 * x)).collect()
                })
                .collect();
            assert_eq!(levels["groups"][group]["values"], json!(half), "{group}");
            assert_eq!(levels["groups"][group]["dims"], json!(["y", "x"]));
            above = half;
        }
    };
    levels(0.0);
    // What is read again writes its levels too.
    write(&sandbox, "dem", 3.0);
    sandbox.succeed(&["run", "elevation"]);
    levels(3.0);
    run(rewrites("rechunk")("chunks: { y: 20, x: 6 }"));
    levels(3.0);
    sandbox.write("pipelines/rewrites.yaml", &rewrites("rechunk")("chunks: { time: 2 }"));
    let (said, _) = sandbox.fail(1, &["check"]);
    assert!(said.contains("`dem` has no time axis"), "{said}");
}

#[test]
fn what_asks_for_periods_of_it_is_refused_by_name() {
    let sandbox = project();
    // Not "not yet": there is nothing later that could come.
    std::fs::remove_file(sandbox.path("input/dem.tif")).unwrap();
    let (_, said) = sandbox.fail(1, &["run", "elevation"]);
    assert!(said.contains("the source does not have") && said.contains("dem.tif"), "{said}");
    write(&sandbox, "dem", 0.0);
    sandbox.succeed(&["run", "elevation"]);
    let (_, said) = sandbox.fail(64, &["mark", "dem", "--period", "2024-01-01"]);
    assert!(said.contains("`dem` has no time axis"), "{said}");
    let (_, said) = sandbox.fail(64, &["explain", "dem", "--period", "2024-01-01"]);
    assert!(said.contains("`dem` has no time axis"), "{said}");
    let shown = sandbox.succeed(&["status"]);
    assert!(shown.contains("dem") && shown.contains("there"), "{shown}");
    let layout = sandbox.succeed(&["layout", "dem"]);
    assert!(layout.contains("dsm: 20 × 24 of y, x") && layout.contains("9 chunks of 8 × 8"), "{layout}");
    let text = PIPELINE.replace("input/dem.tif", "input/dem-{{ period.year }}.tif");
    sandbox.write("pipelines/elevation.yaml", &text);
    let (_, said) = sandbox.fail(1, &["run", "elevation"]);
    assert!(said.contains("`url` names a period, and `dem` has no time axis"), "{said}");
}

/// People of 2025, by kilometre, brought onto tenths of a degree: as many as there were.
#[test]
fn people_of_a_year_stay_as_many_on_a_coarser_grid() {
    let Some(data) = genuine_data() else { return };
    let file = data.join("worldpop/sle_pop_2025_CN_1km_R2025A_UA_v1.tif");
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    sandbox.write(
        "pipelines/people.yaml",
        &format!(
            "frazil: 1
id: census
datasets:
  people:
    title: People of Sierra Leone in 2025
    time: none
    variables: {{ population: {{ units: \"1\", long-name: People of a cell, cell: point, dtype: float32, nodata: -99999 }} }}
  coarse:
    title: The same by tenths of a degree
    time: none
    crs: EPSG:4326
    grid: {{ origin: [-13.5, 10.1], cell: [0.1, -0.1], shape: [33, 34] }}
    variables: {{ population: {{ units: \"1\", long-name: People of a cell, cell: point, dtype: float64 }} }}
steps:
  list: {{ uses: enumerate-periods, with: {{ dataset: people }} }}
  read: {{ uses: fetch, needs: list, with: {{ source: file, url: \"{0}\", variables: {{ population: {{ band: 1 }} }} }} }}
  people: {{ uses: append-commit, needs: read, with: {{ dataset: people }} }}
  list-coarse: {{ uses: enumerate-periods, with: {{ dataset: coarse }} }}
  read-coarse: {{ uses: fetch, needs: list-coarse, with: {{ source: file, url: \"{0}\", variables: {{ population: {{ band: 1 }} }} }} }}
  sum: {{ uses: transform, needs: read-coarse, with: {{ do: [ {{ regrid: {{ onto: coarse, method: sum }} }} ] }} }}
  coarse: {{ uses: append-commit, needs: sum, with: {{ dataset: coarse }} }}
",
            file.display()
        ),
    );
    sandbox.succeed(&["run", "census"]);
    let (Some(fine), Some(coarse)) = (read(&sandbox, "people"), read(&sandbox, "coarse")) else { return };
    let total = |seen: &Value| -> f64 {
        seen["variables"]["population"]["values"].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
    };
    let gdal = &coarse["variables"]["population"]["gdal"];
    assert_eq!(*gdal, json!({ "same": true, "crs": 4326, "bounds": [-13.5, 6.8, -10.1, 10.1] }));
    let (fine, coarse) = (total(&fine), total(&coarse));
    assert!(fine > 5e6 && ((fine - coarse) / fine).abs() < 1e-6, "{fine} {coarse}");
}
