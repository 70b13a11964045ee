//! Dimensions between time and y from source files to xarray: population by age and sex.

use frazil_tests::{geotiff::GeoTiff, programs::ask_python, sandbox::Sandbox, server::Server};
use serde_json::{Value, json};

const PROJECT: &str = "frazil: 1\nid: people\n";

const PIPELINE: &str = "frazil: 1
id: people
datasets:
  pop:
    title: People by age and sex
    license: CC-BY-4.0
    time: { step: P1Y }
    dimensions: { age: [0, 1, 5], sex: [f, m] }
    variables: { pop: { units: \"1\", cell: point, dtype: float32, nodata: -99999 } }
    display: { colormap: blues, range: [0, 10] }
  pop_thousands:
    title: Thousands of people
    time: { step: P1Y }
    variables: { pop: { units: \"1\", cell: point, dtype: float32 } }
  births:
    title: Births by sex
    time: { step: P1M }
    variables: { births: { units: \"1\", cell: total, dtype: float32 } }
    chunks: { time: 5, sex: 2 }
  births_yearly:
    title: Births of a year by sex
    time: { step: P1Y }
steps:
  years: { uses: enumerate-periods, with: { dataset: pop, start: \"2020\", end: \"2022\" } }
  ages:
    uses: fetch
    needs: years
    with:
      source: cog
      url: \"URL/{{ period.year }}/pop_{{ sex }}_{{ '0' if age < 10 else '' }}{{ age }}.tif\"
      over: { age: [0, 1, 5], sex: [f, m] }
      variables: { pop: { band: 1 } }
      in-flight: 2
  pop: { uses: append-commit, needs: ages, with: { dataset: pop } }
  copied: { uses: enumerate-periods, needs: pop, with: { dataset: pop_thousands } }
  read: { uses: fetch, needs: copied, with: { source: dataset, dataset: pop } }
  scaled: { uses: transform, needs: read, with: { do: [ { scale-offset: { pop: { scale: 0.001, units: \"1\" } } } ] } }
  thousands: { uses: append-commit, needs: scaled, with: { dataset: pop_thousands } }
  months: { uses: enumerate-periods, with: { dataset: births, start: \"2020-01\", end: \"2021-12\" } }
  sexes:
    uses: fetch
    needs: months
    with:
      source: cog
      url: \"URL/births/{{ period | date('%Y%m') }}_{{ sex }}.tif\"
      over: { sex: [f, m] }
  births: { uses: append-commit, needs: sexes, with: { dataset: births } }
  yearly: { uses: derived-resample, needs: births, with: { dataset: births_yearly, method: sum } }
  catalog: { uses: publish-stac, needs: [pop, thousands, yearly] }
";

const AGES: [u32; 3] = [0, 1, 5];

/// The number of a file's cell; a corner is sea.
fn people(year: u32, age: u32, sex: &str, cell: usize) -> f32 {
    let sex = if sex == "f" { 100.0 } else { 200.0 };
    (year - 2000) as f32 * 1_000.0 + sex + age as f32 * 10.0 + cell as f32
}

fn births(year: u32, month: u32, sex: &str, cell: usize) -> f32 {
    (if sex == "f" { month } else { month * 2 }) as f32 * 10.0 + (year - 2020) as f32 + cell as f32
}

struct Project {
    sandbox: Sandbox,
    server: Server,
}

impl Project {
    fn new() -> Self {
        let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        let project = Self { sandbox, server };
        project.sandbox.write("pipelines/people.yaml", &PIPELINE.replace("URL", &project.server.url()));
        for year in 2020..=2022 {
            for (age, sex) in AGES.iter().flat_map(|age| [(*age, "f"), (*age, "m")]) {
                project.pop(year, age, sex);
            }
            for month in 1..=12 {
                for sex in ["f", "m"] {
                    let raster = |r: usize, c: usize| births(year, month, sex, r * 4 + c);
                    project.raster(&format!("births/{year}{month:02}_{sex}.tif"), raster);
                }
            }
        }
        project
    }

    fn pop(&self, year: u32, age: u32, sex: &str) {
        let value =
            |r: usize, c: usize| if r + c == 0 { -99_999.0 } else { people(year, age, sex, r * 4 + c) };
        self.raster(&format!("{year}/pop_{sex}_{age:02}.tif"), value);
    }

    fn raster(&self, path: &str, value: impl Fn(usize, usize) -> f32) {
        let raster = GeoTiff::of((-2.0, 5.0), 0.5, (3, 4), value);
        raster.write(&self.sandbox.path("input").join(path)).unwrap();
    }

    fn forget(&self, path: &str) {
        std::fs::remove_file(self.sandbox.path("input").join(path)).unwrap();
    }

    /// What xarray selects, where there is a Python.
    fn select(&self, dataset: &str, variable: &str, labels: &[Value]) -> Option<Value> {
        let path = self.sandbox.path("cubes").join(dataset).to_string_lossy().into_owned();
        let labels: Vec<String> = labels.iter().map(Value::to_string).collect();
        let mut args = vec![path.as_str(), variable];
        args.extend(labels.iter().map(String::as_str));
        ask_python("select_labels.py", &args)
    }
}

/// 3 × 4 numbers as xarray prints them.
fn field(value: impl Fn(usize) -> Option<f32>) -> Value {
    let cell = |cell: usize| value(cell).map_or(Value::Null, |v| json!(f64::from(v)));
    (0..3).map(|r| (0..4).map(|c| cell(r * 4 + c)).collect::<Value>()).collect()
}

#[test]
fn people_by_age_and_sex_are_found_by_their_labels() {
    let project = Project::new();
    let plan = project.sandbox.succeed(&["plan", "people"]);
    // Three years of six files, two of twelve months of two.
    assert!(plan.contains("18") && plan.contains("48"), "{plan}");
    project.sandbox.succeed(&["run", "people"]);
    let labels = [
        json!({ "age": 5, "sex": "m", "time": "2021-01-01" }),
        json!({ "age": 0, "sex": "f", "time": "2022-01-01" }),
    ];
    let sea = |cell: usize, v: f32| (cell > 0).then_some(v);
    if let Some(seen) = project.select("pop", "pop", &labels) {
        assert_eq!(seen["dims"], json!(["time", "age", "sex", "y", "x"]));
        assert_eq!(seen["shape"], json!([3, 3, 2, 3, 4]));
        assert_eq!(seen["labels"], json!({ "age": [0, 1, 5], "sex": ["f", "m"] }));
        assert_eq!(seen["selected"][0], field(|c| sea(c, people(2021, 5, "m", c))));
        assert_eq!(seen["selected"][1], field(|c| sea(c, people(2022, 0, "f", c))));
    }
    if let Some(seen) = project.select("pop_thousands", "pop", &labels) {
        assert_eq!(seen["labels"], json!({ "age": [0, 1, 5], "sex": ["f", "m"] }));
        let thousands = |v: f32| (f64::from(v) * 0.001) as f32;
        assert_eq!(seen["selected"][0], field(|c| sea(c, thousands(people(2021, 5, "m", c)))));
    }
    let yearly = [json!({ "sex": "f", "time": "2020-01-01" }), json!({ "sex": "m", "time": "2021-01-01" })];
    if let Some(seen) = project.select("births_yearly", "births", &yearly) {
        assert_eq!(
            (&seen["dims"], &seen["labels"]),
            (&json!(["time", "sex", "y", "x"]), &json!({ "sex": ["f", "m"] }))
        );
        for (at, year, sex) in [(0, 2020, "f"), (1, 2021, "m")] {
            let sum = |c: usize| (1..=12).map(|month| births(year, month, sex, c)).sum::<f32>();
            assert_eq!(seen["selected"][at], field(|c| Some(sum(c))), "{year} {sex}");
        }
    }
    let collection = std::fs::read(project.sandbox.path("stac/collections/pop/collection.json")).unwrap();
    let collection: Value = serde_json::from_slice(&collection).unwrap();
    assert_eq!(collection["cube:dimensions"]["sex"], json!({ "type": "other", "values": ["f", "m"] }));
    let variable = &collection["cube:variables"]["pop"];
    assert_eq!(variable["dimensions"], json!(["time", "age", "sex", "y", "x"]));
    assert_eq!(variable["shape"], json!([3, 3, 2, 3, 4]));
    assert_eq!(collection["assets"]["thumbnail"]["title"], "the newest period, age 0, sex f");
    let before = project.server.requests().len();
    project.sandbox.succeed(&["run", "people"]);
    assert_eq!(project.server.requests().len(), before, "a second run asks for nothing");
}

#[test]
fn a_year_without_one_combination_is_not_there_yet() {
    let project = Project::new();
    project.forget("2022/pop_m_01.tif");
    project.sandbox.succeed(&["run", "pop"]);
    if let Some(seen) = project.select("pop", "pop", &[]) {
        assert_eq!(seen["time"], json!(["2020-01-01", "2021-01-01"]));
    }
    project.pop(2022, 1, "m");
    project.forget("2021/pop_f_05.tif");
    project.sandbox.succeed(&["run", "pop"]);
    let labels = [json!({ "age": 1, "sex": "m", "time": "2022-01-01" })];
    if let Some(seen) = project.select("pop", "pop", &labels) {
        assert_eq!(seen["time"], json!(["2020-01-01", "2021-01-01", "2022-01-01"]));
        assert_eq!(seen["selected"][0], field(|c| (c > 0).then(|| people(2022, 1, "m", c))));
    }
}

#[test]
fn a_hole_is_named_with_its_combination() {
    let project = Project::new();
    project.forget("2021/pop_m_01.tif");
    let (_, said) = project.sandbox.fail(1, &["run", "pop"]);
    assert!(said.contains("2021: the source does not have") && said.contains("(age 1, sex m)"), "{said}");
    if let Some(seen) = project.select("pop", "pop", &[]) {
        assert_eq!(seen["time"], json!(["2020-01-01"]));
    }
}
