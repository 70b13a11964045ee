//! Numbers for Prometheus. Labels are names of the project, templates of addresses and words from short
//! lists: nothing that a client says makes a new line.

mod sent;

use std::{fmt::Debug, sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use frazil_engine::{
    data::{DatasetId, PipelineId, Spent},
    event::RunStatus,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    health,
    problem::Problem,
};

/// What Prometheus asks for.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the times of answers, in seconds: from what lies in memory to what waits for a store.
const ANSWERS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// Upper ends of how late lines of cron start runs, in seconds: from what a look at the clock takes, over what
/// they are spread by, to what was missed.
const LATENESS: [f64; 8] = [1.0, 2.0, 5.0, 30.0, 300.0, 1_800.0, 3_600.0, 86_400.0];

/// Upper ends of the times of runs, in seconds: from a look that found nothing to a day.
const RUNS: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPipeline {
    pipeline: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    pipeline: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDataset {
    dataset: String,
}

/// What is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answered, Histogram, fn() -> Histogram>,
    sent: Family<Route, Counter>,
    runs: Family<Ended, Counter>,
    took: Family<OfPipeline, Histogram, fn() -> Histogram>,
    periods: Family<OfPipeline, Counter>,
    retries: Family<OfPipeline, Counter>,
    requests: Family<OfPipeline, Counter>,
    fetched: Family<OfPipeline, Counter>,
    queued: Gauge,
    at_work: Gauge,
    behind: Family<OfDataset, Gauge>,
    late: Family<OfDataset, Gauge>,
    started: Family<OfPipeline, Histogram, fn() -> Histogram>,
    files_behind: Gauge,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut new = Self {
            registry: Registry::with_prefix("frazil"),
            answers: Family::new_with_constructor(|| Histogram::new(ANSWERS)),
            sent: Family::default(),
            runs: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(RUNS)),
            periods: Family::default(),
            retries: Family::default(),
            requests: Family::default(),
            fetched: Family::default(),
            queued: Gauge::default(),
            at_work: Gauge::default(),
            behind: Family::default(),
            late: Family::default(),
            started: Family::new_with_constructor(|| Histogram::new(LATENESS)),
            files_behind: Gauge::default(),
            leader: Gauge::default(),
        };
        new.register();
        new
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register_with_unit("http_answer", "Until answers began", Unit::Seconds, self.answers.clone());
        all.register_with_unit("http_sent", "Content of answers", Unit::Bytes, self.sent.clone());
        all.register("runs", "Runs that ended", self.runs.clone());
        all.register_with_unit("run", "From acceptance to end of runs", Unit::Seconds, self.took.clone());
        all.register("periods", "Periods that runs settled", self.periods.clone());
        all.register("retries", "Tries of tasks beyond the first", self.retries.clone());
        all.register("source_requests", "Requests to sources of data", self.requests.clone());
        all.register_with_unit("fetched", "Read from sources", Unit::Bytes, self.fetched.clone());
        all.register("runs_queued", "Runs that wait for their turn", self.queued.clone());
        all.register("runs_at_work", "Runs that are being carried out", self.at_work.clone());
        let what = "How long the first missing period could have been had";
        all.register_with_unit("dataset_behind", what, Unit::Seconds, self.behind.clone());
        let what = "Whether a dataset is later than its block allows";
        all.register("dataset_late", what, self.late.clone());
        let what = "From the instant that a line of cron names to the acceptance of its run";
        all.register_with_unit("cron_lateness", what, Unit::Seconds, self.started.clone());
        all.register(
            "files_behind",
            "Files that are not at work as they are written",
            self.files_behind.clone(),
        );
        all.register("leader", "Whether this process alone works on the state", self.leader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "What is at work here", build);
    }

    /// A run ended.
    pub(crate) fn ended(&self, pipeline: &PipelineId, status: RunStatus, seconds: f64) {
        let (status, name) = (status.name(), pipeline.to_string());
        self.took.get_or_create(&OfPipeline { pipeline: name.clone() }).observe(seconds);
        self.runs.get_or_create(&Ended { pipeline: name, status }).inc();
    }

    /// Tasks of a run did this.
    pub(crate) fn spent(&self, pipeline: &PipelineId, spent: &Spent) {
        let of = OfPipeline { pipeline: pipeline.to_string() };
        self.periods.get_or_create(&of).inc_by(spent.periods);
        self.requests.get_or_create(&of).inc_by(spent.requests);
        self.fetched.get_or_create(&of).inc_by(spent.bytes);
    }

    /// Tasks of a run were tried again.
    pub(crate) fn retried(&self, pipeline: &PipelineId, times: u64) {
        self.retries.get_or_create(&OfPipeline { pipeline: pipeline.to_string() }).inc_by(times);
    }

    /// How a dataset stands against its calendar.
    pub(crate) fn stands(&self, dataset: &DatasetId, behind: i64, is_late: bool) {
        let of = OfDataset { dataset: dataset.to_string() };
        self.behind.get_or_create(&of).set(behind);
        self.late.get_or_create(&of).set(is_late.into());
    }

    /// A line of cron started a run, so many seconds after the instant that it names.
    pub(crate) fn started(&self, pipeline: &PipelineId, late: f64) {
        self.started.get_or_create(&OfPipeline { pipeline: pipeline.to_string() }).observe(late);
    }

    /// Forgets how datasets stood, as files may have changed since.
    pub(crate) fn unknown(&self) {
        self.behind.clear();
        self.late.clear();
    }

    /// All of it as text.
    pub(crate) fn text(
        &self,
        (queued, at_work): (usize, usize),
        files_behind: usize,
        leads: bool,
    ) -> Result<String, std::fmt::Error> {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.files_behind.set(number(files_behind));
        self.leader.set(leads.into());
        self.queued.set(number(queued));
        self.at_work.set(number(at_work));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Where numbers are read.
pub(crate) fn routes() -> Routes {
    let metrics = Operation::new("getMetrics", "about", "Numbers for Prometheus", Role::Viewer).gives_media(
        200,
        OPENMETRICS,
        "Counters, gauges and histograms in the text of OpenMetrics",
    );
    Routes::default().get("/metrics", metrics, read)
}

async fn read(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (files_behind, leads) = (app.live.behind().files.len(), health::leads(&app).await);
    match app.metrics.text(app.runner.load(), files_behind, leads) {
        Ok(text) => Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            Err(Problem::internal("metrics cannot be written; the server's log says why"))
        }
    }
}

/// Counts an answer, and its content while it is sent.
pub(crate) async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let sent = metrics.sent.get_or_create_owned(&Route { route: route.clone() });
    metrics.answers.get_or_create(&Answered { route, method, status }).observe(begun.elapsed().as_secs_f64());
    response.map(|body| Body::new(sent::Counted::new(body, sent)))
}

/// A method by a name of ours: a client may make up as many as it likes.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
