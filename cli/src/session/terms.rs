use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use frazil_engine::{context::Scope, data::Backfill, diagnostic::did_you_mean, pipeline::Pipeline};
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
        self.params.are_for(selected)?;
        let instant = self.instant();
        let of = |one: &Selected| {
            let mut scope =
                session.scope(&one.pipeline, &self.params.of(&one.pipeline, selected)?, instant)?;
            scope.backfill = backfill.map(Arc::clone);
            Ok(scope)
        };
        selected.iter().map(of).collect()
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

    /// Refuses those for a pipeline that is not selected: they would change nothing.
    pub(crate) fn are_for(&self, selected: &[Selected]) -> anyhow::Result<()> {
        let known: Vec<&str> = selected.iter().map(|one| one.pipeline.id.as_str()).collect();
        for text in &self.param {
            let key = text.split_once('=').map_or(text.as_str(), |(key, _)| key);
            if let Some((of, _)) = key.split_once('.')
                && !known.contains(&of)
            {
                let meant =
                    did_you_mean(of, &known).map_or_else(String::new, |meant| format!("\nhelp: {meant}"));
                return Err(Usage(format!("`{text}` is for `{of}`, which is not selected{meant}")).into());
            }
        }
        Ok(())
    }

    /// Those for one pipeline. A key without a pipeline is for all that have such a parameter;
    /// where none has, every pipeline is given it, and says that it has none.
    pub(crate) fn of(
        &self,
        pipeline: &Pipeline,
        selected: &[Selected],
    ) -> anyhow::Result<BTreeMap<String, Value>> {
        let has = |pipeline: &Pipeline, key: &str| pipeline.params.iter().any(|(name, _)| name == key);
        let mut given = BTreeMap::new();
        for text in &self.param {
            let (key, value) =
                text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is not KEY=VALUE")))?;
            let key = match key.split_once('.') {
                Some((of, key)) if of == pipeline.id.as_str() => key,
                Some(_) => continue,
                None if !has(pipeline, key) && selected.iter().any(|one| has(&one.pipeline, key)) => continue,
                None => key,
            };
            given.insert(key.to_owned(), Value::String(value.to_owned()));
        }
        Ok(given)
    }
}
