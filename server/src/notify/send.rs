//! Sending what was noted, again until somebody takes it.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use frazil_engine::{
    context::Scope,
    project::Notify,
    store::{Notice, RunStoreError},
    template::{Locals, Template},
};
use tokio_util::sync::CancellationToken;

use super::{Notifier, target};
use crate::signature::{ID, SIGNATURE, TIMESTAMP, sign};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits between tries, in seconds; after the last it is given up: a day and a half in all.
const WAITS: [i64; 9] = [1, 10, 60, 300, 1_800, 7_200, 21_600, 43_200, 64_800];

/// How often it is looked whether something is due, if nobody says so.
const LOOK: Duration = Duration::from_secs(30);

impl Notifier {
    /// Sends what is noted until `stop`. `scope` gives what addresses are made from.
    pub(crate) async fn send(&self, scope: impl Fn() -> Scope + Send + Sync, stop: &CancellationToken) {
        // Addresses are those that are written: nobody sends it elsewhere.
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("frazil/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => return tracing::error!(%error, "nobody can be told of anything"),
        };
        while !stop.is_cancelled() {
            let wait = match self.round(&client, &scope, stop).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(%error, "notices cannot be read or kept");
                    LOOK
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Tries all that is due once; how long until something is due again.
    async fn round(
        &self,
        client: &reqwest::Client,
        scope: &(impl Fn() -> Scope + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<Duration, RunStoreError> {
        if !self.is_on() {
            return Ok(LOOK);
        }
        let mut wait = LOOK;
        for mut notice in self.notices.waiting().await? {
            let Some(due) = notice.next else { continue };
            let until = (due - Utc::now()).to_std().unwrap_or_default();
            if !until.is_zero() {
                wait = wait.min(until);
                continue;
            }
            let notify =
                self.live.project().config.notify.iter().find(|to| target(to) == notice.target).cloned();
            let Some(notify) = notify else {
                // Nobody wants to be told there any more.
                notice.next = None;
                self.notices.tried(&notice).await?;
                continue;
            };
            let scope = scope();
            let sent = tokio::select! {
                sent = self.try_once(client, &notice, &notify, &scope) => sent,
                // It was not tried: the next server does.
                () = stop.cancelled() => return Ok(LOOK),
            };
            notice.tries += 1;
            notice.next = match sent {
                Ok(()) => None,
                Err(why) => {
                    let after = WAITS.get(notice.tries as usize - 1).copied();
                    let Notice { subject, occasion, tries, .. } = &notice;
                    let is_over = after.is_none();
                    tracing::warn!(subject, occasion, tries, why, is_over, "nobody could be told");
                    after.map(|after| Utc::now() + TimeDelta::seconds(after))
                }
            };
            if let Some(next) = notice.next {
                wait = wait.min((next - Utc::now()).to_std().unwrap_or_default());
            }
            self.notices.tried(&notice).await?;
        }
        Ok(wait)
    }

    /// Sends one; why not, in words that hold neither the address nor a secret.
    async fn try_once(
        &self,
        client: &reqwest::Client,
        notice: &Notice,
        notify: &Notify,
        scope: &Scope,
    ) -> Result<(), String> {
        let address = Template(notify.webhook.clone()).render(scope, &Locals::default());
        let address = address.map_err(|error| scope.secrets.redact(&error.to_string()))?;
        // The same each time, so that a receiver knows what it has already.
        let id = format!("{}.{}", notice.subject.replace(' ', "-"), notice.occasion);
        let at = Utc::now().timestamp();
        let mut request = client.post(address).header("content-type", "application/json").header(ID, &id);
        request = request.header(TIMESTAMP, at.to_string());
        if let Some(name) = &notify.signed_by {
            let secret = scope.secrets.get(name).map_err(|error| error.to_string())?;
            let made = sign(&secret, &id, at, notice.content.as_bytes());
            let made = made.ok_or_else(|| format!("the secret `{name}` is no key of a signature"))?;
            request = request.header(SIGNATURE, made);
        }
        let answer = request.body(notice.content.clone()).send().await;
        let status = answer.map_err(|error| error.without_url().to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {status}")) }
    }
}
