//! Signed messages that come in, and those that go out: webhooks, notices, traces.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::{Duration, SystemTime},
};

use frazil_tests::{
    programs::ask_python,
    rainfall::Rainfall,
    server::Fault,
    serving::{Answer, Serving},
};
use serde_json::{Value, json};

const KEY: &str = "whsec_c2lnbmVkIGJ5IGEgdGVzdCBvZiBmcmF6aWw=";
const FIRST: &str = "/2024/rain.2024.01.01.tif";

/// Something that was posted.
struct Post {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Takes what is posted, with these statuses first and 200 then.
fn receiver(statuses: &[u16]) -> (String, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, posts) = channel();
    let mut statuses = statuses.to_vec();
    statuses.reverse();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let Some(post) = read(&stream) else { continue };
            let status = statuses.pop().unwrap_or(200);
            let answer = format!(
                "HTTP/1.1 {status} Test\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            if (&stream).write_all(answer.as_bytes()).is_err() || sender.send(post).is_err() {
                return;
            }
        }
    });
    (url, posts)
}

fn read(stream: &TcpStream) -> Option<Post> {
    let mut lines = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Post { path, headers, body })
}

fn next(posts: &Receiver<Post>) -> Post {
    posts.recv_timeout(Duration::from_secs(60)).expect("somebody is told")
}

/// The rainfall of two days, started by webhooks; a source that fails is not asked again.
fn rainfall(config: &str) -> Rainfall {
    let rainfall = Rainfall::of_days(2);
    let path = rainfall.sandbox.path("pipelines/rainfall.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let trigger = "  - http: { signed-by: forge }\n    params: { end: \"2024-01-02\" }\n";
    let text = text.replace("  - cron: \"30 6 * * *\"\n", trigger).replace("attempts: 4", "attempts: 1");
    assert!(text.contains(trigger) && text.contains("attempts: 1"));
    std::fs::write(path, text).unwrap();
    let path = rainfall.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        path,
        format!("{text}\nsecrets: {{ forge: {{ env: FORGE }}, alert: {{ env: ALERT }} }}\n{config}\n"),
    )
    .unwrap();
    rainfall
}

fn serve(rainfall: &Rainfall, variables: &[(&str, &str)]) -> Serving {
    let mut command = rainfall.sandbox.command(&["serve", "--format", "json", "--listen", "127.0.0.1:0"]);
    command.env("FORGE", KEY).envs(variables.iter().copied());
    Serving::of(&rainfall.sandbox, command)
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The signature by Python's own means; none without a Python.
fn signature(id: &str, at: u64, body: &str) -> Option<String> {
    let made = ask_python("sign_webhook.py", &[KEY, id, &at.to_string(), body])?;
    Some(made["signature"].as_str().unwrap().to_owned())
}

fn post(serving: &Serving, id: &str, at: u64, signature: &str, body: &str, more: &[(&str, &str)]) -> Answer {
    let at = at.to_string();
    let mut headers = vec![("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", signature)];
    headers.extend(more);
    serving.ask("POST", "/hooks/rainfall", &headers, body.as_bytes())
}

fn runs(rainfall: &Rainfall) -> Vec<Value> {
    let listed = rainfall.sandbox.succeed(&["runs", "--format", "json"]);
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_signed_message_starts_a_run_once_and_no_other_does() {
    let rainfall = rainfall("");
    rainfall.sandbox.succeed(&["token", "create", "ada", "--role", "viewer"]);
    let serving = serve(&rainfall, &[("ALERT", "unused")]);
    let (id, at, body) = ("msg_1", now(), "{\"event\": \"new data\"}");
    let Some(good) = signature(id, at, body) else { return };
    // Nobody else's, nothing changed, not too old, not too long.
    for (id, at, signature, body) in [
        (id, at, "", body),
        (id, at, "v1,AAAA", body),
        ("msg_2", at, good.as_str(), body),
        (id, at + 1, good.as_str(), body),
        (id, at, good.as_str(), "{}"),
        ("", at, good.as_str(), body),
    ] {
        drop(post(&serving, id, at, signature, body, &[]).expect(401));
    }
    let old = at - 301;
    let stale = signature(id, old, body).unwrap();
    assert!(post(&serving, id, old, &stale, body, &[]).expect(401).text().contains("five minutes"));
    let fixed = "{\"params\": {\"end\": \"2024-01-01\"}}";
    let refused =
        post(&serving, "msg_3", at, &signature("msg_3", at, fixed).unwrap(), fixed, &[]).expect(422);
    assert!(refused.text().contains("the trigger says what `end` is"), "{}", refused.text());
    let unknown = "{\"params\": {\"ends\": \"2024-01-01\"}}";
    drop(post(&serving, "msg_4", at, &signature("msg_4", at, unknown).unwrap(), unknown, &[]).expect(422));
    drop(serving.ask("POST", "/hooks/nothing", &[], b"{}").expect(404));
    drop(serving.ask("GET", "/hooks/rainfall", &[], b"").expect(405));
    assert!(runs(&rainfall).is_empty(), "nothing was started by any of these");

    let started = post(&serving, id, at, &good, body, &[]).expect(201);
    let run = started.json()["run"].as_str().unwrap().to_owned();
    assert_eq!(started.header("location"), Some(format!("{}/jobs/{run}", serving.url).as_str()));
    // Sent again by its sender, or by somebody who overheard it; also after a restart.
    assert_eq!(post(&serving, id, at, &good, body, &[]).expect(201).json()["run"], run);
    serving.kill();
    let serving = serve(&rainfall, &[("ALERT", "unused")]);
    assert_eq!(post(&serving, id, at, &good, body, &[]).expect(201).json()["run"], run);
    while runs(&rainfall)[0]["status"] != "successful" {
        assert_ne!(runs(&rainfall)[0]["status"], "failed");
    }
    assert_eq!(runs(&rainfall).len(), 1);
    let log = rainfall.sandbox.succeed(&["logs", &run, "--format", "json"]);
    assert!(log.contains("webhook") && log.contains("forge") && !log.contains(KEY), "{log}");
}

/// One that fails is told until somebody listens, by the server that follows too; then nobody is told again.
#[test]
fn people_are_told_once_of_what_failed_and_of_what_recovered() {
    let (alert, posts) = receiver(&[500, 302]);
    let rainfall = rainfall(
        "notify: [ { when: [failed, recovered], webhook: \"{{ secrets.alert }}\", signed-by: forge } ]\nserve: { url: https://example.org/cubes }",
    );
    let address = format!("{alert}/told/s3cret-path");
    rainfall.server.always(FIRST, Fault::Status(403, None));
    let serving = serve(&rainfall, &[("ALERT", &address)]);
    let starts = |serving: &Serving, id: &str| -> Option<Value> {
        let at = now();
        let answer = post(serving, id, at, &signature(id, at, "")?, "", &[]).expect(201);
        Some(answer.json()["run"].clone())
    };
    let Some(run) = starts(&serving, "one") else { return };
    let first = next(&posts);
    assert_eq!(first.path, "/told/s3cret-path");
    serving.kill();
    let serving = serve(&rainfall, &[("ALERT", &address)]);
    // A redirect is no answer, and is not followed.
    let second = next(&posts);
    let third = next(&posts);
    for told in [&first, &second, &third] {
        let said = told.json();
        assert_eq!((told.path.as_str(), &said["run"]), ("/told/s3cret-path", &run));
        assert_eq!(
            (&said["occasion"], &said["pipeline"], &said["status"]),
            (&json!("failed"), &json!("rainfall"), &json!("failed"))
        );
        let href = format!("https://example.org/cubes/jobs/{}", run.as_str().unwrap());
        assert_eq!(said["href"], json!(href));
        assert!(said["failures"][0]["message"].as_str().unwrap().contains("403"), "{said}");
        assert_eq!(told.header("webhook-id"), format!("{}.failed", run.as_str().unwrap()));
        let at = told.header("webhook-timestamp").parse().unwrap();
        let text = String::from_utf8(told.body.clone()).unwrap();
        assert_eq!(
            Some(told.header("webhook-signature").to_owned()),
            signature(told.header("webhook-id"), at, &text)
        );
        assert!(!text.contains("s3cret") && !text.contains(KEY), "{text}");
    }
    // The next run succeeds.
    rainfall.server.always(FIRST, Fault::None);
    let second = starts(&serving, "two").unwrap();
    let said = next(&posts).json();
    assert_eq!((&said["occasion"], &said["status"]), (&json!("recovered"), &json!("successful")), "{said}");
    assert_eq!(said["run"], second);
    // After another start there is nothing left to tell: what comes next is of the next run.
    assert!(serving.stop().code().is_some());
    let serving = serve(&rainfall, &[("ALERT", &address)]);
    std::fs::remove_dir_all(rainfall.sandbox.path("cubes")).unwrap();
    rainfall.server.always(FIRST, Fault::Status(403, None));
    let third = starts(&serving, "three").unwrap();
    let said = next(&posts).json();
    assert_eq!((&said["occasion"], &said["run"]), (&json!("failed"), &third), "{said}");
    let log = std::fs::read_to_string(rainfall.sandbox.path("serve.log")).unwrap();
    assert!(!log.contains("s3cret") && log.contains("nobody could be told"), "{log}");
}

#[test]
fn a_trace_goes_from_who_asks_to_each_step() {
    let (collector, posts) = receiver(&[]);
    let rainfall = rainfall("");
    let serving = serve(&rainfall, &[("ALERT", "unused"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let given = format!("00-{trace}-{parent}-01");
    let at = now();
    let Some(signed) = signature("one", at, "") else { return };
    let run =
        post(&serving, "one", at, &signed, "", &[("traceparent", &given)]).expect(201).json()["run"].clone();
    drop(serving.get("/health/live").expect(204));
    let mut spans: Vec<Value> = Vec::new();
    while !spans.iter().any(|span| span["name"] == "run rainfall") {
        let post = next(&posts);
        assert_eq!(
            (post.path.as_str(), post.header("content-type")),
            ("/v1/traces", "application/x-protobuf")
        );
        std::fs::write(rainfall.sandbox.path("spans.bin"), &post.body).unwrap();
        let path = rainfall.sandbox.path("spans.bin").display().to_string();
        spans.extend(ask_python("read_spans.py", &[&path]).unwrap().as_array().unwrap().clone());
    }
    let named = |name: &str| {
        spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let (request, whole, daily) = (named("POST /hooks/{pipeline}"), named("run rainfall"), named("daily"));
    for span in [request, whole, daily, named("catalog")] {
        assert_eq!((&span["trace"], &span["service"]), (&json!(trace), &json!("frazil")), "{span}");
        assert!(span["from"].as_u64().unwrap() <= span["to"].as_u64().unwrap());
    }
    assert_eq!(request["parent"], parent);
    assert_eq!(whole["parent"], request["span"]);
    assert_eq!(daily["parent"], whole["span"]);
    assert_eq!(
        (&whole["attributes"]["frazil.run"], &whole["attributes"]["frazil.cause"]),
        (&run, &json!("webhook"))
    );
    assert!(!spans.iter().any(|span| span["name"].as_str().unwrap().contains("health")));
}
