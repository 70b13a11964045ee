//! What the engine itself costs: graphs of steps that do nothing, every transition durable in SQLite.
//!
//! `cargo run --release -p frazil-engine --example engine_cost [WHAT…] [--state FOLDER]`, WHAT being
//! `fan` (1 → 1,000 → 1), `chain` (200 in a row, beside as many SQLite transactions), `periods`
//! (100,000 through one segment) and `fewer` (10,000, to see whether memory stays flat). Each runs in a
//! process of its own and prints a line of JSON: processor seconds, seconds by the clock, peak memory.

#[path = "engine_cost/steps.rs"]
mod steps;

use std::{
    collections::BTreeMap,
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use frazil_engine::{
    context::{EnvSecrets, Pools, Scope, SystemClock},
    event::{Origin, RunStatus},
    executor::{LocalExecutor, Unwatched},
    pipeline::{Branch, Pipeline, PipelineNode, Segment, Unit},
    project::{ProjectConfig, Retry},
    registry::Registry,
    scheduler::{self, Cancel, Run, Services},
    store::SqliteStore,
};
use serde_json::{Value, json};

type Done<T> = Result<T, Box<dyn Error>>;

const ALL: [&str; 4] = ["fan", "chain", "periods", "fewer"];

/// Tasks between the first and the last of a fan, and steps of a chain.
const FAN: usize = 1_000;
const CHAIN: usize = 200;

/// Periods of a commit.
const BATCH: usize = 32;

fn main() -> Done<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut state = std::env::temp_dir();
    if let Some(at) = args.iter().position(|arg| arg == "--state") {
        state = args.get(at + 1).map(PathBuf::from).ok_or("--state needs a folder")?;
        args.drain(at..at + 2);
    }
    match &args[..] {
        [flag, what] if flag == "--one" => one(what, &state),
        wanted => {
            let wanted: Vec<&str> =
                if wanted.is_empty() { ALL.to_vec() } else { wanted.iter().map(String::as_str).collect() };
            for what in wanted {
                let mut command = Command::new(std::env::current_exe()?);
                let status = command.args(["--one", what, "--state"]).arg(&state).status()?;
                if !status.success() {
                    return Err(format!("{what} ended with {status}").into());
                }
            }
            Ok(())
        }
    }
}

/// Measures one thing and prints it.
fn one(what: &str, state: &Path) -> Done<()> {
    let folder = tempfile::tempdir_in(state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let pipeline = match what {
        "fan" => fan()?,
        "chain" => chain()?,
        "periods" => segment(100_000)?,
        "fewer" => segment(10_000)?,
        other => return Err(format!("`{other}` is none of {}", ALL.join(", ")).into()),
    };
    let floor = if what == "chain" { Some(floor(&folder.path().join("floor.sqlite"))?) } else { None };
    let (before, clock) = (processor()?, Instant::now());
    let events = runtime.block_on(walk(pipeline, folder.path()))?;
    let (cpu, wall) = (processor()? - before, clock.elapsed().as_secs_f64());
    let mut line = json!({
        "what": what, "cpu_s": cpu, "wall_s": wall, "peak_mib": peak()?, "events": events,
    });
    if let Some(floor) = floor {
        // Once more, as others use the disk too.
        let floor = floor.min(self::floor(&folder.path().join("again.sqlite"))?);
        line["floor_wall_s"] = json!(floor);
        line["over_floor"] = json!(wall / floor);
    }
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Seconds of as many SQLite transactions as a chain has steps, each synced before the next.
fn floor(place: &Path) -> Done<f64> {
    let connection = rusqlite::Connection::open(place)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE events (place INTEGER PRIMARY KEY, line TEXT NOT NULL)")?;
    let line = "x".repeat(250);
    let clock = Instant::now();
    for place in 0..CHAIN {
        let place = i64::try_from(place)?;
        connection
            .prepare_cached("INSERT INTO events VALUES (?1, ?2)")?
            .execute(rusqlite::params![place, line])?;
    }
    Ok(clock.elapsed().as_secs_f64())
}

fn registry() -> Registry {
    Registry::new()
        .node::<steps::Root>()
        .node::<steps::One>()
        .node::<steps::Many>()
        .node::<steps::List>()
        .source::<steps::Read>()
        .sink::<steps::Settle>()
}

fn node(id: &str, uses: &str, with: Value, needs: Vec<usize>) -> Done<PipelineNode> {
    let registry = registry();
    let step = registry.get(uses).ok_or("no such step type")?.bind(&with).map_err(|e| e.message)?;
    Ok(PipelineNode {
        id: id.parse()?,
        uses: uses.to_owned(),
        step,
        with,
        needs,
        after: Vec::new(),
        pool: None,
        retry: Retry::default(),
        timeout: None,
    })
}

fn pipeline(nodes: Vec<PipelineNode>, units: Vec<Unit>) -> Done<Pipeline> {
    Ok(Pipeline {
        id: "bench".parse()?,
        title: None,
        description: None,
        file: "bench.yaml".to_owned(),
        digest: "bench".to_owned(),
        params: Vec::new(),
        triggers: Vec::new(),
        nodes,
        units,
    })
}

fn fan() -> Done<Pipeline> {
    let mut nodes = vec![node("root", "noop-root", Value::Null, Vec::new())?];
    for n in 1..=FAN {
        nodes.push(node(&format!("n{n}"), "noop-one", Value::Null, vec![0])?);
    }
    nodes.push(node("last", "noop-many", Value::Null, (1..=FAN).collect())?);
    let units = (0..nodes.len()).map(Unit::Node).collect();
    pipeline(nodes, units)
}

fn chain() -> Done<Pipeline> {
    let mut nodes = vec![node("n0", "noop-root", Value::Null, Vec::new())?];
    for n in 1..CHAIN {
        nodes.push(node(&format!("n{n}"), "noop-one", Value::Null, vec![n - 1])?);
    }
    let units = (0..nodes.len()).map(Unit::Node).collect();
    pipeline(nodes, units)
}

fn segment(periods: usize) -> Done<Pipeline> {
    let with = json!({ "periods": periods, "batch": BATCH });
    let nodes = vec![
        node("list", "noop-list", with, Vec::new())?,
        node("read", "noop-read", Value::Null, vec![0])?,
        node("settle", "noop-settle", Value::Null, vec![1])?,
    ];
    let segment = Segment { periods: 0, branches: vec![Branch { source: 1, filters: Vec::new() }], sink: 2 };
    pipeline(nodes, vec![Unit::Node(0), Unit::Segment(segment)])
}

/// Walks a pipeline to its end; how many events its log holds.
async fn walk(pipeline: Pipeline, folder: &Path) -> Done<usize> {
    let pipeline = Arc::new(pipeline);
    let registry = Arc::new(registry());
    let services = Services {
        store: Arc::new(SqliteStore::open(&folder.join("state")).await?),
        executor: Arc::new(LocalExecutor::new(Arc::clone(&registry))),
        registry,
        clock: Arc::new(SystemClock),
        pools: Pools::default(),
        watch: Arc::new(Unwatched),
    };
    let run = Run {
        id: "r1".parse()?,
        scope: scope(folder)?,
        units: (0..pipeline.units.len()).collect(),
        pipeline,
        cancel: Cancel::new(),
        grace: scheduler::GRACE,
        origin: Origin::default(),
        scratch: folder.join("scratch"),
    };
    let state = scheduler::start(&run, &services).await?;
    match state.finished {
        Some((RunStatus::Successful, _)) => Ok(state.len),
        other => Err(format!("the run ended as {other:?}").into()),
    }
}

fn scope(root: &Path) -> Done<Scope> {
    let project = ProjectConfig {
        root: root.to_owned(),
        id: "bench".to_owned(),
        title: None,
        extent: None,
        crs: None,
        state: root.join("state"),
        catalog: root.join("stac"),
        memory: 1 << 30,
        stores: BTreeMap::new(),
        pools: BTreeMap::new(),
        vars: BTreeMap::new(),
        secrets: BTreeMap::new(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    Ok(Scope {
        project: Arc::new(project),
        datasets: Arc::default(),
        pipeline: "bench".parse()?,
        instant: "2024-06-01T00:00:00Z".parse()?,
        params: Arc::default(),
        secrets: Arc::new(EnvSecrets::default()),
        memory: 1 << 30,
        stand_in: None,
        backfill: None,
    })
}

/// Processor seconds of this process, of users and of the system together.
fn processor() -> Done<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// The most memory that this process held, in MiB.
fn peak() -> Done<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok((kib / 1024.0 * 10.0).round() / 10.0)
}
