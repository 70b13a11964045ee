//! Stores, state folders and sources that cannot be used: refused, told, and left as they are.

use std::{collections::BTreeMap, path::Path};

use frazil_tests::rainfall::Rainfall;
use serde_json::json;

const RUN: [&str; 4] = ["run", "rainfall", "-p", "end=2024-01-06"];

/// All files below a folder with what they hold.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Three days in the cube, and six at the source.
fn three_days() -> Rainfall {
    let rainfall = Rainfall::of_days(6);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-03"]);
    rainfall.server.forget();
    rainfall
}

#[test]
fn a_repository_that_cannot_be_read_is_never_taken_for_an_empty_one() {
    let rainfall = three_days();
    let cube = rainfall.cube("rain_daily");
    let whole = contents(&cube);
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("its entry is cut short", |cube| std::fs::write(cube.join("repo"), b"ICE").unwrap()),
        ("its entry is gone", |cube| std::fs::remove_file(cube.join("repo")).unwrap()),
        ("its snapshots are gone", |cube| std::fs::remove_dir_all(cube.join("snapshots")).unwrap()),
        ("its snapshots are emptied", |cube| {
            for file in std::fs::read_dir(cube.join("snapshots")).unwrap() {
                std::fs::write(file.unwrap().path(), b"").unwrap();
            }
        }),
    ];
    for (what, damage) in damages {
        damage(&cube);
        let damaged = contents(&cube);
        let (_, errors) = rainfall.sandbox.fail(5, &RUN);
        assert!(errors.contains("rain_daily"), "{what}: {errors}");
        let (planned, _) = rainfall.sandbox.fail(5, &["plan", "rainfall", "-p", "end=2024-01-06"]);
        assert!(planned.contains("error:") && planned.contains("rain_daily"), "{what}: {planned}");
        assert_eq!(contents(&cube), damaged, "{what}: a refusal changed the store");
        assert_eq!(rainfall.server.requests().len(), 0, "{what}: the source was asked");
        for (path, bytes) in &whole {
            std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    rainfall.sandbox.succeed(&RUN);
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(6), "{found}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_used_is_5() {
    let rainfall = Rainfall::of_days(2);
    // A file where the folder should be: nobody can write there, not even root.
    rainfall.sandbox.write(".frazil", "not a folder");
    for command in [&RUN[..], &["runs"]] {
        let (_, errors) = rainfall.sandbox.fail(5, command);
        assert!(errors.contains(".frazil") && errors.contains("help: "), "{command:?}: {errors}");
    }
    assert_eq!(rainfall.server.requests().len(), 0);
    assert!(!rainfall.cube("rain_daily").exists());
}

#[test]
fn a_damaged_run_history_is_5_and_says_that_the_cubes_are_safe() {
    let rainfall = three_days();
    let log = rainfall.sandbox.path(".frazil/runs.sqlite");
    for bytes in
        [b"this is no database, it is a text that is long enough to be one page".repeat(80), b"x".to_vec()]
    {
        for extra in ["runs.sqlite-wal", "runs.sqlite-shm"] {
            // They are there only while the history is open.
            drop(std::fs::remove_file(rainfall.sandbox.path(".frazil").join(extra)));
        }
        std::fs::write(&log, &bytes).unwrap();
        for command in [&RUN[..], &["runs"], &["show", "r20200101-000000000-000000"]] {
            let (_, errors) = rainfall.sandbox.fail(5, command);
            assert!(
                errors.contains("runs.sqlite") && errors.contains("help: move the file away"),
                "{errors}"
            );
        }
        assert_eq!(std::fs::read(&log).unwrap(), bytes, "what is damaged is left as it is");
    }
    std::fs::remove_file(&log).unwrap();
    rainfall.sandbox.succeed(&RUN);
    if let Some(found) = rainfall.judge() {
        assert_eq!(found["days"], json!(6), "{found}");
    }
}

#[test]
fn a_source_that_is_down_is_5_and_names_the_period() {
    let Rainfall { sandbox, server } = Rainfall::of_days(3);
    drop(server);
    let (_, errors) = sandbox.fail(5, &RUN);
    assert!(errors.contains("error: slices: 2024-01-01: "), "{errors}");
    assert!(errors.contains("rain.2024.01.01.tif"), "{errors}");
    assert!(!errors.contains("WARN"), "what is told is not logged beside: {errors}");
    let runs = sandbox.succeed(&["runs"]);
    assert!(runs.contains("failed"), "{runs}");
    let run = runs.lines().last().unwrap().split_whitespace().next().unwrap();
    let shown = sandbox.succeed(&["show", run]);
    assert!(shown.contains("failed") && !shown.contains("in part"), "{shown}");
}
