use std::collections::BTreeMap;

use frazil_engine::{data::DatasetId, pipeline::Pipeline, project::Project};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    asked::Base,
    link::{EXECUTE, JOBS, Link},
};

/// A process: in a list without what it takes and gives.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    /// Its name.
    pub(super) id: String,
    /// Another text for another definition.
    pub(super) version: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// `async-execute`: it becomes a job; `sync-execute`: the answer holds what it gave.
    pub(super) job_control_options: Vec<&'static str>,
    /// `reference`: results are links; `value`: they are documents.
    pub(super) output_transmission: Vec<&'static str>,
    /// Whether it may be replaced and taken away over HTTP.
    pub(super) mutable: bool,
    pub(super) links: Vec<Link>,
    /// What it takes, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inputs: Option<BTreeMap<String, Described>>,
    /// What it gives, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outputs: Option<BTreeMap<String, Described>>,
}

/// An input or an output.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Described {
    /// What people call it.
    pub(crate) title: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// 0 where it has a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_occurs: Option<u32>,
    /// A number, or `unbounded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_occurs: Option<Value>,
    /// A JSON Schema of one value.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub(crate) schema: Value,
}

impl Described {
    /// An input that may be given once; `needed` where it must be.
    pub(crate) fn input(title: impl Into<String>, schema: Value, needed: bool) -> Self {
        Self {
            title: title.into(),
            description: None,
            min_occurs: Some(u32::from(needed)),
            max_occurs: Some(json!(1)),
            schema,
        }
    }

    /// An output.
    pub(crate) fn output(title: impl Into<String>, schema: Value) -> Self {
        Self { title: title.into(), description: None, min_occurs: None, max_occurs: None, schema }
    }

    /// With what it does.
    pub(crate) fn saying(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// With any number of values.
    pub(crate) fn many(mut self) -> Self {
        self.max_occurs = Some(json!("unbounded"));
        self
    }
}

impl Process {
    pub(super) fn of_pipeline(pipeline: &Pipeline, mutable: bool, base: &Base) -> Self {
        let id = pipeline.id.to_string();
        let links = links(&id, base);
        Self {
            version: pipeline.digest.chars().take(12).collect(),
            title: pipeline.title.clone(),
            description: pipeline.description.clone(),
            // A run takes as long as its sources do: nobody waits on an open connection for that.
            job_control_options: vec!["async-execute", "dismiss"],
            output_transmission: vec!["reference"],
            mutable,
            links,
            inputs: None,
            outputs: None,
            id,
        }
    }

    pub(super) fn with(
        mut self,
        inputs: BTreeMap<String, Described>,
        outputs: BTreeMap<String, Described>,
    ) -> Self {
        (self.inputs, self.outputs) = (Some(inputs), Some(outputs));
        self
    }
}

/// Where one gets to from a process.
pub(super) fn links(id: &str, base: &Base) -> Vec<Link> {
    let path = format!("/processes/{id}");
    vec![
        Link::json("self", base.at(&path)),
        Link::to("alternate", "text/html", base.at(&path)),
        Link::json(EXECUTE, base.at(&format!("{path}/execution"))),
        Link::json(JOBS, base.at(&format!("/jobs?processID={id}"))),
    ]
}

/// The datasets that steps of a pipeline write, each once, in the order of the steps.
pub(crate) fn written(pipeline: &Pipeline) -> Vec<DatasetId> {
    let mut found: Vec<DatasetId> = Vec::new();
    for write in pipeline.nodes.iter().filter_map(|node| node.step.writes()) {
        if !found.contains(write.dataset()) {
            found.push(write.dataset().clone());
        }
    }
    found
}

/// What a pipeline gives: a link for each dataset that it writes.
pub(super) fn outputs(pipeline: &Pipeline, project: &Project) -> BTreeMap<String, Described> {
    let of = |id: DatasetId| {
        let title = project.datasets.get(id.as_str()).map(|info| info.block.title.clone());
        let described = Described::output(title.unwrap_or_else(|| id.to_string()), link_schema()).saying(
            "The state of the dataset as the run left it: its Icechunk repository, and what else reads it.",
        );
        (id.to_string(), described)
    };
    written(pipeline).into_iter().map(of).collect()
}

fn link_schema() -> Value {
    json!({
        "type": "object",
        "required": ["href"],
        "properties": {
            "href": { "type": "string", "format": "uri" },
            "rel": { "type": "string" },
            "type": { "type": "string" },
            "title": { "type": "string" },
            "frazil:snapshot": { "type": "string", "description": "The commit of the Icechunk repository." },
            "frazil:links": { "type": "array", "items": { "type": "object" } },
        },
    })
}
