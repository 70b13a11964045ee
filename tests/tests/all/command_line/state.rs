//! The state folder: what is wrong with it is told with the next step, and looking needs no right to write.

use std::{
    path::Path,
    process::{Command, Output},
};

use frazil_tests::{programs::program, rainfall::Rainfall};

const RUN: [&str; 4] = ["run", "rainfall", "-p", "end=2024-01-03"];
const HISTORY: &str = ".frazil/runs.sqlite";

/// A run that is finished, and one whose process died.
fn two_runs() -> Rainfall {
    let rainfall = Rainfall::of_days(3);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-02"]);
    let died = rainfall.sandbox.command(&RUN).env("FRAZIL_ABORT_AFTER", "started").output().unwrap();
    assert!(!died.status.success());
    rainfall.server.forget();
    rainfall
}

fn set_writable(path: &Path, writable: bool) {
    use std::os::unix::fs::PermissionsExt;
    let about = std::fs::metadata(path).unwrap();
    if about.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable);
        }
    }
    let mode = match (about.is_dir(), writable) {
        (true, true) => 0o755,
        (true, false) => 0o555,
        (false, true) => 0o644,
        (false, false) => 0o444,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The command line without the rights that let the superuser pass over permissions.
fn powerless(rainfall: &Rainfall, args: &[&str]) -> Output {
    let folder = rainfall.sandbox.path("");
    let passes = std::fs::write(rainfall.sandbox.path(".frazil/probe"), "").is_ok();
    let mut command = if passes {
        std::fs::remove_file(rainfall.sandbox.path(".frazil/probe")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(program("frazil"));
        command
    } else {
        Command::new(program("frazil"))
    };
    command.current_dir(folder).args(args).env("NO_COLOR", "1").output().expect("it starts")
}

#[test]
fn a_read_only_state_can_be_looked_at_and_not_run_on() {
    let rainfall = two_runs();
    let state = rainfall.sandbox.path(".frazil");
    // As SQLite leaves it, and as a copy without the files beside it has it.
    for copied in [false, true] {
        if copied {
            rainfall.sandbox.succeed(&RUN);
            for beside in ["runs.sqlite-wal", "runs.sqlite-shm"] {
                drop(std::fs::remove_file(state.join(beside)));
            }
        }
        set_writable(&state, false);
        let text = |args: &[&str]| {
            let output = powerless(&rainfall, args);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{args:?}: {stderr}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let runs = text(&["runs"]);
        assert!(runs.contains("successful"), "{runs}");
        assert_eq!(runs.contains("dead"), !copied, "{runs}");
        let run = runs.lines().last().unwrap().split_whitespace().next().unwrap();
        assert!(text(&["show", run]).contains("rainfall: successful"));
        assert!(text(&["plan", "rainfall", "-p", "end=2024-01-03"]).contains("missing"));
        let refused = powerless(&rainfall, &RUN);
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(5), "{errors}");
        assert!(errors.contains(".frazil") && errors.contains("denied"), "{errors}");
        assert!(errors.contains("help: `state` in frazil.yaml names the folder: it must be writable"));
        set_writable(&state, true);
    }
    assert_eq!(rainfall.server.count("/2024/rain.2024.01.03.tif"), 1, "asked for by one run alone");
}

#[test]
fn a_state_of_a_newer_frazil_is_told_and_left_as_it_is() {
    let rainfall = two_runs();
    let history = rainfall.sandbox.path(HISTORY);
    let mut bytes = std::fs::read(&history).unwrap();
    // The user version of a SQLite file: four bytes at 60, the highest first.
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(&history, &bytes).unwrap();
    for beside in ["runs.sqlite-wal", "runs.sqlite-shm"] {
        drop(std::fs::remove_file(rainfall.sandbox.path(".frazil").join(beside)));
    }
    for command in [&RUN[..], &["runs"], &["show", "r20200101-000000000-000000"]] {
        let (_, errors) = rainfall.sandbox.fail(5, command);
        assert!(errors.contains("has version 99, and this frazil knows"), "{errors}");
        assert!(errors.contains("help: use a frazil of that version or later"), "{errors}");
    }
    assert_eq!(std::fs::read(&history).unwrap(), bytes, "it was changed");
    assert_eq!(rainfall.server.requests().len(), 0, "the source was asked");
}

#[test]
fn a_history_that_is_damaged_inside_is_told() {
    let rainfall = two_runs();
    rainfall.sandbox.succeed(&["runs"]);
    let history = rainfall.sandbox.path(HISTORY);
    for beside in ["runs.sqlite-wal", "runs.sqlite-shm"] {
        drop(std::fs::remove_file(rainfall.sandbox.path(".frazil").join(beside)));
    }
    let mut bytes = std::fs::read(&history).unwrap();
    assert!(bytes.len() > 8_192, "{}", bytes.len());
    bytes[100..].fill(0xa5);
    std::fs::write(&history, &bytes).unwrap();
    for command in [&RUN[..], &["runs"], &["show", "r20200101-000000000-000000"]] {
        let (_, errors) = rainfall.sandbox.fail(5, command);
        assert!(errors.contains("runs.sqlite is damaged"), "{errors}");
        assert!(errors.contains("help: move the file away: the cubes hold what is done"), "{errors}");
    }
    assert_eq!(rainfall.server.requests().len(), 0, "the source was asked");
}

#[test]
fn history_is_kept_as_long_as_the_project_says() {
    let rainfall = Rainfall::of_days(1);
    let project = rainfall.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&project).unwrap();
    rainfall.sandbox.write("frazil.yaml", &format!("{text}\nhistory: {{ runs: 2 }}\n"));
    for _ in 0..4 {
        rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-01"]);
    }
    // The one that is under way forgets those before it, and comes on top.
    assert_eq!(rainfall.sandbox.succeed(&["runs", "--format", "json"]).lines().count(), 3);
    rainfall.sandbox.write("frazil.yaml", &format!("{text}\nhistory: {{ runs: 0 }}\n"));
    let (_, errors) = rainfall.sandbox.fail(1, &["runs"]);
    assert!(errors.contains("write at least 1"), "{errors}");
}
