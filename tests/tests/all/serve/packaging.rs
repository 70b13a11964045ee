//! What the server is installed with, and its state in one file.

use std::process::Command;

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
