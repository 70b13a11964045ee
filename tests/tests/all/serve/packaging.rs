//! What the server is installed with, and its state in one file.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use frazil_tests::{
    programs::{ask_python, root},
    serving::Serving,
};
use serde_json::json;

use super::access::{project, token};

#[test]
fn the_manifest_is_what_kubernetes_takes() {
    let manifest = root().join("packaging/kubernetes.yaml").display().to_string();
    let Some(found) = ask_python("check_kubernetes.py", &[&manifest]) else { return };
    assert_eq!(found["kinds"], json!(["Service", "ConfigMap", "StatefulSet"]));
}

#[test]
fn the_container_file_is_what_its_linter_takes() {
    let file = root().join("packaging/Containerfile").display().to_string();
    let Some(found) = ask_python("check_container.py", &[&file]) else { return };
    assert_eq!(found, json!([]));
}

#[test]
fn the_unit_is_what_systemd_takes() {
    let unit = root().join("packaging/frazil.service");
    // Where there is no systemd there is nobody to ask.
    let Ok(judged) = Command::new("systemd-analyze").arg("verify").arg(unit).output() else { return };
    let said = String::from_utf8_lossy(&judged.stderr).into_owned();
    // It is not installed here.
    let problems: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("frazil.service") && !line.contains("is not executable"))
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_backup_that_is_put_back_is_used() {
    let sandbox = project("");
    let viewer = token(&sandbox, "ada", "viewer");
    let serving = Serving::start(&sandbox);
    let copy = sandbox.path("copy.sqlite").display().to_string();
    sandbox.succeed(&["backup", &copy]);
    sandbox.fail(5, &["backup", &copy]);
    let (_, errors) = sandbox.fail(5, &["restore", &copy]);
    assert!(errors.contains("a server or a run has it open; stop it first"), "{errors}");
    assert!(serving.stop().code().is_some());
    sandbox.succeed(&["token", "revoke", "ada"]);
    sandbox.succeed(&["restore", &copy]);
    let serving = Serving::start(&sandbox);
    let headers = [("Authorization", format!("Bearer {viewer}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    drop(serving.ask("GET", "/health", &headers, b"").expect(200));
    drop(serving.get("/health").expect(401));
}

/// So many moments are tried.
const DEATHS: u32 = 8;

/// From the first thing that it does to its end: a process takes a third of its time to begin.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..DEATHS).map(move |n| whole / 3 + whole * n / DEATHS)
}

#[test]
fn a_backup_or_restore_that_is_killed_is_done_again_and_the_state_is_never_gone() {
    let sandbox = project("");
    let viewer = token(&sandbox, "ada", "viewer");
    let serving = Serving::start(&sandbox);
    let copy = |name: &str| sandbox.path(name).display().to_string();
    let began = Instant::now();
    sandbox.succeed(&["backup", &copy("whole.sqlite")]);
    for (n, moment) in moments(began.elapsed()).enumerate() {
        let args = ["backup", &copy(&format!("copy{n}.sqlite"))];
        let ended = sandbox.killed_after(&args, moment);
        // Under its name there is a whole copy or none, and what was left of another try is in nobody's way.
        if sandbox.path(format!("copy{n}.sqlite")).exists() {
            sandbox.fail(5, &args);
        } else {
            assert!(ended.is_none_or(|ended| !ended.success()));
            sandbox.succeed(&args);
        }
    }
    let headers = [("Authorization", format!("Bearer {viewer}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    drop(serving.ask("GET", "/health", &headers, b"").expect(200));
    assert!(serving.stop().code().is_some());
    token(&sandbox, "bob", "viewer");
    let began = Instant::now();
    sandbox.succeed(&["restore", &copy("whole.sqlite")]);
    for (n, moment) in moments(began.elapsed()).enumerate() {
        sandbox.killed_after(&["restore", &copy(&format!("copy{n}.sqlite"))], moment);
        let tokens = sandbox.succeed(&["token", "list"]);
        assert!(tokens.contains("ada") && !tokens.contains("bob"), "{tokens}");
    }
    sandbox.succeed(&["restore", &copy("copy0.sqlite")]);
    let serving = Serving::start(&sandbox);
    drop(serving.ask("GET", "/health", &headers, b"").expect(200));
    drop(serving.get("/health").expect(401));
}
