use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::fake::*;
use crate::{
    context::{EnvSecrets, ManualClock, Pools, Scope},
    event::Origin,
    executor::{LocalExecutor, Unwatched},
    pipeline::{Branch, Pipeline, PipelineNode, Segment, Unit},
    project::{Jitter, ProjectConfig, Retry},
    registry::Registry,
    scheduler::{Cancel, GRACE, Run, Services},
    store::RunStore,
};

pub(super) fn registry() -> Registry {
    Registry::new()
        .node::<List>()
        .source::<Read>()
        .filter::<Look>()
        .sink::<Settle>()
        .node::<Root>()
        .node::<One>()
        .node::<Many>()
}

/// A node with its settings.
pub(super) fn node(id: &str, uses: &str, with: Value, needs: &[usize], after: &[usize]) -> PipelineNode {
    node_of(&registry(), id, uses, with, needs, after)
}

/// The same, of other step types.
pub(super) fn node_of(
    registry: &Registry,
    id: &str,
    uses: &str,
    with: Value,
    needs: &[usize],
    after: &[usize],
) -> PipelineNode {
    PipelineNode {
        id: id.parse().unwrap(),
        uses: uses.to_owned(),
        step: registry.get(uses).unwrap().bind(&with).unwrap(),
        with,
        needs: needs.to_vec(),
        after: after.to_vec(),
        pool: None,
        retry: Retry { attempts: 3, jitter: Jitter::None, ..Retry::default() },
        timeout: None,
    }
}

pub(super) fn pipeline(nodes: Vec<PipelineNode>, units: Vec<Unit>) -> Arc<Pipeline> {
    Arc::new(Pipeline {
        id: "p".parse().unwrap(),
        title: None,
        description: None,
        file: "p.yaml".to_owned(),
        digest: "d".to_owned(),
        params: Vec::new(),
        triggers: Vec::new(),
        nodes,
        units,
    })
}

/// list → read → look → settle → derive → publish, over `days` in batches of `batch`.
pub(super) fn chirps(name: &str, days: i64, batch: usize, halo: u32) -> Arc<Pipeline> {
    let nodes = vec![
        node("missing", "fake-list", json!({ "world": name, "days": days, "batch": batch }), &[], &[]),
        node("slices", "fake-read", json!({ "world": name }), &[0], &[]),
        node("look", "fake-look", json!({ "halo": halo }), &[1], &[]),
        node("daily", "fake-settle", json!({ "world": name }), &[2], &[]),
        node("monthly", "fake-one", json!({ "world": name, "name": "monthly" }), &[3], &[]),
        node("catalog", "fake-many", json!({ "world": name, "name": "catalog" }), &[3, 4], &[]),
    ];
    let segment = Segment { periods: 0, branches: vec![Branch { source: 1, filters: vec![2] }], sink: 3 };
    pipeline(nodes, vec![Unit::Node(0), Unit::Segment(segment), Unit::Node(4), Unit::Node(5)])
}

pub(super) fn now() -> DateTime<Utc> {
    "2024-03-01T00:00:00Z".parse().unwrap()
}

pub(super) fn scope() -> Scope {
    let project = ProjectConfig {
        root: "/nowhere".into(),
        id: "test".to_owned(),
        title: None,
        extent: None,
        crs: None,
        state: "/nowhere/state".into(),
        catalog: "/nowhere/stac".into(),
        memory: 1 << 30,
        pools: BTreeMap::new(),
        stores: BTreeMap::new(),
        vars: BTreeMap::new(),
        secrets: BTreeMap::new(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    Scope {
        project: Arc::new(project),
        datasets: Arc::default(),
        pipeline: "p".parse().unwrap(),
        instant: now(),
        params: Arc::new(Map::new()),
        secrets: Arc::new(EnvSecrets::default()),
        memory: 1 << 30,
        stand_in: None,
        backfill: None,
    }
}

pub(super) fn run(pipeline: &Arc<Pipeline>, id: &str) -> Run {
    Run {
        id: id.parse().unwrap(),
        scope: scope(),
        pipeline: Arc::clone(pipeline),
        units: (0..pipeline.units.len()).collect(),
        cancel: Cancel::new(),
        grace: GRACE,
        origin: Origin::default(),
        scratch: std::env::temp_dir().join(format!("frazil-test-{}-{id}", std::process::id())),
    }
}

pub(super) fn services(store: Arc<dyn RunStore>) -> Services {
    let registry = Arc::new(registry());
    Services {
        store,
        executor: Arc::new(LocalExecutor::new(Arc::clone(&registry))),
        registry,
        clock: Arc::new(ManualClock::at(now())),
        pools: Pools::default(),
        watch: Arc::new(Unwatched),
    }
}
