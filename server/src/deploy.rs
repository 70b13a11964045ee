//! Pipelines are taken, replaced and taken away over HTTP, where the project lets that be done.
//!
//! What is taken lies in `pipelines/deployed` of the project, checked as every file is before it is written.
//! Pipelines that lie elsewhere are changed where they lie, not here.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use frazil_engine::{
    data::PipelineId,
    diagnostic::{Diagnostic, Severity},
    pipeline::Pipeline,
    project::Project,
};
use serde_json::Value;

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments, short},
    auth::Caller,
    problem::{Problem, Wrong},
    processes::{Process, Runnable, find},
};

/// A pipeline file.
const PIPELINE: &str = "application/vnd.frazil.pipeline+yaml";

/// A package of the standard that carries one.
const PACKAGE: &str = "application/ogcapppkg+json";

/// The folder of what is taken, under that of the project.
const FOLDER: &str = "pipelines/deployed";

/// Addresses by which pipelines come and go.
pub(crate) fn routes() -> Routes {
    let taking = |id, summary| {
        Operation::new(id, "processes", summary, Role::Admin)
            .takes::<String>(PIPELINE, "A pipeline file")
            .takes::<serde_json::Map<String, Value>>(PACKAGE, "A package whose `executionUnit` holds one")
            .refuses(403, "Pipelines are not taken here, or this one lies in a file of its own")
            .refuses(409, "There is a process of this name, or others hang from it")
    };
    let deploy = taking("deploy", "Take a pipeline")
        .gives::<Process>(201, "It is there")
        .with_headers(201, &[("Location", "The process")]);
    let replace = taking("replace", "Replace a pipeline that was taken")
        .segment("processID", "A process")
        .gives_nothing(204, "It is replaced")
        .refuses(404, "No such process");
    let undeploy =
        Operation::new("undeploy", "processes", "Take a pipeline away that was taken", Role::Admin)
            .segment("processID", "A process")
            .gives_nothing(204, "It is gone; its datasets and its jobs are not")
            .refuses(403, "Pipelines are not taken here, or this one lies in a file of its own")
            .refuses(404, "No such process")
            .refuses(409, "Others hang from it");
    let package = Operation::new("getPackage", "processes", "The file of a pipeline", Role::Viewer)
        .segment("processID", "A process")
        .gives_media(200, PIPELINE, "The file")
        .refuses(404, "No such process, or it has no file");
    Routes::default()
        .on(Method::POST, "/processes", deploy, deployment)
        .on(Method::PUT, "/processes/{processID}", replace, replacement)
        .on(Method::DELETE, "/processes/{processID}", undeploy, removal)
        .get("/processes/{processID}/package", package, package_of)
}

/// Whether a pipeline was taken over HTTP, so that it may be replaced so.
pub(crate) fn is_taken(pipeline: &Pipeline) -> bool {
    Path::new(&pipeline.file).parent().is_some_and(|folder| folder.ends_with(FOLDER))
}

async fn deployment(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    base: Base,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let text = text(&headers, &body?)?;
    let project = open(&app, &caller)?;
    let _turn = app.deploying.lock().await;
    let id = named(&text)?;
    if find(&project, id.as_str()).is_ok() {
        return Err(Problem::duplicated(format!("there is a process `{id}` already: PUT replaces it")));
    }
    put(&app, &project, &id, Some(text)).await?;
    let project = app.project();
    let location = [(header::LOCATION, base.at(&format!("/processes/{id}")))];
    Ok((StatusCode::CREATED, location, Json(find(&project, id.as_str())?.summary(&base))).into_response())
}

async fn replacement(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Segments(process): Segments<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let text = text(&headers, &body?)?;
    let project = open(&app, &caller)?;
    let _turn = app.deploying.lock().await;
    let pipeline = taken(&project, &process)?;
    let id = named(&text)?;
    if id != pipeline.id {
        let message = format!("the file is of `{id}`, and what is to be replaced is `{}`", pipeline.id);
        return Err(Problem::wrong("the file is not taken", vec![Wrong::new("id", message)]));
    }
    put(&app, &project, &id, Some(text)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn removal(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Segments(process): Segments<String>,
) -> Result<StatusCode, Problem> {
    let project = open(&app, &caller)?;
    let _turn = app.deploying.lock().await;
    let id = taken(&project, &process)?.id.clone();
    put(&app, &project, &id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn package_of(
    State(app): State<Arc<App>>,
    Segments(process): Segments<String>,
) -> Result<Response, Problem> {
    let project = app.project();
    let Runnable::Pipeline(pipeline) = find(&project, &process)? else {
        return Err(Problem::not_found(format!(
            "`{}` is a process of the server and has no file",
            short(&process)
        )));
    };
    let path = if is_taken(&pipeline) {
        place(&project, &pipeline.id)
    } else {
        project.config.root.join(&pipeline.file)
    };
    let read = tokio::task::spawn_blocking(move || fs::read_to_string(path)).await;
    match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(text) => Ok(([(header::CONTENT_TYPE, PIPELINE)], text).into_response()),
        Err(error) => {
            tracing::error!(pipeline = %pipeline.id, %error, "the file of a pipeline cannot be read");
            Err(Problem::not_found(format!("the file of `{}` is not there any more", pipeline.id)))
        }
    }
}

/// The project, where pipelines are taken: whoever gives one may run programs, so that it is asked for a token
/// even where nothing else is.
fn open(app: &App, caller: &Caller) -> Result<Arc<Project>, Problem> {
    let project = app.project();
    if !project.config.serve.deploy {
        let why = "pipelines are not taken over HTTP here: `serve: { deploy: true }` in frazil.yaml lets it be done";
        return Err(Problem::forbidden(why));
    }
    if caller.is_open {
        let why = "pipelines may run programs, so they are taken of those who have a token alone: \
                   `frazil token create NAME --role admin` makes one";
        return Err(Problem::forbidden(why));
    }
    Ok(project)
}

/// A pipeline that was taken over HTTP.
fn taken(project: &Project, process: &str) -> Result<Arc<Pipeline>, Problem> {
    match find(project, process)? {
        Runnable::Pipeline(pipeline) if is_taken(&pipeline) => Ok(pipeline),
        found => Err(Problem::immutable(format!(
            "`{}` does not come from here: it is changed where it lies",
            found.id()
        ))),
    }
}

fn place(project: &Project, id: &PipelineId) -> PathBuf {
    project.config.root.join(FOLDER).join(format!("{id}.yaml"))
}

/// The file that a request carries.
fn text(headers: &HeaderMap, body: &[u8]) -> Result<String, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let whole = || String::from_utf8(body.to_vec()).map_err(|_| Problem::bad("the file is not UTF-8 text"));
    match kind.as_str() {
        PIPELINE => whole(),
        PACKAGE => {
            let package: Value = serde_json::from_slice(body)
                .map_err(|error| Problem::bad(format!("the package is no JSON: {error}")))?;
            let unit = package.get("executionUnit").map(|unit| unit.get(0).unwrap_or(unit));
            let unit = unit.map(|unit| unit.get("unit").unwrap_or(unit));
            let is_ours = unit.and_then(|unit| unit.get("mediaType")).is_none_or(|media| media == PIPELINE);
            let value = unit.and_then(|unit| unit.get("value")).and_then(Value::as_str).filter(|_| is_ours);
            let told =
                || Problem::unsupported(format!("`executionUnit` with a `value` of `{PIPELINE}` is wanted"));
            value.map(str::to_owned).ok_or_else(told)
        }
        _ => Err(Problem::unsupported(format!(
            "`{PIPELINE}` or `{PACKAGE}` is wanted, not `{}`",
            short(media)
        ))),
    }
}

/// The name that a file says at its top.
fn named(text: &str) -> Result<PipelineId, Problem> {
    let said = text.lines().find_map(|line| line.strip_prefix("id:"));
    let said = said.map(|said| said.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']));
    let wrong = |message: String| Problem::wrong("the file is not taken", vec![Wrong::new("id", message)]);
    let said = said.ok_or_else(|| wrong("the file has to say `id: NAME` at its top".to_owned()))?;
    said.parse().map_err(|_| wrong(format!("`{}` is not a name", short(said))))
}

/// Writes the file of a pipeline, or takes it away, once the project is checked with that change.
async fn put(app: &App, project: &Project, id: &PipelineId, text: Option<String>) -> Result<(), Problem> {
    let path = place(project, id);
    let Some(checked) = app.live.with(path.clone(), text.clone()).await else {
        return Err(Problem::internal(
            "the files of the project cannot be looked at; the server's log says why",
        ));
    };
    let errors = checked.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let told: Vec<Value> = errors.map(|problem: &Diagnostic| problem.to_json(&checked.sources)).collect();
    if !told.is_empty() {
        return Err(Problem::of_files(text.is_some(), told));
    }
    let written = tokio::task::spawn_blocking(move || write(&path, text.as_deref())).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
        tracing::error!(pipeline = %id, %error, "the file of a pipeline cannot be written");
        Problem::internal("the file cannot be written; the server's log says why")
    })?;
    app.live.reload().await;
    Ok(())
}

/// Whole or not at all, whatever happens meanwhile.
fn write(path: &Path, text: Option<&str>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let Some(text) = text else { return fs::remove_file(path) };
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    fs::File::open(folder)?.sync_all()
}
