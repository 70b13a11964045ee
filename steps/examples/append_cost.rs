//! What appending one period costs on cubes of 30, 3,000 and 30,000 periods: processor time of
//! this process for write and commit, by `cargo run --release -p frazil-steps --example append_cost`.
//! Arguments: numbers of periods to lay down (default 30 3000 30000); FRAZIL_BATCH says in commits of how many.

use std::{collections::BTreeMap, error::Error, io::Write, sync::Arc, time::Instant};

use chrono::{TimeZone, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, Pools, Progress, Scope, SystemClock},
    data::{
        Action, Axis, Crs, Field, Frequency, Grid, Item, Period, PeriodRange, Periods, Slice, Status, Values,
    },
    dataset::{DatasetInfo, Location},
    project::{ProjectConfig, Retry},
    step::{Batch, Ended},
};
use frazil_steps::cube::{BatchWriter, CommitNotes, commit};

/// Periods of a commit while the cube is laid down, where nothing else is said.
const BATCH: i64 = 32;

/// Appends that are measured.
const APPENDS: i64 = 30;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let sizes: Vec<i64> = std::env::args().skip(1).map(|n| n.parse()).collect::<Result<_, _>>()?;
    let sizes = if sizes.is_empty() { vec![30, 3_000, 30_000] } else { sizes };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for size in sizes {
        runtime.block_on(measure(size))?;
    }
    Ok(())
}

async fn measure(size: i64) -> Done<()> {
    let folder = tempfile::tempdir()?;
    let bench = bench(folder.path())?;
    let mut at = 0;
    let batch = std::env::var("FRAZIL_BATCH").ok().map_or(Ok(BATCH), |text| text.parse())?;
    while at < size {
        let end = (at + batch).min(size);
        append(&bench, at, end).await?;
        at = end;
    }
    let (user, system, clock) = (processor(0)?, processor(1)?, Instant::now());
    for n in size..size + APPENDS {
        append(&bench, n, n + 1).await?;
    }
    let each = |ticks: u64| ticks as f64 * 10.0 / APPENDS as f64;
    let (user, system) = (each(processor(0)? - user), each(processor(1)? - system));
    let wall = clock.elapsed().as_secs_f64() * 1e3 / APPENDS as f64;
    let line =
        format!("+1 onto {size}: {user:.1} ms user, {system:.1} ms system, {wall:.1} ms by the clock\n");
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}

/// User (0) or system (1) time of this process, in hundredths of a second.
fn processor(which: usize) -> Done<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.nth(11 + which).unwrap_or_default().parse()?)
}

async fn append((info, cx): &(DatasetInfo, Context), from: i64, to: i64) -> Done<()> {
    let origin = Period::parse("1940-01-01", Frequency::Day)?;
    let range = PeriodRange { first: origin.plus(from), last: origin.plus(to - 1) };
    let periods = Periods {
        dataset: info.id.clone(),
        step: Frequency::Day,
        base: None,
        items: vec![Item { range, action: Action::Add }],
        batches: vec![vec![range]],
        source: None,
        release: None,
    };
    let mut writer = BatchWriter::begin(info, &cx.scope, Batch { index: 0, periods }).await?;
    for n in from..to {
        // Numbers that compress as little as those of a float32 raster do.
        let noise =
            |i: u64| ((i + 1).wrapping_mul(n as u64 + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32;
        let field = Field {
            name: "rain".to_owned(),
            values: Values::Float32((0..1_024).map(noise).collect()),
            fill: None,
            units: Some("mm".to_owned()),
        };
        let slice = Slice {
            period: origin.plus(n),
            status: Status::Final,
            context: false,
            grid: Arc::new(grid()),
            fields: vec![field],
        };
        writer.put(slice).await?;
    }
    let written = writer.finish(Ended::Whole).await?;
    commit(info, cx, vec![written], CommitNotes::default()).await?;
    Ok(())
}

fn grid() -> Grid {
    Grid {
        crs: Crs { code: Some("EPSG:4326".to_owned()), wkt: String::new() },
        y: Axis::regular("y", 10.0, -0.05, 32),
        x: Axis::regular("x", -13.5, 0.05, 32),
        extra: Default::default(),
    }
}

fn bench(root: &std::path::Path) -> Done<(DatasetInfo, Context)> {
    let block = serde_json::json!({
        "title": "Rain",
        "time": { "step": "P1D" },
        "variables": { "rain": { "units": "mm", "cell": "total", "dtype": "float32" } },
        "chunks": { "time": 1, "y": 32, "x": 32 },
    });
    let info = DatasetInfo {
        id: "rain".parse()?,
        block: serde_json::from_value(block)?,
        location: Location { url: root.join("rain").display().to_string(), ..Location::default() },
        sources: Vec::new(),
        definition: "d1".to_owned(),
    };
    let project = ProjectConfig {
        state: root.join("state"),
        catalog: root.join("stac"),
        root: root.to_owned(),
        id: "bench".to_owned(),
        title: None,
        extent: None,
        crs: None,
        stores: BTreeMap::new(),
        memory: 1 << 30,
        pools: BTreeMap::new(),
        vars: BTreeMap::new(),
        secrets: BTreeMap::new(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    let scope = Scope {
        project: Arc::new(project),
        datasets: Arc::new([(info.id.clone(), Arc::new(info.clone()))].into()),
        pipeline: "rain".parse()?,
        instant: Utc.with_ymd_and_hms(2024, 6, 1, 0, 0, 0).single().ok_or("no such instant")?,
        params: Arc::default(),
        secrets: Arc::new(EnvSecrets::default()),
        memory: 1 << 30,
        stand_in: None,
        backfill: None,
    };
    let cx = Context {
        scope,
        run: "r1".parse()?,
        node: "daily".parse()?,
        attempt: 1,
        cancel: tokio_util::sync::CancellationToken::new(),
        clock: Arc::new(SystemClock),
        scratch: root.to_owned(),
        retry: Retry::default(),
        timeout: None,
        pools: Pools::default(),
        pool: None,
        progress: Progress::none(),
    };
    Ok((info, cx))
}
