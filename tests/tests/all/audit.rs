//! Datasets that are looked at before anyone reads them: what does not pass stays aside, what does is
//! published at once, and nothing is fetched twice.

#[path = "audit/together.rs"]
mod together;

use frazil_tests::{geotiff::GeoTiff, programs::ask_python, sandbox::Sandbox, server::Server};
use serde_json::{Value, json};

const PIPELINE: &str = r#"frazil: 1
id: rain
title: Rain
params:
  end: { type: period, default: "2024-01-10" }
datasets:
  rain_daily:
    title: Rain
    license: CC0-1.0
    audit: true
    time: { step: P1D }
    variables: { rain: { units: mm, cell: total, dtype: float32, nodata: -9999 } }
    chunks: { time: 4 }
  rain_dekads:
    title: Rain of ten days
    license: CC0-1.0
    time: { step: dekad }
defaults:
  retry: { attempts: 2, initial: 10ms, max: 10ms }
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_daily, start: "2024-01-01", end: "{{ params.end }}" } }
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      bbox: [2, 12, 4, 14]
      url: "{{ vars.server }}/{{ period.day }}.tif"
      variables: { rain: { band: 1 } }
  daily: { uses: append-commit, needs: slices, with: { dataset: rain_daily } }
  checked:
    uses: validate
    needs: daily
    with:
      dataset: rain_daily
      checks:
        - gap-free: {}
        - range: { variable: rain, min: 0, max: 100 }
        - nan-fraction: { variable: rain, most: 0.5, severity: warn }
  public: { uses: promote, needs: checked, with: { dataset: rain_daily } }
  dekads: { uses: derived-resample, needs: public, with: { dataset: rain_dekads, method: sum } }
  catalog: { uses: publish-stac, needs: [public, dekads] }
"#;

struct Stand {
    sandbox: Sandbox,
    server: Server,
}

impl Stand {
    /// Ten days, each of its own number.
    fn new() -> Self {
        let sandbox = Sandbox::new(&[]);
        std::fs::create_dir_all(sandbox.path("input")).unwrap();
        let server = Server::start(sandbox.path("input"), 0).unwrap();
        let project = format!(
            "frazil: 1\nid: audit\ncrs: EPSG:4326\nstores: {{ cubes: ./cubes }}\nvars: {{ server: \"{}\" }}\n",
            server.url()
        );
        sandbox.write("frazil.yaml", &project);
        sandbox.write("pipelines/rain.yaml", PIPELINE);
        let stand = Self { sandbox, server };
        (1..=10).for_each(|day| stand.put(day, day as f32));
        stand
    }

    fn put(&self, day: u32, value: f32) {
        let file = GeoTiff::of((0.0, 20.0), 1.0, (20, 20), |_, _| value);
        file.write(&self.sandbox.path(format!("input/{day}.tif"))).unwrap();
    }

    fn until(&self, day: u32) {
        self.sandbox.succeed(&["run", "rain", "-p", &format!("end=2024-01-{day:02}")]);
    }

    fn fails(&self, day: u32) -> String {
        self.sandbox.fail(1, &["run", "rain", "-p", &format!("end=2024-01-{day:02}")]).1
    }

    fn audit(&self, more: &[&str]) -> Value {
        let args = [&["audit", "rain_daily", "--format", "json"][..], more].concat();
        serde_json::from_str(&self.sandbox.succeed(&args)).unwrap()
    }

    /// The value of each day as Python reads it from a branch.
    fn days(&self, branch: &str) -> Option<Value> {
        let path = self.sandbox.path("cubes/rain_daily");
        ask_python("read_branch.py", &[&path.to_string_lossy(), branch, "rain"])
    }

    /// What the newest run says of its checks, in JSON.
    fn checks(&self) -> Vec<Value> {
        let runs = self.sandbox.succeed(&["runs", "--limit", "1", "--format", "json"]);
        let run: Value = serde_json::from_str(runs.lines().next().unwrap()).unwrap();
        let shown = self.sandbox.succeed(&["show", run["run"].as_str().unwrap(), "--format", "json"]);
        let units = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        units.flat_map(|unit| unit["checks"].as_array().cloned().unwrap_or_default()).collect()
    }
}

fn values(days: &[u32]) -> Value {
    json!(days.iter().map(|day| f64::from(*day)).collect::<Vec<_>>())
}

#[test]
fn what_passes_is_published_and_what_hangs_from_it_follows() {
    let stand = Stand::new();
    stand.until(10);
    assert_eq!(stand.audit(&[])["ahead"], Value::Null, "nothing is left aside");
    let outcomes: Vec<String> =
        stand.checks().iter().map(|check| format!("{} {}", check["check"], check["passed"])).collect();
    assert_eq!(outcomes, [r#""gap-free" true"#, r#""range" true"#, r#""nan-fraction" true"#]);
    let collection =
        std::fs::read_to_string(stand.sandbox.path("stac/collections/rain_daily/collection.json"));
    let collection: Value = serde_json::from_str(&collection.unwrap()).unwrap();
    let checks = collection["frazil:validation"][0]["checks"].as_array().unwrap();
    assert_eq!((checks.len(), &checks[1]["outcome"]), (3, &json!("passed")), "{collection}");
    // Nothing new is nothing: neither is looked at again.
    let planned = stand.sandbox.succeed(&["plan", "rain"]);
    assert!(planned.contains("nothing to do") && !planned.contains("checks 2024"), "{planned}");
    stand.server.forget();
    stand.until(10);
    assert_eq!(stand.server.requests().len(), 0);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    }
}

#[test]
fn what_does_not_pass_stays_aside_until_its_source_is_mended() {
    let stand = Stand::new();
    stand.until(5);
    stand.put(8, 4012.0);
    stand.server.forget();
    let said = stand.fails(10);
    assert!(said.contains("range of rain failed: 2024-01-08: 4012; 0 to 100 is allowed"), "{said}");
    assert!(said.contains("skipped: nothing came from `checked`"), "{said}");
    assert_eq!(stand.server.count("/6.tif"), 1);
    let found = stand.audit(&[]);
    let ahead = &found["ahead"];
    assert_eq!(
        (&ahead["added"], &ahead["rejected"]),
        (&json!(["2024-01-06/2024-01-10"]), &json!(["2024-01-08"])),
        "{found}"
    );
    let text = stand.sandbox.succeed(&["audit", "rain_daily"]);
    assert!(
        text.contains("branch audit is ahead of main") && text.contains("rejected: 2024-01-08"),
        "{text}"
    );
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5]), "main is as it was");
        assert_eq!(
            stand.days("audit").unwrap(),
            values(&[1, 2, 3, 4, 5, 6, 7, 4012, 9, 10]),
            "readable on its branch"
        );
    }
    // Not mended: only what was rejected is asked for again, and nothing is noted twice.
    stand.server.forget();
    stand.fails(10);
    assert_eq!(
        (stand.server.count("/8.tif"), stand.server.count("/9.tif")),
        (1, 0),
        "nothing is fetched twice"
    );
    assert_eq!(
        stand.audit(&[])["ahead"]["commits"].as_array().unwrap().len(),
        ahead["commits"].as_array().unwrap().len()
    );
    let runs = stand.sandbox.succeed(&["runs", "--limit", "1", "--format", "json"]);
    assert!(runs.contains("4012; 0 to 100 is allowed"), "{runs}");
    // Mended: it is published whole, and what hangs from it is made.
    stand.put(8, 8.0);
    stand.server.forget();
    let planned = stand.sandbox.succeed(&["plan", "rain"]);
    assert!(planned.contains("main of rain_daily moves, if what is checked passes"), "{planned}");
    assert!(planned.contains("missing: 2024-01-08 (1 stored period)"), "{planned}");
    stand.until(10);
    assert_eq!((stand.server.count("/8.tif"), stand.server.count("/9.tif")), (1, 0));
    assert_eq!(stand.audit(&[])["ahead"], Value::Null);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        let dekads = stand.sandbox.path("cubes/rain_dekads");
        let found = ask_python("read_branch.py", &[&dekads.to_string_lossy(), "main", "rain"]).unwrap();
        assert_eq!(found, json!([55.0]));
    }
    let planned = stand.sandbox.succeed(&["plan", "rain"]);
    assert!(planned.contains("nothing to do"), "what was mended is not asked for again: {planned}");
}

#[test]
fn a_person_accepts_or_drops_what_does_not_pass() {
    let stand = Stand::new();
    stand.put(3, 4012.0);
    stand.fails(5);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, json!([]), "nothing was ever published");
    }
    let dropped = stand.audit(&["--drop"]);
    assert_eq!(dropped["verdict"], "dropped", "{dropped}");
    assert_eq!(stand.audit(&[])["ahead"], Value::Null);
    stand.server.forget();
    stand.fails(5);
    assert_eq!(stand.server.count("/1.tif"), 1, "what was dropped is had again");
    let accepted = stand.audit(&["--accept", "--reason", "a real storm"]);
    assert_eq!(accepted["verdict"], "accepted");
    stand.server.forget();
    stand.until(5);
    assert_eq!(stand.server.requests().len(), 0, "what was accepted is not asked for again");
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 4012, 4, 5]));
    }
    // Only what is new is looked at.
    stand.until(6);
    let checks = stand.checks();
    assert!(checks.iter().all(|check| check["looked_at"] == json!(1)), "{checks:?}");
}

#[test]
fn who_dies_between_looking_and_publishing_leaves_nothing_to_mend() {
    for event in ["checked", "ended:3", "started:4"] {
        let stand = Stand::new();
        let died = stand.sandbox.command(&["run", "rain"]).env("FRAZIL_ABORT_AFTER", event).output().unwrap();
        assert!(!died.status.success(), "{event}");
        if let Some(days) = stand.days("main") {
            assert_eq!(days, json!([]), "{event}");
        }
        stand.server.forget();
        stand.until(10);
        assert_eq!(stand.server.requests().len(), 0, "{event}: nothing is fetched twice");
        if let Some(days) = stand.days("main") {
            assert_eq!(days, values(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "{event}");
        }
    }
}

#[test]
fn somebody_else_who_moves_main_is_not_overrun() {
    let stand = Stand::new();
    stand.put(3, 4012.0);
    stand.until(2);
    stand.fails(5);
    let path = stand.sandbox.path("cubes/rain_daily");
    if ask_python("move_main.py", &[&path.to_string_lossy()]).is_none() {
        return;
    }
    let found = stand.audit(&[]);
    assert_eq!(found["ahead"]["apart"], json!(true), "{found}");
    let (_, said) = stand.sandbox.fail(4, &["audit", "rain_daily", "--accept"]);
    assert!(said.contains("does not follow `main`, which somebody else moved"), "{said}");
    stand.put(3, 3.0);
    let (_, said) = stand.sandbox.fail(4, &["run", "rain", "-p", "end=2024-01-05"]);
    assert!(said.contains("frazil audit rain_daily --drop"), "{said}");
    stand.audit(&["--drop"]);
    stand.until(5);
    assert_eq!(stand.days("main").unwrap(), values(&[1, 2, 3, 4, 5]));
}

#[test]
fn marks_and_maintenance_keep_to_the_branch() {
    let stand = Stand::new();
    stand.until(6);
    stand.put(8, 4012.0);
    stand.fails(8);
    stand.sandbox.succeed(&["mark", "rain_daily", "--period", "2024-01-08", "--reason", "nonsense"]);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5, 6]), "a mark is published by the next run");
    }
    stand.sandbox.succeed(&["gc", "--age", "0s", "--count", "1", "--unreferenced", "0s"]);
    stand.server.forget();
    stand.until(8);
    assert_eq!(stand.server.requests().len(), 0);
    assert_eq!(stand.audit(&[])["ahead"], Value::Null);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, json!([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, null]));
    }
}
