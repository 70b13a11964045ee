use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RunQuery, RunStore, RunStoreError};
use crate::data::{Duration, RunId};

/// How much run history is kept. The cubes say what is done, so forgetting a run loses nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retention {
    /// At most so many runs that are finished.
    pub runs: u32,
    /// None that finished longer ago.
    pub age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { runs: 1_000, age: Duration::from_days(90) }
    }
}

/// Forgets finished runs beyond what is kept, and gives their names.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn prune(
    store: &dyn RunStore,
    keep: Retention,
    now: DateTime<Utc>,
) -> Result<Vec<RunId>, RunStoreError> {
    let oldest = keep.age.before(now);
    let mut gone = Vec::new();
    let finished = store.list(&RunQuery::default()).await?;
    let finished = finished.into_iter().filter_map(|run| run.finished.map(|(_, at)| (run.run, at)));
    for (place, (run, at)) in finished.enumerate() {
        if place >= keep.runs as usize || at < oldest {
            store.remove(&run).await?;
            gone.push(run);
        }
    }
    Ok(gone)
}
