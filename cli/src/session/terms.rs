use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use frazil_engine::{context::Scope, data::Backfill, project::Given};
use serde_json::Value;

use super::{Selected, Session};
use crate::exit::Usage;

/// On which terms a selection is run or planned: its parameters and its instant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Terms {
    #[command(flatten)]
    params: Params,
    /// The instant that decides what exists by now, as of a run that came late; now where none is said
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<DateTime<Utc>>,
}

impl Terms {
    /// Refuses them beside a plan, in which they are frozen.
    pub(crate) fn refuse_beside(&self, plan: &str) -> Result<(), Usage> {
        let frozen = |what| {
            Usage(format!(
                "{what} frozen in {plan}; give {} to `frazil plan`",
                if what == "the instant is" { "it" } else { "them" }
            ))
        };
        match self {
            Self { params, .. } if !params.is_empty() => Err(frozen("the parameters are")),
            Self { as_of: Some(_), .. } => Err(frozen("the instant is")),
            _ => Ok(()),
        }
    }

    /// The instant that is said, or now.
    pub(crate) fn instant(&self) -> DateTime<Utc> {
        self.as_of.unwrap_or_else(Utc::now)
    }

    /// What a run of each of the selected pipelines sees.
    pub(crate) fn scopes(
        &self,
        session: &Session,
        selected: &[Selected],
        backfill: Option<&Arc<Backfill>>,
    ) -> anyhow::Result<Vec<Scope>> {
        let given = self.params.shared_out(selected)?;
        let instant = self.instant();
        let of = |(one, given): (&Selected, BTreeMap<String, Value>)| {
            let mut scope = session.scope(&one.pipeline, &given, instant)?;
            scope.backfill = backfill.map(Arc::clone);
            Ok(scope)
        };
        selected.iter().zip(given).map(of).collect()
    }
}

/// Parameters as they are given, `key=value` or `pipeline.key=value`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Params {
    /// A parameter of the run
    #[arg(short, long = "param", value_name = "[PIPELINE.]KEY=VALUE")]
    param: Vec<String>,
}

impl Params {
    /// Whether any is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.param.is_empty()
    }

    /// Those for each of the selected pipelines.
    fn shared_out(&self, selected: &[Selected]) -> anyhow::Result<Vec<BTreeMap<String, Value>>> {
        let meant = |help: Option<&String>| help.map_or_else(String::new, |help| format!("\nhelp: {help}"));
        let shared = self.given()?.shared_out(selected);
        Ok(shared.map_err(|error| Usage(format!("{error}{}", meant(error.help.as_ref()))))?)
    }

    /// All of them.
    pub(crate) fn given(&self) -> anyhow::Result<Given> {
        let mut given = Given::default();
        for text in &self.param {
            let (key, value) =
                text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is not KEY=VALUE")))?;
            given.0.insert(key.to_owned(), Value::String(value.to_owned()));
        }
        Ok(given)
    }
}
