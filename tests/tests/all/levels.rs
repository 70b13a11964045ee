//! Multiscale datasets: made once, then kept with all that is written, read by others than us.

#[path = "levels/stand.rs"]
mod stand;

use std::process::Command;

use frazil_tests::{programs, server::Server};
use serde_json::{Value, json};
use stand::{Stand, snow};

#[test]
fn from_the_pyramid_on_every_commit_holds_all_levels() {
    let Some(stand) = Stand::new() else { return };
    stand.run("2024-01-07");
    let commits = stand.commits();
    let plan = stand.sandbox.succeed(&["plan", "maps"]);
    // Seven days of one variable: three units, in each 2 × 2, 1 and 1 chunks.
    assert!(plan.contains("levels of 20 × 18, 10 × 9, 5 × 4 cells are made, snow by mean"), "{plan}");
    stand.sandbox.succeed(&["run", "maps"]);
    assert_eq!(stand.commits(), commits + 1, "all is published at once");
    stand.right(7);
    stand.sandbox.succeed(&["run", "maps"]);
    assert_eq!(stand.commits(), commits + 1, "settled is no commit");
    let plan = stand.sandbox.succeed(&["plan", "maps"]);
    assert!(plan.contains("the levels of snow are as they should be"), "{plan}");

    // Appended across the border of a chunk, in as many commits as without levels.
    stand.run("2024-01-10");
    assert_eq!(stand.commits(), commits + 2);
    stand.right(10);
    // A day in the middle gets other numbers.
    stand.file(5, |r, c| snow(5, r, c) + 1.5);
    let (from, to) = ("2024-01-05", "2024-01-05");
    stand.sandbox.succeed(&["backfill", "snow", "--from", from, "--to", to, "--only", "all"]);
    assert_eq!(stand.commits(), commits + 3);
    stand.right(10);
    // One that was bad is taken out of all levels.
    stand.sandbox.succeed(&["mark", "snow", "--period", "2024-01-04"]);
    let found = stand.right(10);
    if let Some(found) = found {
        for level in found["levels"].as_array().unwrap() {
            assert_eq!(level["status"][3], json!(4), "{level}");
        }
    }
    // What is derived from it reads the data, and sees no change in the levels.
    stand.sandbox.succeed(&["run", "weeks"]);
    stand.sandbox.succeed(&["run", "maps"]);
    let plan = stand.sandbox.succeed(&["plan", "weeks"]);
    assert!(plan.contains("nothing to do") || plan.contains("0 periods"), "{plan}");
}

#[test]
fn levels_are_made_anew_where_they_are_told_otherwise() {
    let Some(stand) = Stand::new() else { return };
    stand.run("2024-01-04");
    for method in ["max", "mode"] {
        stand.maps(&format!("levels: 2, method: {{ snow: {method} }}"));
        let plan = stand.sandbox.succeed(&["plan", "maps"]);
        assert!(plan.contains(&format!("snow by {method}")), "{plan}");
        stand.sandbox.succeed(&["run", "maps"]);
        if let Some(found) = stand.right(4) {
            assert_eq!(found["levels"].as_array().unwrap().len(), 3);
            assert_eq!(found["attributes"]["multiscales"]["resampling_method"], json!(method));
        }
    }
    stand.run("2024-01-05");
    stand.right(5);
}

#[test]
fn the_attributes_are_those_of_the_conventions_and_the_catalog_tells() {
    let Some(stand) = Stand::new() else { return };
    stand.run("2024-01-02");
    stand.sandbox.succeed(&["run", "maps"]);
    stand.run("2024-01-02");
    let collection = std::fs::read(stand.sandbox.path("stac/collections/snow/collection.json")).unwrap();
    let collection: Value = serde_json::from_slice(&collection).unwrap();
    let zarr = &collection["assets"]["zarr"];
    assert_eq!(zarr["type"], "application/vnd.zarr; version=3; profile=multiscales");
    assert_eq!(zarr["xarray:open_kwargs"]["group"], "0");
    assert_eq!(collection["cube:variables"]["snow"]["shape"], json!([2, 41, 36]));
    let root = programs::root();
    let schemas = root.join("tests/data/stac").to_string_lossy().into_owned();
    let catalog = stand.sandbox.path("stac").to_string_lossy().into_owned();
    if let Some(judged) = programs::ask_python("validate_stac.py", &[&schemas, &catalog]) {
        assert_eq!(judged["problems"], json!([]));
    }
    let Some(found) = stand.right(2) else { return };
    assert_eq!(found["root"], json!(["period_status", "spatial_ref", "time"]));
    let root = &found["attributes"];
    let names: Vec<&str> =
        root["zarr_conventions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["multiscales", "proj", "spatial"]);
    assert_eq!(root["zarr_conventions"][0]["uuid"], "d35379db-88df-4056-af3a-620245f8e347");
    assert_eq!((&root["spatial:shape"], &root["proj:code"]), (&json!([41, 36]), &json!("EPSG:4326")));
    let layout = &root["multiscales"]["layout"];
    assert_eq!(
        layout[0],
        json!({ "asset": "0", "spatial:transform": [0.5, 0.0, -2.0, 0.0, -0.5, 5.0], "spatial:shape": [41, 36] })
    );
    assert_eq!(
        layout[1],
        json!({ "asset": "1", "derived_from": "0", "transform": { "scale": [1.0, 2.0, 2.0], "translation": [0.0, 0.5, 0.5] },
            "resampling_method": "mean", "spatial:transform": [1.0, 0.0, -2.0, 0.0, -1.0, 5.0], "spatial:shape": [20, 18] })
    );
    assert_eq!((&layout[3]["asset"], &layout[3]["derived_from"]), (&json!("3"), &json!("2")));
    let level = &found["levels"][2];
    assert_eq!(level["transform"], "-2 2 0 5 0 -2");
    assert_eq!(level["group"]["spatial:transform"], json!([2.0, 0.0, -2.0, 0.0, -2.0, 5.0]));
    // The odd last row is dropped: 5 − 10 × 2.
    assert_eq!(level["group"]["spatial:bbox"], json!([-2.0, -15.0, 16.0, 5.0]));
    assert_eq!(level["group"]["proj:code"], "EPSG:4326");
}

#[test]
fn gdal_and_zarrita_read_levels_that_are_served_as_plain_zarr() {
    let Some(stand) = Stand::new() else { return };
    stand.run("2024-01-05");
    stand.sandbox.succeed(&["run", "maps"]);
    stand.run("2024-01-06");
    let folder = stand.sandbox.path("plain");
    let Some(found) = stand.check(&[&folder.to_string_lossy()]) else { return };
    assert_eq!(found["wrong"], json!([]));
    let gdal = &found["gdal"];
    assert_eq!(gdal["first"], found["first"]);
    assert_eq!((&gdal["transform"], &gdal["crs"]), (&json!([1.0, 0.0, -2.0, 0.0, -1.0, 5.0]), &json!(4326)));

    let Some(modules) = programs::node_modules() else { return };
    let server = Server::start(&folder, 0).unwrap();
    let mut node = Command::new("node");
    node.arg(programs::root().join("tests/node/read_levels.mjs")).arg(modules).args([&server.url(), "snow"]);
    let seen = programs::succeeded("read_levels.mjs", &node.output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let first = 19_723;
    assert_eq!(seen["time"], json!((first..first + 6).collect::<Vec<_>>()));
    assert_eq!(seen["levels"].as_array().unwrap().len(), 4);
    for (level, cells) in seen["levels"].as_array().unwrap().iter().zip([41 * 36, 20 * 18, 10 * 9, 5 * 4]) {
        assert_eq!(level["names"], json!(["time", "y", "x"]));
        assert_eq!(level["last"].as_array().unwrap().len(), cells);
    }
    assert_eq!(seen["levels"][1]["y"][0], json!(4.5));
    // (r, c) of a level are the means of its square; those of the last day tell the numbers.
    let mean = |r: usize, c: usize| {
        let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dr, dc)| snow(6, 2 * r + dr, 2 * c + dc));
        let known: Vec<f64> = cells.iter().filter(|v| **v > -9000.0).map(|v| f64::from(*v)).collect();
        (!known.is_empty()).then(|| (known.iter().sum::<f64>() / known.len() as f64) as f32)
    };
    for (r, c) in [(0, 0), (3, 17), (19, 5), (10, 10)] {
        let seen = seen["levels"][1]["last"][r * 18 + c].as_f64();
        assert_eq!(seen, mean(r, c).map(f64::from), "{r} {c}");
    }
}

#[test]
fn a_browser_draws_the_level_that_fits_the_map() {
    let (Some(stand), Some(modules)) = (Stand::new(), programs::node_modules()) else { return };
    let Some(browser) = programs::browser() else { return };
    // West and east of a line, each day a little more; the south-west is missing.
    for n in 1..=3u8 {
        let value = move |r: usize, c: usize| match (r > 30 && c < 6, c < 18) {
            (true, _) => -9_999.0,
            (_, west) => f32::from(n) + if west { 5.0 } else { 20.0 },
        };
        stand.file(n.into(), value);
    }
    stand.run("2024-01-02");
    stand.sandbox.succeed(&["run", "maps"]);
    stand.run("2024-01-03");
    let folder = stand.sandbox.path("plain");
    if stand.check(&[&folder.to_string_lossy()]).is_none() {
        return;
    }
    let server = Server::start(&folder, 0).unwrap();
    let places = "[[2.5, -6.5], [12.5, -8.5], [-0.5, -13.5], [18, 8]]";
    // The third of January in days since 1970: what was appended after the levels were made.
    let mut node = Command::new("node");
    node.env("FRAZIL_CHROMIUM", browser).arg(programs::root().join("tests/node/draw_levels.mjs"));
    node.arg(modules).args([&server.url(), "snow", "19725", places]);
    let seen = programs::succeeded("draw_levels.mjs", &node.output().unwrap());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["state"]["error"], Value::Null, "{seen}");
    let asked = seen["asked"].to_string();
    assert!(
        asked.contains("/1/snow/c/") && !asked.contains("/0/snow/c/"),
        "a coarse level is enough: {seen}"
    );
    // 0 … 30 are greys, the ground is green.
    let grey = |value: f64| (value / 30.0 * 255.0).round();
    for (at, value) in [(0, 8.0), (1, 23.0)] {
        for channel in 0..3 {
            let found = seen["colours"][at][channel].as_f64().unwrap();
            assert!((found - grey(value)).abs() <= 1.0, "{seen}");
        }
    }
    for at in [2, 3] {
        assert_eq!(seen["colours"][at], json!([0, 255, 0, 255]), "{seen}");
    }
}

#[test]
fn who_dies_in_the_middle_leaves_the_old_head_and_the_next_goes_on() {
    let Some(stand) = Stand::new() else { return };
    stand.run("2024-01-30");
    let (before, commits) = (stand.head(), stand.commits());
    for point in ["rewritten", "rewritten:2"] {
        let mut command = stand.sandbox.command(&["run", "maps"]);
        // Numbers of two units.
        command.env("FRAZIL_ABORT_AFTER", point).env("FRAZIL_REWRITE_BATCH", "30000");
        let output = command.output().unwrap();
        assert!(output.status.code().is_none(), "{point}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!((stand.head(), stand.commits()), (before.clone(), commits), "{point}");
    }
    // What arrives meanwhile is kept: the branch was read from an older head.
    stand.run("2024-01-31");
    stand.sandbox.succeed(&["run", "maps"]);
    assert_eq!(stand.commits(), commits + 2);
    let found = stand.right(31);
    assert_eq!(found.map(|found| found["levels"].as_array().unwrap().len()), Some(4));
}
