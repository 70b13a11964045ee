//! A release whose branch does not follow the head of `main`, because somebody committed there
//! since: its arrays and references are put onto that head, in one commit. No chunk is touched.

use frazil_engine::{data::SnapshotId, dataset::DatasetInfo, step::StepError};
use futures::TryStreamExt;
use icechunk::{
    format::manifest::ChunkInfo,
    session::{Session, SessionErrorKind},
};

use crate::cube::{Cube, creation, fault, history::CommitRecord, line, path, settle::ranges};

/// Puts `cube` onto the head of `main`; none where that has moved.
pub(super) async fn onto(
    cube: &Cube,
    main: &Cube,
    info: &DatasetInfo,
) -> Result<Option<SnapshotId>, StepError> {
    let what = format!("cannot move `main` of {} to its release", info.location.url);
    line::begin(&main.repository, &main.id, info).await?;
    let branch = line::of(info);
    let mut session = main.repository.writable_session(branch).await.map_err(fault::icechunk(&what))?;
    if *session.snapshot_id() != main.id {
        return Ok(None);
    }
    copy(cube, &mut session, &what).await?;
    let record = CommitRecord {
        added: ranges(cube.axis.periods()),
        replaced: ranges(main.axis.periods()),
        ..CommitRecord::default()
    };
    let state = cube.provenance.release.as_ref();
    let message = match state.and_then(|state| state.layout.as_ref()) {
        Some(_) => "another layout".to_owned(),
        None => format!("version {}", cube.provenance.version.as_deref().unwrap_or_default()),
    };
    let properties = record.properties(&cube.provenance);
    match session.commit(message).properties(properties).allow_empty(true).execute().await {
        Ok(id) => Ok(Some(SnapshotId(id.to_string()))),
        Err(error) if matches!(error.kind, SessionErrorKind::Conflict { .. }) => Ok(None),
        Err(error) => Err(fault::store(&what, &error.kind)),
    }
}

async fn copy(cube: &Cube, session: &mut Session, what: &str) -> Result<(), StepError> {
    creation::clear(session, what).await?;
    // In the order of their paths a group comes before what lies in it.
    for (name, document) in &cube.nodes {
        let bytes = bytes::Bytes::from(document.to_string().into_bytes());
        let name = path(name)?;
        if document["node_type"] == "group" {
            session.add_group(name, bytes).await.map_err(fault::icechunk(what))?;
            continue;
        }
        let (shape, names) = creation::shape(document)?;
        session.add_array(name.clone(), shape, Some(names), bytes).await.map_err(fault::icechunk(what))?;
        let chunks: Vec<ChunkInfo> = cube
            .session
            .array_chunk_iterator(&name)
            .await
            .try_collect()
            .await
            .map_err(fault::icechunk(what))?;
        for chunk in chunks {
            let set = session.set_chunk_ref(name.clone(), chunk.coord, Some(chunk.payload)).await;
            set.map_err(fault::icechunk(what))?;
        }
    }
    Ok(())
}
