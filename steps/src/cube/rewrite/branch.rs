//! The branch of a rewrite: references to what is written already, and how far it is.

use std::sync::Arc;

use frazil_engine::{context::Scope, dataset::DatasetInfo, step::StepError};
use icechunk::{Repository, session::Session};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PREFIX, Progress, Reference, Stretch};
use crate::cube::{
    Cube, change, creation,
    document::Nodes,
    fault,
    history::CommitRecord,
    path,
    repo::{self, redacted, unreadable},
};

/// The property of its commits that says how far it is.
const PROPERTY: &str = "rewrite";

/// What a commit says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    progress: Progress,
    /// Length of the arrays along `time`.
    length: usize,
}

/// The branch as it is known here.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) name: String,
    /// How far it is, with what is not committed yet; none where nothing is known.
    pub(super) progress: Option<Progress>,
    repository: Arc<Repository>,
    /// Its last commit; none where there is no branch yet.
    tip: Option<icechunk::format::SnapshotId>,
    /// Length of its arrays along `time`; none where they are to be made.
    length: Option<usize>,
    pending: Vec<Reference>,
    moved: bool,
}

/// All branches of rewrites.
pub(super) async fn names(
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Vec<String>, StepError> {
    let listed = repository.list_branches().await;
    let listed = listed.map_err(|error| redacted(fault::store(&unreadable(info), &error.kind), scope))?;
    Ok(listed.into_iter().filter(|branch| branch.starts_with(PREFIX)).collect())
}

impl Branch {
    /// Looks at the branch of this name.
    pub(super) async fn open(
        name: String,
        main: &Cube,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let repository = Arc::clone(&main.repository);
        let mut branch = Self {
            name,
            repository,
            progress: None,
            tip: None,
            length: None,
            pending: Vec::new(),
            moved: false,
        };
        if names(&branch.repository, info, scope).await?.contains(&branch.name) {
            let tip = repo::tip(&branch.repository, &branch.name, info, scope).await?;
            let about = branch.repository.lookup_snapshot(&tip).await;
            let about =
                about.map_err(|error| redacted(fault::store(&unreadable(info), &error.kind), scope))?;
            branch.tip = Some(tip);
            // Before its first commit it stands where `main` stood; then all is to be done.
            let saved = about.metadata.get(PROPERTY).cloned();
            if let Some(saved) = saved.and_then(|saved| serde_json::from_value::<Saved>(saved).ok()) {
                branch.progress = Some(saved.progress);
                branch.length = Some(saved.length);
            }
        }
        Ok(branch)
    }

    /// Begins anew: what stands there is of no use.
    pub(super) fn begin(&mut self, progress: Progress) {
        self.progress = Some(progress);
        self.length = None;
        self.pending.clear();
    }

    /// A stretch is written.
    pub(super) fn put(&mut self, references: Vec<Reference>, stretch: &Stretch) {
        self.pending.extend(references);
        self.moved = true;
        if let Some(progress) = &mut self.progress {
            progress.done(stretch);
        }
    }

    /// Whether anything waits for a commit.
    pub(super) fn is_pending(&self) -> bool {
        self.moved || self.length.is_none()
    }

    /// Commits what waits; false where the branch is not as it was left. Under the dataset's lock.
    pub(super) async fn commit(
        &mut self,
        main: &Cube,
        arrays: &Nodes,
        length: usize,
        what: &str,
    ) -> Result<bool, StepError> {
        let known = self.repository.list_branches().await.map_err(fault::icechunk(what))?;
        let tip = match known.contains(&self.name) {
            true => Some(self.repository.lookup_branch(&self.name).await.map_err(fault::icechunk(what))?),
            false => None,
        };
        if tip != self.tip {
            return Ok(false);
        }
        if tip.is_none() {
            self.repository.create_branch(&self.name, &main.id).await.map_err(fault::icechunk(what))?;
        }
        let mut session =
            self.repository.writable_session(&self.name).await.map_err(fault::icechunk(what))?;
        if self.length != Some(length) {
            for (name, document) in arrays {
                match self.length {
                    None => replace(&mut session, name, document, what).await?,
                    Some(_) => change::update(&mut session, name, document, what).await?,
                }
            }
        }
        let fresh = self.length.is_none();
        for Reference { array, at, payload } in &self.pending {
            let array = path(array)?;
            if payload.is_none()
                && (fresh
                    || session.get_chunk_ref(&array, at).await.map_err(fault::icechunk(what))?.is_none())
            {
                continue;
            }
            let set = session.set_chunk_ref(array, at.clone(), payload.clone()).await;
            set.map_err(fault::icechunk(what))?;
        }
        let record = CommitRecord { same: true, ..CommitRecord::default() };
        let mut properties = record.properties(&main.provenance);
        let saved = self.progress.clone().map(|progress| Saved { progress, length });
        properties.insert(PROPERTY.to_owned(), json!(saved));
        let committed =
            session.commit("rewrite, in part").properties(properties).allow_empty(true).execute().await;
        self.tip = Some(committed.map_err(fault::icechunk(what))?);
        self.length = Some(length);
        self.pending.clear();
        self.moved = false;
        Ok(true)
    }

    /// Its last commit, to read from.
    pub(super) async fn session(&self, what: &str) -> Result<Option<Session>, StepError> {
        let Some(tip) = self.tip.clone() else { return Ok(None) };
        let at = icechunk::repository::VersionInfo::SnapshotId(tip);
        self.repository.readonly_session(&at).await.map(Some).map_err(fault::icechunk(what))
    }
}

/// Puts an empty array where there may be one, and the groups above it where there are none.
pub(super) async fn replace(
    session: &mut Session,
    name: &str,
    document: &Value,
    what: &str,
) -> Result<(), StepError> {
    let path = path(name)?;
    session.delete_array(path.clone()).await.map_err(fault::icechunk(what))?;
    let above: Vec<_> = path.ancestors().skip(1).collect();
    for group in above.into_iter().rev() {
        if session.get_node(&group).await.is_err() {
            let empty = json!({ "zarr_format": 3, "node_type": "group", "attributes": {} });
            let added = session.add_group(group, empty.to_string().into_bytes().into()).await;
            added.map_err(fault::icechunk(what))?;
        }
    }
    let (shape, names) = creation::shape(document)?;
    let bytes = document.to_string().into_bytes().into();
    session.add_array(path, shape, Some(names), bytes).await.map_err(fault::icechunk(what))
}
