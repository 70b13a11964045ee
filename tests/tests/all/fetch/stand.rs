//! A fetch with all that it needs around it: a server with a file a day, a scope, a clock that
//! moves on by itself.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use frazil_engine::{
    context::{Clock, Context, EnvSecrets, ManualClock, Pools, Progress, Scope},
    data::{Action, Arrival, DatasetId, Frequency, Item, PeriodRange, Periods, Slice, Status},
    dataset::{DatasetInfo, Location},
    plan::PlannedSlices,
    project::{Jitter, ProjectConfig, Retry, SecretRef},
    registry::{AnySource, Role},
    step::StepError,
};
use frazil_tests::{geotiff::GeoTiff, server::Server};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Where the test's clock begins.
pub(crate) fn midnight() -> DateTime<Utc> {
    "2024-06-01T00:00:00Z".parse().unwrap()
}

pub(crate) struct Stand {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) cx: Context,
    /// The step type, and its settings.
    pub(crate) uses: &'static str,
    pub(crate) with: Value,
}

/// A raster of one period: 40 × 40 cells of half a degree from 0° E, 20° N.
pub(crate) fn raster(day: u32) -> GeoTiff {
    GeoTiff::of((0.0, 20.0), 0.5, (40, 40), |r, c| day as f32 * 10_000.0 + (r * 100 + c) as f32)
}

impl Stand {
    /// A server that has these days of January 2024 as `/2024/01/DD.tif`.
    pub(crate) fn new(days: impl IntoIterator<Item = u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for day in days {
            raster(day).write(&folder.path().join(format!("2024/01/{day:02}.tif"))).unwrap();
        }
        let server = Server::start(folder.path(), 0).unwrap();
        let with = json!({
            "source": "cog",
            "url": format!("{}/{{{{ period | date('%Y/%m/%d') }}}}.tif", server.url()),
            "bbox": [2.0, 12.0, 4.0, 14.5],
            "variables": { "rain": { "band": 1 } },
        });
        let clock = Arc::new(ManualClock::at(midnight()));
        let block = json!({
            "title": "rain", "time": { "step": "P1D" },
            "variables": { "rain": { "units": "mm", "dtype": "float32", "nodata": -9999 } },
        });
        let cx = context(folder.path(), &clock, block);
        Self { folder, server, clock, cx, uses: "fetch", with }
    }

    pub(crate) fn path(day: u32) -> String {
        format!("/2024/01/{day:02}.tif")
    }

    /// Where the file of a day is served from.
    pub(crate) fn file(&self, day: u32) -> std::path::PathBuf {
        self.folder.path().join(&Self::path(day)[1..])
    }

    /// With another block of the dataset.
    pub(crate) fn dataset(&mut self, block: Value) {
        self.cx = context(self.folder.path(), &self.clock, block);
    }

    pub(crate) fn source(&self) -> Arc<dyn AnySource> {
        let registry = frazil_steps::registry();
        let step = registry.get(self.uses).unwrap().bind(&self.with).unwrap();
        match step.role {
            Role::Source(source) => source,
            _ => panic!("{} is a source", self.uses),
        }
    }

    /// What arrives, up to the error that ended it.
    pub(crate) async fn fetch(&self, periods: &Periods) -> (Vec<Arrival>, Option<StepError>) {
        self.fetch_with_halo(periods, 0).await
    }

    pub(crate) async fn fetch_with_halo(
        &self,
        periods: &Periods,
        halo: u32,
    ) -> (Vec<Arrival>, Option<StepError>) {
        let mut slices = self.source().slices(periods.clone(), halo, &self.cx).0;
        let mut arrived = Vec::new();
        while let Some(arrival) = slices.next().await {
            match arrival {
                Ok(arrival) => arrived.push(arrival),
                Err(error) => return (arrived, Some(error)),
            }
        }
        (arrived, None)
    }

    /// Fetches the first day, and is told to stop once it was asked for.
    pub(crate) async fn fetch_and_stop(&self) -> (Vec<Arrival>, Option<StepError>) {
        let work = days(1, 1);
        let stop = async {
            while self.server.count(&Self::path(1)) == 0 {
                tokio::task::yield_now().await;
            }
            self.cx.cancel.cancel();
        };
        futures::join!(self.fetch(&work), stop).0
    }

    pub(crate) async fn plan(&self, periods: &Periods) -> PlannedSlices {
        self.source().plan(periods, 0, &self.cx.scope).await.unwrap()
    }

    /// Seconds that were waited.
    pub(crate) fn waited(&self) -> i64 {
        (self.clock.now() - midnight()).num_seconds()
    }

    /// `GET /2024/01/02.tif` and so on, one a line, ranges left out, `×n` when asked more than once in a row.
    pub(crate) fn asked(&self) -> String {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for request in self.server.requests() {
            let line = format!("{} {}", request.method, request.path);
            match lines.last_mut() {
                Some((last, n)) if *last == line => *n += 1,
                _ => lines.push((line, 1)),
            }
        }
        let shown: Vec<_> =
            lines.into_iter().map(|(l, n)| if n > 1 { format!("{l} ×{n}") } else { l }).collect();
        shown.join("\n")
    }
}

fn context(root: &Path, clock: &Arc<ManualClock>, block: Value) -> Context {
    let secret = SecretRef { env: None, file: Some("secret.txt".to_owned()) };
    std::fs::write(root.join("secret.txt"), "hush-hush\n").unwrap();
    let secrets = BTreeMap::from([("key".to_owned(), secret)]);
    let project = ProjectConfig {
        root: root.to_owned(),
        id: "test".to_owned(),
        title: None,
        extent: None,
        crs: None,
        state: root.join("state"),
        catalog: root.join("stac"),
        memory: 1 << 30,
        pools: BTreeMap::new(),
        stores: BTreeMap::new(),
        vars: BTreeMap::new(),
        secrets: secrets.clone(),
        notify: Vec::new(),
        history: Default::default(),
        serve: Default::default(),
    };
    let id: DatasetId = "rain".parse().unwrap();
    let dataset = DatasetInfo {
        id: id.clone(),
        block: serde_json::from_value(block).unwrap(),
        location: Location::default(),
        sources: Vec::new(),
        definition: String::new(),
    };
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    Context {
        scope: Scope {
            project: Arc::new(project),
            datasets: Arc::new(BTreeMap::from([(id, Arc::new(dataset))])),
            pipeline: "p".parse().unwrap(),
            instant: midnight(),
            params: Arc::default(),
            secrets: Arc::new(EnvSecrets::new(root.to_owned(), secrets)),
            memory: 1 << 30,
            stand_in: None,
            backfill: None,
        },
        run: "r".parse().unwrap(),
        node: "slices".parse().unwrap(),
        attempt: 1,
        cancel: CancellationToken::new(),
        clock,
        scratch: root.join("state/scratch"),
        retry: Retry { attempts: 3, jitter: Jitter::None, ..Retry::default() },
        timeout: None,
        pools: Pools::default(),
        pool: None,
        progress: Progress::none(),
    }
}

/// Work on days, as `2024-01-01/2024-01-05` with an action each; one batch.
pub(crate) fn work(items: &[(&str, Action)]) -> Periods {
    work_of(Frequency::Day, items)
}

pub(crate) fn work_of(step: Frequency, items: &[(&str, Action)]) -> Periods {
    let items: Vec<Item> = items
        .iter()
        .map(|(range, action)| Item { range: PeriodRange::parse(range, step).unwrap(), action: *action })
        .collect();
    let batches = vec![items.iter().map(|item| item.range).collect()];
    Periods {
        dataset: "rain".parse().unwrap(),
        step,
        base: None,
        items,
        batches,
        source: None,
        release: None,
    }
}

pub(crate) fn days(first: u32, last: u32) -> Periods {
    work(&[(&format!("2024-01-{first:02}/2024-01-{last:02}"), Action::Add)])
}

/// `01 02 ~03 04:gap 05:kept`: what arrived, by day.
pub(crate) fn shown(arrived: &[Arrival]) -> String {
    let day = |period: frazil_engine::data::Period| period.to_string().split_off(8);
    let texts: Vec<String> = arrived
        .iter()
        .map(|arrival| match arrival {
            Arrival::Kept(period) => format!("{}:kept", day(*period)),
            Arrival::Slice(slice) => {
                let context = if slice.context { "~" } else { "" };
                let status = if slice.status == Status::Final {
                    String::new()
                } else {
                    format!(":{}", slice.status.name())
                };
                format!("{context}{}{status}", day(slice.period))
            }
        })
        .collect();
    texts.join(" ")
}

pub(crate) fn slice(arrival: &Arrival) -> &Slice {
    match arrival {
        Arrival::Slice(slice) => slice,
        Arrival::Kept(period) => panic!("{period} was kept"),
    }
}
