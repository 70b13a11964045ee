//! Source files opened ahead of those who read them.

use std::sync::Arc;

use frazil_engine::{
    context::{Context, Tick},
    data::{Period, Periods, Spent},
    step::{ErrorKind, StepError},
};
use futures::{StreamExt, stream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    Fetch,
    recipe::Recipe,
    source::{Found, Opener, Request, SourceFile},
    stream::{label, stoppable, within},
    work::{Job, Jobs, Want, wants},
};
use crate::net::{Net, Place};

/// All that opening and reading need.
pub(crate) struct Shop<'a> {
    pub(crate) fetch: &'a Fetch,
    pub(crate) recipe: &'a Recipe,
    pub(crate) periods: &'a Periods,
    pub(crate) net: &'a Net,
    pub(crate) opener: &'a dyn Opener,
    pub(crate) cx: &'a Context,
    /// Source files that may be opened at a time.
    pub(crate) openings: Semaphore,
}

/// A job whose files are open.
pub(crate) struct Ready {
    pub(crate) wants: Vec<Want>,
    /// The files, or the group whose file is not there.
    pub(crate) files: Result<Vec<Opened>, usize>,
    /// Waited for after a missing file: nothing is asked for behind a frontier.
    pub(crate) go_on: Option<oneshot::Sender<()>>,
}

pub(crate) struct Opened {
    pub(crate) group: usize,
    pub(crate) request: Arc<Request>,
    pub(crate) file: Box<dyn SourceFile>,
    /// What was read of the first period in the same try.
    pub(crate) first: Option<Found>,
}

impl Shop<'_> {
    /// Opens the files of all jobs, so many at a time, and hands them on in order.
    pub(crate) async fn open_all(
        &self,
        halo: u32,
        ready: mpsc::Sender<Result<Ready, StepError>>,
    ) -> Result<(), StepError> {
        let wants = wants(self.periods, halo);
        let jobs = Jobs::new(self.fetch, self.recipe, wants, &self.cx.scope);
        let mut jobs = stream::iter(jobs)
            .map(|job| async {
                let job = job?;
                let files = self.open(&job.places, &job).await?;
                Ok(Ready { wants: job.wants, files, go_on: None })
            })
            .buffered(self.fetch.jobs(self.recipe.files()));
        while let Some(mut job) = jobs.next().await {
            let mut wait = None;
            if let Ok(job) = &mut job
                && job.files.is_err()
            {
                let (go_on, told) = oneshot::channel();
                job.go_on = Some(go_on);
                wait = Some(told);
            }
            let failed = job.is_err();
            if ready.send(job).await.is_err() || failed {
                return Ok(());
            }
            if let Some(told) = wait
                && told.await.is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens the files of a job and reads its first period; a group whose file is not there.
    pub(crate) async fn open(
        &self,
        places: &[Place],
        job: &Job,
    ) -> Result<Result<Vec<Opened>, usize>, StepError> {
        let periods: Vec<Period> = job.wants.iter().map(|want| want.period).collect();
        let Some(first) = periods.first().copied() else { return Ok(Ok(Vec::new())) };
        let requests = self.recipe.requests(places, &periods).into_iter().enumerate();
        let requests = requests.filter_map(|(group, request)| Some((group, Arc::new(request?))));
        let mut opened = stream::iter(requests.collect::<Vec<_>>())
            .map(|(group, request)| async move { (group, self.one(group, request, first).await) })
            .buffered(self.fetch.in_flight.get());
        let mut files = Vec::new();
        while let Some((group, file)) = opened.next().await {
            match file.map_err(|error| error.at(first))? {
                Some(file) => files.push(file),
                None => return Ok(Err(group)),
            }
        }
        Ok(Ok(files))
    }

    /// Opens one file and reads its first period; none where it is not there.
    async fn one(
        &self,
        group: usize,
        request: Arc<Request>,
        first: Period,
    ) -> Result<Option<Opened>, StepError> {
        let closed = |_| StepError::permanent(ErrorKind::Internal, "files are opened no more");
        let _place = self.openings.acquire().await.map_err(closed)?;
        let open = || async {
            let Some(mut file) = self.opener.open(&request, self.net, self.cx).await? else {
                return Ok(None);
            };
            let found = file.read(first, self.cx).await?;
            Ok(Some((file, found)))
        };
        let opened = if self.opener.by_itself() {
            stoppable(self.cx, open()).await?
        } else {
            let again = |_| async {
                let _permit = self.cx.permit().await?;
                within(self.cx, open()).await
            };
            self.cx.retrying(&label(&request.place, self.cx), again).await?
        };
        // A whole file is counted when it is brought, which is once for all who read of it.
        if opened.is_some() && !self.fetch.many_in_one() {
            self.cx.progress.tick(Tick::Spent(Spent { requests: 1, ..Spent::default() }));
        }
        Ok(opened.map(|(file, found)| Opened { group, request, file, first: Some(found) }))
    }
}
