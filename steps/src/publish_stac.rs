//! Datasets as a static STAC catalog.

mod collection;
mod colour;
mod files;
pub(crate) mod place;
#[cfg(test)]
mod tests;
mod thumbnail;

use std::path::Path;

use frazil_engine::{
    context::{Context, Scope, Tick},
    data::{DatasetId, Snapshot, SnapshotId, Status},
    dataset::{DatasetInfo, Datasets, Display},
    plan::{Planned, PlannedDocument, Work},
    step::{ErrorKind, Node, Outcome, Step, StepError},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    compute::compute,
    cube::{Cube, Outline, Window},
    validate::remembered::{self, Passed},
};
pub use collection::Hrefs;
use collection::{Facts, collection, drawn};
use files::{About, Published};
use thumbnail::Picture;

/// How many periods are looked at for one that has something to show.
const LOOKED_AT: usize = 5;

/// Publishes datasets as STAC 1.1.0: `catalog.json` and `collections/<id>/collection.json` in the
/// project's `catalog` folder, with a thumbnail of the newest period where the dataset says how it
/// is drawn.
///
/// Collections of other pipelines stay in the catalog. Where in degrees a grid lies is known for
/// longitudes and latitudes and for UTM.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PublishStac {}

impl Step for PublishStac {
    const USES: &'static str = "publish-stac";
    const SUMMARY: &'static str = "STAC collections of datasets, and the catalog that lists them";
    const REVISION: u32 = 1;
}

impl Node for PublishStac {
    type Input = Vec<Snapshot>;
    type Output = ();

    async fn plan(&self, input: Vec<Planned>, scope: &Scope) -> Result<Planned, StepError> {
        let reasons = input.iter().filter_map(|planned| match &planned.document {
            PlannedDocument::Snapshot(s) if s.snapshot.id.is_some() || !s.changes.is_empty() => {
                Some(format!("publishes {} in {}", s.snapshot.dataset, scope.project.catalog.display()))
            }
            _ => None,
        });
        let reasons = reasons.collect();
        Ok(Planned { document: PlannedDocument::Nothing, work: Work::default(), reasons })
    }

    async fn run(&self, input: Vec<Snapshot>, cx: &Context) -> Outcome<()> {
        let mut published = Vec::new();
        let mut failed = None;
        for snapshot in &input {
            let Some(id) = &snapshot.id else {
                let note = format!("{} holds nothing yet and is not published", snapshot.dataset);
                cx.progress.tick(Tick::Note(note));
                continue;
            };
            // What can be published is, whatever is wrong with the others.
            match describe(snapshot, id, &cx.scope).await {
                Ok(found) => published.extend(found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let catalog = cx.scope.project.catalog.clone();
        let about = About { id: cx.scope.project.id.clone(), title: cx.scope.project.title.clone() };
        let written = tokio::task::spawn_blocking(move || files::publish(&catalog, &about, &published)).await;
        match written {
            Ok(Ok(files)) => tracing::info!(files, "catalog"),
            Ok(Err(error)) => {
                let message = format!("cannot write the catalog: {error}");
                failed = failed.or(Some(StepError::permanent(ErrorKind::Store, message)));
            }
            Err(error) => {
                let message = format!("the catalog was not finished: {error}");
                failed = failed.or(Some(StepError::permanent(ErrorKind::Internal, message)));
            }
        }
        Outcome { output: Some(()), error: failed }
    }
}

/// The collection of one dataset; none when its axis is empty.
async fn describe(
    snapshot: &Snapshot,
    id: &SnapshotId,
    scope: &Scope,
) -> Result<Option<Published>, StepError> {
    let info = scope.dataset(&snapshot.dataset)?;
    let cube = Cube::open_at(info, scope, id).await?;
    if cube.axis().is_empty() {
        return Ok(None);
    }
    let thumbnail = match display_of(info, &scope.datasets) {
        Some(display) => match drawn(display, cube.template()) {
            Some(variable) => picture(&cube, display, &variable.name).await?,
            None => None,
        },
        None => None,
    };
    let name = info.id.to_string();
    let folder = files::folder(&absolute(&scope.project.catalog), &name);
    let outline = Outline { snapshot: snapshot.clone(), ..Outline::from(&cube) };
    let there = files::relative(&folder, &snapshot.repository);
    let hrefs = Hrefs {
        root: "../../catalog.json".to_owned(),
        parent: "../../catalog.json".to_owned(),
        own: "./collection.json".to_owned(),
        icechunk: (!outline.is_store).then(|| there.clone()),
        zarr: Some(there),
        current: None,
        thumbnail: thumbnail.is_some().then(|| "./thumbnail.png".to_owned()),
    };
    let collection = collection_of(&outline, scope, &hrefs).await?;
    Ok(collection.map(|collection| Published { id: name, collection, thumbnail }))
}

/// A state of a dataset as a STAC 1.1.0 collection, with what checks found of it; none when its axis is
/// empty.
///
/// # Errors
/// When nobody can tell where its grid lies, or when the state folder cannot be read.
pub async fn collection_of(
    outline: &Outline,
    scope: &Scope,
    hrefs: &Hrefs,
) -> Result<Option<serde_json::Value>, StepError> {
    let info = scope.dataset(&outline.snapshot.dataset)?;
    let Some((first, last)) = outline.ends else { return Ok(None) };
    let drawn = display_of(info, &scope.datasets)
        .and_then(|display| Some((display, drawn(display, &outline.template)?.name.clone())));
    let facts = Facts {
        validated: validation(&info.id, &outline.id, scope).await?,
        info,
        outline,
        interval: (!first.frequency().is_static()).then(|| (first.start(), last.end())),
        display: drawn,
        hrefs,
    };
    collection(&facts).map(Some)
}

/// What checks said of the state that is published.
async fn validation(dataset: &DatasetId, id: &SnapshotId, scope: &Scope) -> Result<Vec<Passed>, StepError> {
    let mut all = remembered::all(&scope.project.state, dataset).await?;
    all.retain(|passed| passed.snapshot == *id);
    Ok(all)
}

/// How a dataset is drawn: as it says, or as the first dataset that it is derived from does.
fn display_of<'a>(info: &'a DatasetInfo, datasets: &'a Datasets) -> Option<&'a Display> {
    let mut info = info;
    // A chain of sources is as long as there are datasets, unless somebody made a circle.
    for _ in 0..=datasets.len() {
        if info.block.display.is_some() {
            return info.block.display.as_ref();
        }
        info = datasets.get(info.sources.first()?)?;
    }
    None
}

/// The newest period that has values, as a PNG; none where the newest few have none.
async fn picture(cube: &Cube, display: &Display, name: &str) -> Result<Option<Vec<u8>>, StepError> {
    let template = cube.template();
    let Some(variable) = template.variable(name) else { return Ok(None) };
    let (rows, columns) = template.grid.shape();
    let axis = &template.grid.y;
    // Of several combinations the first is drawn.
    let extra = vec![0..1; template.grid.extra.lengths().count()];
    let window = Window { extra, y: 0..rows, x: 0..columns };
    let ascending = axis.edges().is_some_and(|(first, last)| first < last);
    let has_values = |(_, (_, status)): &(usize, (_, Status))| status.has_values();
    let newest = cube.axis().iter().enumerate().rev().filter(has_values).take(LOOKED_AT);
    for (at, _) in newest.collect::<Vec<_>>() {
        let stored = cube.read(name, at..at + 1, Some(&window)).await?;
        let (variable, display) = (variable.clone(), display.clone());
        let drawn = compute("drawing a thumbnail", move || {
            let value = |i| variable.value(stored.get(i)).unwrap_or(f64::NAN);
            let values = (0..stored.len()).map(value).collect();
            let picture = Picture { values, rows, columns, ascending };
            picture.has_values().then(|| picture.png(&display)).transpose()
        });
        let png = drawn.await?.map_err(|error| {
            StepError::permanent(ErrorKind::Internal, format!("a thumbnail was not made: {error}"))
        })?;
        if png.is_some() {
            return Ok(png);
        }
    }
    Ok(None)
}

/// The file in which the picture of a dataset lies in a catalog, if one was drawn.
#[must_use]
pub fn thumbnail_of(catalog: &Path, dataset: &str) -> std::path::PathBuf {
    files::folder(&absolute(catalog), dataset).join(files::THUMBNAIL)
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
