//! Datasets of other kinds than most: in a bucket, in an older version of the format, forecasts, made elsewhere.

use frazil_tests::{geotiff::GeoTiff, moto::Moto, programs, sandbox::Sandbox, serving::Serving};
use serde_json::json;

const PIPELINE: &str = "frazil: 1
id: kinds
params: { end: { type: period, default: \"2024-01-02\" } }
datasets:
  far:
    title: In a bucket
    store: far
    time: { step: P1D }
    variables: { rain: { units: mm, cell: point, dtype: float32 } }
  old:
    title: In version 1 of the format
    spec: 1
    store: cubes
    time: { step: P1D }
    variables: { rain: { units: mm, cell: point, dtype: float32 } }
  waves:
    title: Forecasts
    store: cubes
    time: { step: P1D }
    dimensions: { lead_time: [0, 6] }
    variables: { height: { units: m, cell: point, dtype: float32 } }
  virtual:
    title: Made elsewhere
    external: ./theirs
    time: none
    variables: { far: { units: m, cell: point } }
steps:
  far-days: { uses: enumerate-periods, with: { dataset: far, start: \"2024-01-01\", end: \"{{ params.end }}\" } }
  far-files: { uses: fetch, needs: far-days, with: { source: cog, url: \"input/{{ period.day }}-0.tif\", variables: { rain: { band: 1 } } } }
  far: { uses: append-commit, needs: far-files, with: { dataset: far } }
  old-days: { uses: enumerate-periods, with: { dataset: old, start: \"2024-01-01\", end: \"{{ params.end }}\" } }
  old-files: { uses: fetch, needs: old-days, with: { source: cog, url: \"input/{{ period.day }}-0.tif\", variables: { rain: { band: 1 } } } }
  old: { uses: append-commit, needs: old-files, with: { dataset: old } }
  runs: { uses: enumerate-periods, with: { dataset: waves, start: \"2024-01-01\", end: \"2024-01-02\" } }
  leads:
    uses: fetch
    needs: runs
    with:
      source: cog
      url: \"input/{{ period.day }}-{{ lead_time }}.tif\"
      over: { lead_time: [0, 6] }
      variables: { height: { band: 1 } }
  waves: { uses: append-commit, needs: leads, with: { dataset: waves } }
";

fn head(serving: &Serving, dataset: &str) -> String {
    let found = serving.get(&format!("/zarr/{dataset}/zarr.json")).expect(200);
    found.header("frazil-snapshot").unwrap().to_owned()
}

#[test]
fn datasets_of_all_kinds_are_served_as_they_are_by_now() {
    let Some(moto) = Moto::start() else { return };
    let project = format!(
        "frazil: 1
id: kinds
secrets: {{ key: {{ file: key }} }}
stores:
  cubes: ./cubes
  far:
    url: s3://cubes/land
    endpoint: {}
    path-style: true
    access-key: \"{{{{ secrets.key }}}}\"
    secret-key: \"{{{{ secrets.key }}}}\"
",
        moto.url()
    );
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", project.as_str()),
        ("pipelines/kinds.yaml", PIPELINE),
        ("key", "AKIATEST"),
    ]);
    moto.put("/cubes/about.txt", &sandbox.path("key"));
    for (day, lead) in [(1, 0), (2, 0), (3, 0), (1, 6), (2, 6)] {
        let raster = GeoTiff::of((-2.0, 5.0), 0.5, (6, 8), |r, c| (day * 100 + lead * 10 + r * 8 + c) as f32);
        raster.write(&sandbox.path(format!("input/{day}-{lead}.tif"))).unwrap();
    }
    let folder = sandbox.path("").canonicalize().unwrap().to_string_lossy().into_owned();
    let folder = folder.trim_end_matches('/');
    programs::ask_python("make_virtual.py", &[folder]).unwrap();
    sandbox.succeed(&["run", "kinds"]);

    let serving = Serving::start(&sandbox);
    let cubes = sandbox.path("cubes").to_string_lossy().into_owned();
    let far = format!("far={}", moto.url());
    let found =
        programs::ask_python("check_served.py", &[&serving.url, &cubes, &far, "old", "waves"]).unwrap();
    assert_eq!(found["wrong"], json!([]), "{found}");
    assert!(found["waves"]["arrays"].as_array().unwrap().contains(&json!("valid_time")), "{found}");

    // What another process has committed is seen at once: in a bucket, and where each branch is a file.
    let before = ["far", "old"].map(|name| head(&serving, name));
    sandbox.succeed(&["run", "kinds", "-p", "end=2024-01-03"]);
    for (name, before) in ["far", "old"].into_iter().zip(before) {
        assert_ne!(head(&serving, name), before, "{name}");
        let array = serving.get(&format!("/zarr/{name}/rain/zarr.json")).expect(200).json();
        assert_eq!(array["shape"][0], json!(3), "{name}");
        let repository = serving.get(&format!("/icechunk/{name}")).expect(200).json();
        assert_eq!(repository["snapshot"], json!(head(&serving, name)));
    }

    // A virtual chunk is neither fetched nor missing.
    for (method, key, status) in [
        ("GET", "plain/c/0", 200),
        ("GET", "far/zarr.json", 200),
        ("GET", "far/c/0", 403),
        ("HEAD", "far/c/0", 403),
    ] {
        let answer = serving.ask(method, &format!("/zarr/virtual/{key}"), &[], b"").expect(status);
        assert!(!answer.text().contains("not for you") && !answer.text().contains(folder), "{answer:?}");
    }
    // Where it lies on this machine is told to nobody.
    let collections = serving.get("/stac/collections").expect(200).text();
    let datasets = serving.get("/datasets").expect(200).text();
    for text in [&collections, &datasets, &serving.get("/").text(), &serving.get("/graph").text()] {
        assert!(!text.contains(folder), "{text}");
    }
}
