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
        let output = check(&bad().join(&name), &["--deny", "warnings"]);
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
            if place.is_null() {
                continue;
            }
            let at = format!("{}:{}:{}", place["file"].as_str().unwrap(), place["line"], place["column"]);
            assert!(said.contains(&at), "{name}: {at}\n{said}");
        }
    }
}

/// Codes without a bad project here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("FZ010", "needs a hundred mistakes: `budgets` makes them"),
    ("FZ127", "needs a thousand steps: `budgets` makes them"),
    ("FZ409", "needs a text of four thousand letters: `budgets` makes it"),
];

#[test]
fn every_code_has_a_bad_project() {
    let mut seen: Vec<String> = projects()
        .iter()
        .flat_map(|name| problems(name))
        .filter_map(|problem| problem["code"].as_str().map(str::to_owned))
        .collect();
    seen.sort();
    seen.dedup();
    let elsewhere = |code: &str| ELSEWHERE.iter().any(|(known, _)| *known == code);
    let without: Vec<&str> = CODES
        .iter()
        .map(|code| code.id)
        .filter(|id| !elsewhere(id) && !seen.iter().any(|s| s == id))
        .collect();
    assert!(without.is_empty(), "no bad project shows {without:?}");
    assert!(!seen.iter().any(|id| elsewhere(id)), "a bad project shows what is said to be shown elsewhere");
    let budgets = std::fs::read_to_string(root().join("tests/tests/all/budgets.rs")).unwrap();
    assert!(ELSEWHERE.iter().all(|(code, _)| budgets.contains(code)));
    assert!(CODES.len() >= 45);
    // A page says more than its title, in families by their first digit.
    for code in CODES {
        assert!(code.page.len() > 30 && code.page.len() > code.title.len(), "{}: {}", code.id, code.page);
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

/// The schema that the standard's authors publish, as the crate that is made from it ships it.
fn sarif_schema() -> Value {
    let version = std::process::Command::new("rustc").arg("-vV").output().unwrap();
    let host = text(&version.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .unwrap();
    // What other platforms need is not downloaded.
    let metadata = std::process::Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", &host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", text(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let schema = std::fs::read(manifest.parent().unwrap().join("src/schema.json")).unwrap();
    let mut schema: Value = serde_json::from_slice(&schema).unwrap();
    // Two patterns of the published schema are no regular expressions: a bracket too many.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    schema
}

#[test]
fn every_sarif_log_is_one_by_the_schema() {
    let schema = sarif_schema();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let mut seen = 0;
    for name in projects() {
        let output = check(&bad().join(&name), &["--format", "sarif"]);
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&log).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}\n{}", errors.join("\n"));
        let typed: serde_sarif::sarif::Sarif = serde_json::from_value(log.clone()).unwrap();
        let results = typed.runs[0].results.as_ref().unwrap();
        assert_eq!(results.len(), problems(&name).len(), "{name}");
        seen += results.iter().filter(|r| r.fixes.is_some()).count();
        // The judge judges: without the version it is no log.
        let mut broken = log;
        broken.as_object_mut().unwrap().remove("version");
        assert!(!validator.is_valid(&broken));
    }
    assert!(seen > 10, "{seen} results with fixes");
}

/// What other programs read, word by word; but for the pages of all codes, which stand in each log.
#[test]
fn other_programs_read_the_same_words_as_ever() {
    let said = |name: &str, format: &str| text(&check(&bad().join(name), &["--format", format]).stdout);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        for format in ["json", "github"] {
            let all = ["wrong-edge", "unknown-key"].map(|name| said(name, format)).concat();
            insta::assert_snapshot!(format!("format-{format}"), all);
        }
        let mut log: Value = serde_json::from_str(&said("wrong-edge", "sarif")).unwrap();
        let fixes: Value = serde_json::from_str(&said("unknown-key", "sarif")).unwrap();
        log["runs"][0]["tool"]["driver"]["rules"] = json!([]);
        log["runs"][0]["results"].as_array_mut().unwrap().extend(fixes["runs"][0]["results"].as_array().unwrap().clone());
        for result in log["runs"][0]["results"].as_array_mut().unwrap() {
            let rule = usize::try_from(result["ruleIndex"].take().as_u64().unwrap()).unwrap();
            assert_eq!(result["ruleId"], CODES[rule].id);
        }
        insta::assert_snapshot!("format-sarif", serde_json::to_string_pretty(&log).unwrap());
    });
}
