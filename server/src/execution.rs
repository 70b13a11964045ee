//! Processes are run: `POST /processes/{id}/execution`.

mod immediate;
mod key;
mod prefer;
mod request;
mod selection;
mod value;
pub(crate) mod values;

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use frazil_engine::{
    data::{Backfill, PipelineId, RunId},
    event::{Cause, Key, Reply, Subscriber},
    pipeline::{Overlap, Pipeline, Trigger},
    project::Stage,
};
use serde_json::{Map, Value};

use prefer::Prefer;
pub(crate) use request::Execute;
use selection::Inputs;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments},
    auth::Caller,
    backfill::{lists_periods, only_failed},
    callbacks,
    echo::{ECHO, PAUSE},
    jobs::{self, StatusInfo},
    live::Current,
    problem::{Problem, Wrong},
    processes::{self, Own, Runnable},
    runner::{Refusal, Submission},
};

/// Addresses that run processes.
pub(crate) fn routes() -> Routes {
    let execute = Operation::new("execute", "processes", "Run a process", Role::Operator)
        .segment("processID", "A process")
        .header("Prefer", "`respond-async`; `wait=N`: answer when the job ends, within so many seconds")
        .header("Idempotency-Key", "The same key with the same content starts nothing again")
        .header("traceparent", "The trace that the run belongs to (W3C)")
        .takes::<Execute>("application/json", "Values of its inputs, and what is wanted of its outputs")
        .gives::<Map<String, Value>>(200, "What it gave, by output, or the one output as it is")
        .gives_media(200, "multipart/related", "Several outputs as they are, where `response` is `raw`")
        .gives::<StatusInfo>(201, "A job was made: `Location` says where")
        .with_headers(201, &[("Location", "The job"), ("Preference-Applied", "What of `Prefer` was done")])
        .refuses(404, "No such process")
        .refuses(409, "Another run of the pipeline is there, and this one is not to wait for it")
        .refuses(422, "The key was used for something else");
    Routes::default().on(axum::http::Method::POST, "/processes/{processID}/execution", execute, execution)
}

/// A request that is about to be carried out.
struct Asked<'a> {
    app: &'a Arc<App>,
    headers: &'a HeaderMap,
    base: &'a Base,
    /// The name of the token.
    who: Option<String>,
}

async fn execution(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    base: Base,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Problem> {
    let asked =
        Asked { app: &app, headers: &headers, base: &base, who: caller.name.as_deref().map(str::to_owned) };
    let project = app.project();
    match processes::find(&project, &id)? {
        Runnable::Pipeline(pipeline) => {
            let execute = Execute::read(&headers, &body?)?;
            asked.pipeline(&pipeline, execute).await
        }
        Runnable::Own(own) => {
            let execute = Execute::read(&headers, &body?)?;
            if own == Own::Echo && Prefer::of(&headers).respond_async {
                asked.echo(execute).await
            } else if own.is_immediate() {
                asked.at_once(own, execute).await
            } else {
                asked.selected(own, execute).await
            }
        }
    }
}

impl Asked<'_> {
    /// Runs a pipeline.
    async fn pipeline(&self, pipeline: &Arc<Pipeline>, execute: Execute) -> Result<Response, Problem> {
        let key = key::of(self.headers, self.who.as_deref(), pipeline.id.as_str(), &execute)?;
        let instant = Utc::now();
        let mut errors = Vec::new();
        let known: Vec<String> = processes::written(pipeline).iter().map(ToString::to_string).collect();
        let wanted = execute.wanted(&known, "reference", &mut errors);
        let mut reply = execute.reply(wanted, &mut errors);
        self.judge(&mut reply, &mut errors);
        let mut inputs = Inputs::new(execute.inputs);
        let params = inputs.params(pipeline, &self.app.project(), instant);
        errors.extend(inputs.all_wrong(pipeline.id.as_str()));
        if !errors.is_empty() {
            return Err(Problem::wrong("the inputs are not taken", errors));
        }
        let mut submission = self.submission(pipeline.id.clone(), &pipeline.triggers, params, instant, reply);
        submission.key = key;
        let run = self.app.runner.submit(submission).await?;
        self.created(&run, &[]).await
    }

    /// Runs what is selected: a job for each pipeline, one after the other; the last stands for all.
    async fn selected(&self, own: Own, execute: Execute) -> Result<Response, Problem> {
        let key = key::of(self.headers, self.who.as_deref(), own.id(), &execute)?;
        let mut errors = Vec::new();
        let current = self.app.live.current();
        let project = &current.project;
        let wanted = execute.wanted(&own.output_names(project), "reference", &mut errors);
        let mut reply = execute.reply(wanted, &mut errors);
        self.judge(&mut reply, &mut errors);
        if !execute.inputs.contains_key("select") {
            errors.push(Wrong::new("inputs.select", "it has no default, so a value has to be given"));
        }
        let mut inputs = Inputs::new(execute.inputs);
        let (instant, overlap) = (inputs.instant(), inputs.overlap());
        let backfill = (own == Own::Backfill).then(|| inputs.backfill());
        let stages = inputs.stages(project, instant);
        if backfill.is_some() && !stages.is_empty() && !stages.iter().any(|(stage, _)| lists_periods(stage)) {
            inputs.wrong(
                "select",
                "nothing that is selected lists periods: what is derived follows what it is made of",
            );
        }
        errors.extend(inputs.all_wrong(own.id()));
        if !errors.is_empty() {
            return Err(Problem::wrong("the inputs are not taken", errors));
        }
        let mut asked = Vec::new();
        for (at, (stage, params)) in stages.into_iter().enumerate() {
            let Stage { pipeline, .. } = &stage;
            let triggers = &pipeline.triggers;
            let mut one = self.submission(pipeline.id.clone(), triggers, params, instant, reply.clone());
            one.key = key.as_ref().map(|key| of_stage(key, at));
            one.overlap = overlap.unwrap_or(one.overlap);
            one.backfill = backfill.as_ref().map(|(asked, _)| asked.clone());
            // What was asked for with the key before is not asked for again, whatever failed since.
            if let Some((asked, true)) = &backfill
                && !self.app.runner.is_known(&one).await?
            {
                one.backfill = self.failed(&current, asked, &stage, &one).await?;
                if one.backfill.is_none() {
                    continue;
                }
            }
            let lists = lists_periods(&stage);
            one.units = is_part(&stage).then_some(stage.units);
            asked.push((lists, one));
        }
        if backfill.is_some() && !asked.iter().any(|(lists, _)| *lists) {
            return Err(Problem::bad(
                "no period at which a run failed is missing still: there is nothing to do",
            ));
        }
        let asked = asked.into_iter().map(|(_, one)| one).collect();
        let runs = self.app.runner.submit_in_order(asked).await?;
        match runs.split_last() {
            Some((last, before)) => self.created(last, before).await,
            None => Err(Problem::bad("nothing is selected")),
        }
    }

    /// What of a backfill past runs of a stage failed at; none where that is nothing.
    async fn failed(
        &self,
        Current { project, secrets }: &Current,
        asked: &Backfill,
        stage: &Stage,
        of: &Submission,
    ) -> Result<Option<Backfill>, Problem> {
        let scope = project.scope(&stage.pipeline.id, of.params.clone(), of.instant, Arc::clone(secrets));
        let found = only_failed(asked, stage, Some(&**self.app.runner.store()), &scope).await;
        found.map_err(|error| Problem::of_history(&error))
    }

    /// Answers with what a process gives.
    async fn at_once(&self, own: Own, execute: Execute) -> Result<Response, Problem> {
        let mut errors = Vec::new();
        let known = own.output_names(&self.app.project());
        let wanted = execute.wanted(&known, "value", &mut errors);
        let reply = execute.reply(wanted, &mut errors);
        let given = immediate::outputs(self.app, own, execute.inputs, errors).await?;
        Ok(values::answer(given, &reply, known.len()))
    }

    /// Makes a job that gives back what it takes.
    async fn echo(&self, execute: Execute) -> Result<Response, Problem> {
        let key = key::of(self.headers, self.who.as_deref(), ECHO, &execute)?;
        let mut errors = Vec::new();
        let wanted = execute.wanted(&Own::Echo.output_names(&self.app.project()), "value", &mut errors);
        let mut reply = execute.reply(wanted, &mut errors);
        self.judge(&mut reply, &mut errors);
        let mut inputs = Inputs::new(execute.inputs);
        let (given, pause) = immediate::echoed(&mut inputs);
        errors.extend(inputs.all_wrong(ECHO));
        if !errors.is_empty() {
            return Err(Problem::wrong("the inputs are not taken", errors));
        }
        let mut params: Map<String, Value> = given.into_iter().collect();
        params.insert(PAUSE.to_owned(), pause.into());
        let pipeline = ECHO.parse().map_err(|_| Problem::no_process(ECHO, None))?;
        let submission = Submission { key, ..self.submission(pipeline, &[], params, Utc::now(), reply) };
        let run = self.app.runner.submit(submission).await?;
        self.created(&run, &[]).await
    }

    fn submission(
        &self,
        pipeline: PipelineId,
        triggers: &[Trigger],
        params: Map<String, Value>,
        instant: chrono::DateTime<Utc>,
        reply: Reply,
    ) -> Submission {
        let own = triggers.iter().find(|trigger| trigger.http.is_some());
        let traceparent = self.headers.get("traceparent").and_then(|value| value.to_str().ok());
        Submission {
            pipeline,
            params,
            instant,
            units: None,
            backfill: None,
            overlap: own.and_then(|trigger| trigger.overlap).unwrap_or(Overlap::Queue),
            cause: Cause::Http { who: self.who.clone() },
            key: None,
            traceparent: traceparent.filter(|text| is_traceparent(text)).map(str::to_owned),
            reply,
        }
    }

    /// Refuses subscribers that may not be told, and notes for the others where links begin.
    fn judge(&self, reply: &mut Reply, errors: &mut Vec<Wrong>) {
        let Some(subscriber) = &mut reply.subscriber else { return };
        let settings = &self.app.project().config.serve.callbacks;
        let Subscriber { success, in_progress, failed, base } = subscriber;
        for (name, uri) in [("successUri", success), ("inProgressUri", in_progress), ("failedUri", failed)] {
            if let Some(Err(why)) = uri.as_deref().map(|uri| callbacks::judge(uri, settings)) {
                errors.push(Wrong::new(format!("subscriber.{name}"), why));
            }
        }
        *base = self.base.at("");
    }

    /// The answer to a request that made a job, after a while where the one who asked would wait; `beside`
    /// are jobs that were made with it.
    async fn created(&self, run: &RunId, beside: &[RunId]) -> Result<Response, Problem> {
        let prefer = Prefer::of(self.headers);
        let known = jobs::within(self.app, run, prefer.waits(self.app.answer_within)).await?;
        let mut status = StatusInfo::of(self.app, &known, self.base);
        status.beside(beside, self.base);
        let location = self.base.at(&format!("/jobs/{run}"));
        let mut response =
            (StatusCode::CREATED, [(header::LOCATION, location)], Json(status)).into_response();
        let applied = prefer.applied().map(|value| ("preference-applied", value));
        for (name, value) in
            applied.into_iter().chain([("cache-control", HeaderValue::from_static("no-store"))])
        {
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }
}

/// Whether a stage walks less than its whole pipeline.
fn is_part(stage: &Stage) -> bool {
    stage.units.len() < stage.pipeline.units.len()
}

/// The key of one of several runs that are asked for at once.
fn of_stage(key: &Key, at: usize) -> Key {
    if at == 0 { key.clone() } else { Key { name: format!("{}#{at}", key.name), digest: key.digest.clone() } }
}

/// `version-trace-parent-flags`, in hexadecimal.
fn is_traceparent(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let again = refusal.again();
        let detail = refusal.to_string();
        match refusal {
            Refusal::NoPipeline(id) => Self::no_process(id.as_str(), None),
            Refusal::Full { .. } => Self::too_many(detail, again.unwrap_or_default()),
            Refusal::Overlaps(_) => Self::conflict(detail),
            Refusal::OtherKey { .. } => Self::unprocessable(detail),
            Refusal::Failed(error) => Self::of_history(&error),
        }
    }
}
