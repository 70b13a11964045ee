//! Runs as jobs: started, watched, and what came of them.

use frazil_tests::{
    rainfall::Rainfall,
    serving::{Answer, Serving},
};
use serde_json::{Value, json};

fn execute(serving: &Serving, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers);
    serving.ask("POST", "/processes/rainfall/execution", &all, body.to_string().as_bytes())
}

#[test]
fn a_run_that_is_asked_for_over_http_is_a_job_with_results() {
    let rainfall = Rainfall::of_days(31);
    let serving = Serving::start(&rainfall.sandbox);
    let asked = json!({ "inputs": { "end": "2024-01-31" } });
    let made =
        execute(&serving, &[("Prefer", "respond-async, wait=30"), ("Idempotency-Key", "day-1")], &asked)
            .expect(201);
    assert_eq!(made.header("preference-applied"), Some("respond-async, wait=30"));
    let status = made.json();
    let location = made.header("location").unwrap().to_owned();
    assert_eq!(location, format!("{}/jobs/{}", serving.url, status["jobID"].as_str().unwrap()));
    assert_eq!((&status["status"], &status["progress"]), (&json!("successful"), &json!(100)), "{status}");
    assert_eq!((&status["type"], &status["processID"]), (&json!("process"), &json!("rainfall")));
    assert_eq!(serving.get(&location).expect(200).json()["finished"], status["finished"]);

    let same = execute(&serving, &[("Idempotency-Key", "\"day-1\"")], &asked).expect(201);
    assert_eq!(same.header("location"), Some(location.as_str()), "the same key is the same job");
    let other = json!({ "inputs": { "end": "2024-01-30" } });
    execute(&serving, &[("Idempotency-Key", "day-1")], &other).is(422);
    assert_eq!(serving.get("/jobs").expect(200).json()["jobs"].as_array().unwrap().len(), 1);

    let results = serving.get(&format!("{location}/results")).expect(200);
    let daily = &results.json()["rain_daily"];
    assert!(daily["href"].as_str().unwrap().ends_with("/icechunk/rain_daily"), "{daily}");
    let zarr = daily["frazil:links"][0]["href"].as_str().unwrap();
    assert!(zarr.contains(daily["frazil:snapshot"].as_str().unwrap()), "{daily}");
    serving.get(&format!("{zarr}zarr.json")).is(200);
    assert_eq!(serving.get(&format!("{location}/results/rain_daily")).expect(200).json(), *daily);
    serving.get(&format!("{location}/results/rain")).is(404);
    rainfall.assert_right(31, &["2024-01"], "over http");

    let prov = serving.get(&format!("{location}/prov")).expect(200).json();
    let run = format!("run:{}", status["jobID"].as_str().unwrap());
    assert_eq!(prov["activity"][&run]["frazil:status"], "successful", "{prov}");
    let made: Vec<&str> = prov["wasGeneratedBy"]
        .as_object()
        .unwrap()
        .values()
        .map(|one| one["prov:entity"].as_str().unwrap())
        .collect();
    assert!(made.iter().any(|entity| entity.starts_with("icechunk:rain_daily@")), "{prov}");

    let logs = serving.get(&format!("{location}/logs?step=daily")).expect(200).json();
    let lines = logs["lines"].as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["step"] == "daily"), "{logs}");
    assert!(lines.iter().any(|line| !line["periods"].as_array().unwrap_or(&vec![]).is_empty()), "{logs}");
    // The days of January lie in one batch; of February nothing was said.
    let of = |period: &str| {
        let logs = serving.get(&format!("{location}/logs?step=daily&period={period}")).expect(200).json();
        let texts =
            logs["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    for period in ["2024-01-05", "2024-01", "2023-12-31..2024-01-01"] {
        let texts = of(period);
        assert!(
            matches!(&texts[..], [written, committed]
            if written.contains("is written") && committed.contains("is committed")),
            "{period}: {texts:?}"
        );
    }
    assert!(of("2024-02").is_empty());
    let wrong = serving.get(&format!("{location}/logs?period=march")).expect(400).json();
    assert!(wrong["detail"].as_str().unwrap().contains("`march` is not a period"), "{wrong}");
    let page = serving.get(&format!("{location}/logs?limit=2")).expect(200).json();
    assert_eq!(page["lines"].as_array().unwrap().len(), 2);
    assert!(page["links"].as_array().unwrap().iter().any(|link| link["rel"] == "next"), "{page}");
    filters(&serving, &status);

    // Asked for as it is: links alone.
    let raw = execute(
        &serving,
        &[("Prefer", "wait=30")],
        &json!({ "inputs": { "end": "2024-01-31" }, "response": "raw", "outputs": { "rain_daily": {} } }),
    );
    let location = raw.expect(201).header("location").unwrap().to_owned();
    let raw = serving.get(&format!("{location}/results")).expect(204);
    let links: Vec<&str> =
        raw.headers.iter().filter(|(name, _)| name == "link").map(|(_, link)| link.as_str()).collect();
    assert!(
        links.len() == 1 && links[0].contains("/icechunk/rain_daily>"),
        "those that were asked for: {raw:?}"
    );
    // What is over is forgotten.
    serving.ask("DELETE", &location, &[], b"").is(200);
    let gone = serving.get(&location).expect(404).json();
    assert_eq!(gone["type"], "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job");
}

fn filters(serving: &Serving, job: &Value) {
    let created = job["created"].as_str().unwrap();
    for (query, found) in [
        ("status=successful", 1),
        ("status=failed,running", 0),
        ("processID=rainfall", 1),
        ("processID=other", 0),
        ("type=process", 1),
        ("type=dataset", 0),
        (&format!("datetime={created}"), 1),
        ("datetime=../2024-01-01T00:00:00Z", 0),
        ("minDuration=0&maxDuration=600", 1),
        ("minDuration=600", 0),
    ] {
        let jobs = serving.get(&format!("/jobs?{query}")).expect(200).json();
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), found, "{query}: {jobs}");
    }
    for query in ["status=over", "datetime=today", "minDuration=-1", "limit=0"] {
        let problem = serving.get(&format!("/jobs?{query}")).expect(400).json();
        assert!(problem["type"].as_str().unwrap().ends_with("/invalid-query-parameter-value"), "{problem}");
    }
}

#[test]
fn a_job_is_dismissed_and_a_failed_one_says_why() {
    let rainfall = Rainfall::of_days(31);
    rainfall.server.always("/2024/rain.2024.01.03.tif", frazil_tests::server::Fault::Hang);
    let serving = Serving::start(&rainfall.sandbox);
    let asked = json!({ "inputs": { "end": "2024-01-31" } });
    let running = execute(&serving, &[], &asked).expect(201).header("location").unwrap().to_owned();
    let waiting = execute(&serving, &[], &asked).expect(201).header("location").unwrap().to_owned();
    let problem = serving.get(&format!("{waiting}/results")).expect(404).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/result-not-ready"), "{problem}");
    assert_eq!(serving.get(&waiting).expect(200).json()["status"], "accepted");
    for job in [&waiting, &running] {
        assert_eq!(serving.ask("DELETE", job, &[], b"").expect(200).json()["status"], "dismissed");
        // Asked again, as by one that got no answer.
        assert_eq!(serving.ask("DELETE", job, &[], b"").expect(200).json()["status"], "dismissed");
        assert_eq!(serving.get(job).expect(200).json()["status"], "dismissed");
    }

    rainfall.server.always("/2024/rain.2024.01.03.tif", frazil_tests::server::Fault::Page);
    let failed = execute(&serving, &[("Prefer", "wait=30")], &asked).expect(201);
    let status = failed.json();
    assert_eq!(status["status"], "failed", "{status}");
    let why = serving.get(&format!("{}/results", failed.header("location").unwrap()));
    assert!(why.status == 422 || why.status == 502, "{}", why.text());
    let problem = why.json();
    assert_eq!(problem["title"], "the job failed");
    assert!(problem["detail"].as_str().unwrap().contains("2024-01-03"), "{problem}");
}

#[test]
fn events_are_sent_as_they_happen_and_resumed() {
    let rainfall = Rainfall::of_days(3);
    let serving = Serving::start(&rainfall.sandbox);
    let made = execute(&serving, &[], &json!({ "inputs": { "end": "2024-01-03" } })).expect(201);
    let path = format!("{}/events", made.header("location").unwrap());
    // Until the run is over: then the answer ends by itself.
    let (head, lines) = serving.follow(&path, &[]);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let lines: Vec<String> = lines.collect();
    let of = |name: &str| -> Vec<String> {
        lines.iter().filter_map(|line| Some(line.strip_prefix(name)?.to_owned())).collect()
    };
    let (ids, names) = (of("id: "), of("event: "));
    let numbers: Vec<String> = (1..=ids.len()).map(|n| n.to_string()).collect();
    assert_eq!(ids, numbers, "each once, in order");
    assert_eq!((names.first().unwrap().as_str(), names.last().unwrap().as_str()), ("accepted", "finished"));
    let data: Value = serde_json::from_str(of("data: ").last().unwrap()).unwrap();
    assert_eq!(data["event"]["finished"]["status"], "successful", "{data}");

    let (_, rest) = serving.follow(&path, &[("Last-Event-ID", "3")]);
    assert_eq!(rest.into_iter().find(|line| line.starts_with("id: ")).unwrap(), "id: 4");
    let last = ids.len().to_string();
    serving.ask("GET", &path, &[("Last-Event-ID", &last)], b"").is(204);
    serving.ask("GET", &path, &[("Last-Event-ID", "x")], b"").is(400);
}

#[test]
fn who_comes_when_the_queue_is_full_is_told_when_to_come_again() {
    let rainfall = Rainfall::of_days(3);
    rainfall.server.always("/2024/rain.2024.01.03.tif", frazil_tests::server::Fault::Hang);
    let config = std::fs::read_to_string(rainfall.sandbox.path("frazil.yaml")).unwrap();
    rainfall.sandbox.write("frazil.yaml", &format!("{config}\nserve: {{ limits: {{ queue: 1 }} }}\n"));
    let serving = Serving::start(&rainfall.sandbox);
    let asked = json!({ "inputs": { "end": "2024-01-03" } });
    let at_work = execute(&serving, &[], &asked).expect(201).header("location").unwrap().to_owned();
    // It leaves the queue when it begins.
    while serving.get(&at_work).expect(200).json()["status"] == "accepted" {}
    let waits = execute(&serving, &[], &asked).expect(201).header("location").unwrap().to_owned();
    let refused = execute(&serving, &[], &asked).expect(429);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(refused.json()["detail"].as_str().unwrap().contains("1 runs wait"), "{}", refused.text());
    assert_eq!(
        serving.get("/jobs").expect(200).json()["jobs"].as_array().unwrap().len(),
        2,
        "nothing of it stays"
    );
    serving.ask("DELETE", &waits, &[], b"").is(200);
    execute(&serving, &[], &asked).is(201);
}
