//! What those see who watch a server: health, metrics, log.

use frazil_tests::{
    programs::{ask_python, frazil},
    serving::Serving,
};
use serde_json::{Value, json};

use super::{
    access::{project, token},
    triggers::until,
};

#[test]
fn health_says_whether_the_work_can_be_done() {
    let sandbox = project("");
    let viewer = token(&sandbox, "ada", "viewer");
    let serving = Serving::start(&sandbox);
    let live = serving.get("/health/live").expect(204);
    assert_eq!(live.body, b"");
    let ready = serving.get("/health/ready").expect(204);
    assert_eq!(ready.header("cache-control"), Some("no-store"));
    drop(serving.get("/health").expect(401));
    let headers = [("Authorization", format!("Bearer {viewer}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let report = serving.ask("GET", "/health", &headers, b"").expect(200).json();
    assert_eq!((report["status"].as_str(), report["state_writable"].as_bool()), (Some("ready"), Some(true)));
    assert_eq!((&report["leads"], &report["behind"]["files"]), (&json!(true), &json!([])));
    // A file that is not good is told of, to people too, and the server goes on.
    let path = sandbox.path("pipelines/rain.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("uses: fetch", "uses: fetsh")).unwrap();
    serving.signal("HUP");
    let behind = until("the file is told of", || {
        let behind = serving.ask("GET", "/health", &headers, b"").expect(200).json()["behind"].clone();
        behind["since"].is_string().then_some(behind)
    });
    assert_eq!(behind["files"], json!(["pipelines/rain.yaml"]));
    assert!(behind["problems"][0].as_str().unwrap().contains("fetsh"), "{behind}");
    drop(serving.get("/health/ready").expect(204));
    let page = serving.ask("GET", "/health?f=html", &headers, b"").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<code>pipelines&#x2f;rain.yaml</code>"), "{}", page.text());
    let metrics = serving.ask("GET", "/metrics", &headers, b"").expect(200).text();
    let version = format!("frazil_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for line in ["frazil_files_behind 1", "frazil_leader 1", &version] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

/// Judged by the parser of Prometheus' own client.
#[test]
fn metrics_are_what_prometheus_reads_and_clients_make_no_lines() {
    let sandbox = project("");
    let serving = Serving::start(&sandbox);
    for path in
        ["/zarr/open_rain/zarr.json", "/zarr/shut_rain/a", "/zarr/made-up/b", "/made/up", "/made/up/too"]
    {
        drop(serving.get(path).expect(404));
    }
    drop(serving.ask("MADEUP", "/", &[], b"").expect(405));
    let landing = serving.get("/").expect(200);
    let metrics = serving.get("/metrics").expect(200);
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for said in ["open_rain/", "made", "MADEUP"] {
        assert!(!text.contains(said), "{said}: {text}");
    }
    sandbox.write("metrics.txt", &text);
    let path = sandbox.path("metrics.txt").display().to_string();
    let Some(found) = ask_python("read_metrics.py", &[&path]) else { return };
    let sample = |name: &str| found[name].as_f64().unwrap_or_else(|| panic!("{name}: {found}"));
    assert!(
        (sample("frazil_http_answer_seconds_count{method=GET,route=/zarr/{dataset}/{*key},status=404}")
            - 3.0)
            .abs()
            < 0.1
    );
    assert!((sample("frazil_http_answer_seconds_count{method=GET,route=none,status=404}") - 2.0).abs() < 0.1);
    assert!((sample("frazil_http_answer_seconds_count{method=other,route=/,status=405}") - 1.0).abs() < 0.1);
    assert!((sample("frazil_http_sent_bytes_total{route=/}") as usize) >= landing.body.len());
    assert!(sample("frazil_runs_queued{}").abs() < 0.1);
}

#[test]
fn the_log_is_json_where_it_is_asked_for() {
    let sandbox = project("serve: { limits: { requests: often } }");
    let mut command = frazil();
    let refused = command.current_dir(sandbox.path("")).args(["check"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let sandbox = project("");
    let args = ["serve", "-v", "--log-format", "json", "--format", "json", "--listen", "127.0.0.1:0"];
    let serving = Serving::of(&sandbox, sandbox.command(&args));
    drop(serving.get("/").expect(200));
    std::fs::rename(sandbox.path(".frazil"), sandbox.path("elsewhere")).unwrap();
    std::fs::write(sandbox.path(".frazil"), "in the way").unwrap();
    let unwell = serving.get("/health").expect(503).json();
    assert_eq!(unwell["status"], "the state cannot be written");
    let page = serving.get("/health?f=html").expect(503);
    assert!(page.text().contains("<td class=\"bad\">the state cannot be written"), "{}", page.text());
    drop(serving.get("/health/ready").expect(503));
    drop(serving.get("/health/live").expect(204));
    assert!(serving.stop().code().is_some());
    let log = std::fs::read_to_string(sandbox.path("serve.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let says = |level: &str, message: &str| {
        let said = |line: &Value| line["message"].as_str().is_some_and(|said| said.starts_with(message));
        assert!(lines.iter().any(|line| said(line) && line["level"] == level), "{message}: {log}");
    };
    says("ERROR", "the state cannot be written");
    says("INFO", "SIGTERM: keeping what is whole");
    for line in &lines {
        let at = line["timestamp"].as_str().unwrap_or_default();
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok() && at.ends_with('Z'), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["message"].is_string() && line["target"].is_string(), "{line}");
    }
    // What a process says in the end is a line too, whatever is in it.
    let (_, said) = sandbox.fail(5, &["backup", "copy.sqlite", "--log-format", "json"]);
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).expect(&said);
    assert_eq!(said["level"], "ERROR");
    assert!(said["message"].as_str().unwrap().starts_with("error: "), "{said}");
}
