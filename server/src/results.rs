//! What jobs gave: links to the states of datasets that they left.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use frazil_engine::{
    data::{DatasetId, Snapshot, SnapshotId},
    event::{Reply, RunState},
    step::{Document, ErrorKind},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments, short},
    echo,
    execution::values,
    jobs::{Known, Status, failure, known, run_id, status_of},
    link::{ICECHUNK, Link, ZARR},
    problem::Problem,
    processes::Own,
};

/// An output of a job: a state of a dataset, by reference.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The Icechunk repository.
    pub(crate) href: String,
    pub(crate) rel: &'static str,
    #[serde(rename = "type")]
    media: &'static str,
    title: String,
    /// The commit of the repository that the job left.
    #[serde(rename = "frazil:snapshot")]
    pub(crate) snapshot: String,
    /// What else reads it: Zarr of this very state, and its STAC collection.
    #[serde(rename = "frazil:links")]
    links: Vec<Link>,
}

/// The outputs of a job, by dataset.
pub(crate) type Outputs = BTreeMap<String, Output>;

/// What a job gave under one name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Given {
    /// A state of a dataset.
    Link(Output),
    /// A value, as of `echo`.
    Value(Value),
}

/// What a job gave.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it says what answers look like; values are written as they are")]
enum Results {
    /// All that was asked for, by output.
    All(BTreeMap<String, Given>),
    /// The one output that was asked for.
    One(Value),
}

/// Addresses of results.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, "jobs", summary, Role::Viewer)
            .segment("jobID", "A job")
            .refuses(404, "No such job or output, or it is not ready")
            .refuses(409, "The job failed: its work cannot be done as things stand")
            .refuses(422, "The job failed: the data are not what the dataset needs")
            .refuses(500, "The job failed by a fault of frazil")
            .refuses(502, "The job failed: a source or a store did not answer")
    };
    let all = of("getResult", "What a job gave")
        .gives::<Results>(200, "Links to the states of datasets that it left, by dataset; values of `echo`")
        .gives_media(200, "multipart/related", "Values of `echo` as they are, where `response` was `raw`")
        .gives_nothing(204, "The same as `Link` headers, where `response` was `raw`")
        .with_headers(204, &[("Link", "The states of datasets")]);
    let one = of("getResultOutput", "One output of a job")
        .segment("outputID", "A dataset that it writes")
        .gives::<Given>(200, "A link to the state of the dataset; a value of `echo`");
    Routes::default().get("/jobs/{jobID}/results", all, results).get(
        "/jobs/{jobID}/results/{outputID}",
        one,
        output,
    )
}

async fn results(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(job): Segments<String>,
) -> Result<Response, Problem> {
    let run = run_id(&job)?;
    let known = known(&app, &run).await?;
    let outputs = ready(&app, &known, &base).await?;
    if let Some(values) = echo::given(&known.state) {
        let count = Own::Echo.output_names(&app.project()).len();
        let reply = reply(&known).cloned().unwrap_or_default();
        return Ok(values::answer(values, &reply, count));
    }
    let is_raw = reply(&known).is_some_and(|reply| reply.is_raw);
    let mut headers = HeaderMap::new();
    for (name, output) in &outputs {
        let link =
            format!("<{}>; rel=\"{}\"; type=\"{}\"; title=\"{name}\"", output.href, output.rel, output.media);
        if let Ok(value) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, value);
        }
    }
    if is_raw {
        return Ok((StatusCode::NO_CONTENT, headers).into_response());
    }
    Ok((headers, Json(outputs)).into_response())
}

async fn output(
    State(app): State<Arc<App>>,
    base: Base,
    Segments((job, name)): Segments<(String, String)>,
) -> Result<Json<Given>, Problem> {
    let run = run_id(&job)?;
    let known = known(&app, &run).await?;
    let mut outputs = document(&known, ready(&app, &known, &base).await?);
    outputs.remove(&name).map(Json).ok_or_else(|| {
        let known: Vec<String> = outputs.keys().map(|name| format!("`{name}`")).collect();
        Problem::no_output(format!(
            "job `{job}` has no output `{}`: there are {}",
            short(&name),
            known.join(", ")
        ))
    })
}

/// Results as one document: links by dataset, or values.
pub(crate) fn document(known: &Known, links: Outputs) -> BTreeMap<String, Given> {
    let mut values = echo::given(&known.state).unwrap_or_default();
    if let Some(Reply { outputs: wanted, .. }) = reply(known) {
        values.retain(|name, _| wanted.is_empty() || wanted.contains(name));
    }
    let values = values.into_iter().map(|(name, value)| (name, Given::Value(value)));
    values.chain(links.into_iter().map(|(name, link)| (name, Given::Link(link)))).collect()
}

/// What a job gave, once it gave it.
async fn ready(app: &App, known: &Known, base: &Base) -> Result<Outputs, Problem> {
    match status_of(known) {
        Status::Successful => given(app, known, base).await,
        Status::Failed => Err(failed(known)),
        Status::Dismissed => {
            Err(Problem::not_available(format!("job `{}` was dismissed, so it has no results", known.run)))
        }
        Status::Accepted | Status::Running => {
            Err(Problem::not_ready(format!("job `{}` is not over yet", known.run)))
        }
    }
}

/// What a job gave, with what those gave that were made by the same request and came before it: of that
/// what was asked for. A job that was forgotten gives nothing any more.
///
/// # Errors
/// When a log cannot be read.
pub(crate) async fn given(app: &App, job: &Known, base: &Base) -> Result<Outputs, Problem> {
    let mut outputs = outputs(app, &job.state, base);
    let after = |known: &Known| {
        let accepted = known.state.accepted.as_ref();
        accepted.map(|accepted| accepted.origin.after.clone()).unwrap_or_default()
    };
    let mut open = after(job);
    while let Some(run) = open.pop() {
        match known(app, &run).await {
            Ok(before) => {
                open.extend(after(&before));
                // What came later stands.
                for (name, output) in self::outputs(app, &before.state, base) {
                    outputs.entry(name).or_insert(output);
                }
            }
            Err(problem) if problem.is_not_found() => {}
            Err(problem) => return Err(problem),
        }
    }
    if let Some(Reply { outputs: named, .. }) = reply(job) {
        outputs.retain(|name, _| named.is_empty() || named.contains(name));
    }
    Ok(outputs)
}

/// What the one who asked wants to be given.
fn reply(known: &Known) -> Option<&Reply> {
    known.state.accepted.as_ref()?.origin.reply.as_deref()
}

/// The states of datasets that a run left, in whatever way it ended.
fn outputs(app: &App, state: &RunState, base: &Base) -> Outputs {
    let datasets = &app.project().datasets;
    let of = |(dataset, snapshot): (DatasetId, SnapshotId)| {
        let info = datasets.get(dataset.as_str());
        let title = info.map_or_else(|| dataset.to_string(), |info| info.block.title.clone());
        let pinned = format!("{dataset}@{snapshot}");
        let links = vec![
            Link::to("item", ZARR, base.at(&format!("/zarr/{pinned}/"))).titled("Zarr"),
            Link::json("collection", base.at(&format!("/stac/collections/{dataset}")))
                .titled("STAC collection"),
        ];
        let output = Output {
            href: base.at(&format!("/icechunk/{dataset}")),
            rel: "item",
            media: ICECHUNK,
            title,
            snapshot: snapshot.0,
            links,
        };
        (dataset.to_string(), output)
    };
    left(state).into_iter().map(of).collect()
}

/// The datasets that a run wrote, with the state in which it left each; those that hold nothing yet are
/// left out.
fn left(state: &RunState) -> BTreeMap<DatasetId, SnapshotId> {
    let heads = state.accepted.iter().flat_map(|accepted| &accepted.units);
    let mut left = BTreeMap::new();
    for head in heads.filter(|head| !opens(head)) {
        let output = state.units.get(&head.unit).and_then(|unit| unit.output.as_ref());
        if let Some(Document::Snapshot(Snapshot { dataset, id: Some(id), .. })) = output {
            // What a later step makes of the same dataset stands before.
            left.insert(dataset.clone(), id.clone());
        }
    }
    left
}

/// Whether a unit only opens a dataset that others write.
pub(crate) fn opens(head: &frazil_engine::event::UnitHead) -> bool {
    head.nodes.iter().all(|(_, uses)| uses == "open-dataset")
}

/// Why a job failed, with the status that this has over HTTP.
fn failed(known: &Known) -> Problem {
    let Some((unit, error)) = failure(&known.state) else {
        return Problem::internal("the process of the job died; another run settled what it had written");
    };
    let failure = error.failure();
    let status = match failure.map(|failure| failure.kind) {
        Some(ErrorKind::Data) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(ErrorKind::Refused | ErrorKind::Moved) => StatusCode::CONFLICT,
        Some(ErrorKind::Store | ErrorKind::Network | ErrorKind::Credentials) => StatusCode::BAD_GATEWAY,
        Some(ErrorKind::Internal) | None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let help = failure.and_then(|failure| failure.help.clone());
    Problem::of_job(status, unit.as_str(), error.to_string(), help)
}
