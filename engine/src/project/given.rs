use std::collections::BTreeMap;

use serde_json::Value;

use super::Stage;
use crate::{diagnostic::did_you_mean, pipeline::Pipeline};

/// Parameters for several pipelines at once: `key` for all that have such a parameter, or
/// `pipeline.key` for one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given(pub BTreeMap<String, Value>);

/// A parameter for a pipeline that is not selected: it would change nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is for `{pipeline}`, which is not selected")]
pub struct Misdirected {
    /// The parameter as it was given.
    pub key: String,
    /// The pipeline that it is for.
    pub pipeline: String,
    /// What was meant, perhaps.
    pub help: Option<String>,
}

impl Given {
    /// Those for each of the stages. A key without a pipeline that none of them has is given to all,
    /// so that each says that it has no such parameter.
    ///
    /// # Errors
    /// At the first that is for a pipeline that is not among the stages.
    pub fn shared_out(&self, stages: &[Stage]) -> Result<Vec<BTreeMap<String, Value>>, Misdirected> {
        let known: Vec<&str> = stages.iter().map(|stage| stage.pipeline.id.as_str()).collect();
        for key in self.0.keys() {
            if let Some((pipeline, _)) = key.split_once('.')
                && !known.contains(&pipeline)
            {
                let help = did_you_mean(pipeline, &known);
                return Err(Misdirected { key: key.clone(), pipeline: pipeline.to_owned(), help });
            }
        }
        Ok(stages.iter().map(|stage| self.of(&stage.pipeline, stages)).collect())
    }

    /// Those for one pipeline among such stages.
    #[must_use]
    pub fn of(&self, pipeline: &Pipeline, stages: &[Stage]) -> BTreeMap<String, Value> {
        let has = |pipeline: &Pipeline, key: &str| pipeline.params.iter().any(|(name, _)| name == key);
        let mut given = BTreeMap::new();
        for (key, value) in &self.0 {
            let key = match key.split_once('.') {
                Some((of, key)) if of == pipeline.id.as_str() => key,
                Some(_) => continue,
                None if !has(pipeline, key) && stages.iter().any(|stage| has(&stage.pipeline, key)) => {
                    continue;
                }
                None => key,
            };
            given.insert(key.to_owned(), value.clone());
        }
        given
    }
}
