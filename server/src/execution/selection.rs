//! What a request selects: the parts of pipelines that are run or planned, with their parameters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use frazil_engine::{
    data::{Backfill, Only, PeriodSpan, PeriodText},
    pipeline::{Overlap, ParamError, Pipeline},
    project::{Cascade, Given, Project, Selection, Stage},
};
use serde_json::{Map, Value};

use super::value::{of_param, plain, plain_list};
use crate::{asked::short, problem::Wrong, processes::SELECTED_AT_MOST};

/// The inputs of a request, taken one by one; what is left at the end is not known.
#[derive(Debug)]
pub(super) struct Inputs {
    left: Map<String, Value>,
    pub(super) errors: Vec<Wrong>,
}

impl Inputs {
    pub(super) const fn new(inputs: Map<String, Value>) -> Self {
        Self { left: inputs, errors: Vec::new() }
    }

    /// Notes what is wrong with an input.
    pub(super) fn wrong(&mut self, name: &str, message: impl AsRef<str>) {
        self.errors.push(Wrong::new(format!("inputs.{}", short(name)), bounded(message.as_ref())));
    }

    /// An input that is read by `read`.
    pub(super) fn one<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let given = self.left.remove(name)?;
        let read = plain(&given).and_then(|value| read(&value));
        read.map_err(|message| self.wrong(name, message)).ok()
    }

    /// An input of several texts.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let given = self.left.remove(name)?;
        let texts = plain_list(&given).and_then(|values| values.iter().map(text).collect());
        texts.map_err(|message| self.wrong(name, message)).ok()
    }

    /// The parameters of a pipeline, and nothing else; defaults where nothing is given.
    pub(super) fn params(
        &mut self,
        pipeline: &Pipeline,
        project: &Project,
        instant: DateTime<Utc>,
    ) -> Map<String, Value> {
        let mut given = BTreeMap::new();
        let mut unreadable = Vec::new();
        for (name, value) in std::mem::take(&mut self.left) {
            let param = pipeline.params.iter().find(|(known, _)| *known == name);
            match param.map_or(Ok(value.clone()), |(_, param)| of_param(&value, param)) {
                Ok(value) => drop(given.insert(name, value)),
                Err(message) => {
                    self.wrong(&name, message);
                    unreadable.push(name);
                }
            }
        }
        let accepted = pipeline.accept_params(&given, &project.config, instant);
        accepted.map_err(|errors| self.refused("", errors, &unreadable)).unwrap_or_default()
    }

    fn refused(&mut self, before: &str, errors: Vec<ParamError>, known: &[String]) {
        for error in errors.into_iter().filter(|error| !known.contains(&error.name)) {
            let name = format!("inputs.{before}{}", short(&error.name));
            let help = error.help.as_deref().map(bounded);
            self.errors.push(Wrong { name, message: bounded(&error.message), help });
        }
    }

    /// What `select` names with what `params` holds; everything where nothing is selected.
    pub(super) fn stages(
        &mut self,
        project: &Project,
        instant: DateTime<Utc>,
    ) -> Vec<(Stage, Map<String, Value>)> {
        let names = self.texts("select").unwrap_or_default();
        if names.len() > SELECTED_AT_MOST {
            self.wrong("select", format!("at most {SELECTED_AT_MOST} names are taken"));
            return Vec::new();
        }
        let given = self.one("params", |value| match value {
            Value::Object(params) => Ok(params.clone()),
            _ => Err("an object is wanted: `{ \"name\": value }`".to_owned()),
        });
        let selections: Vec<Selection> = names.iter().map(|name| Selection::parse(name)).collect();
        let stages = match Cascade::of(project).select(&selections) {
            Ok(stages) => stages,
            Err(unknown) => {
                self.wrong("select", unknown.to_string());
                return Vec::new();
            }
        };
        let given = Given(given.unwrap_or_default().into_iter().collect());
        let shared = match given.shared_out(&stages) {
            Ok(shared) => shared,
            Err(error) => {
                self.wrong("params", error.to_string());
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for (stage, given) in stages.into_iter().zip(shared) {
            match stage.pipeline.accept_params(&given, &project.config, instant) {
                Ok(params) => found.push((stage, params)),
                Err(errors) => self.refused("params.", errors, &[]),
            }
        }
        found
    }

    /// The instant that decides what exists by now; now where none is said.
    pub(super) fn instant(&mut self) -> DateTime<Utc> {
        let instant = self.one("as-of", |value| {
            let instant = value.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
            instant.ok_or_else(|| "an instant is wanted, as `2024-03-01T00:00:00Z`".to_owned())
        });
        instant.unwrap_or_else(Utc::now)
    }

    /// What becomes of runs beside others of their pipelines, where that is said.
    pub(super) fn overlap(&mut self) -> Option<Overlap> {
        self.one("overlap", |value| {
            let overlap = serde_json::from_value(value.clone());
            overlap.map_err(|_| "`queue`, `skip` or `replace` is wanted".to_owned())
        })
    }

    /// What a backfill is asked for, and whether only what failed is wanted of it.
    pub(super) fn backfill(&mut self) -> (Backfill, bool) {
        let period = |value: &Value| {
            let text = text(value)?;
            text.parse::<PeriodText>().map(|period| (text, period)).map_err(|error| error.to_string())
        };
        let (from, to) = (self.one("from", period), self.one("to", period));
        if let (Some((_, from)), Some((_, to))) = (&from, &to)
            && to.end <= from.start
        {
            self.wrong("to", "the range ends before it begins");
        }
        let among = self.texts("period").unwrap_or_default();
        for one in &among {
            if let Err(error) = one.parse::<PeriodSpan>() {
                self.wrong("period", error.to_string());
            }
        }
        if !among.is_empty() && (from.is_some() || to.is_some()) {
            self.wrong("period", "it is not taken with `from` and `to`");
        }
        let only = self.one("only", |value| match value.as_str() {
            Some("missing") => Ok((Only::Missing, false)),
            Some("failed") => Ok((Only::Missing, true)),
            Some("all") => Ok((Only::All, false)),
            _ => Err("`missing`, `failed` or `all` is wanted".to_owned()),
        });
        let (only, is_failed) = only.unwrap_or((Only::Missing, false));
        let newest_first = self.one("order", |value| match value.as_str() {
            Some("oldest") => Ok(false),
            Some("newest") => Ok(true),
            _ => Err("`oldest` or `newest` is wanted".to_owned()),
        });
        let asked = Backfill {
            from: from.map(|(text, _)| text),
            to: to.map(|(text, _)| text),
            among,
            only: Some(only),
            newest_first: newest_first.unwrap_or_default(),
        };
        (asked, is_failed)
    }

    /// All that is wrong, with what was given and is not known.
    pub(super) fn all_wrong(mut self, process: &str) -> Vec<Wrong> {
        for name in std::mem::take(&mut self.left).into_iter().map(|(name, _)| name) {
            self.wrong(&name, format!("`{process}` has no such input"));
        }
        self.errors
    }
}

fn text(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("text is wanted, not {}", short(&value.to_string())))
}

/// A message without the whole of a long value.
fn bounded(message: &str) -> String {
    const SHOWN: usize = 400;
    match message.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
