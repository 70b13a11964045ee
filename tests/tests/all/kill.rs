//! `frazil run` killed at random moments: nothing is lost, doubled or stuck.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::json;

const KILLS: usize = 100;
/// In a row, before a run may finish: each goes on from what the last one left.
const KILLS_OF_ONE_CUBE: usize = 5;

#[test]
fn a_hundred_kills_lose_double_and_stick_nothing() {
    let rainfall = Rainfall::of_days(90);
    let started = Instant::now();
    rainfall.sandbox.succeed(&["run", "rainfall"]);
    let whole_run = started.elapsed();
    let reference = keep(&rainfall, "reference");

    let mut kills = 0;
    // Fractions of the golden ratio's multiples lie evenly, and no two are alike.
    let mut moments = (1..).map(|n| whole_run.mul_f64((f64::from(n) * 0.618_033_988_75).fract()));
    let mut kept = Vec::new();
    while kills < KILLS {
        rainfall.forget();
        for _ in 0..KILLS_OF_ONE_CUBE {
            let moment = moments.next().unwrap();
            if !killed_after(&rainfall, moment) {
                break;
            }
            kills += 1;
        }
        rainfall.sandbox.succeed(&["run", "rainfall"]);
        let runs = rainfall.sandbox.succeed(&["runs", "--format", "json"]);
        assert!(!runs.contains("\"running\""), "a dead run is still called running: {runs}");
        kept.push(keep(&rainfall, &format!("cube-{}", kept.len())));
    }

    for dataset in ["rain_daily", "rain_monthly"] {
        let paths: Vec<String> = std::iter::once(&reference)
            .chain(&kept)
            .map(|folder| folder.join(dataset).to_string_lossy().into_owned())
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        if let Some(differences) = ask_python("compare_cubes.py", &paths) {
            assert_eq!(differences, json!([]));
        }
    }
}

/// Starts a run and kills it after `moment`; whether it was still at work.
fn killed_after(rainfall: &Rainfall, moment: Duration) -> bool {
    let ended = rainfall.sandbox.killed_after(&["run", "rainfall"], moment);
    if let Some(status) = ended {
        assert!(status.success(), "a run after a kill ended with {status}");
    }
    ended.is_none()
}

/// Moves the cubes aside.
fn keep(rainfall: &Rainfall, name: &str) -> PathBuf {
    let folder = rainfall.sandbox.path(Path::new("kept").join(name));
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::rename(rainfall.sandbox.path("cubes"), &folder).unwrap();
    folder
}
