use frazil_engine::{data::Frequency, dataset::GridBlock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    given::{Given, give},
    testing,
};

struct Desk {
    _folder: TempDir,
    cx: Context,
}

fn day(n: i64) -> Period {
    Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n - 1)
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let block = |time: u64, side: u64| {
            json!({
                "title": "Rain", "time": { "step": "P1D" }, "chunks": { "time": time, "y": side, "x": side },
                "variables": { "rain": { "units": "mm", "cell": "total", "dtype": "float32" } },
            })
        };
        let blocks = json!({ "rain": block(4, 3), "other": block(1, 100) });
        let cx = testing::context(folder.path(), testing::datasets(folder.path(), blocks));
        Self { _folder: folder, cx }
    }

    /// Days that hold one number everywhere, or none.
    async fn put(&self, dataset: &str, days: std::ops::RangeInclusive<i64>, status: Status, value: f64) {
        let grid = GridBlock { origin: [0.0, 10.0], cell: [1.0, -1.0], shape: [7, 5], names: None };
        let id: DatasetId = dataset.parse().unwrap();
        let ranges = [PeriodRange { first: day(*days.start()), last: day(*days.end()) }];
        let given = Given { dataset: &id, ranges: &ranges, status, grid: &grid, crs: 4326 };
        give(given, |_| Some(value), &self.cx).await.unwrap();
    }

    async fn snapshot(&self) -> Snapshot {
        let info = self.cx.scope.dataset(&"rain".parse().unwrap()).unwrap();
        let cube = Cube::open(info, &self.cx.scope).await.unwrap();
        cube::head_of(info, cube.map(|cube| cube.id()))
    }

    /// What a step with these checks finds, and whether it lets what hangs below run.
    async fn run(&self, with: Value) -> (Vec<Checked>, Result<Snapshot, String>) {
        let step: Validate = serde_json::from_value(with).unwrap();
        let found = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = std::sync::Arc::clone(&found);
        let progress = frazil_engine::context::Progress::new(move |tick| {
            if let Tick::Checked(checks) = tick {
                *told.lock().unwrap() = checks;
            }
        });
        let cx = Context { progress, ..self.cx.clone() };
        let outcome = step.run(self.snapshot().await, &cx).await;
        let checks = found.lock().unwrap().clone();
        (checks, outcome.output.ok_or_else(|| outcome.error.unwrap().to_string()))
    }
}

fn with(checks: Value) -> Value {
    json!({ "dataset": "rain", "checks": checks })
}

fn periods(check: &Checked) -> Vec<String> {
    check.periods.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn only_what_changed_is_looked_at_again() {
    let desk = Desk::new();
    let range = || with(json!([{ "range": { "variable": "rain", "min": 0.0, "max": 10.0 } }]));
    let (checks, passed) = desk.run(range()).await;
    assert!(checks.is_empty() && passed.unwrap().id.is_none(), "what does not exist yet waits");
    desk.put("rain", 1..=6, Status::Final, 3.0).await;
    let (checks, passed) = desk.run(range()).await;
    assert!(passed.is_ok());
    assert_eq!((checks[0].looked_at, checks[0].message.as_str()), (6, "3 to 3; 0 to 10 is allowed"));
    assert!(desk.run(range()).await.0.is_empty(), "nothing changed");
    desk.put("rain", 7..=9, Status::Final, 4.0).await;
    assert_eq!(desk.run(range()).await.0[0].looked_at, 3);
    let all = json!({ "dataset": "rain", "extent": "all", "checks": range()["checks"] });
    assert_eq!(desk.run(all).await.0[0].looked_at, 9, "all on demand");
    let other = with(json!([{ "range": { "variable": "rain", "min": 0.0, "max": 11.0 } }]));
    assert_eq!(desk.run(other).await.0[0].looked_at, 9, "other checks look at everything");
    std::fs::remove_dir_all(desk.cx.scope.project.state.join("validated")).unwrap();
    assert_eq!(desk.run(range()).await.0[0].looked_at, 9, "what is not remembered is looked at");
}

#[tokio::test]
async fn what_blocks_is_no_state_that_passed_and_what_warns_is() {
    let desk = Desk::new();
    desk.put("rain", 1..=2, Status::Final, 3.0).await;
    let range =
        |severity: &str| with(json!([{ "range": { "variable": "rain", "max": 5.0, "severity": severity } }]));
    assert!(desk.run(range("block")).await.1.is_ok());
    desk.put("rain", 3..=3, Status::Final, 12.0).await;
    for _ in 0..2 {
        let (checks, blocked) = desk.run(range("block")).await;
        assert_eq!(periods(&checks[0]), ["2024-01-03"]);
        let said = blocked.unwrap_err();
        assert!(
            said.contains("rain does not pass: range of rain failed: 2024-01-03: 12; 5 or less is allowed"),
            "{said}"
        );
    }
    let (checks, passed) = desk.run(range("warn")).await;
    assert!(passed.is_ok() && checks[0].outcome() == "warned");
    // What was warned of is told beside the dataset for as long as nobody looks at it again.
    desk.put("rain", 4..=4, Status::Final, 1.0).await;
    let (checks, _) = desk.run(range("warn")).await;
    assert!(checks[0].passed);
    let id = "rain".parse().unwrap();
    let kept = remembered::all(&desk.cx.scope.project.state, &id).await.unwrap();
    assert_eq!((kept.len(), periods(&kept[0].checks[0])), (1, vec!["2024-01-03".to_owned()]));
}

#[tokio::test]
async fn numbers_are_counted_over_all_chunks_and_gaps_hold_none() {
    let desk = Desk::new();
    desk.put("rain", 1..=5, Status::Final, 2.0).await;
    desk.put("rain", 6..=6, Status::Gap, 0.0).await;
    let all = json!([
        { "gap-free": { "severity": "warn" } },
        { "nan-fraction": { "variable": "rain", "most": 0.0, "recent": { "periods": 3, "most": 0.0 } } },
        { "range": { "variable": "rain", "min": 2.0, "max": 2.0 } },
        { "monotonic": {} },
    ]);
    let (checks, passed) = desk.run(with(all)).await;
    assert!(passed.is_ok(), "{passed:?}");
    assert_eq!((checks[0].outcome(), periods(&checks[0])), ("warned", vec!["2024-01-06".to_owned()]));
    assert_eq!((checks[1].looked_at, checks[2].looked_at, checks[3].looked_at), (5, 5, 6));
    // Only a gap is new: there is nothing to look at, which is not fine.
    desk.put("rain", 7..=7, Status::Gap, 0.0).await;
    let nan = with(json!([{ "nan-fraction": { "variable": "rain", "most": 1.0 } }]));
    assert!(desk.run(nan.clone()).await.1.is_ok(), "everything is looked at first");
    desk.put("rain", 8..=8, Status::Gap, 0.0).await;
    let said = desk.run(nan).await.1.unwrap_err();
    assert!(said.contains("there is nothing to check: 2024-01-08 (1 period) without values"), "{said}");
}

#[tokio::test]
async fn numbers_are_those_of_another_dataset_or_of_an_earlier_state() {
    let desk = Desk::new();
    desk.put("rain", 1..=6, Status::Final, 2.0).await;
    let before = desk.snapshot().await.id.unwrap();
    desk.put("other", 2..=9, Status::Final, 2.25).await;
    let equal = |tolerance: f64| json!({ "dataset": "rain", "extent": "all", "checks": [{ "equal-to": { "dataset": "other", "variable": "rain", "tolerance": tolerance } }] });
    let (checks, passed) = desk.run(equal(0.25)).await;
    assert!(passed.is_ok(), "{passed:?}");
    assert_eq!(
        (checks[0].looked_at, checks[0].message.as_str()),
        (5, "apart by 0.25 at most; 0.25 is allowed")
    );
    let (checks, blocked) = desk.run(equal(0.2)).await;
    assert!(blocked.unwrap_err().contains("35 cells apart by up to 0.25"));
    assert_eq!(periods(&checks[0]), ["2024-01-02/2024-01-06"]);
    desk.put("rain", 3..=3, Status::Final, 7.0).await;
    let same = json!({ "dataset": "rain", "extent": "all", "checks": [{ "equal-to": { "snapshot": before, "variable": "rain" } }] });
    let (checks, blocked) = desk.run(same).await;
    assert!(blocked.is_err());
    assert_eq!(periods(&checks[0]), ["2024-01-03"]);
}

#[tokio::test]
async fn a_checksum_that_a_message_tells_passes() {
    let desk = Desk::new();
    desk.put("rain", 1..=1, Status::Final, 2.0).await;
    let checksum = |value: &str| with(json!([{ "checksum": { "value": value } }]));
    let said = desk.run(checksum("0")).await.1.unwrap_err();
    let value = said.split("the checksum ").nth(1).unwrap().split(';').next().unwrap();
    assert!(desk.run(checksum(value)).await.1.is_ok(), "{said}");
}

#[tokio::test]
async fn all_is_looked_at_where_the_state_that_passed_is_none_before_this_one() {
    let desk = Desk::new();
    desk.put("rain", 1..=3, Status::Final, 1.0).await;
    desk.put("other", 1..=1, Status::Final, 1.0).await;
    let open = async |id: &str| {
        let info = desk.cx.scope.dataset(&id.parse().unwrap()).unwrap();
        Cube::open(info, &desk.cx.scope).await.unwrap().unwrap()
    };
    let (rain, other) = (open("rain").await, open("other").await);
    let step: Validate =
        serde_json::from_value(json!({ "dataset": "rain", "checks": [{ "gap-free": {} }] })).unwrap();
    let found = step.select(&rain, &Since::State(other.id(), None)).await.unwrap();
    assert_eq!(found, Selection::Periods((1..=3).map(day).collect()));
    assert_eq!(step.select(&rain, &Since::State(rain.id(), None)).await.unwrap(), Selection::Unchanged);
}
