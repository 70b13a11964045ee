//! What readers will see of a commit, read once more: a label that a store or a codec changed would
//! shift every number after it.

use std::sync::Arc;

use frazil_engine::{
    data::{SnapshotId, Values},
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::{Repository, repository::VersionInfo};

use super::{Cube, Provenance, fault, read, time::TimeIndex};

/// A first commit: all of it is read.
pub(super) async fn begun(
    repository: Arc<Repository>,
    id: icechunk::format::SnapshotId,
    axis: &TimeIndex,
    info: &DatasetInfo,
) -> Result<Cube, StepError> {
    let cube = Cube::load(repository, id, info).await?;
    if cube.axis == *axis { Ok(cube) } else { Err(others(&cube)) }
}

/// A commit on `before`: of the axis, the chunks from position `from` on; the rest was not written.
pub(super) async fn grown(
    before: &Cube,
    id: icechunk::format::SnapshotId,
    (axis, from): (&TimeIndex, usize),
    provenance: Provenance,
) -> Result<Cube, StepError> {
    let what = format!("cannot read {} after the commit", before.snapshot.repository);
    let session = before
        .repository
        .readonly_session(&VersionInfo::SnapshotId(id.clone()))
        .await
        .map_err(fault::icechunk(&what))?;
    let nodes = read::nodes(&session, &what).await?;
    let template = before.template.clone();
    let (time, status) = (template.path("time"), template.path("period_status"));
    let (labels, codes) = futures::try_join!(
        read::vector(&session, &nodes, &time, from, &what),
        read::vector(&session, &nodes, &status, from, &what)
    )?;
    let named = SnapshotId(id.to_string());
    let cube = Cube {
        snapshot: frazil_engine::data::Snapshot {
            id: Some(named.clone()),
            base: Some(named),
            ..before.snapshot.clone()
        },
        repository: Arc::clone(&before.repository),
        folder: before.folder.clone(),
        codecs: before.codecs.clone(),
        external: before.external.clone(),
        time: before.time.clone(),
        axis: axis.clone(),
        session,
        id,
        nodes,
        template,
        provenance,
    };
    let same = match (labels, codes) {
        (Some((at, Values::Int64(labels))), codes) => {
            labels == axis.labels_from(at)
                && match codes {
                    None => true,
                    Some((at, Values::UInt8(codes))) => codes == axis.codes_from(at),
                    Some(_) => false,
                }
        }
        (None, None) => axis.step().is_static(),
        _ => false,
    };
    if same { Ok(cube) } else { Err(others(&cube)) }
}

fn others(cube: &Cube) -> StepError {
    let message =
        format!("the labels of {} are not those that were committed ({})", cube.snapshot.dataset, cube.id());
    StepError::permanent(ErrorKind::Internal, message)
        .help("the commit stands: reset `main` to its parent before anything is read from it")
}
