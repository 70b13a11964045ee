mod anything;
mod cascade;
mod fake;
mod watched;

use std::path::Path;

use super::{Project, check};
use crate::diagnostic::{Sources, plain};

const PROJECT: &str = "frazil: 1
id: demo
extent: { name: Sierra Leone, bbox: [-13.5, 6.8, -10.1, 10.1], country: SLE }
pools: { chc: { max: 1, rate: 2/s } }
vars: { chc: \"https://example.org/products\" }
secrets: { edh: { env: EDH_API_KEY } }
notify: [ { when: [failed], webhook: \"{{ secrets.edh }}\" } ]
";

const GOOD: &str = "frazil: 1
id: rain
params:
  start: { type: period, default: \"1981-01-01\" }
  bbox: { type: bbox, default: \"{{ project.extent.bbox }}\" }
datasets:
  daily_rain:
    title: Daily rain
    time: { step: P1D, available: { lag: 45d, whole: month } }
    variables: { precip: { units: mm, cell: total, dtype: float32 } }
  monthly_rain: { title: Monthly rain, time: { step: P1M } }
triggers:
  - cron: \"30 6 * * *\"
    timezone: Africa/Freetown
steps:
  catalog: { uses: publish, needs: [daily, monthly] }
  missing: { uses: list-periods, with: { dataset: daily_rain, start: \"{{ params.start }}\" } }
  slices:
    uses: read
    needs: missing
    pool: chc
    with: { source: cog, url: \"{{ vars.chc }}/{{ period | date('%Y') }}.tif\", bbox: \"{{ params.bbox }}\" }
  scaled: { uses: change, needs: slices, with: { do: [{ scale: 2 }, { mask: { below: 0 } }] } }
  daily: { uses: settle, needs: scaled, with: { dataset: daily_rain } }
  monthly: { uses: sum, needs: daily, with: { dataset: monthly_rain } }
";

/// Checks a project of these files; gives its problems as lines.
fn checked(project: &str, pipelines: &[&str]) -> (Option<Project>, String) {
    let registry = fake::registry();
    let mut sources = Sources::default();
    let first = sources.add("frazil.yaml".into(), project.into());
    let places: Vec<usize> = pipelines
        .iter()
        .enumerate()
        .map(|(at, text)| sources.add(format!("pipelines/{}.yaml", ["a", "b", "c"][at]), (*text).into()))
        .collect();
    let files = check::Files {
        root: Path::new("/p"),
        memory: 1 << 30,
        project: &[first],
        pipelines: &places,
        kept: &Default::default(),
    };
    let (project, problems) = check::check(&files, &sources, &registry, &check::Schemas::new(&registry));
    (project, plain(&problems, &sources))
}

#[test]
fn a_good_file_becomes_a_graph() {
    let (project, problems) = checked(PROJECT, &[GOOD]);
    assert_eq!(problems, "");
    let project = project.unwrap();
    let pipeline = project.pipelines.values().next().unwrap();
    let names: Vec<&str> = pipeline.nodes.iter().map(|n| n.id.as_str()).collect();
    assert_eq!(names, ["missing", "slices", "scaled", "daily", "monthly", "catalog"]);
    insta::assert_debug_snapshot!(pipeline.units);
    let monthly = &project.datasets["monthly_rain"];
    assert_eq!(monthly.sources[0].as_str(), "daily_rain");
    assert_eq!(monthly.location.url, "/p/cubes/monthly_rain");
}

/// One change to the good file, and what is said of it.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let (project, problems) = checked(PROJECT, &[&GOOD.replace(from, to)]);
    assert!(project.is_none() || !problems.contains("error"), "{to}");
    format!("--- {from} → {to}\n{problems}")
}

#[test]
fn what_is_wrong_with_the_graph_is_told() {
    let all: Vec<String> = [
        ("uses: settle", "uses: setle"),
        ("needs: missing", "needs: mising"),
        ("needs: [daily, monthly]", "needs: slices"),
        ("needs: [daily, monthly]", "needs: []"),
        ("needs: slices, with", "with"),
        ("needs: scaled", "needs: [scaled, slices]"),
        ("{ uses: list-periods, with", "{ uses: list-periods, needs: monthly, with"),
        ("dataset: monthly_rain", "dataset: daily_rain"),
        ("dataset: monthly_rain", "dataset: monthly_rains"),
        ("pool: chc", "pool: cch"),
        ("cell: total", "cell: mean"),
        ("  daily: { uses: settle, needs: scaled, with: { dataset: daily_rain } }\n", ""),
        ("uses: sum, needs: daily", "uses: sum, after: catalog, needs: daily"),
    ]
    .map(|(from, to)| changed(from, to))
    .into();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_is_wrong_with_values_is_told() {
    let all: Vec<String> = [
        ("frazil: 1", "frazil: 2"),
        ("frazil: 1\n", ""),
        ("id: rain", "id: daily_rain"),
        ("id: rain", "id: 1rain"),
        ("id: rain", "id: rain\ntite: Rain\nx-free: { a: 1 }"),
        ("title: Daily rain", "titel: Daily rain"),
        ("title: Monthly rain, ", ""),
        ("lag: 45d", "lag: 45"),
        ("lag: 45d", "lag: 45 days"),
        ("step: P1M", "step: P2M"),
        ("step: P1D", "step: PT7H"),
        ("time: { step: P1M }", "time: nothing"),
        ("time: { step: P1D", "time: { step: P1D, start: 2024-13-01"),
        ("dtype: float32", "dtype: float"),
        ("units: mm", "units: \"mm;\", standard-name: Rain Fall"),
        ("default: \"1981-01-01\"", "default: yesterday"),
        ("type: period", "type: periods"),
        ("type: bbox, default: \"{{ project.extent.bbox }}\"", "type: bbox, default: [1, 5, 2, 3]"),
        ("30 6 * * *", "30 25 * * *"),
        ("Africa/Freetown", "Africa/Freetwn"),
        ("  - cron: \"30 6 * * *\"\n", "  - http: {}\n"),
        ("with: { source: cog", "with: { source: cogs"),
        ("{ scale: 2 }", "{ scal: 2 }"),
        ("{ scale: 2 }", "{ scale: two }"),
        ("{ below: 0 }", "{ above: 0 }"),
        ("pool: chc", "pool: chc\n    timeout: 10"),
        ("pool: chc", "pol: chc"),
        ("with: { dataset: monthly_rain }", "with: monthly_rain"),
        ("uses: sum, needs: daily, with: { dataset: monthly_rain }", "uses: sum, needs: daily"),
        ("needs: daily, with", "needs: daily, needs: missing, with"),
        ("title: Monthly rain,", "title: Monthly rain, license: who knows,"),
        ("title: Monthly rain,", "title: Monthly rain, license: other,"),
        ("title: Monthly rain,", "title: Monthly rain, store: cube,"),
        ("variables: { precip: { units: mm, cell: total, dtype: float32 } }", "chunks: { time: 0 }"),
    ]
    .map(|(from, to)| changed(from, to))
    .into();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_is_wrong_with_expressions_is_told() {
    let all: Vec<String> = [
        ("start: \"{{ params.start }}\" }", "start: {{ params.start }} }"),
        ("{{ params.start }}", "{{ params.strat }}"),
        ("{{ params.start }}", "{{ start }}"),
        ("{{ params.start }}", "{{ params.start"),
        ("{{ params.start }}", "{{ period.year }}"),
        ("{{ params.start }}", "{{ run.id }}"),
        ("{{ project.extent.bbox }}", "{{ project.extend.bbox }}"),
        ("{{ project.extent.bbox }}", "{{ project.title }}"),
        ("{{ vars.chc }}", "{{ vars.chs }}"),
        ("{{ vars.chc }}", "{{ secrets.edj }}"),
        ("{{ vars.chc }}", "https://x.org/{{ secrets.edh | upper }}"),
        ("{{ period | date('%Y') }}", "{{ period.yeer }}"),
        ("{{ period | date('%Y') }}", "{{ age }}"),
        ("bbox: \"{{ params.bbox }}\"", "bbox: \"{{ params.start }}\""),
        ("dataset: monthly_rain }", "dataset: \"{{ params.start }}\" }"),
        ("source: cog", "source: \"{{ params.start }}\""),
        ("pool: chc", "pool: \"{{ params.start }}\""),
        ("uses: settle", "uses: \"{{ params.start }}\""),
        ("cron: \"30 6 * * *\"", "cron: \"{{ params.start }}\""),
        ("bbox: \"{{ params.bbox }}\"", "auth: { token: abcdef }"),
        ("{{ vars.chc }}/", "https://me:word@example.org/"),
        (
            "type: period, default: \"1981-01-01\" }",
            "type: string, default: a }\n  host: { type: string, default: h }",
        ),
    ]
    .map(|(from, to)| changed(from, to))
    .into();
    let host = GOOD
        .replace("{ type: period, default: \"1981-01-01\" }", "{ type: string, default: a }")
        .replace("{{ vars.chc }}/", "https://{{ params.start }}.org/");
    let (_, problems) = checked(PROJECT, &[&host]);
    insta::assert_snapshot!(format!("{}\n--- a host from a parameter\n{problems}", all.join("\n")));
}

#[test]
fn what_is_wrong_between_files_is_told() {
    let other = "frazil: 1
id: other
datasets:
  daily_rain: { title: Again, time: { step: P1D } }
  weekly: { title: Weekly, time: { step: P1W } }
steps:
  open: { uses: open, with: { dataset: weekly } }
  weekly: { uses: sum, needs: open, with: { dataset: monthly_rain } }
";
    let (_, twice) = checked(PROJECT, &[GOOD, other]);
    let circle = "frazil: 1
id: other
triggers: [ { dataset: monthly_rains }, { dataset: a } ]
datasets:
  a: { title: A, time: { step: P1D } }
  b: { title: B, time: { step: P1D } }
  nobodys: { title: Nobody's, time: { step: P1D } }
steps:
  from_b: { uses: open, with: { dataset: b } }
  make_a: { uses: sum, needs: from_b, with: { dataset: a } }
  own_a: { uses: open, with: { dataset: a } }
  lost: { uses: open, with: { dataset: nobodys } }
";
    let back = "frazil: 1
id: back
datasets:
  same: { title: B again, external: /p/cubes/b, time: { step: P1D } }
  c: { title: C, time: { step: P1D } }
  d: { title: D, time: { step: P1D } }
steps:
  from_a: { uses: open, with: { dataset: a } }
  make_b: { uses: sum, needs: from_a, with: { dataset: b } }
  misspelt: { uses: open, with: { dataset: aa } }
  make_c: { uses: sum, needs: misspelt, with: { dataset: c } }
  make_d: { uses: sum, needs: make_c, with: { dataset: d } }
";
    let (_, circle) = checked(PROJECT, &[GOOD, circle, back]);
    let project = "frazil: 1
extent: { bbox: [-13.5, 16.8, -10.1, 10.1] }
memory: 4 gigs
pools: { chc: { max: 0, rate: fast } }
secrets: { edh: { env: A, file: b }, other: {} }
vars: { a-b: 1 }
stroes: {}
stores: { cubes: { url: \"s3://b/c\", region: eu, access-key: AKIAIOSFODNN7EXAMPLE } }
notify: [ { when: [failed, broken], webhook: x } ]
";
    let (_, bad_project) = checked(project, &["frazil: 1\nid: x\nsteps: {}\n", "- a\n", ""]);
    insta::assert_snapshot!(format!("{twice}\n---\n{circle}\n---\n{bad_project}"));
}

/// What a run freezes: what was given, and defaults with their expressions evaluated.
#[test]
fn params_are_accepted_and_frozen() {
    let (project, _) = checked(PROJECT, &[GOOD]);
    let project = project.unwrap();
    let pipeline = &project.pipelines["rain"];
    let accept = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), serde_json::json!(v))).collect();
        pipeline.accept_params(&given, &project.config, chrono::DateTime::UNIX_EPOCH)
    };
    assert_eq!(
        serde_json::Value::Object(accept(&[]).unwrap()),
        serde_json::json!({ "start": "1981-01-01", "bbox": [-13.5, 6.8, -10.1, 10.1] })
    );
    assert_eq!(accept(&[("bbox", "1, 2, 3, 4")]).unwrap()["bbox"], serde_json::json!([1.0, 2.0, 3.0, 4.0]));
    let errors = accept(&[("strat", "2024"), ("start", "soon"), ("bbox", "3, 2, 1, 4")]).unwrap_err();
    let lines: Vec<String> = errors.iter().map(|e| format!("{e} ({:?})", e.help)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// The digest follows what decides values, and nothing else.
#[test]
fn the_definition_follows_what_matters() {
    let definition = |text: &str, dataset: &str| {
        let (project, problems) = checked(PROJECT, &[text]);
        project.unwrap_or_else(|| panic!("{problems}")).datasets[dataset].definition.clone()
    };
    let before = definition(GOOD, "daily_rain");
    for (from, to, same) in [
        ("title: Daily rain", "title: Rain of a day", true),
        ("lag: 45d", "lag: 40d", true),
        ("30 6 * * *", "30 7 * * *", true),
        ("pool: chc", "timeout: 5m", true),
        ("units: mm", "units: cm", false),
        ("{ scale: 2 }", "{ scale: 3 }", false),
        (".tif", ".tiff", false),
        ("title: Daily rain", "title: Daily rain\n    version: \"2\"", false),
    ] {
        let after = definition(&GOOD.replace(from, to), "daily_rain");
        assert_eq!(before == after, same, "{from} → {to}");
        assert_eq!(
            definition(GOOD, "monthly_rain"),
            definition(&GOOD.replace(from, to), "monthly_rain"),
            "{from}"
        );
    }
}
