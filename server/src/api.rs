//! Addresses and what is said of them: one list makes the router and the OpenAPI document, so that
//! neither can tell of what the other does not have.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodFilter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{app::App, guard::Roles, problem::Problem};

/// Who may ask. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Anybody.
    Anyone,
    /// Who may look.
    Viewer,
    /// Who may start and stop runs.
    Operator,
    /// Who may change what there is.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "anyone",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// A type's schema, made when the document is.
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What is answered with one status: what it means, and what of which media types.
#[derive(Debug, Clone)]
struct Answer {
    description: &'static str,
    content: Vec<(&'static str, Option<Shape>)>,
    headers: &'static [(&'static str, &'static str)],
}

/// What is asked besides the path's own names.
#[derive(Debug, Clone)]
struct Parameter {
    name: &'static str,
    place: &'static str,
    description: &'static str,
    schema: Value,
}

/// What is said of one method of one address.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    role: Role,
    parameters: Vec<Parameter>,
    body: Option<Answer>,
    answers: BTreeMap<u16, Answer>,
}

impl Operation {
    /// `id` is unique among all; where the OGC names it, it is that name.
    pub(crate) fn new(id: &'static str, tag: &'static str, summary: &'static str, role: Role) -> Self {
        Self { id, tag, summary, role, parameters: Vec::new(), body: None, answers: BTreeMap::new() }
    }

    /// A name in the path.
    pub(crate) fn segment(self, name: &'static str, description: &'static str) -> Self {
        self.parameter("path", name, json!({ "type": "string" }), description)
    }

    /// A part of the query, with its schema.
    pub(crate) fn query(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter("query", name, schema, description)
    }

    /// A header of the request.
    pub(crate) fn header(self, name: &'static str, description: &'static str) -> Self {
        self.parameter("header", name, json!({ "type": "string" }), description)
    }

    fn parameter(
        mut self,
        place: &'static str,
        name: &'static str,
        schema: Value,
        description: &'static str,
    ) -> Self {
        self.parameters.push(Parameter { name, place, description, schema });
        self
    }

    /// What the request may carry; several kinds are several ways to say the same.
    pub(crate) fn takes<T: JsonSchema>(mut self, media: &'static str, description: &'static str) -> Self {
        let body = self.body.get_or_insert(Answer { description, content: Vec::new(), headers: &[] });
        body.content.push((media, Some(SchemaGenerator::subschema_for::<T> as Shape)));
        self
    }

    /// An answer in JSON.
    pub(crate) fn gives<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answer(status, description, "application/json", Some(SchemaGenerator::subschema_for::<T>))
    }

    /// An answer of another kind; more than one of a status are representations of one thing.
    pub(crate) fn gives_media(self, status: u16, media: &'static str, description: &'static str) -> Self {
        self.answer(status, description, media, None)
    }

    /// An answer without content.
    pub(crate) fn gives_nothing(mut self, status: u16, description: &'static str) -> Self {
        self.answers.insert(status, Answer { description, content: Vec::new(), headers: &[] });
        self
    }

    /// The headers of the answer with this status, each with what it says.
    pub(crate) fn with_headers(
        mut self,
        status: u16,
        headers: &'static [(&'static str, &'static str)],
    ) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer.headers = headers;
        }
        self
    }

    /// A refusal, as a problem document.
    pub(crate) fn refuses(self, status: u16, description: &'static str) -> Self {
        let shape: Shape = SchemaGenerator::subschema_for::<Problem>;
        self.answer(status, description, "application/problem+json", Some(shape))
    }

    fn answer(
        mut self,
        status: u16,
        description: &'static str,
        media: &'static str,
        shape: Option<Shape>,
    ) -> Self {
        let answer =
            self.answers.entry(status).or_insert(Answer { description, content: Vec::new(), headers: &[] });
        answer.content.push((media, shape));
        self
    }

    fn document(&self, shapes: &mut SchemaGenerator) -> Value {
        let parameters = self.parameters.iter().map(|parameter| {
            let Parameter { name, place, description, schema } = parameter;
            let required = *place == "path";
            json!({ "name": name, "in": place, "required": required, "description": description, "schema": schema })
        });
        let mut operation = json!({
            "operationId": self.id, "tags": [self.tag], "summary": self.summary,
            "parameters": parameters.collect::<Vec<_>>(),
        });
        if let Some(body) = &self.body {
            let content = content(&body.content, shapes);
            operation["requestBody"] =
                json!({ "description": body.description, "required": true, "content": content });
        }
        let answers =
            self.answers.iter().map(|(status, answer)| (status.to_string(), answer.document(shapes)));
        let mut responses: Map<String, Value> = answers.collect();
        for (status, name) in self.usual() {
            let usual = || json!({ "$ref": format!("#/components/responses/{name}") });
            responses.entry(status).or_insert_with(usual);
        }
        responses.sort_keys();
        operation["responses"] = Value::Object(responses);
        if self.role > Role::Anyone {
            operation["security"] = json!([{ "bearer": [] }]);
        }
        operation
    }
}

/// What any address may answer, by the names of components: status, name, and what it means.
const USUAL: &[(&str, &str, &str)] = &[
    ("400", "Unreadable", "The request cannot be understood"),
    ("401", "Unknown", "A token is asked for, or the one that was sent opens nothing"),
    ("403", "Forbidden", "The token does not open this"),
    ("413", "TooLarge", "More was sent than is taken"),
    ("414", "TooLong", "The path and query are longer than is taken"),
    ("415", "Unsupported", "What was sent is of another media type"),
    ("421", "Elsewhere", "A server on loopback was asked under a name that nobody gave it"),
    ("429", "TooMany", "Too many requests: `Retry-After` says when to come again"),
    ("500", "Broken", "Something of the server broke; its log says what"),
    ("503", "Busy", "The answer took too long, or the server is about to stop"),
];

impl Operation {
    /// What it answers besides what is said of it.
    fn usual(&self) -> impl Iterator<Item = (String, &'static str)> {
        let (is_open, has_body) = (self.role == Role::Anyone, self.body.is_some());
        let applies = move |status: &str| match status {
            "403" => !is_open,
            "413" | "415" => has_body,
            _ => true,
        };
        let usual = USUAL.iter().filter(move |(status, ..)| applies(status));
        usual.map(|(status, name, _)| ((*status).to_owned(), *name))
    }
}

impl Answer {
    fn document(&self, shapes: &mut SchemaGenerator) -> Value {
        let mut document = json!({ "description": self.description });
        if !self.content.is_empty() {
            document["content"] = content(&self.content, shapes);
        }
        for (name, description) in self.headers {
            document["headers"][name] = json!({ "description": description, "schema": { "type": "string" } });
        }
        document
    }
}

fn content(kinds: &[(&'static str, Option<Shape>)], shapes: &mut SchemaGenerator) -> Value {
    let of = |(media, shape): &(&'static str, Option<Shape>)| {
        let plain = || match *media {
            json if json.contains("json") => json!({ "type": "object" }),
            text if text.starts_with("text/") => json!({ "type": "string" }),
            _ => json!({ "type": "string", "format": "binary" }),
        };
        let schema = shape.map_or_else(plain, |shape| shape(shapes).to_value());
        ((*media).to_owned(), json!({ "schema": schema }))
    };
    Value::Object(kinds.iter().map(of).collect())
}

/// Addresses with what answers them.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    router: Router<Arc<App>>,
    operations: Vec<(&'static str, Method, Operation)>,
}

impl Routes {
    /// What answers `GET` (and `HEAD`) of a path in axum's notation.
    pub(crate) fn get<H, T>(self, path: &'static str, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.on(Method::GET, path, operation, handler)
    }

    /// What answers another method of a path.
    pub(crate) fn on<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        // Every method that is asked for here is one of HTTP's own.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push((path, method, operation));
        self
    }

    /// These and others.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.router = self.router.merge(more.router);
        self.operations.extend(more.operations);
        self
    }

    /// What answers.
    pub(crate) fn router(&self) -> Router<Arc<App>> {
        self.router.clone()
    }

    /// The least role of each address and method: nothing is answered that does not stand here.
    pub(crate) fn roles(&self) -> Roles {
        let mut roles = Roles::new();
        for (path, method, operation) in &self.operations {
            roles.entry(path).or_default().push((method.clone(), operation.role));
        }
        roles
    }

    /// The OpenAPI 3.0 document of all addresses, which refers to nothing outside of it.
    pub(crate) fn document(&self) -> Value {
        let mut shapes = SchemaSettings::openapi3().for_serialize().into_generator();
        let mut paths: Map<String, Value> = Map::new();
        for (path, method, operation) in &self.operations {
            // What axum writes `{*key}` stands for several segments.
            let path = path.replace("{*", "{");
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            methods[method.as_str().to_ascii_lowercase()] = operation.document(&mut shapes);
        }
        paths.sort_keys();
        let problem = json!({ "application/problem+json": {
            "schema": SchemaGenerator::subschema_for::<Problem>(&mut shapes).to_value(),
        } });
        let usual = USUAL.iter().map(|(_, name, description)| {
            ((*name).to_owned(), json!({ "description": description, "content": problem }))
        });
        let usual: Map<String, Value> = usual.collect();
        let schemas = shapes.take_definitions(true);
        json!({
            "openapi": "3.0.3",
            "info": {
                "title": "frazil",
                "description": "Pipelines of climate and Earth-observation data cubes: what there is, what runs, and the data.",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": usual,
                "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            },
        })
    }
}
