//! What a rewrite made, put onto the head of `main` in one commit.

use std::sync::Arc;

use frazil_engine::{context::Context, data::SnapshotId, dataset::DatasetInfo, step::StepError};
use futures::TryStreamExt;
use icechunk::session::SessionErrorKind;

use super::{Rewrite, Target, branch, branch::Branch};
use crate::cube::{Cube, confirm, fault, kept, line, path, release, repo::Place};

/// Puts the arrays of `branch` onto `main`, in the place of those that stand there; none where another
/// writer of an object store was first. Under the dataset's lock.
pub(super) async fn land<R: Rewrite>(
    rewrite: &R,
    branch: &Branch,
    main: &Arc<Cube>,
    target: &Target<R::Plan>,
    info: &DatasetInfo,
    cx: &Context,
) -> Result<Option<SnapshotId>, StepError> {
    let what = format!("cannot put what was rewritten onto `main` of {}", info.location.url);
    let Some(written) = branch.session(&what).await? else { return Ok(None) };
    line::begin(&main.repository, &main.id, info).await?;
    let session = main.repository.writable_session(line::of(info)).await;
    let mut session = session.map_err(fault::icechunk(&what))?;
    if *session.snapshot_id() != main.id {
        return Ok(None);
    }
    rewrite.around(main, target, &mut session, &what).await?;
    for (name, document) in &target.arrays {
        branch::replace(&mut session, name, document, &what).await?;
        let name = path(name)?;
        let mut chunks = std::pin::pin!(written.array_chunk_iterator(&name).await);
        while let Some(chunk) = chunks.try_next().await.map_err(fault::icechunk(&what))? {
            let set = session.set_chunk_ref(name.clone(), chunk.coord, Some(chunk.payload)).await;
            set.map_err(fault::icechunk(&what))?;
        }
    }
    let mut record = rewrite.record();
    record.run = Some(cx.run.to_string());
    let properties = record.properties(&rewrite.provenance(main));
    let message = rewrite.message(main, target);
    let id = match session.commit(message).properties(properties).allow_empty(true).execute().await {
        Ok(id) => id,
        Err(error) if matches!(error.kind, SessionErrorKind::Conflict { .. }) => return Ok(None),
        Err(error) => return Err(fault::store(&what, &error.kind)),
    };
    let landed = confirm::begun(Arc::clone(&main.repository), id, &target.axis, info).await?;
    let id = landed.id();
    let name = release::place(info, line::of(info));
    kept::keep(&Place::of(&info.location)?, &name, Arc::new(landed));
    Ok(Some(id))
}
