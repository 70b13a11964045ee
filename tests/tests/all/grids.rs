//! Sources brought onto other grids and into other projections, beside what rasterio makes of them.

use frazil_tests::{geotiff::GeoTiff, programs::ask_python, sandbox::Sandbox};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: grids\n";

/// One way of one source onto one grid.
struct Way {
    name: &'static str,
    /// The operation: `regrid` or `reproject`.
    operation: &'static str,
    method: &'static str,
    /// Corner, cell and shape (rows, columns) of the target.
    origin: [f64; 2],
    cell: [f64; 2],
    shape: [usize; 2],
    crs: &'static str,
    source: &'static str,
}

const WAYS: [Way; 8] = [
    way("nearest", "regrid", "nearest", [-12.0, 9.0], [0.3, -0.3], [14, 17], "EPSG:4326", "land"),
    way("bilinear", "regrid", "bilinear", [-12.3, 9.1], [0.11, -0.13], [31, 33], "EPSG:4326", "land"),
    way("cubic", "regrid", "cubic", [-12.3, 9.1], [0.11, -0.13], [31, 33], "EPSG:4326", "land"),
    way("average", "regrid", "average", [-13.0, 10.0], [1.0, -1.0], [4, 4], "EPSG:4326", "land"),
    way(
        "utm",
        "reproject",
        "bilinear",
        [650_000.0, 1_050_000.0],
        [20_000.0, -20_000.0],
        [18, 16],
        "EPSG:32628",
        "land",
    ),
    // Inside the source: GDAL counts its outermost cells as covered as a whole, which is not so.
    way(
        "utm_mean",
        "reproject",
        "average",
        [750_000.0, 1_050_000.0],
        [50_000.0, -50_000.0],
        [6, 6],
        "EPSG:32628",
        "land",
    ),
    way("greenwich", "regrid", "bilinear", [-17.0, 21.0], [4.0, -4.0], [10, 9], "EPSG:4326", "globe"),
    way("date_line", "regrid", "average", [161.0, 21.0], [6.0, -7.0], [6, 7], "EPSG:4326", "globe"),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn way(
    name: &'static str,
    operation: &'static str,
    method: &'static str,
    origin: [f64; 2],
    cell: [f64; 2],
    shape: [usize; 2],
    crs: &'static str,
    source: &'static str,
) -> Way {
    Way { name, operation, method, origin, cell, shape, crs, source }
}

impl Way {
    fn pipeline(&self) -> String {
        let Self { name, operation, method, origin, cell, shape, crs, source } = self;
        format!(
            "frazil: 1
id: to_{name}
datasets:
  {name}:
    title: Rain on another grid
    time: {{ step: P1D }}
    crs: {crs}
    grid: {{ origin: {origin:?}, cell: {cell:?}, shape: {shape:?} }}
    variables: {{ rain: {{ units: mm, cell: total, dtype: float64, nodata: -9999 }} }}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: {name}, start: \"2024-01-01\", end: \"2024-01-02\" }} }}
  read: {{ uses: fetch, needs: missing, with: {{ source: cog, url: \"input/{source}-{{{{ period.id }}}}.tif\", variables: {{ rain: {{ band: 1 }} }} }} }}
  bring: {{ uses: transform, needs: read, with: {{ do: [ {{ {operation}: {{ onto: {name}, method: {method} }} }} ] }} }}
  settle: {{ uses: append-commit, needs: bring, with: {{ dataset: {name} }} }}
"
        )
    }

    /// What rasterio is to be asked. It knows no turns: the source is laid under the target for it.
    fn job(&self, sandbox: &Sandbox) -> Value {
        let ([x, y], [dx, dy]) = (self.origin, self.cell);
        let files: Vec<String> = (1..=2)
            .map(|day| {
                sandbox.path(format!("input/{}-2024-01-{day:02}.tif", self.source)).display().to_string()
            })
            .collect();
        // From 0 to 360 by 10: Greenwich lies between, or the date line in the middle as it is.
        let turned = self.name == "greenwich";
        json!({
            "cube": sandbox.path("cubes").join(self.name), "variable": "rain", "files": files,
            "method": self.method, "crs": self.crs, "shape": self.shape,
            "transform": [dx, 0, x, 0, dy, y],
            "turn": if turned { 18 } else { 0 }, "shift": if turned { -18 } else { 0 },
        })
    }
}

/// Two days of a land with a lake in it, and of a globe from 0 to 360.
fn input(sandbox: &Sandbox) {
    for day in 1..=2 {
        let wave = |r: usize, c: usize| ((r * 7 + c * 13 + day * 5) % 29) as f32 + 0.25 * c as f32;
        let lake = |r: usize, c: usize| if (4..7).contains(&r) && c > 12 { -9999.0 } else { wave(r, c) };
        let land = GeoTiff::of((-13.0, 10.0), 0.2, (20, 25), lake);
        let globe = GeoTiff::of((0.0, 90.0), 10.0, (18, 36), wave);
        land.write(&sandbox.path(format!("input/land-2024-01-{day:02}.tif"))).unwrap();
        globe.write(&sandbox.path(format!("input/globe-2024-01-{day:02}.tif"))).unwrap();
    }
}

#[test]
fn what_lies_on_another_grid_is_what_rasterio_makes_of_it() {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    input(&sandbox);
    for way in &WAYS {
        sandbox.write(&format!("pipelines/{}.yaml", way.name), &way.pipeline());
    }
    let plan = sandbox.succeed(&["plan", "to_utm"]);
    assert!(
        plan.contains("onto the grid of utm: 18 × 16 cells of 20000 × 20000") && plan.contains("EPSG:32628"),
        "{plan}"
    );
    for way in &WAYS {
        sandbox.succeed(&["run", way.name]);
    }
    let jobs: Vec<Value> = WAYS.iter().map(|way| way.job(&sandbox)).collect();
    sandbox.write("jobs.json", &Value::from(jobs).to_string());
    let Some(found) = ask_python("warp.py", &[&sandbox.path("jobs.json").display().to_string()]) else {
        return;
    };
    for (way, found) in WAYS.iter().zip(found.as_array().unwrap()) {
        let name = way.name;
        assert_eq!((&found["periods"], &found["shape"]), (&json!(2), &json!(way.shape)), "{name}");
        assert_eq!(found["alone"], 0, "{name}: missing in one alone, {found}");
        assert!(found["worst"].as_f64().unwrap() < 1e-9, "{name}: {found}");
        assert!(found["there"].as_u64().unwrap() > 20, "{name}: {found}");
        let projected = way.operation == "reproject";
        let crs = if projected { "WGS 84 / UTM zone 28N" } else { "WGS 84" };
        assert_eq!(found["crs"], crs, "{name}");
        let first = [way.origin[0] + way.cell[0] / 2.0, way.origin[1] + way.cell[1] / 2.0];
        assert_eq!(found["edge"], json!(first), "{name}");
    }
    // A second run has nothing to do.
    assert!(sandbox.run(&["plan", "--exit-code", "to_utm"]).status.success());
}

#[test]
fn a_source_in_another_system_is_refused_by_regrid() {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    input(&sandbox);
    let utm = &WAYS[4];
    sandbox.write("pipelines/utm.yaml", &utm.pipeline().replace("reproject:", "regrid:"));
    let (_, said) = sandbox.fail(1, &["run", "utm"]);
    assert!(said.contains("the source is in EPSG:4326") && said.contains("`reproject` leads to"), "{said}");
}
