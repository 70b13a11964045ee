//! What a request to run a process says.

use axum::http::{HeaderMap, header};
use frazil_engine::event::{Reply, Subscriber};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    asked::short,
    problem::{Problem, Wrong},
};

/// The most inputs, and the most outputs, that are named.
const NAMES: usize = 200;

/// The longest address of a subscriber.
const URI_AT_MOST: usize = 2_000;

/// What a process is run with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Execute {
    /// Values by name: as they are, as `{ "value": … }`, or a list of these.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) inputs: Map<String, Value>,
    /// The outputs that are wanted, each with its `transmissionMode`; all where none is named.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) outputs: Map<String, Value>,
    /// `document`: results are one JSON object; `raw`: each as it is, links as headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<String>,
    /// Who is told how the job goes: `{ "successUri": …, "inProgressUri": …, "failedUri": … }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscriber: Option<Map<String, Value>>,
}

impl Execute {
    /// Reads a request; a body of no bytes says nothing. The media type is asked for all the same: a page of
    /// another site cannot send it without being allowed to.
    ///
    /// # Errors
    /// With all that is wrong.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media.is_some_and(is_json) {
            let found = media.map_or_else(|| "none".to_owned(), |media| format!("`{}`", short(media)));
            let detail = format!("`Content-Type: application/json` is wanted, not {found}");
            return Err(Problem::unsupported(detail));
        }
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::bad(format!("what was sent is no JSON: {error}")))?;
        let Value::Object(mut body) = body else {
            return Err(Problem::bad("an object is wanted: `{ \"inputs\": { … } }`"));
        };
        let mut errors = Vec::new();
        let mut object = |name: &str| match body.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) if object.len() <= NAMES => Some(object),
            Some(Value::Object(_)) => {
                errors.push(Wrong::new(name, format!("at most {NAMES} names are taken")));
                None
            }
            Some(_) => {
                errors.push(Wrong::new(name, "an object is wanted"));
                None
            }
        };
        let (inputs, outputs) = (object("inputs"), object("outputs"));
        let subscriber = object("subscriber");
        let response = match body.remove("response") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text == "raw" || text == "document" => Some(text),
            Some(other) => {
                let message = format!("`raw` or `document` is wanted, not {}", short(&other.to_string()));
                errors.push(Wrong::new("response", message));
                None
            }
        };
        if !errors.is_empty() {
            return Err(Problem::wrong("the request cannot be understood", errors));
        }
        let (inputs, outputs) = (inputs.unwrap_or_default(), outputs.unwrap_or_default());
        Ok(Self { inputs, outputs, response, subscriber })
    }

    /// The outputs that are wanted of those that there are, each in a way that is offered.
    pub(super) fn wanted(&self, known: &[String], offered: &str, errors: &mut Vec<Wrong>) -> Vec<String> {
        for (name, output) in &self.outputs {
            let place = format!("outputs.{}", short(name));
            if !known.contains(name) {
                let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                errors.push(Wrong::new(
                    &place,
                    format!("there is no such output: there are {}", list.join(", ")),
                ));
            }
            let mode = output.get("transmissionMode");
            if let Some(mode) = mode.filter(|mode| *mode != offered) {
                let message =
                    format!("`transmissionMode` is `{offered}` here, not {}", short(&mode.to_string()));
                errors.push(Wrong::new(place, message));
            }
        }
        self.outputs.keys().cloned().collect()
    }

    /// What the one who asks wants to be given and told.
    pub(super) fn reply(&self, outputs: Vec<String>, errors: &mut Vec<Wrong>) -> Reply {
        let is = |form| self.response.as_deref() == Some(form);
        Reply { is_raw: is("raw"), is_document: is("document"), outputs, subscriber: self.subscriber(errors) }
    }

    fn subscriber(&self, errors: &mut Vec<Wrong>) -> Option<Subscriber> {
        let given = self.subscriber.as_ref()?;
        let mut uri = |names: &[&str]| {
            let (name, value) = names.iter().find_map(|name| Some((*name, given.get(*name)?)))?;
            let text = value.as_str().filter(|text| text.len() <= URI_AT_MOST);
            if text.is_none() {
                errors.push(Wrong::new(format!("subscriber.{name}"), "a URL is wanted"));
            }
            text.map(str::to_owned)
        };
        // The schema of the standard asks for `successUrl`, and its text for `successUri`.
        let success = uri(&["successUri", "successUrl"]);
        let (in_progress, failed) = (uri(&["inProgressUri"]), uri(&["failedUri"]));
        let subscriber = Subscriber { success, in_progress, failed, base: String::new() };
        (subscriber != Subscriber::default()).then_some(subscriber)
    }
}

/// `application/json`, and what is written in it.
fn is_json(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Execute, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Execute::read(&headers, body.to_string().as_bytes())
    }

    #[test]
    fn all_that_is_wrong_with_a_request_is_said() {
        let wrong = read(&json!({ "inputs": [], "outputs": 3, "response": "table" })).unwrap_err();
        let said = format!("{wrong:?}");
        for place in ["inputs", "outputs", "response"] {
            assert!(said.contains(&format!("name: \"{place}\"")), "{place}: {said}");
        }
        assert!(read(&json!([])).is_err());
        assert!(Execute::read(&HeaderMap::new(), b"{}").is_err(), "what it is is not said");
        assert!(Execute::read(&HeaderMap::new(), b"").is_err(), "a page of another site could send that");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(Execute::read(&headers, b"").unwrap(), Execute::default());
    }

    #[test]
    fn a_subscriber_is_read_as_the_text_and_as_the_schema_have_it() {
        for name in ["successUri", "successUrl"] {
            let asked = read(
                &json!({ "subscriber": { name: "https://a.example/", "failedUri": "https://b.example/" } }),
            );
            let mut errors = Vec::new();
            let subscriber = asked.unwrap().reply(Vec::new(), &mut errors).subscriber.unwrap();
            assert_eq!(subscriber.success.as_deref(), Some("https://a.example/"));
            assert_eq!((subscriber.failed.is_some(), subscriber.in_progress), (true, None));
            assert!(errors.is_empty());
        }
        let mut errors = Vec::new();
        let asked = read(&json!({ "subscriber": { "failedUri": 3 } })).unwrap();
        assert_eq!(asked.reply(Vec::new(), &mut errors).subscriber, None);
        assert_eq!(errors.len(), 1);
    }
}
