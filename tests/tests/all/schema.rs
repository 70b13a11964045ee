//! The schemas on disk, and that they say the same as the parser.

use frazil_engine::{
    diagnostic::{CODES, Severity},
    project::{LoadOptions, load},
    schema,
};
use frazil_tests::{programs::root, sandbox::Sandbox};
use serde_json::Value;

/// Compares a generated file with the one in the repository; `UPDATE=1` writes it.
pub(crate) fn current(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        stored == text,
        "{name} is stale (first in line {:?}): run `make schemas`",
        differs.map(|n| n + 1)
    );
}

#[test]
fn the_schemas_on_disk_are_current() {
    let pretty = |schema: &Value| format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    current("schemas/pipeline.v1.json", &pretty(&schema::pipeline(&frazil_steps::registry())));
    current("schemas/project.v1.json", &pretty(&schema::project()));
    current("schemas/test.v1.json", &pretty(&schema::suite()));
}

const HEAD: &str = "frazil: 1\nid: a\ndatasets:\n  d: { title: D, time: { step: P1D, start: \"2024\" }, variables: { v: { units: mm } } }\n";

/// Files that differ from a good one in one place, by what stands under `steps:` or before it.
const GOOD: &[&str] = &[
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, start: \"2024\", batch: 3 } }\n",
    "params: { n: { type: int, default: 3 } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d, batch: \"{{ params.n }}\" } }\n",
    "x-free: { anything: 1 }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d }, timeout: 10m, retry: { attempts: 2 } }\n",
    "triggers: [ { cron: \"0 6 * * *\", missed: all }, { http: {} } ]\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cog, url: \"https://example.org/{{ period.year }}.tif\", in-flight: 2 } }\n  w: { uses: append-commit, needs: [s], with: { dataset: d } }\n",
    // All settings of each step type.
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, start: 2024, end: latest, only: missing, lookback: 90d, refill: 30d, batch: P1M } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, only: all, lookback: { all: 90d }, batch: 32 } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s:\n    uses: fetch\n    needs: m\n    pool: slow\n    with:\n      source: file\n      url: \"s3://bucket/{{ period.year }}.nc\"\n      bbox: [-13.5, 6.8, -10.1, 10.1]\n      variables: { v: { from: tp, level: 2, band: 1, stamp: end, url: \"other/{{ period }}.nc\" } }\n      in-flight: 2\n      on-missing: gap\n      stamp: start\n      alternatives: [ { url: \"a/{{ period }}.nc\" }, { url: \"b/{{ period }}.nc\", provisional: true } ]\n      auth: { s3: { region: eu-west-1, access-key: \"{{ secrets.key }}\", secret-key: \"{{ secrets.key }}\" } }\n      headers: { X-Purpose: test }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cog, url: x, auth: { bearer: \"{{ secrets.key }}\" } } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t:\n    uses: transform\n    needs: s\n    with:\n      do:\n        - deaccumulate: { variables: [w], reset: \"01:00\" }\n        - scale-offset: { w: { scale: 1000, offset: 0 } }\n        - mask: { w: { below: 0 } }\n        - rename: { w: v }\n        - convert: { v: mm }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1M } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cog, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, method: max, ready: { at-least: 0.9 } } }\n  c: { uses: publish-stac, needs: [w, r], after: [m] }\n",
    "  e: { title: E, time: { step: P1Y, anchor: 7 } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cog, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, variables: { low: { from: v, method: min } }, ready: any } }\n",
];

const BAD: &[&str] = &[
    "steps:\n  m: { uses: enumerate-period, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, nonsense: 1 } }\n",
    "steps:\n  m: { uses: enumerate-periods, wiht: { dataset: d }, with: { dataset: d } }\n",
    "steps:\n  m: { with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d }, timeout: 10 }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d }, timeout: \"10\" }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d }, retry: { attempts: two } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: \"{{ params.d }}\" } }\n",
    "steps:\n  m: { uses: enumerate-periods, needs: 3, with: { dataset: d } }\n",
    "steps: []\n",
    "tite: A\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "params: { n: { type: integer } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "triggers: [ { cron: 5 } ]\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "triggers: [ { cron: \"0 6 * * *\", missed: some } ]\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cogs, url: x } }\n  w: { uses: append-commit, needs: [s], with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: cog, url: x, bbox: [1, 2, 3] } }\n  w: { uses: append-commit, needs: [s], with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, only: some } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, lookback: 90 } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, lookback: { every: 90d } } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, refill: 1 day } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d, batch: 0 } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, in-flight: 0 } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, variables: { v: { bands: 1 } } } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, on-missing: skip } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, stamp: middle } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, alternatives: [ y ] } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, auth: { key: x } } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, auth: { basic: { user: x } } } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x, headers: [ a ] } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { do: [ { convrt: { v: mm } } ] } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { do: { convert: { v: mm } } } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { do: [ { convert: mm } ] } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { do: [ { deaccumulate: { variables: v } } ] } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { do: [ { mask: { v: { under: 0 } } } ] } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  t: { uses: transform, needs: s, with: { } }\n  w: { uses: append-commit, needs: t, with: { dataset: d } }\n",
    "steps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d, chunks: 3 } }\n",
    "  e: { title: E, time: { step: P1M } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, method: median } }\n",
    "  e: { title: E, time: { step: P1M } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, method: max, ready: most } }\n",
    "  e: { title: E, time: { step: P1M } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, method: max, ready: { at-most: 0.9 } } }\n",
    "  e: { title: E, time: { step: P1M } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n  r: { uses: derived-resample, needs: w, with: { dataset: e, variables: { low: { from: v } } } }\n",
    "defaults: { retry: 3 }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "defaults: { timeout: 10 }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "params: { start: { type: period, min: low } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "triggers: [ { http: { exposed: true } } ]\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: P1D }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1D }, variables: { v: mm } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1D }, grid: { origin: [0], cell: [1, 1], shape: [1, 1] } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1D }, chunks: { time: many } }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1D }, codec: gzip }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
    "  e: { title: E, time: { step: P1D }, visibility: hidden }\nsteps:\n  m: { uses: enumerate-periods, with: { dataset: d } }\n  s: { uses: fetch, needs: m, with: { source: file, url: x } }\n  w: { uses: append-commit, needs: s, with: { dataset: d } }\n",
];

/// What the parser says: whether it is good, and its problems.
fn parsed(text: &str) -> (bool, String) {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\nsecrets: { key: { env: KEY } }\npools: { slow: { max: 1 } }\n"),
        ("pipelines/a.yaml", text),
    ]);
    let options = LoadOptions { folder: sandbox.path(""), ..LoadOptions::default() };
    let checked = load(&options, &frazil_steps::registry());
    let errors = checked.problems.iter().filter(|p| p.severity == Severity::Error);
    let lines: Vec<String> = errors.map(|p| format!("{}: {}", p.code, p.message)).collect();
    (lines.is_empty(), lines.join("\n"))
}

#[test]
fn parser_and_schema_agree() {
    let schema = schema::pipeline(&frazil_steps::registry());
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut wrong = Vec::new();
    for (bodies, good) in [(GOOD, true), (BAD, false)] {
        for body in bodies {
            let text = format!("{HEAD}{body}");
            let (parses, problems) = parsed(&text);
            if parses != good {
                wrong.push(format!("the parser\n{body}\n{problems}"));
            }
            let value = schema::instance(&text).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
            if errors.is_empty() != good {
                wrong.push(format!("the schema\n{body}\n{}", errors.join("\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

/// A value of another kind in any setting of any step type is refused by both.
#[test]
fn no_setting_takes_a_value_of_another_kind() {
    let registry = frazil_steps::registry();
    let schema = schema::pipeline(&registry);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut count = 0;
    for step_type in registry.iter() {
        let with = schema::resolved(&schema, schema::settings_of(&schema, step_type.uses).unwrap());
        for key in with["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
            // Anything that a program is to know.
            if (step_type.uses, key.as_str()) == ("exec", "input") {
                continue;
            }
            let body = format!(
                "steps:\n  one: {{ uses: {}, with: {{ {key}: {{ no: {{ no: true }} }} }} }}\n",
                step_type.uses
            );
            let text = format!("{HEAD}{body}");
            let value = schema::instance(&text).unwrap();
            let at = format!("/steps/one/with/{key}");
            let told = validator.iter_errors(&value).any(|e| e.instance_path().to_string().starts_with(&at));
            assert!(told, "the schema takes any value for `{key}` of {}", step_type.uses);
            let (_, problems) = parsed(&text);
            let told = ["FZ101", "FZ102", "FZ103", "FZ104"].iter().any(|code| problems.contains(code));
            assert!(told, "the parser takes any value for `{key}` of {}\n{problems}", step_type.uses);
            count += 1;
        }
    }
    assert!(count > 20, "{count} settings");
}

#[test]
fn what_is_shipped_is_good() {
    for folder in ["pipelines", "examples"] {
        let options = LoadOptions { paths: vec![folder.into()], folder: root(), ..LoadOptions::default() };
        let checked = load(&options, &frazil_steps::registry());
        let lines: Vec<String> = checked
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error)
            .map(|p| p.to_json(&checked.sources).to_string())
            .collect();
        assert!(lines.is_empty(), "{folder}\n{}", lines.join("\n"));
        let schema = schema::pipeline(&frazil_steps::registry());
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for source in checked.sources.0.iter().filter(|s| !s.name.contains("frazil.")) {
            let value = schema::instance(&source.text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{}\n{}", source.name, errors.join("\n"));
        }
    }
}

/// Codes that step types report stand in a table with their pages, or `--explain` knows nothing.
#[test]
fn every_code_has_a_page() {
    fn codes_in(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                codes_in(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("\"FZ") {
                    if let Some(code) =
                        text.get(at + 1..at + 6).filter(|c| c[2..].chars().all(|c| c.is_ascii_digit()))
                    {
                        found.push((code.to_owned(), path.display().to_string()));
                    }
                }
            }
        }
    }
    let mut found = Vec::new();
    codes_in(&root().join("steps/src"), &mut found);
    for (code, path) in found {
        assert!(CODES.iter().any(|c| c.id == code), "{code} of {path} has no page");
    }
}
