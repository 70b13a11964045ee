//! What is asked for as one is done one after the other.

use frazil_tests::{rainfall::Rainfall, server::Fault, serving::Serving};
use serde_json::{Value, json};

use super::stand::Stand;

fn jobs_of(serving: &Serving, status: &Value) -> Vec<Value> {
    let links = status["links"].as_array().unwrap().iter();
    let beside = links.filter(|link| link["title"] == "Made by the same request");
    let jobs = beside.map(|link| serving.get(link["href"].as_str().unwrap()).expect(200).json());
    jobs.chain([status.clone()]).collect()
}

#[test]
fn what_is_selected_is_run_in_order_and_is_one_job_for_who_asked() {
    let stand = Stand::new();
    let serving = stand.serve();
    let described = serving.get("/processes/sync").expect(200).json();
    let named: Vec<&String> = described["outputs"].as_object().unwrap().keys().collect();
    assert_eq!(named, ["dem", "pop", "snow"]);
    let sync = |body: Value| {
        let headers = [("Content-Type", "application/json"), ("Prefer", "wait=30")];
        serving.ask("POST", "/processes/sync/execution", &headers, body.to_string().as_bytes())
    };
    sync(json!({ "inputs": { "select": "elevation" }, "outputs": { "datasets": {} } })).is(400);

    let select = json!(["elevation", "snow_daily+"]);
    let body = json!({ "inputs": { "select": select, "params": { "end": "2024-01-04" } } });
    let made = sync(body).expect(201);
    let status = made.json();
    assert_eq!(status["status"], "successful", "{status}");
    let jobs = jobs_of(&serving, &status);
    let place = |process: &str| jobs.iter().position(|job| job["processID"] == process).unwrap();
    assert!(place("snow_daily") < place("maps"), "what hangs from others comes later: {jobs:#?}");
    assert!(jobs.len() > 2 && place("elevation") < jobs.len(), "{jobs:#?}");
    for pair in jobs.windows(2) {
        let (ended, began) = (&pair[0]["finished"], &pair[1]["started"]);
        assert!(ended.as_str().unwrap() <= began.as_str().unwrap(), "{jobs:#?}");
    }
    let results = serving.get(&format!("{}/results", made.header("location").unwrap())).expect(200).json();
    assert_eq!(results.as_object().unwrap().keys().collect::<Vec<_>>(), ["dem", "snow"]);
    let snow = serving.get("/datasets/snow").expect(200).json();
    assert!(
        snow.to_string().contains(results["snow"]["frazil:snapshot"].as_str().unwrap()),
        "the last state"
    );
    // A list knows how long each took.
    let listed = serving.get("/jobs?maxDuration=600").expect(200).json();
    for job in listed["jobs"].as_array().unwrap() {
        let same = jobs.iter().find(|one| one["jobID"] == job["jobID"]).unwrap();
        assert_eq!((&job["started"], &job["finished"]), (&same["started"], &same["finished"]), "{job}");
    }

    // One that failed keeps nobody from what can be done, and is not hidden by it.
    stand.sandbox.write("input/20240105.tif", "no raster");
    let again = json!({ "inputs": { "select": ["snow_daily", "maps"], "params": { "end": "2024-01-05" } } });
    let made = sync(again).expect(201);
    let jobs = jobs_of(&serving, &made.json());
    let ends: Vec<_> = jobs.iter().map(|job| (&job["processID"], &job["status"])).collect();
    assert_eq!(ends, [(&json!("snow_daily"), &json!("failed")), (&json!("maps"), &json!("successful"))]);
    let known = serving.get(made.header("location").unwrap()).expect(200).json();
    let told = format!("job {} of the same request, before it, failed", jobs[0]["jobID"].as_str().unwrap());
    assert_eq!(known["message"], json!(told));
    let one = json!({ "inputs": { "select": ["elevation", "snow_daily+"] }, "outputs": { "dem": {} } });
    let made = sync(one).expect(201);
    let results = serving.get(&format!("{}/results", made.header("location").unwrap())).expect(200).json();
    assert_eq!(results.as_object().unwrap().keys().collect::<Vec<_>>(), ["dem"]);
}

#[test]
fn what_failed_is_backfilled_over_http_as_by_a_command() {
    let rainfall = Rainfall::of_days(4);
    let broken = "/2024/rain.2024.01.03.tif";
    rainfall.server.always(broken, Fault::Status(403, None));
    let until = json!({ "end": "2024-01-04" });
    let serving = Serving::start(&rainfall.sandbox);
    let ask = |process: &str, inputs: Value| {
        let headers = [("Content-Type", "application/json"), ("Prefer", "wait=30")];
        let body = json!({ "inputs": inputs }).to_string();
        serving.ask("POST", &format!("/processes/{process}/execution"), &headers, body.as_bytes())
    };
    assert_eq!(ask("rainfall", until.clone()).expect(201).json()["status"], "failed");
    rainfall.server.always(broken, Fault::None);
    let failed = |more: Value| {
        let mut inputs = json!({ "select": "rainfall", "params": until, "only": "failed" });
        inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask("backfill", inputs)
    };
    let refused = failed(json!({ "from": "2024-01-04" })).expect(400);
    assert!(refused.text().contains("no period at which a run failed"), "{}", refused.text());
    failed(json!({ "overlap": "both" })).is(400);
    failed(json!({ "as-of": "yesterday" })).is(400);
    rainfall.server.forget();
    let done = failed(json!({ "as-of": "2024-06-01T00:00:00Z", "overlap": "skip" })).expect(201).json();
    assert_eq!(
        (&done["status"], &done["frazil:instant"]),
        (&json!("successful"), &json!("2024-06-01T00:00:00Z"))
    );
    assert_eq!((rainfall.server.count(broken), rainfall.server.requests().len()), (1, 1), "that day alone");
}
