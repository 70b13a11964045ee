//! Who may ask, and what.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use frazil_tests::{
    sandbox::Sandbox,
    serving::{Answer, Serving},
};
use serde_json::Value;

/// A project with a dataset that anybody may read, and one that not.
pub(super) fn project(config: &str) -> Sandbox {
    let pipeline = r#"
frazil: 1
id: rain
title: Rain
datasets:
  open_rain:
    title: Rain that anybody may read
    visibility: public
    time: { step: P1D, start: "2024-01-01" }
    variables: { precip: { units: mm, cell: total } }
  shut_rain:
    title: Rain for some
    time: { step: P1M }
triggers:
  - http: {}
steps:
  missing: { uses: enumerate-periods, with: { dataset: open_rain, start: "2024-01-01", end: "2024-01-02" } }
  slices:
    uses: fetch
    needs: missing
    with: { source: cog, url: "http://127.0.0.1:9/{{ period.id }}.tif", variables: { precip: { band: 1 } } }
  daily: { uses: append-commit, needs: slices, with: { dataset: open_rain } }
  monthly: { uses: derived-resample, needs: daily, with: { dataset: shut_rain, method: sum } }
"#;
    let config = format!("frazil: 1\nid: rain\n{config}");
    Sandbox::new(&[("frazil.yaml", &config), ("pipelines/rain.yaml", pipeline)])
}

/// A new token.
pub(super) fn token(sandbox: &Sandbox, name: &str, role: &str) -> String {
    sandbox.succeed(&["token", "create", name, "--role", role]).trim().to_owned()
}

fn with(serving: &Serving, path: &str, token: &str) -> Answer {
    serving.ask("GET", path, &[("Authorization", &format!("Bearer {token}"))], b"")
}

/// An answer to a request as it is written here.
pub(super) fn raw(serving: &Serving, request: &str) -> (u16, String) {
    let address = serving.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), answer)
}

#[test]
fn the_first_token_closes_what_was_open() {
    let sandbox = project("");
    let serving = Serving::start(&sandbox);
    let (open, shut) = ("/zarr/open_rain/zarr.json", "/zarr/shut_rain/zarr.json");
    // There is nothing yet, which whoever may ask is told.
    for path in [open, shut] {
        drop(serving.get(path).expect(404));
    }
    let viewer = token(&sandbox, "ada", "viewer");
    // Tokens are read again each second.
    while serving.get(shut).status == 404 {
        std::thread::sleep(std::time::Duration::from_millis(20)); // asking faster, it would be told to wait
    }
    let refused = serving.get(shut).expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"frazil\""));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "a browser may read why");
    assert_eq!(refused.header("access-control-allow-credentials"), None);
    assert!(refused.json()["detail"].as_str().unwrap().contains("frazil token create"));
    drop(with(&serving, shut, &viewer).expect(404));
    let (middle, mut other) = (viewer.len() / 2, viewer.clone());
    other.replace_range(middle..=middle, if &viewer[middle..=middle] == "a" { "b" } else { "a" });
    let unknown = with(&serving, shut, &other).expect(401);
    assert!(unknown.header("www-authenticate").unwrap().contains("invalid_token"));
    let basic = serving.ask("GET", shut, &[("Authorization", "Basic YTpi")], b"").expect(401);
    assert!(basic.header("www-authenticate").unwrap().contains("invalid_request"));

    // What is public stays so; what is not is not even named.
    drop(serving.get(open).expect(404));
    for path in ["/icechunk/open_rain/repo", "/zarr/open_rain@1CECHNKREP0F1RSTCMT0/zarr.json"] {
        let status = serving.get(path).status;
        assert!(status != 401 && status != 403, "{path}: {status}");
    }
    for path in [
        "/icechunk/shut_rain/repo",
        "/zarr/shut_rain@1CECHNKREP0F1RSTCMT0/zarr.json",
        "/zarr/nothing/",
        "/stac/collections/shut_rain",
        "/datasets/shut_rain/periods",
        "/graph",
        "/metrics",
    ] {
        drop(serving.get(path).expect(401));
    }
    let names = |answer: Answer| -> Vec<String> {
        let datasets = answer.json()["datasets"].as_array().unwrap().clone();
        datasets.iter().map(|dataset| dataset["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(serving.get("/").expect(200)), ["open_rain"]);
    let listed = serving.get("/datasets").expect(200).text() + &serving.get("/stac").expect(200).text();
    assert!(listed.contains("open_rain") && !listed.contains("shut_rain"), "{listed}");
    assert_eq!(names(with(&serving, "/", &viewer).expect(200)), ["open_rain", "shut_rain"]);

    // One that is ended opens nothing, and does not open the server again either.
    sandbox.succeed(&["token", "revoke", "ada"]);
    while with(&serving, shut, &viewer).status == 404 {
        std::thread::sleep(std::time::Duration::from_millis(20)); // asking faster, it would be told to wait
    }
    drop(with(&serving, shut, &viewer).expect(401));
    drop(serving.get(shut).expect(401));
    drop(serving);
    let again = Serving::start(&sandbox);
    drop(again.get(shut).expect(401));
    let log = std::fs::read_to_string(sandbox.path("serve.log")).unwrap();
    assert!(!log.contains(&viewer), "a token is never logged: {log}");
}

#[test]
fn tokens_are_shown_once_and_kept_as_digests() {
    let sandbox = project("");
    let made: Value = serde_json::from_str(&sandbox.succeed(&[
        "token",
        "create",
        "ada",
        "--role",
        "operator",
        "--expires",
        "90d",
        "--format",
        "json",
    ]))
    .unwrap();
    let text = made["token"].as_str().unwrap();
    assert_eq!((text.len(), made["role"].as_str()), (71, Some("operator")), "{made}");
    let listed = sandbox.succeed(&["token", "list", "--format", "json"]);
    let token: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((token["name"].as_str(), token["good"].as_bool()), (Some("ada"), Some(true)), "{token}");
    assert!(token["expires"].as_str().unwrap() > "2026", "{token}");
    assert!(!listed.contains(text));
    for entry in std::fs::read_dir(sandbox.path(".frazil")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(20).any(|part| part == &text.as_bytes()[..20]), "{}", path.display());
    }
    let (_, errors) = sandbox.fail(4, &["token", "create", "ada", "--role", "viewer"]);
    assert!(errors.contains("there is a token `ada` already"), "{errors}");
    sandbox.fail(64, &["token", "create", "a b", "--role", "viewer"]);
    sandbox.fail(64, &["token", "create", "eve", "--role", "god"]);
    sandbox.fail(64, &["token", "create", "eve", "--role", "viewer", "--expires", "90"]);
    sandbox.fail(64, &["token", "revoke", "eve"]);
    // One that somebody else chose, at each start again.
    let given = |value: &str, name: &str| {
        let mut command = sandbox.command(&["token", "create", name, "--role", "viewer", "--given", "GIVEN"]);
        command.env("GIVEN", value).output().unwrap().status.code().unwrap()
    };
    let chosen = "chosen-elsewhere-and-long-enough-to-be-one";
    assert_eq!([given(chosen, "given"), given(chosen, "given")], [0, 0]);
    assert_eq!(given(&chosen.replace('c', "k"), "given"), 4, "another one under its name");
    assert_eq!([given("short", "other"), given("", "other")], [64, 64]);
    sandbox.succeed(&["token", "create", "brief", "--role", "viewer", "--expires", "1ms"]);
    let listed = sandbox.succeed(&["token", "list"]);
    assert!(listed.lines().any(|line| line.starts_with("brief ") && line.contains("expired")), "{listed}");
}

#[test]
fn other_machines_may_ask_once_there_is_a_token() {
    let sandbox = project("serve: { listen: \"0.0.0.0:0\" }");
    let (_, errors) = sandbox.fail(64, &["serve"]);
    assert!(errors.contains("there are no tokens yet") && errors.contains("frazil token create"), "{errors}");
    sandbox.fail(64, &["serve", "--listen", "[::]:0"]);
    let viewer = token(&sandbox, "ada", "viewer");
    let serving = Serving::of(&sandbox, sandbox.command(&["serve", "--format", "json"]));
    let port = serving.url.rsplit(':').next().unwrap();
    let asks = |authorization: &str| {
        let address = format!("127.0.0.1:{port}");
        let mut stream = TcpStream::connect(address).unwrap();
        // Not on loopback alone, so that names do not matter.
        let request = format!(
            "GET /zarr/shut_rain/ HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n{authorization}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].to_owned()
    };
    assert_eq!(asks(""), "401");
    assert_eq!(asks(&format!("Authorization: Bearer {viewer}\r\n")), "404");
}

#[test]
fn all_datasets_are_public_where_the_project_says_so() {
    let sandbox = project("serve: { public: true }");
    token(&sandbox, "ada", "viewer");
    let serving = Serving::start(&sandbox);
    drop(serving.get("/zarr/shut_rain/").expect(404));
    assert_eq!(serving.get("/").expect(200).json()["datasets"].as_array().unwrap().len(), 2);
}

/// A page of another site makes the browser of a person ask: what answers that person answers not the page.
#[test]
fn pages_of_other_sites_are_told_apart_on_loopback() {
    let sandbox = project("serve: { hosts: [data.example.org] }");
    let serving = Serving::start(&sandbox);
    let from = |origin: &str, path: &str| serving.ask("GET", path, &[("Origin", origin)], b"");
    drop(from("http://localhost:5173", "/zarr/shut_rain/").expect(404));
    drop(from("https://data.example.org", "/zarr/shut_rain/").expect(404));
    let refused = from("https://evil.example", "/zarr/shut_rain/").expect(403);
    assert!(refused.json()["detail"].as_str().unwrap().contains("another site"));
    drop(from("https://evil.example", "/zarr/open_rain/").expect(404));
    assert_eq!(from("https://evil.example", "/").expect(200).json()["datasets"].as_array().unwrap().len(), 1);

    let host = |lines: &str| raw(&serving, &format!("GET / HTTP/1.1\n{lines}Connection: close\n\n")).0;
    assert_eq!(host("Host: localhost:1\n"), 200);
    assert_eq!(host("Host: data.example.org\n"), 200);
    assert_eq!(host("Host: evil.example\n"), 421);
    assert_eq!(host("Host: localhost\nHost: evil.example\n"), 421);
    assert_eq!(host("Host: evil.example\nHost: localhost\n"), 421);
    let absolute = "GET http://evil.example/ HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    assert_eq!(raw(&serving, absolute).0, 421);
    let (status, said) = raw(&serving, "GET / HTTP/1.1\nHost: evil.example\nConnection: close\n\n");
    assert!(status == 421 && said.contains("serve: { url"), "{said}");
}
