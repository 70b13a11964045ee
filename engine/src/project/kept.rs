//! Templates that are kept for review are what the blocks say.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::Value;

use super::{ProjectConfig, files::text_of};
use crate::{
    dataset::Datasets,
    diagnostic::{Diagnostic, codes},
    document::Node,
    pipeline::Draft,
    review,
};

/// What is kept, by the name of the dataset.
pub(super) type Kept = BTreeMap<String, io::Result<String>>;

/// Reads what is kept under the folder of a project.
pub(super) fn read(root: &Path) -> Kept {
    let Ok(entries) = fs::read_dir(root.join("datasets")) else { return Kept::new() };
    let one = |entry: fs::DirEntry| {
        let path = entry.path();
        let name = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "json").then(|| (name, text_of(&path)))
    };
    entries.filter_map(|entry| one(entry.ok()?)).collect()
}

/// Tells which of what is kept is not what the block of its dataset says.
pub(super) fn check(
    kept: &Kept,
    drafts: &[Draft<'_>],
    datasets: &Datasets,
    config: &ProjectConfig,
    out: &mut Vec<Diagnostic>,
) {
    if kept.is_empty() {
        return;
    }
    for bound in drafts.iter().flat_map(|draft| &draft.steps).filter_map(|step| step.bound.as_ref()) {
        let Some((id, template)) = bound.template(datasets, config.crs.as_deref()) else { continue };
        let Some(text) = kept.get(id.as_str()) else { continue };
        let Some(why) = wrong(text, &template) else { continue };
        let mut blocks = drafts.iter().filter_map(|draft| draft.root.get("datasets"));
        let Some(entry) = blocks.find_map(|blocks: &Node| blocks.entry(id.as_str())) else { continue };
        let message = format!("`datasets/{id}.json` is not what the block of `{id}` says: {why}");
        let help = format!(
            "`frazil template {id} --write` writes it anew, to be looked at before it is merged; or take the change back"
        );
        out.push(Diagnostic::error(codes::KEPT_TEMPLATE, entry.key_span, message).help(help));
    }
}

fn wrong(text: &io::Result<String>, template: &Value) -> Option<String> {
    let text = match text {
        Ok(text) => text,
        Err(error) => return Some(format!("it cannot be read ({error})")),
    };
    // Both were text, so that numbers are read the same way.
    let own = serde_json::from_str(&review::text(template)).unwrap_or_default();
    match serde_json::from_str::<Value>(text) {
        Err(error) => Some(format!("it is no JSON ({error})")),
        Ok(kept) => review::difference(&kept, &own, true)
            .map(|(at, kept, own)| format!("{at} is {kept} there, {own} here")),
    }
}
