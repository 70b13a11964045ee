//! Pipelines are taken, replaced and taken away over HTTP.

use frazil_tests::{
    sandbox::Sandbox,
    serving::{Answer, Serving},
};
use serde_json::json;

use super::processes::{PROJECT, RAIN};

const YAML: &str = "application/vnd.frazil.pipeline+yaml";

fn send(serving: &Serving, method: &str, path: &str, media: &str, text: &str) -> Answer {
    serving.ask(method, path, &[("Content-Type", media)], text.as_bytes())
}

fn kind(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_pipeline_comes_is_replaced_and_goes() {
    let project = PROJECT.replace("echo: true", "echo: true, deploy: true");
    let sandbox = Sandbox::new(&[("frazil.yaml", &project), ("pipelines/rain.yaml", RAIN)]);
    let serving = Serving::start(&sandbox);
    let snow = RAIN.replace("rain", "snow").replace("Rain", "Snow");

    let wrong = snow.replace("uses: fetch", "uses: fecth");
    let refused = send(&serving, "POST", "/processes", YAML, &wrong).expect(400).json();
    let found = &refused["diagnostics"][0];
    assert!(found["code"].as_str().unwrap().starts_with("FZ") && found["place"]["line"].as_u64().unwrap() > 10, "{refused}");
    assert!(!sandbox.path("pipelines/deployed").exists(), "nothing is written");
    send(&serving, "POST", "/processes", "text/plain", &snow).is(415);
    send(&serving, "POST", "/processes", YAML, "frazil: 1\nid: ../up\n").is(400);
    send(&serving, "POST", "/processes", YAML, "frazil: 1\n").is(400);

    let made = send(&serving, "POST", "/processes", YAML, &snow).expect(201);
    assert_eq!(made.header("location"), Some(format!("{}/processes/snow", serving.url).as_str()));
    assert_eq!(made.json()["mutable"], true);
    assert_eq!(serving.get("/processes/snow").expect(200).json()["title"], "Snow of each day");
    assert_eq!(serving.get("/processes/snow/package").expect(200).text(), snow);
    let again = send(&serving, "POST", "/processes", YAML, &snow).expect(409);
    assert_eq!(kind(&again), "duplicated-process");

    let package = json!({ "executionUnit": { "mediaType": YAML, "value": snow.replace("Snow of each day", "Snow") } });
    let package = package.to_string();
    send(&serving, "PUT", "/processes/snow", "application/ogcapppkg+json", &package).is(204);
    assert_eq!(serving.get("/processes/snow").expect(200).json()["title"], "Snow");
    assert_eq!(kind(&send(&serving, "PUT", "/processes/rain", YAML, RAIN).expect(403)), "immutable-process");
    assert_eq!(kind(&send(&serving, "DELETE", "/processes/rain", YAML, "").expect(403)), "immutable-process");
    send(&serving, "PUT", "/processes/snow", YAML, RAIN).is(400);
    send(&serving, "PUT", "/processes/hail", YAML, &snow).is(404);

    // It is there for the next server, and for the command line.
    serving.kill();
    let serving = Serving::start(&sandbox);
    assert_eq!(serving.get("/processes/snow").expect(200).json()["mutable"], true);
    assert!(sandbox.succeed(&["check"]).is_empty() || sandbox.path("pipelines/deployed/snow.yaml").exists());
    send(&serving, "DELETE", "/processes/snow", YAML, "").is(204);
    serving.get("/processes/snow").is(404);
    assert!(!sandbox.path("pipelines/deployed/snow.yaml").exists());
}

#[test]
fn nothing_is_taken_where_the_project_does_not_say_so() {
    let sandbox = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    let serving = Serving::start(&sandbox);
    send(&serving, "POST", "/processes", YAML, RAIN).is(403);
    send(&serving, "DELETE", "/processes/rain", YAML, "").is(403);
    assert!(!sandbox.path("pipelines").exists());
}
