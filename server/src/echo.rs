//! `echo` as a job: a run of one step that pauses, and that gives what it took. So who tests a client sees
//! jobs that are not over for as long as it asks for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use frazil_engine::{
    context::{Context, Scope},
    data::{NodeId, PipelineId},
    event::{Accepted, RunState},
    pipeline::{Pipeline, PipelineNode, Unit},
    plan::{Planned, PlannedDocument},
    project::Retry,
    registry::Registry,
    step::{Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The name of the process, and of the pipeline that its jobs run.
pub(crate) const ECHO: &str = "echo";

/// The input that says how many seconds it pauses; all others are given back.
pub(crate) const PAUSE: &str = "pause";

/// Waits as long as its run is asked to.
#[derive(Debug, Deserialize, JsonSchema)]
struct Pause {}

impl Step for Pause {
    const USES: &'static str = "echo-pause";
    const SUMMARY: &'static str = "waits, for those who test clients";
    const REVISION: u32 = 1;
}

impl Node for Pause {
    type Input = ();
    type Output = ();

    async fn plan(&self, _: Vec<Planned>, _: &Scope) -> Result<Planned, StepError> {
        Ok(Planned::idle(PlannedDocument::Nothing))
    }

    async fn run(&self, (): (), cx: &Context) -> Outcome<()> {
        let pause = cx.scope.params.get(PAUSE).and_then(Value::as_u64).unwrap_or_default();
        tokio::select! {
            () = cx.cancel.cancelled() => Err(StepError::Cancelled).into(),
            () = cx.clock.sleep(Duration::from_secs(pause)) => Outcome::done(()),
        }
    }
}

/// The same step types with the one that pauses, which no file may name.
pub(crate) fn known(registry: &Registry) -> Registry {
    registry.clone().node::<Pause>()
}

/// The pipeline of its jobs; none where the step is not known.
pub(crate) fn pipeline(registry: &Registry) -> Option<Arc<Pipeline>> {
    let id: PipelineId = ECHO.parse().ok()?;
    let node: NodeId = ECHO.parse().ok()?;
    let with = json!({});
    let node = PipelineNode {
        id: node,
        uses: Pause::USES.to_owned(),
        step: registry.get(Pause::USES)?.bind(&with).ok()?,
        with,
        needs: Vec::new(),
        after: Vec::new(),
        pool: None,
        retry: Retry::default(),
        timeout: None,
    };
    Some(Arc::new(Pipeline {
        id,
        title: None,
        description: None,
        file: ECHO.to_owned(),
        digest: format!("{ECHO}-{}", Pause::REVISION),
        params: Vec::new(),
        triggers: Vec::new(),
        nodes: vec![node],
        units: vec![Unit::Node(0)],
    }))
}

/// What a run of it gives, by output; none for a run of anything else.
pub(crate) fn given(state: &RunState) -> Option<BTreeMap<String, Value>> {
    let Accepted { params, units, .. } = state.accepted.as_ref()?;
    let is_echo = units.iter().flat_map(|unit| &unit.nodes).any(|(_, uses)| uses == Pause::USES);
    let given = |params: &Map<String, Value>| {
        let all = params.iter().filter(|(name, _)| *name != PAUSE);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    is_echo.then(|| given(params))
}
