//! What a job was made of and what it made, as PROV-JSON.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use frazil_engine::{event::RunState, step::Document};
use serde_json::{Map, Value, json};

use crate::{
    api::{Operation, Role, Routes},
    app::App,
    asked::{Base, Segments},
    jobs::{Known, known, run_id},
    problem::Problem,
    results::opens,
};

/// Addresses of provenance.
pub(crate) fn routes() -> Routes {
    let prov =
        Operation::new("getProvenance", "jobs", "What a job was made of and what it made", Role::Viewer)
            .segment("jobID", "A job")
            .gives_media(200, "application/json", "A PROV-JSON document")
            .refuses(404, "No such job");
    Routes::default().get("/jobs/{jobID}/prov", prov, provenance)
}

async fn provenance(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(job): Segments<String>,
) -> Result<Response, Problem> {
    let known = known(&app, &run_id(&job)?).await?;
    let document = document(&known, &base);
    Ok(([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response())
}

/// The records of a document, by kind and name.
#[derive(Debug, Default)]
struct Records(Map<String, Value>);

impl Records {
    fn add(&mut self, kind: &str, name: &str, record: Value) {
        let kind = self.0.entry(kind).or_insert_with(|| json!({}));
        kind[name] = record;
    }

    /// A relation, which has no name of its own.
    fn relate(&mut self, kind: &str, record: Value) {
        let count = self.0.get(kind).and_then(Value::as_object).map_or(0, Map::len);
        self.add(kind, &format!("_:{kind}{}", count + 1), record);
    }
}

fn document(known: &Known, base: &Base) -> Value {
    let state = &known.state;
    let mut records = Records::default();
    records.0.insert("prefix".to_owned(), json!({
        "frazil": base.at("/"), "run": base.at("/jobs/"), "process": base.at("/processes/"), "icechunk": base.at("/icechunk/"),
    }));
    let run = format!("run:{}", known.run);
    let mut activity = json!({ "prov:type": "frazil:run" });
    if let Some(began) = known.opened.or(state.since) {
        activity["prov:startTime"] = json!(began);
    }
    if let Some((status, at)) = state.finished {
        activity["prov:endTime"] = json!(at);
        activity["frazil:status"] = json!(status.name());
    }
    if let Some(accepted) = &state.accepted {
        activity["frazil:instant"] = json!(accepted.instant);
        activity["frazil:cause"] = json!(accepted.origin.cause.name());
        plan(&mut records, state, &run);
        for (name, value) in &accepted.params {
            let entity = format!("frazil:{}/input/{name}", known.run);
            records.add(
                "entity",
                &entity,
                json!({ "prov:type": "frazil:parameter", "prov:label": name, "prov:value": value }),
            );
            records.relate("used", json!({ "prov:activity": run, "prov:entity": entity }));
        }
    }
    records.add("activity", &run, activity);
    datasets(&mut records, state, &run);
    Value::Object(records.0)
}

/// The pipeline by which it went, and the program that went by it.
fn plan(records: &mut Records, state: &RunState, run: &str) {
    let Some(accepted) = &state.accepted else { return };
    let process = format!("process:{}", accepted.pipeline);
    let steps: Vec<&str> =
        accepted.units.iter().flat_map(|unit| &unit.nodes).map(|(_, uses)| uses.as_str()).collect();
    records.add(
        "entity",
        &process,
        json!({
            "prov:type": "prov:Plan", "frazil:digest": accepted.digest, "frazil:steps": steps,
        }),
    );
    records.add("agent", "frazil:software", json!({
        "prov:type": "prov:SoftwareAgent", "prov:label": "frazil", "frazil:version": env!("CARGO_PKG_VERSION"),
    }));
    records.relate(
        "wasAssociatedWith",
        json!({
            "prov:activity": run, "prov:agent": "frazil:software", "prov:plan": process,
        }),
    );
}

/// The states of datasets that it read and that it left.
fn datasets(records: &mut Records, state: &RunState, run: &str) {
    let heads = state.accepted.iter().flat_map(|accepted| &accepted.units);
    let (mut read, mut made) = (Vec::new(), Vec::new());
    for head in heads {
        let Some(unit) = state.units.get(&head.unit) else { continue };
        let Some(Document::Snapshot(snapshot)) = &unit.output else { continue };
        let Some(id) = &snapshot.id else { continue };
        let entity = format!("icechunk:{}@{id}", snapshot.dataset);
        records.add(
            "entity",
            &entity,
            json!({
                "prov:type": "frazil:snapshot", "frazil:dataset": snapshot.dataset, "frazil:snapshot": id,
                "frazil:branch": snapshot.branch,
            }),
        );
        if opens(head) || snapshot.base.as_ref() == Some(id) {
            read.push(entity);
            continue;
        }
        let periods: Vec<String> = unit.segment.periods.iter().map(ToString::to_string).collect();
        let mut generated = json!({ "prov:entity": entity, "prov:activity": run });
        if !periods.is_empty() {
            generated["frazil:periods"] = json!(periods);
        }
        if let Some(at) = unit.ended {
            generated["prov:time"] = json!(at);
        }
        records.relate("wasGeneratedBy", generated);
        if let Some(base) = &snapshot.base {
            let before = format!("icechunk:{}@{base}", snapshot.dataset);
            records.add("entity", &before, json!({ "prov:type": "frazil:snapshot", "frazil:dataset": snapshot.dataset, "frazil:snapshot": base }));
            records.relate(
                "wasDerivedFrom",
                json!({
                    "prov:generatedEntity": entity, "prov:usedEntity": before, "prov:type": "prov:Revision",
                }),
            );
        }
        made.push(entity);
    }
    for entity in &read {
        records.relate("used", json!({ "prov:activity": run, "prov:entity": entity }));
        for output in &made {
            records.relate(
                "wasDerivedFrom",
                json!({ "prov:generatedEntity": output, "prov:usedEntity": entity, "prov:activity": run }),
            );
        }
    }
}
