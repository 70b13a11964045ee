//! Datasets of many kinds and a server over them: a map in shards, days with levels, people by age and sex.

use frazil_tests::{geotiff::GeoTiff, sandbox::Sandbox, serving::Serving};

const PROJECT: &str = "frazil: 1\nid: land\ntitle: Land\nstores: { cubes: ./cubes }\n";

const DEM: &str = "frazil: 1
id: elevation
datasets:
  dem:
    title: Elevation
    license: CC0-1.0
    time: none
    variables: { dsm: { units: m, standard-name: surface_altitude, cell: point, dtype: float32, nodata: -9999 } }
    chunks: { y: 8, x: 8 }
    shards: { y: 16, x: 16 }
steps:
  list: { uses: enumerate-periods, with: { dataset: dem } }
  read: { uses: fetch, needs: list, with: { source: cog, url: \"input/dem.tif\", variables: { dsm: { band: 1 } } } }
  dem: { uses: append-commit, needs: read, with: { dataset: dem } }
";

const SNOW: &str = "frazil: 1
id: snow_daily
params: { end: { type: period, default: \"2024-01-04\" } }
datasets:
  snow:
    title: Snow
    license: CC-BY-4.0
    time: { step: P1D, start: \"2024-01-01\", available: { lag: 1d }, late: 5d }
    variables: { snow: { units: mm, cell: point, dtype: float32, nodata: -9999 } }
    chunks: { time: 3, y: 16, x: 20 }
    display: { colormap: blues, range: [0, 100] }
steps:
  days: { uses: enumerate-periods, with: { dataset: snow, start: \"2024-01-01\", end: \"{{ params.end }}\" } }
  files:
    uses: fetch
    needs: days
    with: { source: cog, url: \"input/{{ period | date('%Y%m%d') }}.tif\", variables: { snow: { band: 1 } } }
  snow: { uses: append-commit, needs: files, with: { dataset: snow } }
";

const MAPS: &str = "frazil: 1
id: maps
steps:
  daily: { uses: open-dataset, with: { dataset: snow } }
  levels: { uses: pyramid, needs: daily, with: { dataset: snow, levels: 2 } }
";

const CATALOG: &str = "frazil: 1
id: catalog
steps:
  daily: { uses: open-dataset, with: { dataset: snow } }
  files: { uses: publish-stac, needs: daily }
";

const PEOPLE: &str = "frazil: 1
id: people
datasets:
  pop:
    title: People by age and sex
    time: { step: P1Y }
    dimensions: { age: [0, 5], sex: [f, m] }
    variables: { pop: { units: \"1\", cell: point, dtype: float32, nodata: -99999 } }
steps:
  years: { uses: enumerate-periods, with: { dataset: pop, start: \"2020\", end: \"2021\" } }
  ages:
    uses: fetch
    needs: years
    with:
      source: cog
      url: \"input/pop_{{ period.year }}_{{ sex }}_{{ age }}.tif\"
      over: { age: [0, 5], sex: [f, m] }
      variables: { pop: { band: 1 } }
  pop: { uses: append-commit, needs: ages, with: { dataset: pop } }
";

/// A project with its files.
pub(super) struct Stand {
    pub(super) sandbox: Sandbox,
}

/// The number of a cell on the n-th of January; the south-west is missing.
pub(super) fn snow(n: u32, r: usize, c: usize) -> f32 {
    if r > 30 && c < 6 { -9_999.0 } else { ((r * 36 + c) % 97) as f32 / 4.0 + n as f32 }
}

impl Stand {
    /// Files, and no dataset yet.
    pub(super) fn new() -> Self {
        let sandbox = Sandbox::new(&[
            ("frazil.yaml", PROJECT),
            ("pipelines/dem.yaml", DEM),
            ("pipelines/snow.yaml", SNOW),
            ("pipelines/maps.yaml", MAPS),
            ("pipelines/catalog.yaml", CATALOG),
            ("pipelines/people.yaml", PEOPLE),
        ]);
        let stand = Self { sandbox };
        let sea = |r: usize, c: usize| if (r, c) == (3, 4) { -9999.0 } else { (r * 24 + c) as f32 };
        stand.raster("dem", (20, 24), sea);
        for n in 1..=9 {
            stand.raster(&format!("202401{n:02}"), (41, 36), |r, c| snow(n, r, c));
        }
        for year in [2020, 2021] {
            for (age, sex) in [(0, "f"), (0, "m"), (5, "f"), (5, "m")] {
                let men = if sex == "m" { 0.5 } else { 0.0 };
                let people = |r: usize, c: usize| (year + age + r * 4 + c) as f32 + men;
                stand.raster(&format!("pop_{year}_{sex}_{age}"), (3, 4), people);
            }
        }
        stand
    }

    /// All datasets made: four days, with levels.
    pub(super) fn made() -> Self {
        let stand = Self::new();
        for pipeline in ["elevation", "snow_daily", "maps", "people"] {
            stand.sandbox.succeed(&["run", pipeline]);
        }
        stand
    }

    /// Days of snow up to this one.
    pub(super) fn run(&self, end: &str) {
        self.sandbox.succeed(&["run", "snow_daily", "-p", &format!("end={end}")]);
    }

    pub(super) fn raster(&self, name: &str, shape: (usize, usize), value: impl Fn(usize, usize) -> f32) {
        let raster = GeoTiff::of((-2.0, 5.0), 0.5, shape, value);
        raster.write(&self.sandbox.path(format!("input/{name}.tif"))).unwrap();
    }

    pub(super) fn serve(&self) -> Serving {
        Serving::start(&self.sandbox)
    }
}
