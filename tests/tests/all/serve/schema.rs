//! The OpenAPI document: on disk, judged by others, and held against what is answered.

use frazil_tests::{programs::ask_python, sandbox::Sandbox, serving::Serving};
use serde_json::{Value, json};

use crate::schema::current;

#[test]
fn the_openapi_document_on_disk_is_current() {
    let document = serde_json::to_string_pretty(&frazil_server::openapi()).unwrap();
    current("schemas/openapi.json", &format!("{document}\n"));
}

#[test]
fn the_openapi_document_stands_by_itself_and_is_valid() {
    let document = frazil_server::openapi();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0."));
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(reference.starts_with("#/"), "{reference} lies elsewhere");
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} is not there");
    }
    // What the test suite of the OGC looks for.
    for (path, method, id) in [
        ("/processes", "get", "getProcesses"),
        ("/processes/{processID}", "get", "getProcessDescription"),
        ("/processes/{processID}/execution", "post", "execute"),
        ("/jobs", "get", "getJobs"),
        ("/jobs/{jobID}", "get", "getStatus"),
        ("/jobs/{jobID}/results", "get", "getResult"),
    ] {
        assert_eq!(document["paths"][path][method]["operationId"], id, "{path}");
    }
    let folder = Sandbox::new(&[("openapi.json", &text)]);
    let path = folder.path("openapi.json");
    let Some(errors) = ask_python("validate_openapi.py", &[&path.to_string_lossy()]) else { return };
    assert_eq!(errors, json!([]));
}

/// Answers to anything that the document lets be asked are of the kind that it tells of.
#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", super::processes::PROJECT),
        ("pipelines/rain.yaml", super::processes::RAIN),
    ]);
    let serving = Serving::start(&sandbox);
    let document = sandbox.path("openapi.json");
    std::fs::write(&document, serving.get("/api").expect(200).text()).unwrap();
    let Some(found) = ask_python("fuzz_openapi.py", &[&document.to_string_lossy(), &serving.url]) else {
        return;
    };
    assert_eq!(found["failures"], json!([]), "{found:#}");
    assert!(found["calls"].as_u64().unwrap() > 200, "{found}");
    serving.get("/health/live").is(204);
}

/// A client that we did not write finds, runs and reads.
#[test]
fn a_client_of_the_standard_runs_a_process() {
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\nid: shore\nserve: { echo: true }\n")]);
    let serving = Serving::start(&sandbox);
    let Some(seen) = ask_python("ogc_client.py", &[&serving.url]) else { return };
    let processes: Vec<&str> =
        seen["processes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(processes, ["sync", "backfill", "plan", "estimate", "echo"]);
    assert_eq!(seen["described"], "Give back what is given");
    assert_eq!(seen["echo"], json!({ "message": "ice" }));
    assert!(
        seen["conformance"]
            .as_array()
            .unwrap()
            .iter()
            .any(|class| class.as_str().unwrap().ends_with("/core"))
    );
}
