mod fake;

use std::path::Path;

use super::{Project, check};
use crate::diagnostic::{Sources, plain};

const PROJECT: &str = "frazil: 1
id: demo
extent: { name: Sierra Leone, bbox: [-13.5, 6.8, -10.1, 10.1], country: SLE }
pools: { chc: { max: 1, rate: 2/s } }
vars: { chc: \"https://example.org/products\" }
secrets: { edh: { env: EDH_API_KEY } }
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
    let files =
        check::Files { root: Path::new("/p"), memory: 1 << 30, project: &[first], pipelines: &places };
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
    assert_eq!(monthly.source.as_ref().unwrap().as_str(), "daily_rain");
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
