//! The programs of `examples/clients`, run on the rainfall example.

use std::process::Command;

use frazil_tests::{
    programs::{ask_python, python, root, succeeded},
    rainfall::Rainfall,
    serving::Serving,
};

/// What a program of `examples/clients` prints; `None` without a Python.
fn client(name: &str, args: &[&str]) -> Option<String> {
    let program = root().join("examples/clients").join(name);
    let mut command = Command::new(python()?);
    command.arg(root().join("tests/python/run.py")).arg(program).args(args);
    Some(succeeded(name, &command.output().expect("python starts")))
}

#[test]
fn a_cube_is_found_opened_and_drawn() {
    let rainfall = Rainfall::of_days(31);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-31"]);
    let path = |name: &str| rainfall.sandbox.path(name).display().to_string();

    let Some(found) = client("discover.py", &[&path("stac/catalog.json")]) else { return };
    for said in [
        "rain_daily: Daily rainfall",
        "  31 periods, 2024-01-01 to 2024-01-31",
        "  precip (time 31, y 36, x 48), float32, mm",
        "rain_monthly: Monthly rainfall",
        "  1 periods, 2024-01-01 to 2024-01-01",
    ] {
        assert!(found.lines().any(|line| line == said), "{said}\n{found}");
    }

    let daily = rainfall.cube("rain_daily").display().to_string();
    let cube = ask_python("read_cube.py", &[&daily]).unwrap();
    let last = cube["variables"]["precip"]["values"][30].as_array().unwrap();
    let cells: Vec<Option<f64>> =
        last.iter().flat_map(|row| row.as_array().unwrap()).map(|v| v.as_f64()).collect();
    let there: Vec<f64> = cells.iter().copied().flatten().collect();
    let mean = there.iter().sum::<f64>() / there.len() as f64;
    let opened = client("open_zarr.py", &[&daily, "precip"]).unwrap();
    assert!(opened.contains("precip: shape (31, 36, 48), chunks (30, 36, 48), float32"), "{opened}");
    assert!(opened.contains("the newest of 31 periods begins on 2024-01-31"), "{opened}");
    let missing = cells.len() - there.len();
    assert!(opened.contains(&format!("mean {mean:.3} mm, {missing} cells are missing")), "{mean} {opened}");

    let monthly = rainfall.cube("rain_monthly").display().to_string();
    let drawn = client("plot.py", &[&monthly, "precip", &path("map.png"), "2024-01"]).unwrap();
    assert!(drawn.contains("Monthly rainfall, 2024-01-01"), "{drawn}");
    let picture = std::fs::read(rainfall.sandbox.path("map.png")).unwrap();
    // Signature, then the first chunk with width and height.
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (800, 600));
    assert!(picture.len() > 10_000, "a picture of one colour: {} bytes", picture.len());
}

#[test]
fn a_served_dataset_is_found_and_read() {
    let rainfall = Rainfall::of_days(3);
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-03"]);
    let serving = Serving::start(&rainfall.sandbox);
    let Some(read) = client("over_http.py", &[&serving.url, "rain_daily"]) else { return };
    assert!(read.starts_with(&format!("Daily rainfall, from {}/zarr/rain_daily@", serving.url)), "{read}");
    let daily = rainfall.cube("rain_daily").display().to_string();
    let opened = client("open_zarr.py", &[&daily, "precip"]).unwrap();
    let mean = read.split("mean ").nth(1).unwrap().trim_end();
    assert!(opened.contains(&format!("mean {mean}")), "{read} {opened}");
}
