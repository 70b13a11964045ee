use std::sync::Arc;

use frazil_engine::dataset::{DatasetInfo, Location};
use serde_json::{Value, json};

use super::*;

fn info(id: &str, source: Option<&str>, block: Value) -> (DatasetId, Arc<DatasetInfo>) {
    let id: DatasetId = id.parse().unwrap();
    let info = DatasetInfo {
        id: id.clone(),
        block: serde_json::from_value(block).unwrap(),
        location: Location::default(),
        sources: source.into_iter().map(|s| s.parse().unwrap()).collect(),
        definition: "d".to_owned(),
    };
    (id, Arc::new(info))
}

fn findings(from: &str, variable: Value, to: &str, with: Value) -> Vec<(&'static str, String)> {
    let datasets: Datasets = [
        info("fine", None, json!({ "title": "f", "time": { "step": from }, "variables": { "v": variable } })),
        info("coarse", Some("fine"), json!({ "title": "c", "time": { "step": to } })),
    ]
    .into();
    let mut with = with;
    with["dataset"] = json!("coarse");
    let step: DerivedResample = serde_json::from_value(with).unwrap();
    check(&step, &datasets).into_iter().map(|f| (f.code, f.pointer)).collect()
}

fn daily(variable: Value, with: Value) -> Vec<(&'static str, String)> {
    findings("P1D", variable, "P1M", with)
}

#[test]
fn only_what_may_be_summed_is() {
    let sum = json!({ "method": "sum" });
    let refused = vec![("FZ520", "/method".to_owned())];
    assert_eq!(daily(json!({ "units": "mm", "cell": "total" }), sum.clone()), []);
    assert_eq!(daily(json!({ "units": "mm day-1", "cell": "mean" }), sum.clone()), refused);
    assert_eq!(daily(json!({ "units": "K", "cell": "mean" }), sum.clone()), refused);
    assert_eq!(daily(json!({ "units": "mm/day" }), sum.clone()), refused);
    assert_eq!(daily(json!({ "units": "kg m-2 s-1", "cell": "point" }), sum.clone()), refused);
    assert_eq!(daily(json!({ "units": "1", "cell": "point" }), sum), []);
    let mean = json!({ "method": "mean" });
    assert_eq!(daily(json!({ "units": "K", "cell": "point" }), mean.clone()), []);
    assert_eq!(daily(json!({ "units": "mm", "cell": "total" }), mean), vec![("FZ521", "/method".to_owned())]);
    let max = json!({ "method": "max" });
    assert_eq!(daily(json!({ "units": "mm", "cell": "total" }), max), []);
    let one = json!({ "variables": { "w": { "from": "v", "method": "mean" } } });
    assert_eq!(
        daily(json!({ "units": "mm", "cell": "total" }), one),
        vec![("FZ521", "/variables/w/method".to_owned())]
    );
}

#[test]
fn settings_that_do_not_fit_are_found() {
    let v = json!({ "units": "mm", "cell": "total" });
    let of = |with: Value| daily(v.clone(), with);
    assert_eq!(
        of(json!({ "variables": { "w": { "from": "x", "method": "sum" } } })),
        vec![("FZ522", "/variables/w/from".to_owned())]
    );
    assert_eq!(of(json!({})), vec![("FZ524", String::new())]);
    let both = json!({ "method": "sum", "variables": { "w": { "from": "v", "method": "sum" } } });
    assert_eq!(of(both), vec![("FZ524", "/method".to_owned())]);
    let ready = json!({ "method": "sum", "ready": { "at-least": 1.5 } });
    assert_eq!(of(ready), vec![("FZ524", "/ready/at-least".to_owned())]);
    assert_eq!(of(json!({ "method": "sum", "ready": { "at-least": 0.9 } })), []);
    assert_eq!(of(json!({ "method": "sum", "ready": "any" })), []);
}

#[test]
fn windows_must_hold_whole_periods() {
    let v = json!({ "units": "mm", "cell": "total" });
    let of = |from: &str, to: &str| findings(from, v.clone(), to, json!({ "method": "sum" }));
    let refused = vec![("FZ523", "/dataset".to_owned())];
    for (from, to) in [("PT1H", "P1D"), ("PT3H", "PT6H"), ("P1D", "dekad"), ("P1D", "P1W"), ("P1M", "P3M")] {
        assert_eq!(of(from, to), [], "{from} {to}");
    }
    for (from, to) in [("P1D", "P1D"), ("P1M", "P1D"), ("P1W", "P1M"), ("PT3H", "PT4H"), ("pentad", "P1W")] {
        assert_eq!(of(from, to), refused, "{from} {to}");
    }
}
