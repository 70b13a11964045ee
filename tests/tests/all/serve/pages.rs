//! Pages in a browser, on a server that wants a token.

use std::process::Command;

use frazil_tests::{programs, rainfall::Rainfall, serving::Serving};
use serde_json::{Value, json};

use super::access::token;

#[test]
fn a_person_with_a_token_follows_a_job_and_who_stops_one_is_named() {
    let rainfall = Rainfall::of_days(3);
    let token = token(&rainfall.sandbox, "ada-keeper", "operator");
    let serving = Serving::start(&rainfall.sandbox);
    let bearer = format!("Bearer {token}");
    let execute = || {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body = json!({ "inputs": { "end": "2024-01-03" } }).to_string();
        let made =
            serving.ask("POST", "/processes/rainfall/execution", &headers, body.as_bytes()).expect(201);
        made.header("location").unwrap().to_owned()
    };
    rainfall.server.slow(std::time::Duration::from_millis(300));
    let stopped = execute();
    serving.ask("DELETE", &stopped, &[("Authorization", &bearer)], b"").is(200);
    rainfall.server.slow(std::time::Duration::ZERO);
    let job = execute();
    let (Some(modules), Some(browser)) = (programs::node_modules(), programs::browser()) else { return };
    let mut node = Command::new("node");
    node.env("FRAZIL_CHROMIUM", browser).arg(programs::root().join("tests/node/follow_job.mjs"));
    let seen =
        programs::succeeded("follow_job.mjs", &node.arg(modules).args([&job, &token]).output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        (&seen["first"], &seen["jobs"], &seen["cookies"], &seen["wrong"]),
        (&json!(401), &json!("Jobs"), &json!([]), &json!([])),
        "{seen}"
    );
    let events = seen["events"].as_array().unwrap();
    assert!(events[0].as_str().unwrap().starts_with("rainfall is accepted as of "), "{seen}");
    assert_eq!(events.last().unwrap(), "successful", "{seen}");
    let status = serving.ask("GET", &stopped, &[("Authorization", &bearer)], b"").expect(200).json();
    assert_eq!(status["status"], "dismissed");
    assert_eq!(status["message"], "dismissed over HTTP with the token `ada-keeper`", "{status}");
}
