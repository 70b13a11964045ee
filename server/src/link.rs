//! Links between resources, and what they mean.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// The list of jobs.
pub(crate) const JOBS: &str = "http://www.opengis.net/def/rel/ogc/1.0/job-list";
/// The list of processes.
pub(crate) const PROCESSES: &str = "http://www.opengis.net/def/rel/ogc/1.0/processes";
/// What of the standard is kept to.
pub(crate) const CONFORMANCE: &str = "http://www.opengis.net/def/rel/ogc/1.0/conformance";
/// Where a process is started.
pub(crate) const EXECUTE: &str = "http://www.opengis.net/def/rel/ogc/1.0/execute";
/// What a job gave.
pub(crate) const RESULTS: &str = "http://www.opengis.net/def/rel/ogc/1.0/results";
/// Why a job failed.
pub(crate) const EXCEPTIONS: &str = "http://www.opengis.net/def/rel/ogc/1.0/exceptions";

/// JSON, the media type of almost everything here.
pub(crate) const JSON: &str = "application/json";

/// A Zarr store over HTTP.
pub(crate) const ZARR: &str = "application/vnd.zarr; version=3";

/// An Icechunk repository.
pub(crate) const ICECHUNK: &str = "application/vnd.zarr+icechunk";

/// How an instant looks in a schema.
#[derive(Debug)]
pub(crate) struct When;

impl JsonSchema for When {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A link to another resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Link {
    /// Where it leads.
    pub(crate) href: String,
    /// What it means.
    pub(crate) rel: &'static str,
    /// The media type of what lies there.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<&'static str>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
}

impl Link {
    /// A link to JSON.
    pub(crate) fn json(rel: &'static str, href: impl Into<String>) -> Self {
        Self { href: href.into(), rel, media: Some(JSON), title: None }
    }

    /// A link to something else.
    pub(crate) fn to(rel: &'static str, media: &'static str, href: impl Into<String>) -> Self {
        Self { href: href.into(), rel, media: Some(media), title: None }
    }

    /// With what people call it.
    pub(crate) fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}
