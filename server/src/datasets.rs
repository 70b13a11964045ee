//! Datasets as a console shows them: what they are, how they stand, what was done with them.

mod commits;
mod periods;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use frazil_engine::{
    dataset::{DatasetInfo, TimeAxis},
    project::Cascade,
    step::StepError,
};
use frazil_steps::{
    bbox_of,
    cube::{Ahead, Cube, Template, ahead},
};
use futures::{StreamExt, stream};
use minijinja::{context, value::Serde};
use serde_json::{Value, json};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments},
    link::Link,
    pages,
    problem::Problem,
    source::Source,
    standing::{Standing, Stored},
    visitor::Visitor,
};

/// Stores that are looked at at a time for one answer.
const AT_A_TIME: usize = 8;

/// Addresses of datasets.
pub(crate) fn routes() -> Routes {
    let list = Operation::new("getDatasets", "datasets", "All datasets, and how they stand", Role::Anyone)
        .gives_media(200, "application/json", "Datasets")
        .gives_media(200, "text/html", "The same for people");
    let one = of("getDataset", "A dataset: variables, grid, time, how it stands", Role::Viewer)
        .gives_media(200, "application/json", "The dataset")
        .gives_media(200, "text/html", "The same for people");
    let audited =
        of("getDatasetAudit", "What stands on its branch `audit`, and not on `main`", Role::Operator)
            .gives_media(200, "application/json", "Periods and commits; nothing where nothing stands there")
            .gives_media(200, "text/html", "The same for people");
    Routes::default()
        .get("/datasets", list, datasets)
        .get("/datasets/{dataset}", one, dataset)
        .get("/datasets/{dataset}/audit", audited, audit)
        .get("/datasets/{dataset}/periods", periods::operation(), periods::periods)
        .get("/datasets/{dataset}/snapshots", commits::operation(), commits::snapshots)
}

fn of(id: &'static str, summary: &'static str, role: Role) -> Operation {
    Operation::new(id, "datasets", summary, role)
        .segment("dataset", "A dataset")
        .refuses(404, "No such dataset")
        .refuses(502, "The store cannot be read")
}

/// All datasets, each in a few words. One that cannot be read says so.
async fn datasets(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    let (project, scope, now) = (app.project(), app.scope(), Utc::now());
    let runs = app.newest_runs().await.map_err(|error| Problem::of_store("runs", &error))?;
    let one = async |info: Arc<DatasetInfo>| {
        let found = app.shelves.outline(&info, &scope).await;
        let stored = found.as_ref().map(|found| Stored::of(found.as_deref()));
        let stored = stored.map_err(StepError::clone);
        if let Err(error) = &stored {
            tracing::error!(dataset = %info.id, %error, "a store cannot be read");
        }
        let standing = Standing::of(&info, stored, &project, &runs, now);
        let mut about = told(&standing, now);
        about["title"] = json!(info.block.title);
        about["snapshot"] = json!(found.ok().flatten().map(|found| found.id.clone()));
        about["links"] = json!(links(&info, &visitor.base));
        about
    };
    let all: Vec<Value> = stream::iter(app.readable(&visitor)).map(one).buffered(AT_A_TIME).collect().await;
    let own = [Link::json("self", visitor.base.at("/datasets"))];
    Ok(Json(json!({ "datasets": all, "links": own })).into_response())
}

/// How it stands, for those who may look: what went wrong in a store stays in the log.
fn told(standing: &Standing, now: chrono::DateTime<Utc>) -> Value {
    let mut about = standing.json(now);
    if let Some(fields) = about.as_object_mut() {
        fields.retain(|key, _| key != "frazil" && key != "type" && key != "error");
        fields.insert("readable".to_owned(), json!(standing.stored.is_ok()));
    }
    about
}

/// A dataset.
async fn dataset(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let unreadable = |error| Problem::of_store(&name, &error);
    let (project, scope, now) = (app.project(), app.scope(), Utc::now());
    let cube = app.shelves.cube(&info, &scope).await.map_err(unreadable)?;
    let stored = Stored::look(&info, &scope).await.map_err(unreadable)?;
    let runs = app.newest_runs().await.map_err(unreadable)?;
    let mut about = told(&Standing::of(&info, Ok(stored), &project, &runs, now), now);
    let block = &info.block;
    let mut put = |key: &str, value: Value| about[key] = value;
    put("title", json!(block.title));
    put("description", json!(block.description));
    put("keywords", json!(block.keywords));
    put("license", json!(block.license));
    put("citation", json!(block.citation));
    put("external", json!(info.location.read_only));
    put("visibility", json!(block.visibility));
    put("audit", json!(block.audit));
    let made = project
        .writer(&info.id)
        .map(|(pipeline, node)| json!({ "pipeline": pipeline.id, "step": node.id, "uses": node.uses }));
    put("made-by", json!(made));
    put("sources", json!(info.sources));
    put("below", json!(Cascade::of(&project).made_from(&info.id)));
    let step = match &block.time {
        TimeAxis::Regular(time) => Some(time.frequency().to_string()),
        TimeAxis::None => None,
    };
    put("step", json!(step));
    if let Some(cube) = &cube {
        put("periods", json!(held(cube)));
        let commit = cube.commits(|_| false).await.map_err(unreadable)?.into_iter().next();
        put("snapshot", json!(cube.id()));
        put("commit", json!(commit));
        put("grid", grid(cube.template()));
        put("variables", variables(cube));
        let levels = cube.template().levels.iter();
        let levels = levels.map(|level| json!({ "group": level.group, "shape": level.grid.shape() }));
        put("levels", levels.collect());
        put("stored", json!(app.shelves.stored(&info, &cube.id(), &scope).await.map_err(unreadable)?));
    }
    put("links", json!(links(&info, &visitor.base)));
    if !visitor.html {
        return Ok(Json(about).into_response());
    }
    let strip = match &block.time {
        TimeAxis::Regular(time) => {
            let range = periods::shown(&info, time, cube.as_deref(), &project, now);
            let strip = periods::strip(&app, &info, cube.as_deref(), range, now).await.map_err(unreadable)?;
            Some(strip)
        }
        TimeAxis::None => None,
    };
    pages::page(&visitor.base, "dataset.html", context! { about => Serde(&about), strip => Serde(&strip) })
}

/// What of a dataset waits for a verdict.
async fn audit(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    base: Base,
) -> Result<Response, Problem> {
    let info = app.dataset(&name)?;
    let found = match info.location.read_only {
        true => Ok(None),
        false => ahead(&info, &app.scope()).await,
    };
    let found = found.map_err(|error| Problem::of_store(&name, &error))?;
    let links = [Link::json("self", base.at(&format!("/datasets/{name}/audit")))];
    let found = found.as_ref().map(Ahead::json);
    Ok(Json(json!({ "dataset": name, "audit": info.block.audit, "ahead": found, "links": links }))
        .into_response())
}

/// What its axis holds.
fn held(cube: &Cube) -> Option<Value> {
    let axis = cube.axis();
    let mut counts = BTreeMap::new();
    for (_, status) in axis.iter() {
        *counts.entry(status.name()).or_insert(0) += 1;
    }
    let (first, last) = (axis.first()?.to_string(), axis.last()?.to_string());
    Some(json!({ "count": axis.len(), "first": first, "last": last, "by-status": counts }))
}

fn grid(template: &Template) -> Value {
    let grid = &template.grid;
    let (rows, columns) = grid.shape();
    let between = grid.extra.0.iter().map(|one| json!({ "name": one.name, "labels": one.labels }));
    json!({
        "crs": grid.crs.code, "rows": rows, "columns": columns, "y": grid.y.name, "x": grid.x.name,
        "cell": [grid.x.cell, grid.y.cell], "bbox": bbox_of(grid),
        "dimensions": between.collect::<Vec<_>>(),
    })
}

fn variables(cube: &Cube) -> Value {
    let template = cube.template();
    let cells: usize = template.grid.lengths().iter().product::<usize>() * cube.axis().len();
    let one = |variable: &frazil_steps::cube::TemplateVariable| {
        json!({
            "name": variable.name, "data-type": variable.dtype.name(), "units": variable.units,
            "long-name": variable.attributes.get("long_name"),
            "standard-name": variable.attributes.get("standard_name"),
            "chunks": variable.chunks, "bytes": cells * variable.dtype.size(),
        })
    };
    template.variables.iter().map(one).collect()
}

/// Where more is told of a dataset, and where it is read.
fn links(info: &DatasetInfo, base: &Base) -> Vec<Link> {
    let id = &info.id;
    let at = |path: &str| base.at(&format!("/{path}"));
    let mut links = vec![
        Link::json("self", at(&format!("datasets/{id}"))).titled("How it stands"),
        Link::json("version-history", at(&format!("datasets/{id}/snapshots"))).titled("Its commits"),
        Link::json("collection", at(&format!("stac/collections/{id}"))).titled("STAC collection"),
    ];
    if info.block.audit {
        links.push(Link::json("audit", at(&format!("datasets/{id}/audit"))).titled("What is audited"));
    }
    if matches!(info.block.time, TimeAxis::Regular(_)) {
        links.push(Link::json("periods", at(&format!("datasets/{id}/periods"))).titled("Its periods"));
    }
    links.extend(Source::of(info).links(id.as_str(), base));
    links
}
