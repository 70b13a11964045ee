//! What `frazil check` says of bad files, as people read it.
//!
//! Each folder of `tests/data/bad` is a project with one kind of mistake. After a change that is
//! meant: `INSTA_UPDATE=always cargo test -p frazil-tests --test all diagnostics`, and read the difference.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use frazil_engine::diagnostic::CODES;
use frazil_tests::programs::{frazil, root};
use serde_json::{Value, json};

fn bad() -> PathBuf {
    root().join("tests/data/bad")
}

fn projects() -> Vec<String> {
    let entries = std::fs::read_dir(bad()).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn check(folder: &Path, args: &[&str]) -> Output {
    frazil().current_dir(folder).arg("check").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The problems of a project as JSON, a line each.
fn problems(name: &str) -> Vec<Value> {
    let output = check(&bad().join(name), &["--format", "json"]);
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_bad_project_is_told_as_a_compiler_would() {
    for name in projects() {
        let output = check(&bad().join(&name), &[]);
        assert_eq!(output.status.code(), Some(1), "{name}\n{}", text(&output.stderr));
        let said = format!("{}--- stderr\n{}", text(&output.stdout), text(&output.stderr));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("bad-{name}"), said);
        });
    }
}

#[test]
fn json_says_the_same_as_the_text() {
    for name in projects() {
        let output = check(&bad().join(&name), &[]);
        let said = text(&output.stdout);
        let problems = problems(&name);
        assert!(!problems.is_empty(), "{name}");
        assert_eq!(
            said.matches("error[").count() + said.matches("warning[").count(),
            problems.len(),
            "{name}"
        );
        for problem in problems {
            assert_eq!((&problem["version"], &problem["type"]), (&json!(1), &json!("problem")));
            let code = problem["code"].as_str().unwrap();
            assert!(CODES.iter().any(|known| known.id == code), "{name}: {code} has no page");
            let message = problem["message"].as_str().unwrap();
            assert!(said.contains(&format!("[{code}]: {message}")), "{name}: {message}\n{said}");
            let place = &problem["place"];
            let at = format!("{}:{}:{}", place["file"].as_str().unwrap(), place["line"], place["column"]);
            assert!(said.contains(&at), "{name}: {at}\n{said}");
        }
    }
}

/// Words after a code help only if they say what to write, so few problems may go without.
#[test]
fn nearly_every_problem_says_what_to_do() {
    let all: Vec<Value> = projects().iter().flat_map(|name| problems(name)).collect();
    let without: Vec<&Value> = all.iter().filter(|problem| problem["help"].is_null()).collect();
    let lines: Vec<String> = without.iter().map(|p| format!("{}: {}", p["code"], p["message"])).collect();
    assert!(without.len() * 4 < all.len(), "{} of {}\n{}", without.len(), all.len(), lines.join("\n"));
}

#[test]
fn mistakes_in_several_files_are_told_in_one_go() {
    let problems = problems("many");
    let mut files: Vec<&str> = problems.iter().filter_map(|p| p["place"]["file"].as_str()).collect();
    files.dedup();
    let wanted =
        ["frazil.yaml", "pipelines/broken.yaml", "pipelines/rain.yaml", "pipelines/temperature.yaml"];
    assert_eq!(files, wanted, "in the order of files, each once");
    assert!(problems.len() >= 10, "{problems:#?}");
}

#[test]
fn exit_codes_tell_good_from_bad_from_misuse() {
    let code = |folder: &Path, args: &[&str]| check(folder, args).status.code();
    assert_eq!(code(&root(), &["pipelines", "examples"]), Some(0));
    assert_eq!(code(&bad().join("cycle"), &[]), Some(1));
    assert_eq!(code(&root(), &["--no-such-option"]), Some(64));
    assert_eq!(code(&root(), &["--explain", "FZ999"]), Some(64));
    assert_eq!(code(&root(), &["--explain", "fz203"]), Some(0));
    // A file that is not there is a problem of its own, never an empty one.
    let output = check(&root(), &["pipelines/no-such.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("error[FZ001]"), "{}", text(&output.stdout));
}

#[test]
fn annotations_and_sarif_hold_every_problem() {
    let folder = bad().join("many");
    let wanted = problems("many").len();
    let github = text(&check(&folder, &["--format", "github"]).stdout);
    assert_eq!(github.lines().filter(|line| line.starts_with("::error ")).count(), wanted, "{github}");
    let sarif: Value = serde_json::from_slice(&check(&folder, &["--format", "sarif"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(wanted));
}
