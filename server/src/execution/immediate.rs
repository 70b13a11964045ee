//! Processes whose answer holds what they give: `plan`, `estimate`, `echo`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Clock, Scope, SystemClock},
    plan::PlanFile,
    project::Stage,
    step::StepError,
};
use serde_json::{Map, Value, json};

use super::selection::Inputs;
use crate::{
    app::App,
    echo::PAUSE,
    live::Current,
    problem::{Problem, Wrong},
    processes::{Own, PAUSE_AT_MOST},
};

/// What one of them gives, by output.
pub(super) async fn outputs(
    app: &Arc<App>,
    own: Own,
    inputs: Map<String, Value>,
    mut errors: Vec<Wrong>,
) -> Result<BTreeMap<String, Value>, Problem> {
    let refused = |errors: Vec<Wrong>| Problem::wrong("the inputs are not taken", errors);
    let mut inputs = Inputs::new(inputs);
    if own == Own::Echo {
        let (given, pause) = echoed(&mut inputs);
        errors.extend(inputs.all_wrong(own.id()));
        if !errors.is_empty() {
            return Err(refused(errors));
        }
        SystemClock.sleep(Duration::from_secs(pause)).await;
        return Ok(given);
    }
    let current = app.live.current();
    let instant = inputs.instant();
    let online = if own == Own::Estimate {
        inputs.one("online", |value| value.as_bool().ok_or_else(|| "true or false is wanted".to_owned()))
    } else {
        None
    };
    let stages = inputs.stages(&current.project, instant);
    errors.extend(inputs.all_wrong(own.id()));
    if !errors.is_empty() {
        return Err(refused(errors));
    }
    let file = plan(app, current, stages, instant, online.unwrap_or_default()).await?;
    let given = match own {
        Own::Estimate => ("estimate", estimate(&file)),
        _ => ("plan", serde_json::to_value(&file).map_err(|error| Problem::internal(error.to_string()))?),
    };
    Ok(BTreeMap::from([(given.0.to_owned(), given.1)]))
}

async fn plan(
    app: &Arc<App>,
    Current { project, secrets }: Current,
    stages: Vec<(Stage, Map<String, Value>)>,
    instant: DateTime<Utc>,
    online: bool,
) -> Result<PlanFile, Problem> {
    let scope = |(stage, params): (Stage, Map<String, Value>)| {
        let scope = project.scope(&stage.pipeline.id, params, instant, Arc::clone(&secrets));
        (stage, scope)
    };
    let work: Vec<(Stage, Scope)> = stages.into_iter().map(scope).collect();
    let store = app.runner.store();
    let mut file = PlanFile::make(&work, instant, app.runner.registry(), online, Some(&**store)).await;
    if let Ok(file) = &mut file {
        redact(file, &|text| secrets.redact(text));
    }
    file.map_err(|error| Problem::of_history(&StepError::from(error)))
}

/// What went wrong with a step, with secrets as asterisks.
fn redact(file: &mut PlanFile, hide: &dyn Fn(&str) -> String) {
    let nodes = file.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.nodes);
    for failure in nodes.filter_map(|node| node.error.as_mut()?.failure_mut()) {
        failure.message = hide(&failure.message);
        failure.help = failure.help.as_deref().map(hide);
    }
}

fn estimate(file: &PlanFile) -> Value {
    let pipelines = file.pipelines.iter().map(|pipeline| {
        let work = frazil_engine::plan::total(&pipeline.nodes);
        let errors: Vec<String> =
            pipeline.nodes.iter().filter_map(|node| Some(node.error.as_ref()?.to_string())).collect();
        json!({ "pipeline": pipeline.pipeline, "work": work, "errors": errors })
    });
    json!({ "instant": file.instant, "total": file.total, "pipelines": pipelines.collect::<Vec<_>>() })
}

/// What `echo` gives, and how long it waits first.
pub(super) fn echoed(inputs: &mut Inputs) -> (BTreeMap<String, Value>, u64) {
    let mut given = BTreeMap::new();
    for (name, what) in
        [("message", "text"), ("number", "a number"), ("flag", "true or false"), ("object", "an object")]
    {
        let read = |value: &Value| match (name, value) {
            ("message", Value::String(_))
            | ("number", Value::Number(_))
            | ("flag", Value::Bool(_))
            | ("object", Value::Object(_)) => Ok(value.clone()),
            _ => Err(format!("{what} is wanted")),
        };
        given.extend(inputs.one(name, read).map(|value| (name.to_owned(), value)));
    }
    given.extend(inputs.texts("list").map(|texts| ("list".to_owned(), json!(texts))));
    let pause = inputs.one(PAUSE, |value| {
        let pause = value.as_u64().filter(|seconds| *seconds <= PAUSE_AT_MOST);
        pause.ok_or_else(|| format!("whole seconds from 0 to {PAUSE_AT_MOST} are wanted"))
    });
    (given, pause.unwrap_or_default())
}
