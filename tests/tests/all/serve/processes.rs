//! What can be run, as OGC API – Processes describes it.

use frazil_tests::{sandbox::Sandbox, serving::Serving};
use serde_json::{Value, json};

pub(super) const PROJECT: &str =
    "frazil: 1\nid: shore\nextent: { bbox: [-13.5, 6.8, -10.1, 10.1] }\nserve: { echo: true }\n";

/// A pipeline of which nothing is run here.
pub(super) const RAIN: &str = r#"frazil: 1
id: rain
title: Rain of each day
params:
  start: { type: period, default: "2024-01-01", title: First day }
  bbox: { type: bbox, default: "{{ project.extent.bbox }}" }
  tries: { type: int, min: 1, max: 5, default: 2 }
  who: { type: string }
datasets:
  rain_daily:
    title: Rain of each day
    time: { step: P1D, start: "2024-01-01" }
    variables: { precip: { units: mm } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_daily, start: "{{ params.start }}", end: "2024-01-02" } }
  slices: { uses: fetch, needs: missing, with: { source: file, url: "http://127.0.0.1:9/{{ params.who }}/{{ period.year }}.nc", bbox: "{{ params.bbox }}" } }
  daily: { uses: append-commit, needs: slices, with: { dataset: rain_daily } }
"#;

fn served() -> (Sandbox, Serving) {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT), ("pipelines/rain.yaml", RAIN)]);
    let serving = Serving::start(&sandbox);
    (sandbox, serving)
}

#[test]
fn a_pipeline_is_described_with_its_parameters_and_datasets() {
    let (_sandbox, serving) = served();
    let landing = serving.get("/").expect(200).json();
    let link = |rel: &str| {
        let links = landing["links"].as_array().unwrap();
        let found = links.iter().find(|link| link["rel"].as_str().is_some_and(|r| r.ends_with(rel)));
        found.unwrap_or_else(|| panic!("{rel}: {landing}"))["href"].as_str().unwrap().to_owned()
    };
    let classes = serving.get(&link("/conformance")).expect(200).json();
    let core = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core";
    assert!(classes["conformsTo"].as_array().unwrap().contains(&json!(core)), "{classes}");
    assert!(link("service-desc").starts_with(&serving.url));

    let first = serving.get(&format!("{}?limit=1", link("/processes"))).expect(200).json();
    assert_eq!(first["processes"].as_array().unwrap().len(), 1);
    let next = first["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").unwrap();
    let rest = serving.get(next["href"].as_str().unwrap()).expect(200).json();
    let ids: Vec<&str> =
        rest["processes"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["sync"], "the limit goes on: {rest}");

    let rain = serving.get("/processes/rain").expect(200).json();
    assert_eq!(rain["jobControlOptions"], json!(["async-execute", "dismiss"]));
    assert_eq!(rain["outputTransmission"], json!(["reference"]));
    assert_eq!(rain["mutable"], false);
    let input = |name: &str| rain["inputs"][name].clone();
    assert_eq!(input("who")["minOccurs"], 1);
    assert_eq!(input("start")["title"], "First day");
    assert_eq!(
        (&input("start")["schema"]["default"], &input("start")["minOccurs"]),
        (&json!("2024-01-01"), &json!(0))
    );
    assert_eq!(
        input("tries")["schema"],
        json!({ "type": "integer", "minimum": 1, "maximum": 5, "default": 2 })
    );
    assert_eq!(input("bbox")["schema"]["oneOf"][0]["format"], "ogc-bbox");
    assert_eq!(
        input("bbox")["schema"]["default"],
        json!([-13.5, 6.8, -10.1, 10.1]),
        "expressions are evaluated"
    );
    assert_eq!(rain["outputs"]["rain_daily"]["title"], "Rain of each day");

    let problem = serving.get("/processes/rains").expect(404).json();
    assert_eq!(
        problem["type"],
        "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process"
    );
    assert!(problem["detail"].as_str().unwrap().contains("did you mean `rain`?"), "{problem}");
    for query in ["limit=0", "limit=x", "limit=1&limit=2"] {
        serving.get(&format!("/processes?{query}")).is(400);
    }
    let refused = serving.ask("DELETE", "/processes", &[], b"").expect(405);
    assert!(refused.header("allow").is_some_and(|allow| allow.contains("GET")), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
}

#[test]
fn everything_that_is_wrong_with_inputs_is_said_at_once() {
    let (_sandbox, serving) = served();
    let inputs = json!({
        "start": "march", "tries": 9, "bbox": { "bbox": [1, 2, 3, 4], "crs": "EPSG:4326" }, "hwo": "anna",
    });
    let refused = serving.post("/processes/rain/execution", &json!({ "inputs": inputs })).expect(400);
    let problem = refused.json();
    let names: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["inputs.start", "inputs.tries", "inputs.bbox", "inputs.hwo", "inputs.who"] {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name}: {problem}");
    }
    assert!(problem.to_string().contains("did you mean `who`?"), "{problem}");
    let other = [("Content-Type", "application/x-www-form-urlencoded")];
    serving.ask("POST", "/processes/rain/execution", &other, b"who=anna").is(415);
    serving.post("/processes/nothing/execution", &json!({})).is(404);
    let outputs = json!({ "inputs": { "who": "anna" }, "outputs": { "rain": {}, "rain_daily": { "transmissionMode": "value" } } });
    let problem = serving.post("/processes/rain/execution", &outputs).expect(400).json();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    let none = serving.get("/jobs").expect(200).json();
    assert_eq!(none["jobs"], json!([]), "nothing was started");
}

#[test]
fn plans_and_echoes_are_answered_at_once() {
    let (sandbox, serving) = served();
    let asked = json!({ "inputs": { "select": ["rain"], "params": { "who": "anna" }, "as-of": "2024-02-01T00:00:00Z" } });
    let plan = serving.post("/processes/plan/execution", &asked).expect(200).json();
    let told: Value = serde_json::from_str(&sandbox.succeed(&[
        "plan",
        "rain",
        "-p",
        "who=anna",
        "--as-of",
        "2024-02-01T00:00:00Z",
        "--format",
        "json",
    ]))
    .unwrap();
    assert_eq!(plan, told, "the command line plans the same");
    let estimate = serving.post("/processes/estimate/execution", &asked).expect(200).json();
    assert_eq!(estimate["total"], plan["total"]);
    let problem =
        serving.post("/processes/plan/execution", &json!({ "inputs": { "select": "rian" } })).expect(400);
    assert!(problem.text().contains("rian"), "{}", problem.text());

    let echo =
        json!({ "inputs": { "message": { "value": "ice" }, "list": ["a", { "value": "b" }], "pause": 0 } });
    let given = serving.post("/processes/echo/execution", &echo).expect(200).json();
    assert_eq!(given, json!({ "message": "ice", "list": ["a", "b"] }));
    serving.post("/processes/echo/execution", &json!({ "inputs": { "pause": 11 } })).is(400);
    // One output as it is, several as parts, or a document, as it is asked for.
    let echo = |outputs: &Value, response: &str| {
        let inputs = json!({ "message": "ice", "number": 3 });
        let asked = json!({ "inputs": inputs, "outputs": outputs, "response": response });
        serving.post("/processes/echo/execution", &asked).expect(200)
    };
    let one = json!({ "message": {} });
    assert_eq!(echo(&one, "raw").json(), "ice");
    assert_eq!(echo(&one, "document").json(), json!({ "message": "ice" }));
    let parts = echo(&json!({}), "raw");
    let media = parts.header("content-type").unwrap().to_owned();
    assert!(media.starts_with("multipart/related; boundary="), "{media}");
    let text = parts.text();
    assert!(text.contains("Content-ID: <message>\r\n\r\n\"ice\"\r\n"), "{text}");
    assert!(text.contains("Content-ID: <number>\r\n\r\n3\r\n"), "{text}");
    assert_eq!(echo(&json!({}), "document").json(), json!({ "message": "ice", "number": 3 }));
}

#[test]
fn an_echo_that_pauses_is_a_job_that_is_not_over_and_can_be_dismissed() {
    let (_sandbox, serving) = served();
    let job = |prefer: &str, body: Value| {
        let headers = [("Content-Type", "application/json"), ("Prefer", prefer)];
        let made = serving.ask("POST", "/processes/echo/execution", &headers, body.to_string().as_bytes());
        made.expect(201).header("location").unwrap().to_owned()
    };
    let described = serving.get("/processes/echo").expect(200).json();
    assert_eq!(described["jobControlOptions"], json!(["sync-execute", "async-execute", "dismiss"]));
    let pauses = job("respond-async", json!({ "inputs": { "message": "ice", "pause": 10 } }));
    let problem = serving.get(&format!("{pauses}/results")).expect(404).json();
    let kind = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready";
    assert_eq!(problem["type"], kind, "{problem}");
    assert_eq!(serving.ask("DELETE", &pauses, &[], b"").expect(200).json()["status"], "dismissed");
    serving.get(&format!("{pauses}/results")).is(404);

    let inputs = json!({ "message": "ice", "list": ["a", "b"] });
    let prefer = "respond-async, wait=30";
    let whole = job(prefer, json!({ "inputs": inputs }));
    assert_eq!(serving.get(&format!("{whole}/results")).expect(200).json(), inputs);
    assert_eq!(serving.get(&format!("{whole}/results/message")).expect(200).json(), "ice");
    serving.get(&format!("{whole}/results/pause")).is(404);
    let one = json!({ "message": {} });
    let alone = job(prefer, json!({ "inputs": inputs, "outputs": one }));
    assert_eq!(serving.get(&format!("{alone}/results")).expect(200).json(), "ice");
    serving
        .ask(
            "POST",
            "/processes/echo/execution",
            &[("Content-Type", "application/json"), ("Prefer", "respond-async")],
            br#"{"inputs":{"pause":11}}"#,
        )
        .is(400);
}
