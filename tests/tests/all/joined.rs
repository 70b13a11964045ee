//! Several fetches of one list settle in one cube, in one commit per batch.

use frazil_tests::{geotiff::GeoTiff, programs::ask_python, sandbox::Sandbox, server::Server};
use serde_json::{Value, json};

struct Source {
    sandbox: Sandbox,
    server: Server,
}

/// The number of each period; none where it is missing.
type Numbers = Vec<Option<f64>>;

const PIPELINE: &str = r#"frazil: 1
id: stations
title: Weather
datasets:
  weather:
    title: Weather
    time: { step: P1D }
    variables:
      rain: { units: mm, cell: total, dtype: float32, nodata: -9999 }
      warmth: { units: degC, cell: mean, dtype: float32, nodata: -9999 }
    chunks: { time: 4 }
defaults:
  retry: { attempts: 2, initial: 10ms, max: 10ms }
steps:
  missing:
    uses: enumerate-periods
    with: { dataset: weather, start: "2024-01-01", end: "2024-01-06", refill: 36500d, batch: 8 }
  rain:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: "{{ vars.server }}/rain/{{ period | date('%d') }}.tif"
      variables: { rain: { band: 1 } }
      on-missing: gap
  warmth:
    uses: fetch
    needs: missing
    with:
      source: file
      url: "{{ vars.server }}/warmth/{{ period | date('%d') }}.tif"
      variables: { warmth: { band: 1 } }
      on-missing: gap
  masked:
    uses: transform
    needs: warmth
    with: { do: [ { mask: { warmth: { below: -100 } } } ] }
  cube:
    uses: append-commit
    needs: [rain, masked]
    with: { dataset: weather }
"#;

impl Source {
    fn new(rain: &[u32], warmth: &[u32]) -> Self {
        let sandbox = Sandbox::new(&[]);
        std::fs::create_dir_all(sandbox.path("input")).unwrap();
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        let project = format!(
            "frazil: 1\nid: weather\ncrs: EPSG:4326\nstores: {{ cubes: ./cubes }}\nvars: {{ server: \"{}\" }}\n",
            server.url()
        );
        sandbox.write("frazil.yaml", &project);
        sandbox.write("pipelines/weather.yaml", PIPELINE);
        let source = Self { sandbox, server };
        source.put("rain", rain, 100.0, 1.0);
        source.put("warmth", warmth, 200.0, 1.0);
        source
    }

    fn put(&self, folder: &str, days: &[u32], offset: f32, cell: f64) {
        for day in days {
            let file = GeoTiff::of((0.0, 20.0), cell, (20, 20), |_, _| *day as f32 + offset);
            file.write(&self.sandbox.path(format!("input/{folder}/{day:02}.tif"))).unwrap();
        }
    }

    /// Statuses, the numbers of both variables, and how many commits there are.
    fn seen(&self) -> Option<(Value, [Numbers; 2], usize)> {
        let seen = ask_python("read_cube.py", &[&self.sandbox.path("cubes/weather").display().to_string()])?;
        let numbers = ["rain", "warmth"].map(|name| {
            let slices = seen["variables"][name]["values"].as_array().unwrap().iter();
            slices.map(|slice| slice[0][0].as_f64()).collect()
        });
        Some((seen["status"].clone(), numbers, seen["commits"].as_array().unwrap().len()))
    }
}

#[test]
fn variables_of_two_fetches_settle_in_one_commit_and_the_shorter_is_the_frontier() {
    // The third day's rain is a hole, the fifth day's warmth is not there yet.
    let source = Source::new(&[1, 2, 4, 5, 6], &[1, 2, 3, 4]);
    let planned = source.sandbox.succeed(&["plan", "stations"]);
    for step in ["rain", "warmth", "cube"] {
        assert!(planned.lines().any(|line| line.trim_start().starts_with(step)), "{planned}");
    }
    source.sandbox.succeed(&["run", "stations"]);
    let first = source.seen();
    if let Some((status, [rain, warmth], _)) = &first {
        assert_eq!(*status, json!([0, 0, 2, 0]));
        assert_eq!(*rain, [Some(101.0), Some(102.0), None, Some(104.0)]);
        assert_eq!(*warmth, [Some(201.0), Some(202.0), None, Some(204.0)]);
    }
    let shown = source.sandbox.succeed(&["runs"]);
    let run = shown.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    let shown = source.sandbox.succeed(&["show", &run]);
    assert!(shown.contains("rain → warmth → masked → cube"), "{shown}");

    source.put("rain", &[3], 100.0, 1.0);
    source.put("warmth", &[5, 6], 200.0, 1.0);
    source.server.forget();
    source.sandbox.succeed(&["run", "stations"]);
    assert_eq!(source.server.count("/rain/01.tif"), 0, "what is settled is not asked for");
    if let (Some((status, [rain, warmth], commits)), Some(first)) = (source.seen(), first) {
        assert_eq!(status, json!(vec![0; 6]));
        assert_eq!(rain, [101.0, 102.0, 103.0, 104.0, 105.0, 106.0].map(Some));
        assert_eq!(warmth, [201.0, 202.0, 203.0, 204.0, 205.0, 206.0].map(Some));
        assert_eq!(commits, first.2 + 1, "one commit for both");
    }
}

#[test]
fn streams_that_do_not_fit_together_change_nothing() {
    let source = Source::new(&[1, 2], &[1]);
    source.put("warmth", &[2], 200.0, 0.5);
    let (_, errors) = source.sandbox.fail(1, &["run", "stations"]);
    assert!(errors.contains("2024-01-02: streams that are joined do not lie on one grid"), "{errors}");
    if let Some((status, ..)) = source.seen() {
        assert_eq!(status, json!([0]), "what came before is kept");
    }
    // A variable that both bring.
    source.put("warmth", &[2], 200.0, 1.0);
    let twice = PIPELINE.replace("variables: { warmth: { band: 1 } }", "variables: { rain: { band: 1 } }");
    source.sandbox.write("pipelines/weather.yaml", &twice.replace("mask: { warmth: {", "mask: { rain: {"));
    let (_, errors) = source.sandbox.fail(1, &["run", "stations"]);
    assert!(errors.contains("twice") || errors.contains("`warmth` is missing"), "{errors}");
}
