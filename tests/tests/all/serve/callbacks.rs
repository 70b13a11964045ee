//! Subscribers of jobs: told what came of them, and only where the project says so.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use frazil_tests::{rainfall::Rainfall, serving::Serving};
use serde_json::{Value, json};

/// Takes what is sent, and answers with a status that can be changed.
struct Hook {
    url: String,
    status: Arc<AtomicU16>,
    told: Receiver<(String, Value)>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (status, (sender, told)) = (Arc::new(AtomicU16::new(200)), channel());
        let answers = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut line = || {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    line.trim_end().to_owned()
                };
                let path = line().split(' ').nth(1).unwrap_or_default().to_owned();
                let mut length = 0;
                loop {
                    let line = line().to_ascii_lowercase();
                    if line.is_empty() {
                        break;
                    }
                    if let Some(found) = line.strip_prefix("content-length:") {
                        length = found.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let status = answers.load(Ordering::SeqCst);
                let answer =
                    format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                if sender.send((path, serde_json::from_slice(&body).unwrap())).is_err() {
                    return;
                }
            }
        });
        Self { url, status, told }
    }

    /// The next document that is sent to a path that begins so.
    fn next(&self, path: &str) -> Value {
        loop {
            let (to, document) = self.told.recv_timeout(Duration::from_secs(30)).expect("it is told");
            if to.starts_with(path) {
                return document;
            }
        }
    }
}

/// A project that may tell this machine.
fn open(days: u32, callbacks: &str) -> Rainfall {
    let rainfall = Rainfall::of_days(days);
    let path = rainfall.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}\nserve:\n  callbacks: {callbacks}\n")).unwrap();
    rainfall
}

const LOOPBACK: &str = "{ allow: [127.0.0.1], http: true, private: true }";

fn asked(hook: &Hook) -> Value {
    let at = |path: &str| format!("{}/{path}?token=s3cret", hook.url);
    json!({
        "inputs": { "end": "2024-01-03" },
        "subscriber": { "successUri": at("success"), "inProgressUri": at("progress"), "failedUri": at("failed") },
    })
}

#[test]
fn a_subscriber_is_told_what_came_of_a_job() {
    let (rainfall, hook) = (open(3, LOOPBACK), Hook::start());
    let serving = Serving::start(&rainfall.sandbox);
    let made = serving.post("/processes/rainfall/execution", &asked(&hook)).expect(201);
    let results = hook.next("/success");
    let location = made.header("location").unwrap();
    assert_eq!(results, serving.get(&format!("{location}/results")).expect(200).json());
    assert!(results["rain_daily"]["href"].as_str().unwrap().starts_with(&serving.url), "{results}");
    // Its address, which may hold a token, is shown to nobody.
    let (_, events) = serving.follow(&format!("{location}/events"), &[]);
    let events: Vec<String> = events.collect();
    assert!(events.len() > 5 && !events.iter().any(|line| line.contains("s3cret")), "{events:?}");
    let log = std::fs::read_to_string(rainfall.sandbox.path("serve.log")).unwrap();
    assert!(!log.contains("s3cret"), "{log}");

    rainfall.server.always("/2024/rain.2024.01.03.tif", frazil_tests::server::Fault::Page);
    std::fs::remove_dir_all(rainfall.sandbox.path("cubes")).unwrap();
    let failed = serving.post("/processes/rainfall/execution", &asked(&hook)).expect(201).json();
    let status = hook.next("/failed");
    assert_eq!((&status["jobID"], &status["status"]), (&failed["jobID"], &json!("failed")), "{status}");
}

#[test]
fn who_could_not_be_told_is_told_by_the_next_server() {
    let (rainfall, hook) = (open(3, LOOPBACK), Hook::start());
    hook.status.store(503, Ordering::SeqCst);
    let serving = Serving::start(&rainfall.sandbox);
    let job = serving.post("/processes/rainfall/execution", &asked(&hook)).expect(201).json();
    assert!(hook.next("/success")["rain_daily"].is_object(), "it is tried");
    serving.kill();
    hook.status.store(200, Ordering::SeqCst);
    let serving = Serving::start(&rainfall.sandbox);
    assert!(hook.next("/success")["rain_daily"].is_object(), "told after all");
    let mark = rainfall.sandbox.path(".frazil/callbacks").join(job["jobID"].as_str().unwrap());
    // The mark is written after the answer: a server that stops in order has written it.
    for _ in 0..600 {
        if mark.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(mark.exists(), "that it was told stands in the state");
    drop(serving);
    let _again = Serving::start(&rainfall.sandbox);
    assert!(hook.told.recv_timeout(Duration::from_secs(1)).is_err(), "told once");
}

#[test]
fn nobody_is_told_whom_the_project_does_not_name() {
    for (callbacks, uri) in [
        ("{}", "https://hooks.example.org/"),
        ("{ allow: [hooks.example.org] }", "https://other.example.org/"),
        ("{ allow: [hooks.example.org] }", "http://hooks.example.org/"),
        ("{ allow: [\"127.0.0.1\"], http: true }", "http://127.0.0.1:9/"),
        ("{ allow: [\"169.254.169.254\"], http: true }", "http://169.254.169.254/latest/meta-data"),
    ] {
        let rainfall = open(1, callbacks);
        let serving = Serving::start(&rainfall.sandbox);
        let asked = json!({ "inputs": { "end": "2024-01-01" }, "subscriber": { "successUri": uri } });
        let problem = serving.post("/processes/rainfall/execution", &asked).expect(400).json();
        assert_eq!(problem["errors"][0]["name"], "subscriber.successUri", "{callbacks} {uri}: {problem}");
        assert_eq!(serving.get("/jobs").expect(200).json()["jobs"], json!([]), "nothing is started");
    }
}
