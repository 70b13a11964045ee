//! What a plan says of bytes, chunks and time, and how it knows.

use frazil_tests::rainfall::Rainfall;
use serde_json::{Value, json};

fn plan(rainfall: &Rainfall, args: &[&str]) -> Value {
    let text = rainfall.sandbox.succeed(&[&["plan", "--format", "json"], args].concat());
    serde_json::from_str(&text).unwrap()
}

fn node<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let nodes = plan["pipelines"].as_array().unwrap().iter().flat_map(|one| one["nodes"].as_array().unwrap());
    nodes.clone().find(|node| node["node"] == name).unwrap()
}

fn work<'a>(plan: &'a Value, name: &str) -> &'a Value {
    &node(plan, name)["planned"]["work"]
}

#[test]
fn what_past_runs_took_is_what_the_next_will() {
    let rainfall = Rainfall::of_days(35);
    let first = plan(&rainfall, &["-p", "end=2024-01-31"]);
    assert_eq!(work(&first, "slices")["bytes"], Value::Null);
    assert_eq!(work(&first, "daily")["millis"], Value::Null);
    // Nobody knows the grid before the first slice.
    assert_eq!(work(&first, "daily")["chunks"], Value::Null);
    let total = json!([first["total"]["periods"], first["total"]["requests"], first["total"]["bytes"]]);
    assert_eq!(total, json!([32, 31, null]));
    let levels: Vec<_> = ["missing", "slices", "daily", "monthly", "catalog"]
        .map(|name| node(&first, name)["level"].as_u64().unwrap())
        .into();
    assert_eq!(levels, [0, 0, 0, 1, 1]);
    let told = rainfall.sandbox.succeed(&["plan", "-p", "end=2024-01-31"]);
    assert!(told.contains("level 0: what the selection itself writes"), "{told}");
    assert!(told.contains("level 1: what hangs from it"), "{told}");
    assert!(told.contains("in all: 32 periods, 31 requests, unknown bytes received"), "{told}");

    rainfall.server.forget();
    rainfall.sandbox.succeed(&["run", "rainfall", "-p", "end=2024-01-31"]);
    let later = plan(&rainfall, &["-p", "end=2024-02-04"]);
    let fetched = work(&later, "slices");
    let input = |day: &str| rainfall.sandbox.path(format!("input/2024/rain.2024.{day}.tif"));
    let whole = std::fs::metadata(input("01.07")).unwrap().len();
    let bytes = fetched["bytes"].as_u64().unwrap();
    assert_eq!((&fetched["requests"], &fetched["bytes_from"]), (&json!(4), &json!("history")));
    assert!((whole..8 * whole).contains(&bytes), "{bytes} of files of {whole}");
    let written = work(&later, "daily");
    assert_eq!((&written["chunks"], &written["millis_from"]), (&json!(1), &json!("history")), "{written}");
    assert!(written["millis"].as_u64().unwrap() > 0);
    let told = rainfall.sandbox.succeed(&["plan", "-p", "end=2024-02-04"]);
    assert!(told.contains("(history)") && told.contains("about 1 s"), "{told}");
}

#[test]
fn an_online_plan_asks_for_five_sizes_and_reads_nothing() {
    let rainfall = Rainfall::of_days(40);
    rainfall.server.forget();
    let asked = plan(&rainfall, &["--online", "-p", "end=2024-02-09"]);
    let requests = rainfall.server.requests();
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert!(requests.iter().all(|request| request.method == "HEAD"), "{requests:?}");
    let days = |day: &str| format!("/2024/rain.2024.{day}.tif");
    assert_eq!(requests.first().unwrap().path, days("01.01"));
    assert_eq!(requests.last().unwrap().path, days("02.09"));
    let fetched = work(&asked, "slices");
    let bytes = fetched["bytes"].as_u64().unwrap();
    let sizes = requests.iter().map(|request| {
        let path = rainfall.sandbox.path("input").join(request.path.trim_start_matches('/'));
        std::fs::metadata(path).unwrap().len()
    });
    assert_eq!(bytes, sizes.sum::<u64>() / 5 * 40);
    assert_eq!((&fetched["bytes_from"], &fetched["parts"]), (&json!("head"), &json!(true)));
    let told = rainfall.sandbox.succeed(&["plan", "--online", "-p", "end=2024-02-09"]);
    assert!(told.contains("≤ ") && told.contains("(head)"), "{told}");
    // A source that does not answer is a reason, not an error.
    let path = rainfall.sandbox.path("frazil.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&rainfall.server.url(), "http://127.0.0.1:9")).unwrap();
    let told = rainfall.sandbox.succeed(&["plan", "--online", "-p", "end=2024-02-09"]);
    assert!(told.contains("the source does not say how large its files are"), "{told}");
}
