//! What unit tests of steps share: a project in a temporary folder, and a context in it.

use std::{path::Path, sync::Arc};

use chrono::{TimeZone, Utc};
use frazil_engine::{
    context::{Context, EnvSecrets, Pools, Progress, Scope, SystemClock},
    dataset::{DatasetInfo, Datasets, Location},
    project::{ProjectConfig, Retry},
};
use serde_json::Value;

/// Datasets out of their blocks; their stores lie in `root`.
pub(crate) fn datasets(root: &Path, blocks: Value) -> Datasets {
    let blocks = blocks.as_object().unwrap();
    let info = |(id, block): (&String, &Value)| {
        let info = DatasetInfo {
            id: id.parse().unwrap(),
            block: serde_json::from_value(block.clone()).unwrap(),
            location: Location { url: root.join(id).display().to_string(), ..Location::default() },
            sources: Vec::new(),
            definition: "d1".to_owned(),
        };
        (info.id.clone(), Arc::new(info))
    };
    blocks.iter().map(info).collect()
}

/// A context of a project in `root` with these datasets, at noon of 2024-06-01.
pub(crate) fn context(root: &Path, datasets: Datasets) -> Context {
    let project = ProjectConfig {
        state: root.join("state"),
        catalog: root.join("stac"),
        root: root.to_owned(),
        id: "test".to_owned(),
        title: None,
        extent: None,
        crs: None,
        memory: 1 << 30,
        stores: Default::default(),
        pools: Default::default(),
        vars: Default::default(),
        secrets: Default::default(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    let scope = Scope {
        project: Arc::new(project),
        datasets: Arc::new(datasets),
        pipeline: "p".parse().unwrap(),
        instant: Utc.with_ymd_and_hms(2024, 6, 1, 12, 0, 0).unwrap(),
        params: Arc::default(),
        secrets: Arc::new(EnvSecrets::default()),
        memory: 1 << 30,
        stand_in: None,
        backfill: None,
    };
    Context {
        scope,
        run: "r1".parse().unwrap(),
        node: "n".parse().unwrap(),
        attempt: 1,
        cancel: tokio_util::sync::CancellationToken::new(),
        clock: Arc::new(SystemClock),
        scratch: root.join("scratch"),
        retry: Retry::default(),
        timeout: None,
        pools: Pools::default(),
        pool: None,
        progress: Progress::none(),
    }
}
