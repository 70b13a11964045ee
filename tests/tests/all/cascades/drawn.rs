//! The project as a drawing, read back by a parser that we did not write.

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

use super::stand::{DEKADS, SEASONS, lines, project};

fn dot(rainfall: &Rainfall, args: &[&str]) -> Option<Value> {
    let text = rainfall.sandbox.succeed(&[&["graph", "--format", "dot"][..], args].concat());
    rainfall.sandbox.write("graph.dot", &text);
    ask_python("read_dot.py", &[&rainfall.sandbox.path("graph.dot").to_string_lossy()])
}

fn has(drawn: &Value, from: &str, to: &str, label: &str) -> bool {
    drawn["edges"].as_array().unwrap().contains(&json!([from, to, label]))
}

#[test]
fn all_files_are_one_drawing() {
    let rainfall = project(1, &[("dekads", DEKADS), ("a_catalog", SEASONS)]);
    let mermaid = rainfall.sandbox.succeed(&["graph"]);
    for part in [
        "subgraph dekads[\"dekads\"]",
        "dekads__dekads ==> rain_dekads_d[(\"rain_dekads\")]",
        "rain_daily_d[(\"rain_daily\")] --> dekads__daily",
        "rain_daily_d[(\"rain_daily\")] -. wakes .-> dekads",
        "([\"30 6 * * *\"]) -. wakes .-> rainfall",
    ] {
        assert!(mermaid.contains(part), "{part}\n{mermaid}");
    }
    let graph = &lines(&rainfall.sandbox.succeed(&["graph", "--format", "json"]))[0];
    let derived = graph["derived"].as_array().unwrap();
    for (from, to, by) in [
        ("rain_daily", "rain_dekads", "dekads.dekads"),
        ("rain_daily", "rain_monthly", "rainfall.monthly"),
        ("rain_dekads", "rain_years", "dekads.years"),
        ("rain_monthly", "rain_wettest", "a_catalog.wettest"),
    ] {
        assert!(derived.contains(&json!({ "from": from, "to": to, "by": by })), "{graph}");
    }
    assert_eq!(derived.len(), 4, "{graph}");
    let names: Vec<&str> =
        graph["pipelines"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["rainfall", "dekads", "a_catalog"], "in the order of the graph");

    let Some(drawn) = dot(&rainfall, &[]) else { return };
    assert_eq!(drawn["clusters"]["cluster_dekads"], json!(["dekads/daily", "dekads/dekads", "dekads/years"]));
    assert!(
        has(&drawn, "rain_daily", "dekads/daily", "") && has(&drawn, "dekads/dekads", "rain_dekads", ""),
        "{drawn}"
    );
    assert!(has(&drawn, "rain_daily", "dekads/daily", "wakes"), "{drawn}");
    assert!(has(&drawn, "rainfall/slices", "rainfall/daily", "Slices"), "{drawn}");
    assert_eq!(drawn["nodes"]["rainfall/trigger 0"], json!("30 6 * * *"), "{drawn}");
}

#[test]
fn a_part_is_drawn_alone_and_datasets_alone() {
    let rainfall = project(1, &[("dekads", DEKADS), ("a_catalog", SEASONS)]);
    let Some(drawn) = dot(&rainfall, &["--datasets"]) else { return };
    assert_eq!(drawn["edges"].as_array().unwrap().len(), 4, "{drawn}");
    assert!(has(&drawn, "rain_dekads", "rain_years", "dekads.years"), "{drawn}");
    let part = dot(&rainfall, &["rain_years"]).unwrap();
    assert_eq!(
        part["clusters"],
        json!({ "cluster_dekads": ["dekads/daily", "dekads/dekads", "dekads/years"] })
    );
    let below = dot(&rainfall, &["rain_dekads+"]).unwrap();
    assert_eq!(below["clusters"].as_object().unwrap().len(), 2, "{below}");
    let (_, errors) = rainfall.sandbox.fail(64, &["graph", "rain_yaers"]);
    assert!(errors.contains("did you mean `rain_years`?"), "{errors}");
}
