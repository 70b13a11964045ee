//! Pipelines are taken, replaced and taken away over HTTP.

use frazil_tests::{
    sandbox::Sandbox,
    serving::{Answer, Serving},
};
use serde_json::json;

use super::{
    access::token,
    processes::{PROJECT, RAIN},
};

const YAML: &str = "application/vnd.frazil.pipeline+yaml";

/// Of somebody with a token of his own.
struct Admin<'a>(&'a Serving, String);

impl Admin<'_> {
    fn send(&self, method: &str, path: &str, media: &str, text: &str) -> Answer {
        self.0.ask(method, path, &[("Content-Type", media), ("Authorization", &self.1)], text.as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, YAML, "")
    }
}

fn admin(sandbox: &Sandbox) -> String {
    format!("Bearer {}", token(sandbox, "ada", "admin"))
}

fn kind(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_pipeline_comes_is_replaced_and_goes() {
    let project = PROJECT.replace("echo: true", "echo: true, deploy: true");
    let sandbox = Sandbox::new(&[("frazil.yaml", &project), ("pipelines/rain.yaml", RAIN)]);
    let ada = admin(&sandbox);
    let serving = Serving::start(&sandbox);
    let admin = Admin(&serving, ada.clone());
    let snow = RAIN.replace("rain", "snow").replace("Rain", "Snow");

    let wrong = snow.replace("uses: fetch", "uses: fecth");
    let refused = admin.send("POST", "/processes", YAML, &wrong).expect(400).json();
    let found = &refused["diagnostics"][0];
    assert!(
        found["code"].as_str().unwrap().starts_with("FZ") && found["place"]["line"].as_u64().unwrap() > 10,
        "{refused}"
    );
    assert!(!sandbox.path("pipelines/deployed").exists(), "nothing is written");
    admin.send("POST", "/processes", "text/plain", &snow).is(415);
    admin.send("POST", "/processes", YAML, "frazil: 1\nid: ../up\n").is(400);
    admin.send("POST", "/processes", YAML, "frazil: 1\n").is(400);

    let made = admin.send("POST", "/processes", YAML, &snow).expect(201);
    assert_eq!(made.header("location"), Some(format!("{}/processes/snow", serving.url).as_str()));
    assert_eq!(made.json()["mutable"], true);
    assert_eq!(admin.get("/processes/snow").expect(200).json()["title"], "Snow of each day");
    assert_eq!(admin.get("/processes/snow/package").expect(200).text(), snow);
    let again = admin.send("POST", "/processes", YAML, &snow).expect(409);
    assert_eq!(kind(&again), "duplicated-process");

    let package =
        json!({ "executionUnit": { "mediaType": YAML, "value": snow.replace("Snow of each day", "Snow") } });
    let package = package.to_string();
    admin.send("PUT", "/processes/snow", "application/ogcapppkg+json", &package).is(204);
    assert_eq!(admin.get("/processes/snow").expect(200).json()["title"], "Snow");
    assert_eq!(kind(&admin.send("PUT", "/processes/rain", YAML, RAIN).expect(403)), "immutable-process");
    assert_eq!(kind(&admin.send("DELETE", "/processes/rain", YAML, "").expect(403)), "immutable-process");
    admin.send("PUT", "/processes/snow", YAML, RAIN).is(400);
    admin.send("PUT", "/processes/hail", YAML, &snow).is(404);

    // It is there for the next server, and for the command line.
    serving.kill();
    let serving = Serving::start(&sandbox);
    let admin = Admin(&serving, ada);
    assert_eq!(admin.get("/processes/snow").expect(200).json()["mutable"], true);
    assert!(sandbox.succeed(&["check"]).is_empty() || sandbox.path("pipelines/deployed/snow.yaml").exists());
    admin.send("DELETE", "/processes/snow", YAML, "").is(204);
    admin.get("/processes/snow").is(404);
    assert!(!sandbox.path("pipelines/deployed/snow.yaml").exists());
}

#[test]
fn nothing_is_taken_where_the_project_does_not_say_so_or_nobody_is_known() {
    let closed = Sandbox::new(&[("frazil.yaml", PROJECT)]);
    let open = PROJECT.replace("echo: true", "echo: true, deploy: true");
    let open = Sandbox::new(&[("frazil.yaml", &open)]);
    for (sandbox, why) in [(&closed, "deploy: true"), (&open, "token create")] {
        let serving = Serving::start(sandbox);
        for (method, path) in
            [("POST", "/processes"), ("PUT", "/processes/rain"), ("DELETE", "/processes/rain")]
        {
            let asked = serving.ask(method, path, &[("Content-Type", YAML)], RAIN.as_bytes());
            let problem = asked.expect(403).json();
            assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        }
        assert!(!sandbox.path("pipelines").exists());
    }
}
