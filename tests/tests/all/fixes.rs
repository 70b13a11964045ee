//! What `frazil check --fix` makes of files, and what `--diff` and JSON say of it.

use std::{fs, path::Path};

use frazil_tests::{programs::root, sandbox::Sandbox};
use serde_json::Value;

/// A pipeline with mistakes of which each can only be meant one way, amid comments.
const WRONG: &str = r#"# Rain, from the service.   (kept)
id: rain            # no version is said
titel: Rainfall	# a tab stands here
params: { start: { type: period, default: "2024-01-01" } }
datasets:
  rain_daily:
    title: 2024     # a number to YAML
    time: { step: P1D, available: { lag: 45 days } }
    variables: { precip: { units: mm, cell: totl, dtype: 'float23' } }   # two slips
steps:
  missing: { uses: enumerate_periods, with: { dataset: rain_dayly, start: {{ params.strat }} } }
  # between the steps
  slices:
    uses: fetch
    depends-on: missing
    with:
      source: cog
      in_flight: 2
      url: "https://data.example.org/{{ period | date('%Y.%m.%d') }}.tif"


  daily: { uses: append-commit, needs: [ 'slice' ], with: { dataset: rain_daily } }
"#;

/// The same, mended: nothing else is changed.
const RIGHT: &str = r#"# Rain, from the service.   (kept)
frazil: 1
id: rain            # no version is said
title: Rainfall	# a tab stands here
params: { start: { type: period, default: "2024-01-01" } }
datasets:
  rain_daily:
    title: "2024"     # a number to YAML
    time: { step: P1D, available: { lag: 45d } }
    variables: { precip: { units: mm, cell: total, dtype: 'float32' } }   # two slips
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_daily, start: "{{ params.start }}" } }
  # between the steps
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      in-flight: 2
      url: "https://data.example.org/{{ period | date('%Y.%m.%d') }}.tif"


  daily: { uses: append-commit, needs: [ 'slices' ], with: { dataset: rain_daily } }
"#;

fn wrong() -> Sandbox {
    Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("pipelines/rain.yaml", WRONG)])
}

fn read(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("pipelines/rain.yaml")).unwrap()
}

fn problems(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.run(&["check", "--format", "json"]);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_can_only_be_meant_one_way_is_mended_and_comments_stay() {
    let sandbox = wrong();
    let output = sandbox.run(&["check", "--fix"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(read(&sandbox), RIGHT, "{said}");
    assert_eq!(output.status.code(), Some(0), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("  line 9: write `total`\n") && said.ends_with("no problems\n"), "{said}");
    // Nothing is left to do, and nothing but the file is there.
    let left: Vec<_> =
        fs::read_dir(sandbox.path("pipelines")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["rain.yaml"]);
}

#[test]
fn a_diff_shows_what_would_be_mended_and_changes_nothing() {
    let sandbox = wrong();
    let (diff, said) = sandbox.fail(1, &["check", "--diff"]);
    assert_eq!(read(&sandbox), WRONG);
    assert!(diff.starts_with("--- pipelines/rain.yaml\n+++ pipelines/rain.yaml\n@@ "), "{diff}");
    assert!(
        diff.contains("\n-titel: Rainfall\t# a tab stands here\n+title: Rainfall\t# a tab stands here\n"),
        "{diff}"
    );
    assert!(said.contains("`frazil check --fix` mends"), "{said}");
    assert_eq!(sandbox.fail(1, &["check", "--fix", "--dry-run"]).0, diff);
    assert_eq!(read(&sandbox), WRONG);
}

#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("elsewhere/rain.yaml", WRONG)]);
    fs::create_dir(sandbox.path("pipelines")).unwrap();
    symlink("../elsewhere/rain.yaml", sandbox.path("pipelines/rain.yaml")).unwrap();
    fs::set_permissions(sandbox.path("elsewhere/rain.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.succeed(&["check", "--fix"]);
    assert!(fs::symlink_metadata(sandbox.path("pipelines/rain.yaml")).unwrap().is_symlink());
    let target = sandbox.path("elsewhere/rain.yaml");
    assert_eq!(fs::read_to_string(&target).unwrap(), RIGHT);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
}

/// An editor that makes the edits of JSON by their byte ranges comes to the same text.
#[test]
fn json_holds_the_edits_by_byte_ranges() {
    let sandbox = Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\n"),
        (
            "pipelines/rain.yaml",
            &RIGHT.replace("Rainfall", "Régen").replace("total", "totl").replace("in-flight", "in_flight"),
        ),
    ]);
    let mut text = read(&sandbox);
    let mut edits = Vec::new();
    for problem in problems(&sandbox) {
        let fixes = problem["fixes"].as_array().unwrap();
        assert_eq!((fixes.len(), &fixes[0]["sure"]), (1, &Value::Bool(true)), "{problem}");
        edits.extend(fixes[0]["edits"].as_array().unwrap().clone());
    }
    assert_eq!(edits.len(), 2);
    edits.sort_by_key(|edit| std::cmp::Reverse(edit["from"].as_u64()));
    for edit in edits {
        assert_eq!(edit["file"], "pipelines/rain.yaml");
        let at = |key: &str| usize::try_from(edit[key].as_u64().unwrap()).unwrap();
        text.replace_range(at("from")..at("to"), edit["text"].as_str().unwrap());
    }
    sandbox.succeed(&["check", "--fix"]);
    assert_eq!(read(&sandbox), text);
    assert_eq!(text, RIGHT.replace("Rainfall", "Régen"));
}

#[test]
fn what_may_be_meant_in_several_ways_is_offered_and_not_made() {
    let wrong = RIGHT.replace("45d", "45");
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("pipelines/rain.yaml", &wrong)]);
    let problems = problems(&sandbox);
    let titles: Vec<&str> =
        problems[0]["fixes"].as_array().unwrap().iter().filter_map(|fix| fix["title"].as_str()).collect();
    assert_eq!(titles, ["write `45s`", "write `45m`", "write `45h`", "write `45d`"]);
    sandbox.fail(1, &["check", "--fix"]);
    assert_eq!(read(&sandbox), wrong);
}

/// What is shown has asterisks over credentials; what is written has not.
#[test]
fn credentials_are_neither_shown_nor_lost() {
    let project =
        "frazil: 1\nstroes: { cubes: ./cubes }\nvars: { data: \"https://me:hunter2@data.example.org\" }\n";
    let sandbox = Sandbox::new(&[("frazil.yaml", project)]);
    let (diff, _) = sandbox.fail(1, &["check", "--diff"]);
    assert!(diff.contains("+stores:") && !diff.contains("hunter2"), "{diff}");
    sandbox.fail(1, &["check", "--fix"]);
    assert_eq!(fs::read_to_string(sandbox.path("frazil.yaml")).unwrap(), project.replace("stroes", "stores"));
}

/// Mending makes no project worse, loses no comment, and is done in one go.
#[test]
fn every_bad_project_is_no_worse_for_it() {
    for entry in fs::read_dir(root().join("tests/data/bad")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let sandbox = Sandbox::new(&[]);
        copy(&entry.path(), &sandbox.path(""));
        let before = problems(&sandbox);
        let comments = comments(&sandbox.path(""));
        let output = sandbox.run(&["check", "--fix"]);
        assert!(
            [Some(0), Some(1)].contains(&output.status.code()),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let after = problems(&sandbox);
        let codes = |all: &[Value]| all.iter().filter(|p| p["code"] == "FZ002").count();
        assert!(codes(&after) <= codes(&before), "{name} was YAML before");
        assert_eq!(comments, self::comments(&sandbox.path("")), "{name}");
        let (diff, _) = sandbox.fail(output.status.code().unwrap(), &["check", "--diff"]);
        assert_eq!(diff, "", "{name} is not mended in one go");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn comments(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(comments(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.extend(
                text.lines().filter_map(|line| line.split_once(" #").map(|(_, said)| said.to_owned())),
            );
        }
    }
    found
}

#[test]
fn warnings_can_be_denied() {
    let text = RIGHT.replace("    time:", "    license: other\n    time:");
    let sandbox = Sandbox::new(&[("frazil.yaml", "frazil: 1\n"), ("pipelines/rain.yaml", &text)]);
    let said = sandbox.succeed(&["check"]);
    assert!(said.contains("warning[FZ110]"), "{said}");
    let (said, _) = sandbox.fail(1, &["check", "--deny", "warnings"]);
    assert!(said.contains("warning[FZ110]"), "{said}");
    sandbox.write("pipelines/rain.yaml", RIGHT);
    sandbox.succeed(&["check", "--deny", "warnings"]);
}
