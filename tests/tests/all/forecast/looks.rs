//! How often a plan looks into stores: hardly more often for many periods than for few.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, ManualClock, Pools, Progress, Scope},
    data::{DatasetId, Frequency, Period, PeriodRange, Status},
    dataset::GridBlock,
    project::{LoadOptions, Retry, load},
    scheduler::Cancel,
};
use frazil_steps::given::{Given, give};
use frazil_tests::{sandbox::Sandbox, server::Server};
use serde_json::json;

const THEIRS: &str = "frazil: 1
id: theirs
datasets:
  days:
    { title: Days, time: { step: P1D }, chunks: { time: 64 }, crs: \"EPSG:4326\",
      variables: { v: { units: mm, cell: total, dtype: float32 } } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: days, start: \"1981-01-01\" } }
  slices: { uses: fetch, needs: missing, with: { source: cog, url: \"{{ period | date('%Y%m%d') }}.tif\" } }
  days: { uses: append-commit, needs: slices, with: { dataset: days } }
";

const OURS: &str = "frazil: 1
id: ours
datasets:
  days:
    title: Days of others
    external: PLACE
    time: { step: P1D }
    variables: { v: { units: mm, cell: total, dtype: float32 } }
  months: { title: Months, time: { step: P1M } }
  copy:
    { title: A copy, time: { step: P1D }, chunks: { time: 64 },
      variables: { v: { units: mm, cell: total, dtype: float32 } } }
steps:
  days: { uses: open-dataset, with: { dataset: days } }
  months: { uses: derived-resample, needs: days, with: { dataset: months, method: sum } }
  listed: { uses: enumerate-periods, needs: days, with: { dataset: copy, batch: 100 } }
  read: { uses: fetch, needs: listed, with: { source: dataset, dataset: days } }
  copy: { uses: append-commit, needs: read, with: { dataset: copy } }
";

/// A project whose daily dataset holds so many days from the first of 1981 on.
async fn holding(days: i64) -> Sandbox {
    let sandbox = Sandbox::in_memory(&[
        ("frazil.yaml", "frazil: 1\nid: p\nstores: { cubes: ./cubes }\n"),
        ("pipelines/theirs.yaml", THEIRS),
    ]);
    let options = LoadOptions { paths: Vec::new(), project: Vec::new(), folder: sandbox.path("") };
    let project = load(&options, &frazil_steps::registry()).projects.remove(0);
    let id: DatasetId = "days".parse().unwrap();
    let scope = Scope {
        project: Arc::clone(&project.config),
        datasets: Arc::clone(&project.datasets),
        pipeline: "theirs".parse().unwrap(),
        instant: Utc.with_ymd_and_hms(2024, 6, 1, 0, 0, 0).unwrap(),
        params: Arc::default(),
        secrets: Arc::new(EnvSecrets::default()),
        memory: 1 << 30,
        stand_in: None,
        backfill: None,
    };
    let context = Context {
        clock: Arc::new(ManualClock::at(scope.instant)),
        scope,
        run: "given".parse().unwrap(),
        node: "given".parse().unwrap(),
        attempt: 1,
        cancel: Cancel::new().token,
        scratch: sandbox.path("scratch"),
        retry: Retry::default(),
        timeout: None,
        pools: Pools::default(),
        pool: None,
        progress: Progress::none(),
    };
    let grid: GridBlock =
        serde_json::from_value(json!({ "origin": [10, 20], "cell": [1, -1], "shape": [2, 2] })).unwrap();
    let first = Period::parse("1981-01-01", Frequency::Day).unwrap();
    let ranges = [PeriodRange { first, last: first.plus(days - 1) }];
    let given = Given { dataset: &id, ranges: &ranges, status: Status::Final, grid: &grid, crs: 4326 };
    give(given, |_| Some(1.0), &context).await.unwrap();
    sandbox
}

/// Requests of a plan to the store of the daily dataset, and what it says.
async fn looks(days: i64) -> (usize, String) {
    let theirs = holding(days).await;
    let server = Server::start(theirs.path("cubes"), 0).unwrap();
    let ours = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\nid: q\nstores: { cubes: ./cubes }\n"),
        ("pipelines/ours.yaml", &OURS.replace("PLACE", &format!("{}/days", server.url()))),
    ]);
    let told = ours.succeed(&["plan"]);
    (server.requests().len(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_times_as_many_periods_are_hardly_more_looks() {
    let (few, told) = looks(64).await;
    assert!(told.contains("64: 1981-01-01/1981-03-05"), "{told}");
    let (many, told) = looks(6_400).await;
    assert!(told.contains("6400: 1981-01-01/1998-07-10"), "{told}");
    // A short axis lies in the manifest itself, a longer one in objects of its own.
    assert!((1..60).contains(&few) && many * 2 <= few * 3, "{few} requests to the store, {many} for many");
}
