//! The rules of the house that a machine can check: who may name which crate.

use std::path::{Path, PathBuf};

use frazil_tests::programs::root;

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Whether code (not comments) names the crate.
fn names(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|line| {
        line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .any(|word| word.starts_with(&path))
    })
}

fn manifest(package: &str) -> String {
    std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap()
}

#[test]
fn the_engine_knows_no_cloud_no_arrays_and_no_http() {
    let manifest = manifest("engine");
    for name in ["icechunk", "zarrs", "object_store", "gdal", "reqwest", "axum"] {
        assert!(!manifest.contains(&format!("\n{name}")), "engine depends on {name}");
    }
}

#[test]
fn only_the_cube_names_icechunk_and_zarrs() {
    for (path, text) in sources(&root().join("steps/src")) {
        if path.strip_prefix(root().join("steps/src")).unwrap().starts_with("cube")
            || path.ends_with("steps/src/cube.rs")
        {
            continue;
        }
        for name in ["icechunk", "zarrs", "zarrs_icechunk"] {
            assert!(!names(&text, name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn only_raster_names_gdal_and_frazil_does_not_link_it() {
    for package in ["engine", "steps", "cli", "raster/protocol"] {
        let manifest = manifest(package);
        assert!(!manifest.contains("\ngdal"), "{package} depends on gdal");
        assert!(!manifest.contains("\nfrazil-gdal"), "{package} depends on frazil-gdal");
    }
}

#[test]
fn only_the_document_names_the_yaml_crate() {
    for package in ["engine/src", "steps/src", "cli/src"] {
        for (path, text) in sources(&root().join(package)) {
            let allowed = path.to_string_lossy().contains("engine/src/document");
            assert!(allowed || !names(&text, "serde_saphyr"), "{} names serde_saphyr", path.display());
        }
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    let long: Vec<String> = ["engine", "steps", "raster", "cli", "tests"]
        .iter()
        .flat_map(|package| sources(&root().join(package).join("src")))
        .filter(|(_, text)| text.lines().count() > 400)
        .map(|(path, text)| format!("{} has {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_is_ignored_and_nothing_is_left_to_do() {
    for package in ["engine", "steps", "raster", "cli", "tests"] {
        for (path, text) in sources(&root().join(package)) {
            for mark in [concat!("#[", "ignore"), concat!("todo", "!("), concat!("unimplemented", "!(")] {
                assert!(!text.contains(mark), "{} holds {mark}", path.display());
            }
        }
    }
}
