//! The pipelines of `examples/real` over genuine files, judged by xarray's own reading of them.

use std::path::Path;

use frazil_tests::{
    programs::{ask_python, genuine_data, root},
    sandbox::Sandbox,
};
use serde_json::{Value, json};

/// `examples/real` with its data where they are.
fn project(data: &Path) -> Sandbox {
    let sandbox = Sandbox::new(&[]);
    let example = root().join("examples/real");
    let text = std::fs::read_to_string(example.join("frazil.yaml")).unwrap();
    sandbox.write("frazil.yaml", &text.replace("data: ./data", &format!("data: {}", data.display())));
    for entry in std::fs::read_dir(example.join("pipelines")).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        sandbox.write(&format!("pipelines/{}", entry.file_name().to_string_lossy()), &text);
    }
    sandbox
}

fn small(value: &Value, bound: f64) -> bool {
    value.as_f64().is_some_and(|difference| difference <= bound)
}

#[test]
fn genuine_files_become_cubes_equal_to_what_xarray_reads() {
    let Some(data) = genuine_data() else { return };
    let project = project(&data);
    project.succeed(&["run", "worldpop", "era5_land", "era5_monthly", "era5_grib", "oisst"]);

    let cubes = project.path("cubes");
    let Some(found) = ask_python("check_real.py", &[&cubes.to_string_lossy(), &data.to_string_lossy()])
    else {
        return;
    };
    let axis = |first: &str, last: &str, count: u32| {
        json!([format!("{first}:00:00"), format!("{last}:00:00"), count, true])
    };

    let worldpop = &found["worldpop"];
    assert_eq!(worldpop["axis"], axis("2025-01-01 00", "2026-01-01 00", 2));
    assert_eq!((&worldpop["2025"], &worldpop["2026"]), (&json!(true), &json!(true)), "{worldpop}");
    assert_eq!(worldpop["packing_leaked"], json!([]));

    let land = &found["era5_land"];
    assert_eq!(land["t2m_hourly"], axis("2025-02-01 00", "2025-02-28 23", 672));
    for exact in ["t2m_same", "grid_same", "tp_hourly_first_is_first_hour", "sea_stays_missing"] {
        assert_eq!(land[exact], json!(true), "{exact}: {land}");
    }
    assert_eq!(land["t2m_daily"], axis("2025-02-01 00", "2025-02-28 00", 28));
    assert_eq!(land["t2m_monthly"], axis("2025-02-01 00", "2025-02-01 00", 1));
    assert!(small(&land["t2m_daily_diff"], 4e-6) && small(&land["t2m_monthly_diff"], 4e-6), "{land}");
    // The stamp at 00 of 1 March is not in the file: 28 February has 23 hours and waits.
    assert_eq!(land["tp_hourly"], axis("2025-02-01 00", "2025-02-28 22", 671));
    assert_eq!(land["tp_daily"], axis("2025-02-01 00", "2025-02-27 00", 27));
    assert_eq!(land["tp_monthly_exists"], json!(false));
    // 24 hours, each rounded to float32 once; the source's own total of the day is one number.
    assert!(small(&land["tp_hourly_diff"], 1e-6) && small(&land["tp_daily_diff"], 2e-4), "{land}");
    assert!(land["tp_wettest_day"].as_f64().is_some_and(|rain| rain > 10.0), "{land}");

    let monthly = &found["era5_monthly"];
    assert_eq!(monthly["axis"], axis("1990-01-01 00", "2025-08-01 00", 428));
    assert_eq!((&monthly["same"], &monthly["status_same"]), (&json!(true), &json!(true)), "{monthly}");
    assert_eq!(monthly["preliminary"], json!(2));

    let grib = &found["era5_grib"];
    assert_eq!(grib["axis"], axis("2019-03-01 00", "2019-03-31 23", 744));
    assert_eq!((&grib["diff"], &grib["grid_same"]), (&json!(0.0), &json!(true)), "{grib}");
    assert_eq!(grib["kelvin"], json!(true));

    let oisst = &found["oisst"];
    assert_eq!(oisst["axis"], axis("2021-10-25 00", "2021-10-25 00", 1));
    for exact in ["grid_same", "sst_same", "ice_same"] {
        assert_eq!(oisst[exact], json!(true), "{exact}: {oisst}");
    }
}

#[test]
fn what_is_not_complete_is_reported_as_waiting() {
    let Some(data) = genuine_data() else { return };
    let project = project(&data);
    project.succeed(&["run", "era5_land"]);
    let said = String::from_utf8(project.run(&["run", "era5_land"]).stderr).unwrap();
    assert!(said.contains("tp_days: 2025-02-28: waits for 2025-02-28T23"), "{said}");
    assert!(said.contains("tp_months: 2025-02: waits for 2025-02-28"), "{said}");
    assert!(!said.contains("t2m_months: 2025-02: waits"), "{said}");
}

#[test]
fn another_grid_is_refused_and_the_cube_is_as_it_was() {
    let Some(data) = genuine_data() else { return };
    let project = project(&data);
    // The months up to 2025-01 from the regional file, the next one from the global file.
    let monthly = std::fs::read_to_string(project.path("pipelines/era5-monthly.yaml")).unwrap();
    project.write("pipelines/era5-monthly.yaml", &monthly.replace("end: \"2025-08\"", "end: \"2025-01\""));
    project.succeed(&["run", "era5_monthly"]);
    let before = project.succeed(&["plan", "era5_monthly", "--format", "json"]);

    let global = monthly
        .replace("end: \"2025-08\"", "end: \"2025-02\"")
        .replace("temp-precip-1990-2025-sierra-leone.nc", "temp-feb-2025-global.nc");
    project.write("pipelines/era5-monthly.yaml", &global);
    let (_, errors) = project.fail(1, &["run", "era5_monthly"]);
    for word in ["2025-02", "1801 cells", "33 are stored"] {
        assert!(errors.contains(word), "the error does not say `{word}`: {errors}");
    }
    project.write("pipelines/era5-monthly.yaml", &monthly.replace("end: \"2025-08\"", "end: \"2025-01\""));
    let after = project.succeed(&["plan", "era5_monthly", "--format", "json"]);
    let head = |plan: &str| {
        let plan: Value = serde_json::from_str(plan).unwrap();
        plan["pipelines"][0]["heads"]["era5_monthly_means"].as_str().map(str::to_owned).unwrap()
    };
    assert_eq!(head(&before), head(&after), "the refusal moved the head");
}
