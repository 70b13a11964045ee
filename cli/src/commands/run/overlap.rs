//! Runs of one pipeline come one after the other: what becomes of one that finds another at work.

use std::convert::Infallible;

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use frazil_engine::{
    context::{Clock, SystemClock},
    data::{PipelineId, RunId},
    lock::{FileLock, pipeline_lock},
    pipeline::Overlap,
    scheduler::{Cancel, LOOK, Meets, ask_to_make_room, asked},
    step::{ErrorKind, StepError},
};

use crate::{
    render,
    session::{Session, history},
};

/// The words for what becomes of a run that finds another of its pipeline at work.
pub(super) fn policies() -> impl TypedValueParser<Value = Overlap> {
    let words = [
        PossibleValue::new("queue").help("It waits for the other"),
        PossibleValue::new("skip").help("It is left out"),
        PossibleValue::new("replace")
            .help("The other is asked to stop, keeping what is whole; then it begins"),
    ];
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "skip" => Overlap::Skip,
        "replace" => Overlap::Replace,
        _ => Overlap::Queue,
    })
}

/// The lock of a pipeline; none where the run is left out.
pub(super) async fn lock(
    overlap: Overlap,
    session: &Session,
    id: &PipelineId,
    cancel: &Cancel,
) -> anyhow::Result<Option<FileLock>> {
    let path = pipeline_lock(session.state(), id);
    let tell = |what: &str| drop(render::note(&format!("{id}: {what}\n")));
    let lock = FileLock::try_take(&path)?;
    match overlap.meets(lock.is_none()) {
        Meets::Nobody => Ok(lock),
        Meets::Waits => {
            tell("waits for another run of it");
            Ok(Some(FileLock::take(&path, &SystemClock, &cancel.token, || {}).await?))
        }
        Meets::IsLeftOut => Ok(None),
        Meets::Replaces => {
            tell("asks another run of it to stop");
            // What begins later is a twin of this one: it is waited for, not stopped.
            let began = Utc::now();
            loop {
                replace(session, id, began).await?;
                if let Some(lock) = FileLock::try_take(&path)? {
                    return Ok(Some(lock));
                }
                tokio::select! {
                    () = cancel.token.cancelled() => return Err(StepError::Cancelled.into()),
                    () = SystemClock.sleep(LOOK) => {}
                }
            }
        }
    }
}

/// Says that a run is left out.
pub(super) fn tell_left_out(id: &PipelineId) {
    drop(render::note(&format!("{id}: another run of it is at work, so this one is left out\n")));
}

/// Says that a run is not to wait for another.
pub(super) fn refusal(id: &PipelineId) -> StepError {
    StepError::permanent(ErrorKind::Refused, format!("another run of `{id}` is at work"))
        .help("`frazil runs` lists it; without --no-wait this one waits for it")
}

/// Asks the runs of a pipeline that are at work since before `began` to stop.
async fn replace(session: &Session, id: &PipelineId, began: DateTime<Utc>) -> anyhow::Result<()> {
    let Some(store) = history(session).await? else { return Ok(()) };
    Ok(ask_to_make_room(session.state(), &store, id, began, "replaced by another run").await?)
}

/// Tells a run to stop as soon as another process asks for it.
pub(super) async fn listen(session: &Session, run: &RunId, cancel: &Cancel) -> Infallible {
    let reason = asked(session.state(), run, &SystemClock).await;
    if !cancel.token.is_cancelled() {
        drop(render::note(&format!("{reason}: keeping what is whole\n")));
        cancel.cancel(&reason);
    }
    std::future::pending().await
}
