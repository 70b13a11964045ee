//! Files that steps are made of besides their settings: programs of the project's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::Arc,
};

use super::Project;
use crate::{dataset::DatasetInfo, pipeline::Pipeline, registry::Role, step::Write};

/// The project with what its steps' own files say in the definitions of the datasets that they make.
///
/// Files are read here, where those of pipelines are, and not by the checks: what is not there decides
/// nothing yet, and the step says so when it is planned or run.
pub(super) fn resolved(mut project: Project) -> Project {
    let mut changed: BTreeMap<_, Arc<DatasetInfo>> = BTreeMap::new();
    for pipeline in project.pipelines.values() {
        for (at, node) in pipeline.nodes.iter().enumerate() {
            let Some(Write::Values(id)) = node.step.writes() else { continue };
            let files = files_of(pipeline, at);
            let Some(info) = project.datasets.get(&id).filter(|_| !files.is_empty()) else { continue };
            let mut digest = blake3::Hasher::new();
            digest.update(info.definition.as_bytes());
            for file in files {
                let content = content(&project.config.root.join(&file));
                let content = content.map_or_else(|_| "none".to_owned(), |hash| hash.to_hex().to_string());
                // Both are told apart by what a path cannot hold.
                digest.update(format!("\0{file}\0{content}").as_bytes());
            }
            let definition = digest.finalize().to_hex()[..32].to_owned();
            changed.insert(id, Arc::new(DatasetInfo { definition, ..(**info).clone() }));
        }
    }
    if !changed.is_empty() {
        let mut datasets = (*project.datasets).clone();
        datasets.extend(changed);
        project.datasets = Arc::new(datasets);
    }
    project
}

/// All such files, as their steps name them.
pub(super) fn all(project: &Project) -> BTreeSet<String> {
    let nodes = project.pipelines.values().flat_map(|pipeline| &pipeline.nodes);
    nodes.flat_map(|node| node.step.files()).collect()
}

/// The files of a writer and of the streams that it settles.
fn files_of(pipeline: &Pipeline, writer: usize) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut open = vec![writer];
    while let Some(at) = open.pop() {
        let node = &pipeline.nodes[at];
        files.extend(node.step.files());
        // A stream has one reader, so no node is met twice.
        open.extend(node.needs.iter().filter(|&&need| gives_slices(pipeline, need)));
    }
    files
}

fn gives_slices(pipeline: &Pipeline, at: usize) -> bool {
    matches!(pipeline.nodes[at].step.role, Role::Source(_) | Role::Filter(_))
}

/// The digest of a file, which is read piece by piece; what is no file would be waited for.
pub(super) fn content(path: &Path) -> io::Result<blake3::Hash> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut digest = blake3::Hasher::new();
    digest.update_reader(fs::File::open(path)?)?;
    Ok(digest.finalize())
}
