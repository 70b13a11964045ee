//! The cube: an Icechunk repository with Zarr arrays `time, (further dimensions), y, x`, and what stands in it.
//!
//! The only code that names Icechunk or zarrs. Step types read through [`Cube`], write through
//! [`BatchWriter`] and publish through [`commit()`].

mod admit;
mod attempt;
mod attributes;
mod audit;
mod change;
mod chunk;
mod codec;
mod commit;
mod confirm;
mod creation;
mod crs;
mod document;
mod elsewhere;
mod external;
mod fault;
mod forecast;
pub(crate) mod foreign;
mod grid;
mod history;
mod kept;
mod keys;
mod labels;
mod layout;
mod lengths;
mod level;
mod line;
mod lock;
mod maintain;
mod mark;
mod objects;
mod outline;
pub(crate) mod parts;
mod raw;
mod read;
mod reads;
mod reference;
mod release;
mod repo;
mod retention;
mod review;
mod rewrite;
mod selftest;
mod settle;
mod shelf;
mod spares;
mod sweep;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod timeless;
mod unit;
mod values;
mod write;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use frazil_engine::{
    context::Scope,
    data::{Snapshot, SnapshotId},
    dataset::DatasetInfo,
    step::StepError,
};
use icechunk::{Repository, format::Path, repository::VersionInfo, session::Session};

pub(crate) use audit::reject;
pub use audit::{Ahead, Verdict, ahead, decide, promote};
pub use commit::{CommitNotes, commit};
pub(crate) use crs::{name as crs_name, same as same_crs};
pub(crate) use document::regular;
pub(crate) use grid::grid_difference;
pub use history::{Changes, Commit, CommitMark, FileState, Pending, Provenance, ReleaseState, SourceState};
pub use keys::{Entry, Keys, Member, StoredChunk};
pub(crate) use layout::{declared_peak, declared_unit};
pub use level::Level;
pub use maintain::{foresee, sweep};
pub use mark::{Mark, MarkNote, Marked, mark};
pub(crate) use objects::{chunk_objects, declared, declared_on, moves_all};
pub use outline::Outline;
pub use raw::{RawObject, RawObjects};
pub use read::Window;
pub use reads::{Costs, Read, VariableCosts, costs};
#[cfg(test)]
pub(crate) use release::names as branches;
pub use release::{Standing, UnderWay, settle as settle_release, settle_layout};
pub(crate) use release::{difference as layout_difference, digest as layout_digest, foretold};
pub use repo::{snapshot as head_of, written as written_head};
pub use retention::Retention;
pub(crate) use review::{agrees, template as template_of};
pub(crate) use rewrite::{
    Layout, differences as layout_differences, foreseen as rechunking, peak as rewriting_peak, rechunk,
    relevel,
};
pub use shelf::{Shelf, can_be_snapshot};
pub use spares::Spares;
pub use sweep::{Gone, Objects, Sweep};
pub use template::{Template, TemplateVariable};
pub use time::TimeIndex;
pub use write::BatchWriter;

use codec::ChunkCodec;
use document::{Nodes, not_a_cube};
use external::External;
use repo::Place;

/// One state of a dataset, open for reading.
#[derive(Debug)]
pub struct Cube {
    repository: Arc<Repository>,
    session: Session,
    id: icechunk::format::SnapshotId,
    nodes: Nodes,
    codecs: BTreeMap<String, Arc<ChunkCodec>>,
    snapshot: Snapshot,
    template: Template,
    /// The path of the coordinate of its time axis.
    time: String,
    axis: TimeIndex,
    provenance: Provenance,
    /// The folder of a local repository.
    folder: Option<PathBuf>,
    /// Where the numbers of a Zarr store made elsewhere come from; it has no repository.
    external: Option<Arc<External>>,
}

impl Cube {
    /// Opens the head of a dataset. None only when there is provably no repository, or when it
    /// holds nothing but its initial snapshot. Looking creates nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something that is no cube of this dataset.
    pub async fn open(info: &DatasetInfo, scope: &Scope) -> Result<Option<Self>, StepError> {
        if is_store(info) {
            return external::open(info, scope).await.map_err(|error| repo::redacted(error, scope));
        }
        let Some(repository) = repo::open(info, scope).await? else {
            let other = if info.location.read_only { external::open(info, scope).await } else { Ok(None) };
            return other.map_err(|error| repo::redacted(error, scope));
        };
        match repo::head(&repository, info, scope).await? {
            None => Ok(None),
            Some(id) => Self::at(Arc::new(repository), id, info, scope).await.map(Some),
        }
    }

    /// Opens what writers of a dataset go on from: the end of branch `audit` while it is audited and
    /// something stands there, else the head. None as in [`Cube::open`].
    ///
    /// # Errors
    /// As [`Cube::open`]; `Refused` where somebody moved `main` away from what is audited.
    pub async fn open_to_write(info: &DatasetInfo, scope: &Scope) -> Result<Option<Self>, StepError> {
        let Some(repository) = repo::open(info, scope).await? else { return Ok(None) };
        match line::head(&repository, info, scope).await? {
            None => Ok(None),
            Some(id) => Self::at(Arc::new(repository), id, info, scope).await.map(Some),
        }
    }

    /// Opens one state of a dataset.
    ///
    /// # Errors
    /// When the store cannot be read, or has no such snapshot.
    pub async fn open_at(info: &DatasetInfo, scope: &Scope, id: &SnapshotId) -> Result<Self, StepError> {
        let none = || not_a_cube(format!("{} has no snapshot {id}", info.location.url));
        let opened = if is_store(info) { None } else { repo::open(info, scope).await? };
        let repository = match opened {
            Some(repository) => repository,
            None if info.location.read_only => {
                let changed =
                    || none().help("a Zarr store keeps no states: it was changed meanwhile, run again");
                let cube = Self::open(info, scope).await?.ok_or_else(none)?;
                return if cube.id() == *id { Ok(cube) } else { Err(changed()) };
            }
            None => return Err(none()),
        };
        let id = icechunk::format::SnapshotId::try_from(id.0.as_str()).map_err(|_| none())?;
        Self::at(Arc::new(repository), id, info, scope).await
    }

    async fn at(
        repository: Arc<Repository>,
        id: icechunk::format::SnapshotId,
        info: &DatasetInfo,
        scope: &Scope,
    ) -> Result<Self, StepError> {
        let opened = Self::load(repository, id, info).await;
        opened.map_err(|error| repo::redacted(error, scope))
    }

    async fn load(
        repository: Arc<Repository>,
        id: icechunk::format::SnapshotId,
        info: &DatasetInfo,
    ) -> Result<Self, StepError> {
        let what = repo::unreadable(info);
        let about = repository.lookup_snapshot(&id).await.map_err(fault::icechunk(&what))?;
        let session = repository
            .readonly_session(&VersionInfo::SnapshotId(id.clone()))
            .await
            .map_err(fault::icechunk(&what))?;
        let mut nodes = read::nodes(&session, &what).await?;
        let theirs = info.location.read_only.then(|| elsewhere::told(&mut nodes)).transpose()?;
        let loaded =
            read::contents(&session, &nodes, info.block.time.frequency(), theirs.as_deref(), &what).await?;
        let folder = match Place::of(&info.location)? {
            Place::Local(folder) => Some(folder),
            Place::S3 { .. } | Place::Http(_) => None,
        };
        Ok(Self {
            external: None,
            folder,
            snapshot: repo::snapshot(info, Some(SnapshotId(id.to_string()))),
            provenance: Provenance::read(&about.metadata),
            axis: loaded.axis,
            codecs: loaded.codecs,
            time: theirs.unwrap_or_else(|| loaded.template.path("time")),
            template: loaded.template,
            repository,
            session,
            id,
            nodes,
        })
    }

    /// This state, as it is passed along an edge; `base` is the state itself.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its name in the store.
    #[must_use]
    pub fn id(&self) -> SnapshotId {
        SnapshotId(self.id.to_string())
    }

    /// The time axis.
    #[must_use]
    pub const fn axis(&self) -> &TimeIndex {
        &self.axis
    }

    /// Grid, variables and layout as they are stored.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// What the head says of where its numbers come from.
    #[must_use]
    pub const fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

/// Whether a dataset that is made elsewhere is a Zarr store in a folder: no repository is looked for there.
#[must_use]
pub fn is_store(info: &DatasetInfo) -> bool {
    let documents = ["zarr.json", ".zgroup", ".zmetadata"];
    let folder = match Place::of(&info.location) {
        Ok(Place::Local(folder)) if info.location.read_only => folder,
        _ => return false,
    };
    documents.iter().any(|document| folder.join(document).is_file())
}

fn path(text: &str) -> Result<Path, StepError> {
    Path::new(text).map_err(|_| not_a_cube(format!("`{text}` is no path of an array")))
}
