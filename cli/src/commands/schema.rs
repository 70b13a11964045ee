use clap::Args;
use frazil_engine::schema;
use serde_json::Value;

use crate::{
    Globals,
    exit::{Exit, Usage},
    render,
};

/// Prints the JSON Schema of the files, or a part of it.
#[derive(Debug, Args)]
pub(crate) struct SchemaCommand {
    /// `project`, `test` (a test file), `steps` (the step types), `steps.fetch` (its settings), or keys of a pipeline
    /// file: `datasets.time.available`
    path: Option<String>,
}

impl SchemaCommand {
    pub(crate) fn run(self, _: &Globals) -> anyhow::Result<Exit> {
        let registry = frazil_steps::registry();
        let path = self.path.unwrap_or_default();
        let mut parts = path.split('.').filter(|part| !part.is_empty());
        let shown = match parts.next() {
            None => schema::pipeline(&registry),
            Some("project") => part(&schema::project(), "", parts)?,
            Some("test") => part(&schema::suite(), "", parts)?,
            Some("steps") => match parts.next() {
                None => {
                    let lines: Vec<String> =
                        registry.iter().map(|t| format!("{:<20} {}\n", t.uses, t.summary)).collect();
                    render::out(&lines.concat())?;
                    return Ok(Exit::Done);
                }
                Some(uses) => {
                    let root = schema::pipeline(&registry);
                    let with = schema::settings_of(&root, uses)
                        .ok_or_else(|| Usage(format!("there is no step type `{uses}`")))?;
                    part_of(&root, with.clone(), uses, parts)?
                }
            },
            Some(first) => {
                let root = schema::pipeline(&registry);
                part_of(&root, root.clone(), "", std::iter::once(first).chain(parts))?
            }
        };
        render::out(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?;
        Ok(Exit::Done)
    }
}

fn part<'a>(root: &Value, at: &str, parts: impl Iterator<Item = &'a str>) -> anyhow::Result<Value> {
    part_of(root, root.clone(), at, parts)
}

/// Follows keys into a schema; maps from names and lists are passed through.
fn part_of<'a>(
    root: &Value,
    start: Value,
    at: &str,
    parts: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Value> {
    let mut schema = start;
    let mut shown = at.to_owned();
    for key in parts {
        let found = schema::inside(root, &schema, key);
        schema = found.ok_or_else(|| Usage(format!("there is no `{key}` under `{shown}`")))?;
        shown = if shown.is_empty() { key.to_owned() } else { format!("{shown}.{key}") };
    }
    Ok(schema::resolved(root, &schema))
}
