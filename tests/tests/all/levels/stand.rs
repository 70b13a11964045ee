//! Snow on 41 × 36 cells from a server, a pipeline that makes levels of it, and one that hangs from it.

use frazil_tests::{
    geotiff::GeoTiff,
    programs::{ask_python, python},
    sandbox::Sandbox,
    server::Server,
};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: snow\nstores: { cubes: ./cubes }\n";

const SNOW: &str = "frazil: 1
id: snow_daily
params: { end: { type: period, default: \"2024-01-01\" } }
datasets:
  snow:
    title: Snow
    license: CC-BY-4.0
    time: { step: P1D }
    variables: { snow: { units: mm, cell: point, dtype: float32, nodata: -9999 } }
    chunks: { time: 3, y: 16, x: 20 }
    display: { colormap: blues, range: [0, 100] }
steps:
  days: { uses: enumerate-periods, with: { dataset: snow, start: \"2024-01-01\", end: \"{{ params.end }}\" } }
  files:
    uses: fetch
    needs: days
    with:
      source: cog
      url: \"URL/{{ period | date('%Y%m%d') }}.tif\"
      variables: { snow: { band: 1 } }
  snow: { uses: append-commit, needs: files, with: { dataset: snow } }
  catalog: { uses: publish-stac, needs: snow }
";

const MAPS: &str = "frazil: 1
id: maps
steps:
  daily: { uses: open-dataset, with: { dataset: snow } }
  levels: { uses: pyramid, needs: daily, with: { dataset: snow, WITH } }
";

const WEEKS: &str = "frazil: 1
id: weeks
datasets:
  snow_weekly: { title: Snow of a week, time: { step: P1W } }
steps:
  daily: { uses: open-dataset, with: { dataset: snow } }
  weekly: { uses: derived-resample, needs: daily, with: { dataset: snow_weekly, method: max } }
";

pub(super) struct Stand {
    pub(super) sandbox: Sandbox,
    _server: Server,
}

/// The number of a cell on the n-th of January, exact in float32; some are missing.
pub(super) fn snow(n: u32, r: usize, c: usize) -> f32 {
    let at = r * 36 + c;
    if (at + n as usize).is_multiple_of(5) || r > 30 && c < 6 {
        -9_999.0
    } else {
        (at % 97) as f32 / 4.0 + n as f32
    }
}

impl Stand {
    /// A source of January 2024, and no cube yet; `None` without a Python, which counts the commits.
    pub(super) fn new() -> Option<Self> {
        python()?;
        let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT), ("pipelines/weeks.yaml", WEEKS)]);
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        sandbox.write("pipelines/snow.yaml", &SNOW.replace("URL", &server.url()));
        let stand = Self { sandbox, _server: server };
        for n in 1..=31 {
            stand.file(n, |r, c| snow(n, r, c));
        }
        stand.maps("levels: 3");
        Some(stand)
    }

    pub(super) fn file(&self, n: u32, value: impl Fn(usize, usize) -> f32) {
        let raster = GeoTiff::of((-2.0, 5.0), 0.5, (41, 36), value);
        raster.write(&self.sandbox.path("input").join(format!("202401{n:02}.tif"))).unwrap();
    }

    /// What the pyramid is told.
    pub(super) fn maps(&self, with: &str) {
        self.sandbox.write("pipelines/maps.yaml", &MAPS.replace("WITH", with));
    }

    pub(super) fn run(&self, end: &str) {
        self.sandbox.succeed(&["run", "snow_daily", "-p", &format!("end={end}")]);
    }

    pub(super) fn head(&self) -> Value {
        let text = self.sandbox.succeed(&["explain", "snow", "--format", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["commit"]["id"].clone()
    }

    /// Commits of `main`.
    pub(super) fn commits(&self) -> usize {
        let path = self.sandbox.path("cubes/snow").to_string_lossy().into_owned();
        let Some(branches) = ask_python("branches.py", &[&path]) else { return 0 };
        branches["main"].as_array().map_or(0, Vec::len)
    }

    pub(super) fn check(&self, more: &[&str]) -> Option<Value> {
        let path = self.sandbox.path("cubes/snow").to_string_lossy().into_owned();
        let args: Vec<&str> = std::iter::once(path.as_str()).chain(more.iter().copied()).collect();
        ask_python("check_levels.py", &args)
    }

    /// All levels of so many days are those of the data, as others read them.
    pub(super) fn right(&self, days: u32) -> Option<Value> {
        let found = self.check(&[])?;
        assert_eq!(found["wrong"], json!([]));
        let wanted: Vec<String> = (1..=days).map(|n| format!("2024-01-{n:02}")).collect();
        for level in found["levels"].as_array().unwrap() {
            assert_eq!(level["time"], json!(wanted), "{}", level["asset"]);
        }
        Some(found)
    }
}
