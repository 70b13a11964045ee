//! What can be known to be wrong with the settings before anything is run.

use std::path::{Component, Path};

use frazil_engine::step::Finding;
use serde_json::Value;

use super::Exec;
use crate::fetch::window::proper;

fn finding(pointer: impl Into<String>, message: impl Into<String>, help: &str) -> Finding {
    Finding {
        code: "FZ512",
        pointer: pointer.into(),
        message: message.into(),
        help: Some(help.to_owned()),
        beside: None,
    }
}

/// All problems of the settings.
pub(super) fn check(exec: &Exec) -> Vec<Finding> {
    let mut findings = Vec::new();
    if exec.command.first().is_none_or(String::is_empty) {
        findings.push(finding(
            "/command",
            "nothing says which program runs",
            "write `command: [python3, scripts/name.py]`",
        ));
    }
    if exec.version.is_none() && exec.files.is_empty() {
        findings.push(finding(
            "",
            "nothing says which version of the program made the numbers",
            "name what it is made of, `files: [scripts/name.py]`, or say `version: \"1\"`",
        ));
    }
    for (at, file) in exec.files.iter().enumerate().filter(|(_, file)| !inside(file)) {
        let message = format!("`{file}` is no file of the project");
        findings.push(finding(format!("/files/{at}"), message, "write its path in the project's folder"));
    }
    for (at, _) in exec.command.iter().enumerate().filter(|(_, argument)| has_secret(argument)) {
        let message = "a secret may not stand in an argument: every user of the machine sees those";
        findings.push(finding(
            format!("/command/{at}"),
            message,
            "write it under `env`: `env: { NAME: \"{{ secrets.name }}\" }`",
        ));
    }
    if let Some(pointer) = secret_in(&exec.input, "/input") {
        let message = "a secret may not stand in `input`, which programs like to print";
        findings.push(finding(
            pointer,
            message,
            "write it under `env`: `env: { NAME: \"{{ secrets.name }}\" }`",
        ));
    }
    for name in exec.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        findings.push(finding(
            "/env",
            format!("`{name}` is no name of a variable"),
            "letters, digits and `_`",
        ));
    }
    if let Some(Err(message)) = exec.bbox.map(proper) {
        findings.push(finding("/bbox", message, "write west, south, east, north in degrees"));
    }
    findings
}

/// Whether a path stays in the folder that it begins in.
pub(super) fn inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn has_secret(text: &str) -> bool {
    text.contains("{{ secrets.")
}

/// Where in a value a secret stands, as a JSON pointer.
fn secret_in(value: &Value, pointer: &str) -> Option<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::String(text) => has_secret(text).then(|| pointer.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| secret_in(item, &format!("{pointer}/{at}")))
        }
        Value::Object(map) => {
            map.iter().find_map(|(key, item)| secret_in(item, &format!("{pointer}/{}", escaped(key))))
        }
        _ => None,
    }
}
