//! Audited datasets whose layout, levels, version or first day change: what does not pass stays aside then too.

use serde_json::{Value, json};

use super::{PIPELINE, Stand, values};
use frazil_tests::programs::ask_python;

impl Stand {
    /// Rewrites the dataset with `step` before it is looked at.
    fn through(&self, step: &str) {
        let last = "  checked:\n    uses: validate\n    needs: daily\n";
        let text = format!("  other: {{ {step} }}\n  checked:\n    uses: validate\n    needs: other\n");
        assert!(PIPELINE.contains(last));
        self.sandbox.write("pipelines/rain.yaml", &PIPELINE.replace(last, &text));
    }

    fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.sandbox.path("pipelines/rain.yaml")).unwrap();
        assert!(text.contains(from), "{text}");
        self.sandbox.write("pipelines/rain.yaml", &text.replace(from, to));
    }

    /// Chunks and groups of a branch, with the first number of each day.
    fn stored(&self, branch: &str) -> Option<Value> {
        let path = self.sandbox.path("cubes/rain_daily");
        ask_python("read_stored.py", &[&path.to_string_lossy(), branch, "rain"])
    }
}

const RECHUNK: &str = "uses: rechunk, needs: daily, with: { dataset: rain_daily, chunks: { time: 7 } }";
const PYRAMID: &str = "uses: pyramid, needs: daily, with: { dataset: rain_daily, levels: 1 }";

#[test]
fn another_layout_and_levels_are_published_with_what_passed() {
    for (step, chunks, groups) in [(RECHUNK, 7, json!([])), (PYRAMID, 4, json!(["0", "1"]))] {
        let stand = Stand::new();
        stand.until(5);
        let before = stand.stored("main");
        stand.through(step);
        stand.put(7, 4012.0);
        let said = stand.fails(9);
        assert!(said.contains("range of rain failed: 2024-01-07"), "{said}");
        if let (Some(before), Some(main), Some(audit)) = (before, stand.stored("main"), stand.stored("audit"))
        {
            assert_eq!(main, before, "{step}: nobody sees what did not pass, nor where it lies");
            assert_eq!((&audit["chunks"][0], &audit["groups"]), (&json!(chunks), &groups), "{step}");
            assert_eq!(audit["values"], values(&[1, 2, 3, 4, 5, 6, 4012, 8, 9]), "{step}");
        }
        stand.put(7, 7.0);
        stand.server.forget();
        stand.until(9);
        assert_eq!(stand.server.count("/8.tif"), 0, "{step}: nothing is fetched twice");
        stand.until(10);
        assert_eq!(stand.audit(&[])["ahead"], Value::Null, "{step}");
        if let Some(main) = stand.stored("main") {
            assert_eq!((&main["chunks"][0], &main["groups"]), (&json!(chunks), &groups), "{step}");
            assert_eq!(main["values"], values(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "{step}");
            if step == PYRAMID {
                assert_eq!(main["levels"]["1"], main["values"], "each day is of one number");
            }
        }
        let planned = stand.sandbox.succeed(&["plan", "rain"]);
        assert!(planned.contains("nothing to do"), "{step}: {planned}");
    }
}

#[test]
fn another_version_is_published_when_all_of_it_passes() {
    let stand = Stand::new();
    stand.until(8);
    (1..=10).for_each(|day| stand.put(day, day as f32 + 20.0));
    stand.put(6, 4012.0);
    stand.change("    audit: true\n", "    audit: true\n    version: \"2\"\n");
    let said = stand.fails(8);
    assert!(said.contains("range of rain failed: 2024-01-06"), "{said}");
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5, 6, 7, 8]), "readers have the version before");
    }
    stand.put(6, 26.0);
    stand.until(8);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[21, 22, 23, 24, 25, 26, 27, 28]));
    }
    stand.until(9);
    assert_eq!(stand.audit(&[])["ahead"], Value::Null);
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[21, 22, 23, 24, 25, 26, 27, 28, 29]));
    }
}

#[test]
fn earlier_days_are_put_in_front_of_what_everyone_reads_when_they_pass() {
    let stand = Stand::new();
    stand.change("start: \"2024-01-01\"", "start: \"2024-01-06\"");
    stand.until(9);
    // Five days in front fill a chunk of four, and one more.
    stand.change("start: \"2024-01-06\"", "start: \"2024-01-01\"");
    stand.put(1, 4012.0);
    let said = stand.fails(9);
    assert!(said.contains("range of rain failed: 2024-01-01"), "{said}");
    if let (Some(main), Some(audit)) = (stand.days("main"), stand.days("audit")) {
        assert_eq!(main, values(&[6, 7, 8, 9]));
        assert_eq!(audit, values(&[4012, 2, 3, 4, 5, 6, 7, 8, 9]));
    }
    stand.put(1, 1.0);
    stand.server.forget();
    stand.until(9);
    assert_eq!(stand.server.count("/2.tif"), 0, "nothing is fetched twice");
    if let Some(days) = stand.days("main") {
        assert_eq!(days, values(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }
}
