//! What sources of a dataset looked like when they were read: told by the step that reads to the step that
//! commits, and compared with what they look like now.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use frazil_engine::{
    context::{Context, Scope},
    data::DatasetId,
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::net::{Access, Net, Place};

/// Sources of which the state is kept: it stands in the properties of every commit.
const MOST: usize = 256;

/// Sources that are looked at at a time: enough to wait for most answers together, few enough for any server.
const AT_A_TIME: usize = 4;

/// How long the answer about one source may take: a plan waits for it.
const ANSWER: Duration = Duration::from_secs(20);

/// A state of a source, as far as it tells one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FileState {
    /// Its entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was changed last, as it says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of an Icechunk repository: the snapshot that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

impl FileState {
    /// How `now` differs, by what both tell; a tag says more than a time, and that more than a length.
    fn difference(&self, now: &Self) -> Option<String> {
        if let (Some(was), Some(is)) = (&self.etag, &now.etag) {
            return (was != is).then(|| format!("its ETag was {was}, it is {is}"));
        }
        if let (Some(was), Some(is)) = (self.size, now.size)
            && was != is
        {
            return Some(format!("it had {was} bytes, it has {is}"));
        }
        let (was, is) = (self.modified.as_ref()?, now.modified.as_ref()?);
        (was != is).then(|| format!("it was changed on {was}, and is now of {is}"))
    }
}

/// The file of a run in which the states of a source stand until a commit takes them.
fn file(cx: &Context, dataset: &DatasetId) -> PathBuf {
    cx.scratch.join("states").join(format!("{dataset}.json"))
}

/// Notes what sources of `dataset` look like while they are read.
///
/// # Errors
/// When the folder of the run cannot be written.
pub(crate) async fn note(
    dataset: &DatasetId,
    states: BTreeMap<String, FileState>,
    cx: &Context,
) -> Result<(), StepError> {
    let mut all = noted(dataset, cx).await;
    all.extend(states);
    let path = file(cx, dataset);
    let text = serde_json::to_vec(&all).unwrap_or_default();
    let written = async {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(&path, text).await
    };
    written.await.map_err(|error| {
        StepError::permanent(ErrorKind::Store, format!("cannot write to {}: {error}", path.display()))
    })
}

/// What was noted in this run; nothing where nothing was.
pub(crate) async fn noted(dataset: &DatasetId, cx: &Context) -> BTreeMap<String, FileState> {
    let text = tokio::fs::read(file(cx, dataset)).await.unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A place as it stands in a commit: relative to the project where it lies in it; none where its URL may hold
/// something secret.
pub(crate) fn name(place: &Place, scope: &Scope) -> Option<String> {
    let name = match place {
        Place::File(path) => path.strip_prefix(&scope.project.root).unwrap_or(path).display().to_string(),
        place => place.to_string(),
    };
    (!name.contains('?') && scope.secrets.redact(&name) == name).then_some(name)
}

/// What files of these places look like, by their places as text. Those that tell nothing, cannot be looked
/// at by anybody, or have something secret in their URL are left out.
pub(crate) async fn look(places: &[Place], scope: &Scope) -> Result<BTreeMap<String, FileState>, StepError> {
    let net = Net::looking(Access::default(), scope)?;
    let named: BTreeMap<String, &Place> =
        places.iter().filter_map(|place| Some((name(place, scope)?, place))).take(MOST).collect();
    let one = |(name, place): (String, &Place)| {
        let (net, place) = (net.clone(), place.clone());
        async move {
            let state = tokio::time::timeout(ANSWER, net.state(&place)).await.ok()?.ok()??;
            (state != FileState::default()).then_some((name, state))
        }
    };
    let named: Vec<_> = named.into_iter().collect();
    Ok(stream::iter(named).map(one).buffered(AT_A_TIME).filter_map(std::future::ready).collect().await)
}

/// Why what was read of these sources is to be read again, and what could not be found out; neither where
/// they are as they were. They are asked as anybody may ask.
pub(crate) async fn compared(
    known: &BTreeMap<String, FileState>,
    scope: &Scope,
) -> Result<(Vec<String>, Vec<String>), StepError> {
    let (mut changed, mut unknown) = (Vec::new(), Vec::new());
    let files: Vec<_> = known.iter().filter(|(_, state)| state.snapshot.is_none()).collect();
    if files.is_empty() {
        return Ok((changed, unknown));
    }
    let net = Net::looking(Access::default(), scope)?;
    for (name, state) in files {
        let place = Place::parse(name, &scope.project.root)?;
        match tokio::time::timeout(ANSWER, net.state(&place)).await {
            Ok(Ok(Some(now))) => {
                changed.extend(state.difference(&now).map(|how| format!("{name} is another one: {how}")));
            }
            Ok(Ok(None)) => unknown.push(format!("{name} is not there any more: what is stored stays")),
            Ok(Err(error)) => {
                let error = scope.secrets.redact(&error.to_string());
                unknown.push(format!("whether {name} changed could not be found out: {error}"));
            }
            Err(_) => unknown.push(format!("whether {name} changed could not be found out: no answer")),
        }
    }
    Ok((changed, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(etag: Option<&str>, modified: Option<&str>, size: Option<u64>) -> FileState {
        FileState {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            size,
            snapshot: None,
        }
    }

    #[test]
    fn another_state_is_told_by_what_both_say() {
        let whole = state(Some("\"a\""), Some("Mon"), Some(10));
        assert_eq!(whole.difference(&whole), None);
        // A mirror that was copied again is the same file.
        assert_eq!(whole.difference(&state(Some("\"a\""), Some("Tue"), Some(10))), None);
        assert!(whole.difference(&state(Some("\"b\""), Some("Mon"), Some(10))).unwrap().contains("\"b\""));
        assert!(whole.difference(&state(None, Some("Tue"), Some(10))).unwrap().contains("Tue"));
        assert!(whole.difference(&state(None, Some("Mon"), Some(11))).unwrap().contains("11"));
        assert_eq!(whole.difference(&state(None, None, None)), None);
        assert_eq!(state(None, None, Some(3)).difference(&state(Some("\"x\""), None, Some(3))), None);
    }
}
