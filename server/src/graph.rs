//! The pipelines and datasets of all files as one graph.

use std::{path::Path, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use frazil_engine::project::{Cascade, Drawing, Selection};
use serde_json::{Value, json};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::Query,
    problem::Problem,
};

/// The address of the graph.
pub(crate) fn routes() -> Routes {
    let graph = Operation::new("getGraph", "about", "Pipelines, their steps, and datasets", Role::Viewer)
        .query(
            "select",
            json!({ "type": "string", "example": "rain_daily+" }),
            "Pipelines or datasets with commas between them; `name+` with all that hangs from it, `+name` with all that it needs",
        )
        .gives_media(200, "application/json", "What `frazil graph --format json` prints")
        .gives_media(200, "text/html", "The same for people")
        .refuses(404, "No such pipeline or dataset");
    Routes::default().get("/graph", graph, graph_of)
}

async fn graph_of(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Problem> {
    let project = app.project();
    let selections = query.list("select", |name| Ok(Selection::parse(name)));
    query.all_read()?;
    let stages = Cascade::of(&project).select(&selections);
    let stages = stages.map_err(|unknown| Problem::not_found(unknown.to_string()))?;
    let mut drawing = Drawing::of(&project, &stages).json();
    // Where things lie on this machine is nobody's business.
    for dataset in drawing["datasets"].as_array_mut().into_iter().flatten() {
        let is_url = dataset["location"].as_str().is_some_and(|place| place.contains("://"));
        if !is_url && let Value::Object(fields) = dataset {
            fields.remove("location");
        }
    }
    for pipeline in drawing["pipelines"].as_array_mut().into_iter().flatten() {
        let file = pipeline["file"].as_str().map(Path::new).filter(|file| file.is_absolute());
        if let Some(name) = file.and_then(Path::file_name) {
            pipeline["file"] = json!(name.to_string_lossy());
        }
    }
    Ok(Json(drawing).into_response())
}
