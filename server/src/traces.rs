//! Traces for OpenTelemetry: what was asked over HTTP, and what runs did. Off unless the environment names a
//! collector (`OTEL_EXPORTER_OTLP_ENDPOINT`).
//!
//! Spans of a run are told by its log once it is over, with names that follow from the run's: a server that
//! died in between tells of the whole run all the same, and twice told is the same spans.

mod parent;
mod run;

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use axum::{
    extract::{MatchedPath, Request, State},
    http::HeaderValue,
    middleware::Next,
    response::Response,
};
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::SpanExporter as Exporter;
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use parent::Parent;

/// Spans that wait to be sent, at about a kilobyte each. Those beyond are left out, and it is said how many.
const WAITING: usize = 2_048;

/// Spans that are sent at once.
const AT_ONCE: usize = 256;

/// Until spans that are few are sent.
const GATHER: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a collector may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Addresses of which no trace is kept: machines ask them all the time.
const QUIET: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

/// Takes spans.
#[derive(Debug, Clone)]
pub(crate) struct Traces(Option<mpsc::Sender<SpanData>>);

/// Sends them.
#[derive(Debug)]
pub(crate) struct Sending {
    spans: mpsc::Receiver<SpanData>,
    exporter: Exporter,
}

impl Traces {
    /// As the environment says; what sends is there where traces are on.
    pub(crate) fn of_environment() -> (Self, Option<Sending>) {
        let named = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        let is_off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|off| off.eq_ignore_ascii_case("true"));
        let is_named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_off || !named.into_iter().any(is_named) {
            return (Self(None), None);
        }
        match Exporter::builder().with_http().build() {
            Ok(mut exporter) => {
                let named = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "frazil".to_owned());
                exporter.set_resource(&Resource::builder().with_service_name(named).build());
                let (sender, spans) = mpsc::channel(WAITING);
                (Self(Some(sender)), Some(Sending { spans, exporter }))
            }
            Err(error) => {
                tracing::error!(%error, "traces cannot be sent");
                (Self(None), None)
            }
        }
    }

    /// For nobody.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Whether anybody wants them.
    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a span, unless too many wait.
    fn tell(&self, span: SpanData) {
        if let Some(spans) = &self.0
            && spans.try_send(span).is_err()
        {
            tracing::debug!("a span is left out, as too many wait to be sent");
        }
    }

    /// Tells of a run that is over.
    pub(crate) fn run(&self, run: &frazil_engine::data::RunId, events: &[frazil_engine::event::RunEvent]) {
        if self.is_on() {
            run::spans(run, events).into_iter().for_each(|span| self.tell(span));
        }
    }
}

impl Sending {
    /// Sends what comes until `stop`, and then what is left.
    pub(crate) async fn send(mut self, stop: &CancellationToken) {
        let mut batch = Vec::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = self.spans.recv_many(&mut batch, AT_ONCE) => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
            while let Ok(more) = self.spans.try_recv() {
                batch.push(more);
            }
            let sent = self.exporter.export(std::mem::take(&mut batch));
            match tokio::time::timeout(PATIENCE, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "spans are lost: the collector does not take them"),
                Err(_) => tracing::warn!("spans are lost: the collector does not answer"),
            }
        }
    }
}

/// What is known of a span when it ends.
struct Ended {
    trace: TraceId,
    id: SpanId,
    parent: SpanId,
    is_remote: bool,
    kind: SpanKind,
    name: Cow<'static, str>,
    from: SystemTime,
    to: SystemTime,
    status: Status,
    attributes: Vec<KeyValue>,
}

impl Ended {
    fn span(self) -> SpanData {
        let context =
            SpanContext::new(self.trace, self.id, TraceFlags::SAMPLED, false, TraceState::default());
        SpanData {
            span_context: context,
            parent_span_id: self.parent,
            parent_span_is_remote: self.is_remote,
            span_kind: self.kind,
            name: self.name,
            start_time: self.from,
            end_time: self.to.max(self.from),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.status,
            instrumentation_scope: InstrumentationScope::builder("frazil")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}

/// Keeps the trace of a request. What it starts is told under it: further on `traceparent` names its own span.
/// One that is none is taken away, since it would stand in the log of a run.
pub(crate) async fn trace(State(traces): State<Arc<Traces>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let parent = given.as_deref().and_then(Parent::read);
    if given.is_some() && parent.is_none() {
        request.headers_mut().remove("traceparent");
    }
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    if !traces.is_on() || QUIET.contains(&route.as_str()) || parent.is_some_and(|parent| !parent.is_sampled) {
        return next.run(request).await;
    }
    let own = Parent::under(parent);
    if let Ok(value) = HeaderValue::from_str(&own.to_string()) {
        request.headers_mut().insert("traceparent", value);
    }
    let (method, from) = (request.method().to_string(), SystemTime::now());
    let response = next.run(request).await;
    let status = response.status();
    let failed = status.is_server_error();
    let attributes = vec![
        KeyValue::new("http.request.method", method.clone()),
        KeyValue::new("http.route", route.clone()),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
    ];
    traces.tell(
        Ended {
            trace: own.trace,
            id: own.span,
            parent: parent.map_or(SpanId::INVALID, |parent| parent.span),
            is_remote: parent.is_some(),
            kind: SpanKind::Server,
            name: format!("{method} {route}").into(),
            from,
            to: SystemTime::now(),
            status: if failed { Status::error(status.to_string()) } else { Status::Unset },
            attributes,
        }
        .span(),
    );
    response
}
