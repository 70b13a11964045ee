//! The programs under test, and the readers that judge what they made.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Whether this is a run of continuous integration, where nothing may be skipped.
#[must_use]
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value != "false" && value != "0")
}

/// A program built beside the test binary.
///
/// # Panics
/// When it is not there: cargo builds no programs of other packages by itself, `make test` does.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has an executable");
    let path = test.ancestors().nth(2).expect("target/<profile>/deps").join(name);
    assert!(path.exists(), "{} is not there: run `cargo build --workspace --bins` first", path.display());
    path
}

/// The command line under test, without the environment's own settings.
#[must_use]
pub fn frazil() -> Command {
    let mut command = Command::new(program("frazil"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Where the repository's root is.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Genuine climate data, from `FRAZIL_DATA`; `None`, said in a line, where there are none.
///
/// # Panics
/// In continuous integration, when there are none.
#[must_use]
pub fn genuine_data() -> Option<PathBuf> {
    let found = std::env::var_os("FRAZIL_DATA").map(PathBuf::from).filter(|path| path.is_dir());
    needed("FRAZIL_DATA names no folder of genuine data", found)
}

/// The interpreter of the readers' environment, from `FRAZIL_PYTHON`; `None`, said in a line,
/// where there is none.
///
/// # Panics
/// In continuous integration, when there is none.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let found = std::env::var_os("FRAZIL_PYTHON").map(PathBuf::from).filter(|path| path.is_file());
    needed("FRAZIL_PYTHON names no interpreter (`make test` sets it)", found)
}

/// The YAML language server of editors, from `FRAZIL_YAML_SERVER`; `None`, said in a line, where
/// there is none: it is a program of node, which nothing else needs.
#[must_use]
pub fn yaml_server() -> Option<PathBuf> {
    let found = std::env::var_os("FRAZIL_YAML_SERVER").map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        println!("skipped: FRAZIL_YAML_SERVER names no language server (`make test` sets it where node is)");
    }
    found
}

/// The folder of packages of node that the tests use, beside that server; `None` as there.
#[must_use]
pub fn node_modules() -> Option<PathBuf> {
    let server = yaml_server()?;
    server.ancestors().find(|folder| folder.ends_with("node_modules")).map(PathBuf::from)
}

/// The browser that draws maps; `None` as there.
#[must_use]
pub fn browser() -> Option<PathBuf> {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    let found = places.iter().map(PathBuf::from).find(|place| place.is_file());
    needed("no chromium: `scripts/install-system.sh tests` installs it", found)
}

fn needed(what: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    assert!(found.is_some() || !is_ci(), "{what}");
    if found.is_none() {
        println!("skipped: {what}");
    }
    found
}

/// Runs a script of `tests/python` and gives the JSON that it prints; `None` without a Python.
///
/// # Panics
/// When the script fails, with what it said.
#[must_use]
pub fn ask_python(script: &str, args: &[&str]) -> Option<Value> {
    let scripts = root().join("tests/python");
    let mut command = Command::new(python()?);
    command.arg(scripts.join("run.py")).arg(scripts.join(script)).args(args);
    let text = succeeded(script, &command.output().expect("python starts"));
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Standard output of a program that must have succeeded.
///
/// # Panics
/// When it did not, with what it said.
pub fn succeeded(what: &str, output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{what} ended with {}\n--- stdout\n{stdout}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    stdout
}
