//! Webhooks that start a pipeline: `POST /hooks/{pipeline}`, signed with a secret that its trigger names.
//!
//! The signature says who asks, so that no token is needed. The id of the message is the key of the run:
//! a message that is sent again, by its sender or by somebody who overheard it, starts nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use frazil_engine::{
    event::{Cause, Key, Reply},
    pipeline::{Overlap, Pipeline, Trigger},
};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Base,
    problem::Problem,
    runner::Submission,
    signature::{ID, SIGNATURE, TIMESTAMP, Unsigned, verify},
};

/// The longest id: it is kept with the run.
const LONGEST_ID: usize = 200;

/// Where webhooks come in.
pub(crate) fn routes() -> Routes {
    let hook =
        Operation::new("receiveWebhook", "runs", "Starts a pipeline by a signed message", Role::Anyone)
            .segment("pipeline", "A pipeline with a trigger `http: { signed-by: … }`")
            .header(ID, "The message, the same when it is sent again")
            .header(TIMESTAMP, "When it was sent, in seconds of the Unix clock; five minutes are believed")
            .header(SIGNATURE, "`v1,` and HMAC-SHA256 of `id.timestamp.content` in base64")
            .gives_media(201, "application/json", "The run that the message started")
            .refuses(401, "Not signed, signed with another secret, or too long ago")
            .refuses(404, "No such pipeline, or it takes no webhooks")
            .refuses(409, "Another run of the pipeline waits or is at work")
            .refuses(422, "Parameters that the pipeline does not take")
            .refuses(429, "As many runs wait as may");
    Routes::default().on(Method::POST, "/hooks/{pipeline}", hook, receive)
}

/// What is answered.
#[derive(Debug, Serialize)]
struct Started {
    run: String,
}

async fn receive(
    State(app): State<Arc<App>>,
    base: Base,
    Path(name): Path<String>,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Response> {
    let refuse = |status, detail: &str| Problem::plain(status, detail).into_response();
    let current = app.live.current();
    let found = current.project.pipelines.get(name.as_str()).and_then(|pipeline| {
        let signed = |trigger: &Trigger| trigger.http.as_ref()?.signed_by.clone();
        pipeline.triggers.iter().find_map(|trigger| Some((pipeline, trigger, signed(trigger)?)))
    });
    let (pipeline, trigger, who) =
        found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "no pipeline of this name takes webhooks"))?;
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = said(ID);
    let fits = |c: char| c.is_ascii_graphic();
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(fits) {
        return Err(refuse(StatusCode::UNAUTHORIZED, "`webhook-id` is missing or no id"));
    }
    let secret = current.secrets.get(&who).map_err(|error| {
        tracing::error!(pipeline = name, %error, "a webhook cannot be judged");
        Problem::internal("the secret of this webhook is not there; the server's log says why")
            .into_response()
    })?;
    let now = Utc::now();
    verify(&secret, id, said(TIMESTAMP), said(SIGNATURE), &content, now.timestamp()).map_err(|why| {
        tracing::warn!(pipeline = name, ?why, "a webhook was refused");
        let detail = match why {
            Unsigned::Time => {
                "`webhook-timestamp` is missing, or more than five minutes from this server's clock"
            }
            Unsigned::Signature | Unsigned::Key => "`webhook-signature` is not that of this message",
        };
        refuse(StatusCode::UNAUTHORIZED, detail)
    })?;
    let params = params(pipeline, trigger, &content, &current.project.config, now)
        .map_err(|detail| refuse(StatusCode::UNPROCESSABLE_ENTITY, &detail))?;
    let digest =
        Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let submission = Submission {
        pipeline: pipeline.id.clone(),
        params,
        instant: now,
        units: None,
        backfill: None,
        overlap: trigger.overlap.unwrap_or(Overlap::Skip),
        cause: Cause::Webhook { who },
        reply: Reply::default(),
        key: Some(Key { name: format!("webhook {name} {id}"), digest }),
        traceparent: headers.get("traceparent").and_then(|v| v.to_str().ok()).map(str::to_owned),
    };
    let run = app
        .runner
        .submit(submission)
        .await
        .map_err(|refusal| Problem::from(refusal).into_response())?
        .to_string();
    let place = HeaderValue::from_str(&base.at(&format!("/jobs/{run}")));
    let mut response = (StatusCode::CREATED, axum::Json(Started { run })).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Parameters: those of the trigger, and what the content says under `params` of the others. A sender that
/// knows nothing of us says what it likes besides.
fn params(
    pipeline: &Pipeline,
    trigger: &Trigger,
    content: &[u8],
    config: &frazil_engine::project::ProjectConfig,
    now: chrono::DateTime<Utc>,
) -> Result<Map<String, Value>, String> {
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    if let Ok(Value::Object(mut said)) = serde_json::from_slice(content)
        && let Some(params) = said.remove("params")
    {
        let Value::Object(params) = params else { return Err("`params` is not a map".to_owned()) };
        given.extend(params);
    }
    for (name, value) in &trigger.params {
        if given.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("the trigger says what `{name}` is, so that a message cannot"));
        }
    }
    pipeline
        .accept_params(&given, config, now)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
