use std::path::Path;

use frazil_engine::{
    data::Period,
    store::{Notice, Notices},
};

use super::*;

const LATE: &str = "frazil: 1
id: rain
datasets:
  rain_daily:
    title: Rain
    time: { step: P1D, start: \"2024-01-01\", late: 2d }
    variables: { precip: { units: mm, cell: total, dtype: float32 } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: rain_daily, start: \"2024-01-01\" } }
  slices: { uses: fetch, needs: missing, with: { source: cog, url: \"https://example.org/{{ period }}.tif\" } }
  daily: { uses: append-commit, needs: slices, with: { dataset: rain_daily } }
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config =
        "frazil: 1\nnotify: [ { when: [late, failed, recovered], webhook: \"http://127.0.0.1:9/\" } ]\n";
    std::fs::write(folder.path().join("frazil.yaml"), config).unwrap();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    std::fs::write(folder.path().join("pipelines/rain.yaml"), LATE).unwrap();
    folder
}

/// Who sits at the desk of a server that starts now.
async fn desk(folder: &Path) -> Desk {
    let app = crate::testing::app(folder).await;
    Desk { began: Utc::now(), known: BTreeSet::new(), app }
}

async fn waiting(folder: &Path) -> Vec<Notice> {
    Notices::in_folder(&folder.join(".frazil")).waiting().await.unwrap()
}

#[tokio::test]
async fn a_dataset_that_is_late_is_measured_and_told_once_until_it_is_not_any_more() {
    let folder = folder();
    let sits = desk(folder.path()).await;
    sits.datasets().await;
    let text = sits.app.metrics.text((0, 0), 0, true).unwrap();
    let value = |name: &str| -> i64 {
        let start = format!("frazil_dataset_{name}{{dataset=\"rain_daily\"}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    };
    assert_eq!(value("late"), 1);
    let since: DateTime<Utc> = "2024-01-02T00:00:00Z".parse().unwrap();
    let behind = (Utc::now() - since).num_seconds();
    assert!((behind - 60..=behind).contains(&value("behind_seconds")), "{text}");
    // Once, also by the next server.
    let told = waiting(folder.path()).await;
    assert_eq!((told.len(), told[0].occasion.as_str()), (1, "late"));
    let said: serde_json::Value = serde_json::from_str(&told[0].content).unwrap();
    assert_eq!((&said["dataset"], &said["missing"]["first"]), (&"rain_daily".into(), &"2024-01-01".into()));
    sits.datasets().await;
    drop(sits);
    let sits = desk(folder.path()).await;
    sits.datasets().await;
    assert_eq!(waiting(folder.path()).await, told);
    // When that was told and it has what it lacked, the next time is another.
    let notices = Notices::in_folder(&folder.path().join(".frazil"));
    notices.tried(&Notice { next: None, ..told[0].clone() }).await.unwrap();
    sits.datasets().await;
    assert!(waiting(folder.path()).await.is_empty());
    let project = sits.app.project();
    let info = &project.datasets["rain_daily"];
    let today = Period::containing(Utc::now(), frazil_engine::data::Frequency::Day);
    let due = Due::of(info, &project.datasets, Some(today), Utc::now()).unwrap();
    assert!(!due.late);
    sits.app.notifier.dataset(info, &due, Utc::now()).await.unwrap();
    sits.datasets().await;
    assert_eq!(waiting(folder.path()).await.len(), 1);
}

#[tokio::test]
async fn a_run_is_told_of_once_over_restarts_and_what_ended_before_anybody_listened_is_not() {
    let folder = folder();
    let sits = desk(folder.path()).await;
    let run = |began: DateTime<Utc>, status| {
        let mut run = crate::testing::summary(began);
        run.finished = Some((status, began));
        run
    };
    let old = run(Utc::now() - TimeDelta::hours(1), RunStatus::Failed);
    sits.tell(&old, RunStatus::Failed, &[]).await.unwrap();
    assert!(waiting(folder.path()).await.is_empty());
    let failed = run(Utc::now() + TimeDelta::seconds(1), RunStatus::Failed);
    sits.tell(&failed, RunStatus::Failed, &[]).await.unwrap();
    sits.tell(&failed, RunStatus::Failed, &[]).await.unwrap();
    drop(sits);
    let sits = desk(folder.path()).await;
    sits.tell(&failed, RunStatus::Failed, &[]).await.unwrap();
    let told = waiting(folder.path()).await;
    assert_eq!((told.len(), told[0].subject.as_str()), (1, failed.run.as_str()));
    // Told to stop is neither.
    let stopped = run(Utc::now() + TimeDelta::seconds(2), RunStatus::Cancelled);
    sits.tell(&stopped, RunStatus::Cancelled, &[]).await.unwrap();
    assert_eq!(waiting(folder.path()).await.len(), 1);
    // A server that was away for an hour tells of what ended meanwhile.
    let meanwhile = run(Utc::now() + TimeDelta::seconds(3), RunStatus::Interrupted);
    drop(sits);
    let mut sits = desk(folder.path()).await;
    sits.began += TimeDelta::hours(1);
    sits.tell(&meanwhile, RunStatus::Interrupted, &[]).await.unwrap();
    assert_eq!(waiting(folder.path()).await.len(), 2);
}
