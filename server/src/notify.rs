//! Telling people: runs that failed or recovered, datasets that are late, to the addresses that
//! `frazil.yaml` names and to no other. What is to be told is noted first and sent then, so that it outlives
//! the server, and is told once.

mod occasion;
mod send;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use frazil_engine::{
    dataset::{DatasetInfo, Due},
    event::RunEvent,
    project::{Notify, NotifyWhen},
    store::{Notice, Notices, RunStoreError, RunSummary},
};
use sha2::{Digest, Sha256};

use crate::live::{Current, Live};
pub(crate) use occasion::{follows_failure, is_failure};

/// How long what was told is remembered: longer than runs are looked at again.
const REMEMBERED: TimeDelta = TimeDelta::days(60);

/// Tells people.
#[derive(Debug)]
pub(crate) struct Notifier {
    live: Arc<Live>,
    notices: Notices,
    /// When this server began.
    began: DateTime<Utc>,
    /// Told when there is something new to be sent.
    wake: tokio::sync::Notify,
}

impl Notifier {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        let notices = Notices::in_folder(&live.project().config.state);
        Self { live, notices, began: Utc::now(), wake: tokio::sync::Notify::new() }
    }

    /// Whether anybody is to be told of anything.
    pub(crate) fn is_on(&self) -> bool {
        !self.live.project().config.notify.is_empty()
    }

    /// Notes that a run failed, or that it succeeded after one that failed.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub(crate) async fn run(
        &self,
        when: NotifyWhen,
        run: &RunSummary,
        events: &[RunEvent],
    ) -> Result<(), RunStoreError> {
        let current = self.live.current();
        let Some((_, at)) = run.finished else { return Ok(()) };
        let content = occasion::of_run(when, run, events, &current);
        self.note(&current, when, &run.run.to_string(), at, content).await
    }

    /// Notes that a dataset is late, once until it is not any more.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub(crate) async fn dataset(
        &self,
        info: &DatasetInfo,
        due: &Due,
        now: DateTime<Utc>,
    ) -> Result<(), RunStoreError> {
        let subject = format!("dataset {}", info.id);
        if !due.late {
            return self.notices.over(&subject, occasion::name(NotifyWhen::Late)).await;
        }
        let current = self.live.current();
        let content = occasion::of_dataset(info, due, now, &current);
        self.note(&current, NotifyWhen::Late, &subject, now, content).await
    }

    async fn note(
        &self,
        current: &Current,
        when: NotifyWhen,
        subject: &str,
        at: DateTime<Utc>,
        content: String,
    ) -> Result<(), RunStoreError> {
        let mut notices = Vec::new();
        for notify in current.project.config.notify.iter().filter(|notify| notify.when.contains(&when)) {
            let target = target(notify);
            // What ended before anybody was to be told of it is no news.
            if at < self.notices.since(&target, self.began).await? {
                continue;
            }
            notices.push(Notice {
                subject: subject.to_owned(),
                occasion: occasion::name(when).to_owned(),
                target,
                at,
                content: content.clone(),
                tries: 0,
                next: Some(at),
            });
        }
        if !notices.is_empty() && self.notices.note(notices).await? > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Forgets what was told long ago.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(crate) async fn forget(&self, now: DateTime<Utc>) -> Result<(), RunStoreError> {
        self.notices.forget(now - REMEMBERED).await
    }
}

/// Whom a notice is for: a digest of the address as it is written, in which secrets have their names.
fn target(notify: &Notify) -> String {
    let digest = Sha256::digest(notify.webhook.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
