//! Our schema in the language server that editors use: what it offers inside `with:`, what it says of
//! a key, and that it flags what `frazil check` flags.
//!
//! The server comes from `FRAZIL_YAML_SERVER`, which `make test` sets.

use frazil_tests::{
    editor::Editor,
    programs::{root, yaml_server},
    sandbox::Sandbox,
};
use serde_json::Value;

const GOOD: &str = r#"frazil: 1
id: rain
params: { start: { type: period, default: "2024-01-01" } }
datasets:
  rain_daily:
    title: Daily rainfall
    time: { step: P1D, available: { lag: 45d } }
    variables: { precip: { units: mm, cell: total, dtype: float32 } }
  rain_monthly: { title: Monthly rainfall, time: { step: P1M } }
triggers: [ { cron: "0 6 * * *" } ]
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_daily, start: "{{ params.start }}" } }
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: "https://data.example.org/{{ period.year }}.tif"
      in-flight: 2
      
  daily: { uses: append-commit, needs: slices, with: { dataset: rain_daily } }
  monthly:
    uses: derived-resample
    needs: daily
    with:
      dataset: rain_monthly
      method: sum
      
"#;

/// One change each that makes the file wrong, at the line that both say.
const WRONG: &[(&str, &str)] = &[
    ("id: rain\n", "id: rain\ntitel: Rain\n"),
    ("frazil: 1", "frazil: 2"),
    ("uses: fetch", "uses: fetsh"),
    ("source: cog", "source: cogs"),
    ("in-flight: 2", "in_flight: 2"),
    ("in-flight: 2", "in-flight: two"),
    ("in-flight: 2", "in-flight: 0"),
    ("in-flight: 2", "method: sum"),
    ("method: sum", "method: median"),
    ("method: sum", "bbox: [1, 2, 3, 4]"),
    ("step: P1M", "step: P2M"),
    ("lag: 45d", "lag: 45"),
    ("cell: total", "cell: totl"),
    ("dtype: float32", "dtype: float"),
    ("type: period", "type: periods"),
    ("cron: \"0 6 * * *\"", "cron: 6"),
    ("title: Daily rainfall", "titel: Daily rainfall\n    title: Daily rainfall"),
    ("    needs: daily\n", "    need: daily\n    needs: daily\n"),
    ("with: { dataset: rain_daily }", "with: rain_daily"),
    ("      url: \"https", "      urls: x\n      url: \"https"),
];

#[test]
fn the_language_server_knows_what_check_knows() {
    let Some(server) = yaml_server() else { return };
    let schema = root().join("schemas/pipeline.v1.json");
    let head = format!("# yaml-language-server: $schema=file://{}\n", schema.display());
    let mut editor = Editor::start(&server);
    let good = format!("{head}{GOOD}");
    let uri = "file:///project/pipelines/good.yaml";
    assert_eq!(editor.open(uri, &good), []);

    // What is offered inside `with:` is what the step type takes and is not there yet.
    let line = |text: &str| good.lines().position(|line| line.trim() == text).unwrap();
    let fetch = editor.complete(uri, line("in-flight: 2") + 1, 6);
    for (word, there) in
        [("bbox", true), ("variables", true), ("on-missing", true), ("method", false), ("ready", false)]
    {
        assert_eq!(fetch.iter().any(|w| w == word), there, "{word} of fetch: {fetch:?}");
    }
    let resample = editor.complete(uri, line("method: sum") + 1, 6);
    for (word, there) in [("ready", true), ("variables", true), ("bbox", false), ("on-missing", false)] {
        assert_eq!(resample.iter().any(|w| w == word), there, "{word} of derived-resample: {resample:?}");
    }
    let said = editor.hover(uri, line("in-flight: 2"), 8);
    assert!(said.contains("Source files on their way at a time"), "{said}");
    let said = editor.hover(uri, line("method: sum"), 8);
    assert!(said.contains("The sum: of totals"), "{said}");

    for (at, (right, wrong)) in WRONG.iter().enumerate() {
        assert!(GOOD.contains(right), "{right}");
        let text = format!("{head}{}", GOOD.replacen(right, wrong, 1));
        let flagged = editor.open(&format!("file:///project/pipelines/wrong-{at}.yaml"), &text);
        let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("pipelines/rain.yaml", &text)]);
        let told = sandbox.run(&["check", "--format", "json"]).stdout;
        let told = String::from_utf8(told).unwrap();
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let lines: Vec<u64> = told.iter().filter_map(|p| p["place"]["line"].as_u64()).collect();
        assert!(!lines.is_empty(), "check takes {wrong}");
        assert!(
            flagged.iter().any(|(line, _)| lines.contains(line)),
            "{wrong}: the server says {flagged:?}, check says {told:?}"
        );
    }
}
