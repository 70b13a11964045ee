//! What was done with a dataset: its commits, the newest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    api::{Operation, Role},
    app::App,
    asked::{Base, Query, Segments},
    link::Link,
    problem::Problem,
    source::Source,
};

/// Commits of a page where nothing is said, and the most that there are.
const PAGE: (usize, usize) = (50, 1_000);

pub(super) fn operation() -> Operation {
    super::of("getDatasetSnapshots", "Commits of a dataset, the newest first", Role::Viewer)
        .query("limit", json!({ "type": "integer", "minimum": 1, "maximum": PAGE.1 }), "Commits of a page")
        .query("before", json!({ "type": "string" }), "The last commit of the page before")
        .gives_media(200, "application/json", "Commits")
        .gives_media(200, "text/html", "The same for people")
}

/// A page of the history.
pub(super) async fn snapshots(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    mut query: Query,
    base: Base,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let unreadable = |error| Problem::of_store(&name, &error);
    let limit = query.number("limit", 1, PAGE.1).unwrap_or(PAGE.0);
    let before = query.one("before", |text| Ok(text.to_owned()));
    query.all_read()?;
    let cube = app.shelves.cube(&info, &app.scope()).await.map_err(unreadable)?;
    let mut commits = Vec::new();
    if let Some(cube) = cube {
        // What comes after the last one of the page before; one more says that there is more.
        let mut since = before.is_none().then_some(0);
        let read = cube.commits(|commit| {
            since = match since {
                Some(count) => Some(count + 1),
                None if before.as_ref() == Some(&commit.id.0) => Some(0),
                None => None,
            };
            since.is_none_or(|count| count <= limit)
        });
        commits = read.await.map_err(unreadable)?;
        if let Some(before) = &before {
            let found = commits.iter().position(|commit| commit.id.0 == *before);
            let found =
                found.ok_or_else(|| Problem::not_found(format!("`{name}` has no commit {before}")))?;
            commits.drain(..=found);
        }
    }
    let has_more = commits.len() > limit;
    commits.truncate(limit);
    let address = base.at(&format!("/datasets/{name}/snapshots"));
    let mut links = vec![Link::json("self", &address)];
    if let (true, Some(last)) = (has_more, commits.last()) {
        links.push(Link::json("next", format!("{address}?limit={limit}&before={}", last.id)));
    }
    let shown: Vec<Value> = commits
        .iter()
        .map(|commit| {
            let mut shown = json!(commit);
            if Source::of(&info) == Source::Here {
                shown["zarr"] = json!(base.at(&format!("/zarr/{name}@{}/", commit.id)));
            }
            shown
        })
        .collect();
    let all = json!({ "dataset": name, "snapshots": shown, "links": links });
    Ok(Json(all).into_response())
}
