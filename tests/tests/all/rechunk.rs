//! Other chunks of a dataset that is read, written and hung from meanwhile.

use std::{process::Stdio, time::Instant};

use frazil_tests::{programs::ask_python, rainfall::Rainfall};
use serde_json::{Value, json};

const FILE: &str = "pipelines/rainfall.yaml";

/// Kills at moments spread over a run.
const KILLS: u32 = 8;

/// Rainfall in chunks of one day, and a pipeline that brings it into another layout.
struct Stand(Rainfall);

impl Stand {
    fn of_days(days: u32, end: &str) -> Self {
        let stand = Self(Rainfall::of_days(days));
        let file = std::fs::read_to_string(stand.0.sandbox.path(FILE)).unwrap();
        stand.0.sandbox.write(FILE, &file.replace("chunks: { time: 30 }", "chunks: { time: 1 }"));
        stand.append(end);
        stand
    }

    fn append(&self, end: &str) {
        self.0.sandbox.succeed(&["run", "rainfall", "-p", &format!("end={end}")]);
    }

    fn wants(&self, with: &str) {
        let file = format!(
            "frazil: 1
id: layout
steps:
  daily: {{ uses: open-dataset, with: {{ dataset: rain_daily }} }}
  long: {{ uses: rechunk, needs: daily, with: {{ dataset: rain_daily{with} }} }}
"
        );
        self.0.sandbox.write("pipelines/layout.yaml", &file);
    }

    /// The head of `main`.
    fn head(&self, dataset: &str) -> Value {
        let text = self.0.sandbox.succeed(&["explain", dataset, "--format", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["commit"]["id"].clone()
    }

    fn layout(&self) -> Option<Value> {
        ask_python("layout_of.py", &[&self.0.cube("rain_daily").to_string_lossy(), "precip"])
    }

    /// The branches with their commits.
    fn branches(&self) -> Option<Value> {
        ask_python("branches.py", &[&self.0.cube("rain_daily").to_string_lossy()])
    }

    /// Nothing but `main` is left, and `before` is one of its commits.
    fn assert_landed(&self, before: &Value) {
        let Some(branches) = self.branches() else { return };
        assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
        let commits = branches["main"].as_array().unwrap();
        assert!(commits.iter().any(|commit| commit["id"] == *before), "{branches}");
    }

    /// Runs the rechunk in batches of one chunk until it dies after so many.
    fn dies(&self, args: &[&str], after: &str) {
        let mut command = self.0.sandbox.command(args);
        let died = command.env("FRAZIL_REWRITE_BATCH", "1").env("FRAZIL_ABORT_AFTER", after).output();
        let died = died.unwrap();
        assert!(died.status.code().is_none(), "{after}: {}", String::from_utf8_lossy(&died.stderr));
    }
}

#[test]
fn readers_find_the_same_numbers_in_other_chunks() {
    let stand = Stand::of_days(40, "2024-02-09");
    let monthly = stand.head("rain_monthly");
    let cases = [
        (", chunks: { time: 30 }", json!({ "chunks": [30, 36, 48], "shards": null, "levels": [3] })),
        (", chunks: { time: 1 }", json!({ "chunks": [1, 36, 48], "shards": null, "levels": [3] })),
        (
            ", chunks: { time: 7, y: 10, x: 20 }, shards: { time: 14, y: 40, x: 60 }, codec: { zstd: 9 }",
            json!({ "chunks": [7, 10, 20], "shards": [14, 40, 60], "levels": [9] }),
        ),
        ("", json!({ "chunks": [1, 10, 20], "shards": null, "levels": [3] })),
    ];
    for (with, layout) in cases {
        stand.wants(with);
        let before = stand.head("rain_daily");
        let planned = stand.0.sandbox.succeed(&["plan", "layout"]);
        assert!(planned.contains("long: `precip`: ") && planned.contains(" are read, "), "{planned}");
        stand.0.sandbox.succeed(&["run", "layout"]);
        stand.0.assert_right(40, &["2024-01"], with);
        stand.assert_landed(&before);
        if let Some(found) = stand.layout() {
            assert_eq!(found, layout, "{with}");
        }
        // In shape there is nothing to do, and nothing for what hangs from it.
        let after = stand.head("rain_daily");
        assert_ne!(after, before, "{with}");
        let planned = stand.0.sandbox.succeed(&["plan", "layout"]);
        assert!(planned.contains("the layout of rain_daily is as it should be"), "{planned}");
        stand.0.sandbox.succeed(&["run", "layout"]);
        stand.append("2024-02-09");
        assert_eq!(stand.head("rain_daily"), after, "{with}");
        assert_eq!(stand.head("rain_monthly"), monthly, "{with}");
    }
}

#[test]
fn a_declared_layout_is_work_for_rechunk_and_no_refusal() {
    let stand = Stand::of_days(12, "2024-01-08");
    let file = std::fs::read_to_string(stand.0.sandbox.path(FILE)).unwrap();
    stand.0.sandbox.write(FILE, &file.replace("chunks: { time: 1 }", "chunks: { time: 5 }"));
    let planned = stand.0.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-01-12"]);
    let told = "`precip` is stored in chunks of 1 × 36 × 48, declared in 5 × 36 × 48: `rechunk` changes that";
    assert!(planned.contains(told), "{planned}");
    stand.append("2024-01-10");
    stand.wants("");
    stand.0.sandbox.succeed(&["run", "layout"]);
    let planned = stand.0.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-01-12"]);
    assert!(!planned.contains("rechunk"), "{planned}");
    stand.append("2024-01-12");
    stand.0.assert_right(12, &[], "");
    if let Some(found) = stand.layout() {
        assert_eq!(found["chunks"], json!([5, 36, 48]));
    }
}

#[test]
fn who_dies_leaves_the_old_head_and_an_append_between_is_kept() {
    let stand = Stand::of_days(46, "2024-02-09");
    stand.wants(", chunks: { time: 7 }");
    let before = stand.head("rain_daily");
    for (after, end, days) in [("rewritten:1", "2024-02-09", 40), ("rewritten:2", "2024-02-12", 43)] {
        stand.dies(&["run", "layout"], after);
        stand.append(end);
        stand.0.assert_right(days, &["2024-01"], after);
        if let Some(found) = stand.layout() {
            assert_eq!(found["chunks"], json!([1, 36, 48]), "{after}");
        }
    }
    let appended = stand.head("rain_daily");
    assert_ne!(appended, before);
    // All is written: a day that is revised then is written once more.
    stand.dies(&["run", "layout"], "rewritten:5");
    assert_eq!(stand.head("rain_daily"), appended);
    let file = |day: u32| stand.0.sandbox.path(format!("input/2024/rain.2024.01.{day:02}.tif"));
    std::fs::copy(file(20), file(3)).unwrap();
    let of = ["--from", "2024-01-03", "--to", "2024-01-03", "--only", "all"];
    stand.0.sandbox.succeed(&[&["backfill", "rain_daily"][..], &of].concat());
    stand.append("2024-02-12");
    stand.0.assert_right(43, &["2024-01"], "revised");
    stand.0.sandbox.succeed(&["run", "layout"]);
    stand.assert_landed(&before);
    stand.assert_landed(&appended);
    stand.0.assert_right(43, &["2024-01"], "landed");
    stand.append("2024-02-15");
    stand.0.assert_right(46, &["2024-01"], "goes on");
    if let Some(found) = stand.layout() {
        assert_eq!(found["chunks"], json!([7, 36, 48]));
    }
}

#[test]
fn kills_at_any_moment_leave_one_layout_whole() {
    let stand = Stand::of_days(32, "2024-02-01");
    stand.wants(", chunks: { time: 7 }");
    let started = Instant::now();
    stand.0.sandbox.succeed(&["run", "layout"]);
    let whole_run = started.elapsed();
    for kill in 0..KILLS {
        stand.wants(if kill % 2 == 0 { ", chunks: { time: 1 }" } else { ", chunks: { time: 7 }" });
        let moment = whole_run.mul_f64((f64::from(kill + 1) * 0.618_033_988_75).fract());
        stand.0.sandbox.killed_after(&["run", "layout"], moment);
        if kill % 3 == 0 {
            stand.0.assert_right(32, &["2024-01"], &format!("kill {kill}"));
        }
    }
    let before = stand.head("rain_daily");
    stand.wants(", chunks: { time: 3 }");
    stand.0.sandbox.succeed(&["run", "layout"]);
    stand.assert_landed(&before);
    stand.0.assert_right(32, &["2024-01"], "the last one");
}

#[test]
fn days_that_arrive_while_a_dataset_is_rewritten_are_kept() {
    for (step, what) in [("rechunk", "chunks: { time: 7 }"), ("pyramid", "levels: 2")] {
        let stand = Stand::of_days(70, "2024-02-09");
        let file = format!(
            "frazil: 1
id: layout
steps:
  daily: {{ uses: open-dataset, with: {{ dataset: rain_daily }} }}
  other: {{ uses: {step}, needs: daily, with: {{ dataset: rain_daily, {what} }} }}
"
        );
        stand.0.sandbox.write("pipelines/layout.yaml", &file);
        let before = stand.head("rain_daily");
        // A commit on its branch for every chunk, so that others come between.
        let mut command = stand.0.sandbox.command(&["run", "layout"]);
        command.env("FRAZIL_REWRITE_BATCH", "1").stdout(Stdio::null()).stderr(Stdio::piped());
        let rewrite = command.spawn().unwrap();
        let mut heads = Vec::new();
        for day in 10..=29 {
            stand.append(&format!("2024-02-{day:02}"));
            heads.push(stand.head("rain_daily"));
        }
        let rewritten = rewrite.wait_with_output().unwrap();
        assert!(rewritten.status.success(), "{step}: {}", String::from_utf8_lossy(&rewritten.stderr));
        stand.append("2024-03-05");
        if let Some(branches) = stand.branches() {
            assert_eq!(branches.as_object().unwrap().keys().collect::<Vec<_>>(), ["main"], "{branches}");
            let commits = branches["main"].as_array().unwrap();
            for head in heads.iter().chain([&before]) {
                assert!(
                    commits.iter().any(|commit| commit["id"] == *head),
                    "{step}: {head} left the ancestry"
                );
            }
        }
        let path = stand.0.cube("rain_daily").to_string_lossy().into_owned();
        let Some(found) =
            ask_python("check_days.py", &[&path, &stand.0.sandbox.path("input").to_string_lossy()])
        else {
            return;
        };
        assert_eq!((&found["days"], &found["wrong"]), (&json!(65), &json!([])), "{step}: {found}");
        let expected = if step == "pyramid" { json!(["0", "1", "2"]) } else { json!([]) };
        assert_eq!(found["groups"], expected, "{step}");
        assert_eq!(found["chunks"][0], json!(if step == "pyramid" { 1 } else { 7 }), "{step}");
    }
}

#[test]
fn earlier_days_that_fill_no_chunk_are_put_in_front() {
    let rainfall = Rainfall::of_days(40);
    let stand = Stand(rainfall);
    let file = std::fs::read_to_string(stand.0.sandbox.path(FILE)).unwrap();
    stand.0.sandbox.write(FILE, &file.replace("chunks: { time: 30 }", "chunks: { time: 7 }"));
    let until = |start: &'static str| ["run", "rainfall", "-p", start, "-p", "end=2024-02-09"];
    stand.0.sandbox.succeed(&until("start=2024-01-10"));
    let before = stand.head("rain_daily");
    let planned = stand.0.sandbox.succeed(&["plan", "rainfall", "-p", "end=2024-02-09"]);
    assert!(planned.contains("the first 2 of them fill no 7 periods"), "{planned}");
    // It dies while the dataset is rewritten: seven days are in front already, two are written.
    stand.dies(&until("start=2024-01-01"), "rewritten:2");
    if let Some(found) = stand.0.judge() {
        assert_eq!((&found["first"], &found["wrong_days"]), (&json!("2024-01-03"), &json!([])), "{found}");
    }
    stand.0.server.forget();
    stand.0.sandbox.succeed(&until("start=2024-01-01"));
    assert_eq!(stand.0.server.requests().len(), 0, "what was written is not fetched again");
    stand.0.assert_right(40, &["2024-01"], "in front");
    stand.assert_landed(&before);
}
