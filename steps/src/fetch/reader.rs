//! What is read from open source files, in order, and what the lack of one means.

use std::{sync::Arc, time::Duration};

use frazil_engine::{
    context::{Context, Tick},
    data::{Action, Arrival, Grid, Period, Slice, Status},
    step::{ErrorKind, StepError},
};
use tokio::sync::mpsc;

use super::{
    OnMissing,
    assembly::Assembly,
    frontier::{Verdict, judge, quiet},
    gaps::Gaps,
    shop::{Opened, Ready, Shop},
    source::{Found, Piece},
    stream::{Arrivals, label, stoppable, within},
    work::{Job, Want},
};

/// What is known of one period after reading.
enum Outcome {
    Here(Piece),
    /// The group that lacks it, and whether its source goes on behind it as far as is known.
    Missing {
        group: usize,
        hole: bool,
        /// The file is there, and its time axis ends before the period.
        ended: bool,
    },
}

/// Reads from open files in order and sends what arrives.
pub(crate) struct Reader<'a> {
    shop: &'a Shop<'a>,
    arrivals: &'a Arrivals,
    /// The grid of what came before: slices of one source share it.
    grid: Option<Arc<Grid>>,
    /// Gaps before the first slice, held until there is a grid to say where they lie.
    gaps: Vec<Want>,
    count: Gaps<'a>,
    /// How long was waited for what is not there yet.
    waited: Duration,
}

/// Whether to go on.
enum Next {
    More,
    /// The same period, its files being looked for anew.
    Again,
    /// The frontier, or nobody listens any more.
    End,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(shop: &'a Shop<'a>, arrivals: &'a Arrivals) -> Self {
        Self { shop, arrivals, grid: None, gaps: Vec::new(), count: Gaps::new(shop), waited: Duration::ZERO }
    }

    pub(crate) async fn read_all(
        mut self,
        mut ready: mpsc::Receiver<Result<Ready, StepError>>,
    ) -> Result<(), StepError> {
        while let Some(job) = ready.recv().await {
            let Ready { wants, mut files, go_on } = job?;
            let mut verdict = None;
            for (at, &want) in wants.iter().enumerate() {
                loop {
                    let outcome = match &mut files {
                        Err(group) => Outcome::Missing { group: *group, hole: false, ended: false },
                        Ok(files) => self.read(files, want).await?,
                    };
                    match self.settle(want, outcome, &mut verdict).await? {
                        Next::More => break,
                        Next::End => return Ok(()),
                        Next::Again => (files, verdict) = (self.look_again(&wants[at..]).await?, None),
                    }
                }
            }
            if let Some(go_on) = go_on
                && go_on.send(()).is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens the files of a job again, some of which were not there.
    async fn look_again(&self, wants: &[Want]) -> Result<Result<Vec<Opened>, usize>, StepError> {
        let Some(first) = wants.first() else { return Ok(Ok(Vec::new())) };
        let places = self.shop.recipe.places(first.period, None, &self.shop.cx.scope)?;
        let job = Job { wants: wants.to_vec(), places };
        self.shop.open(&job.places, &job).await
    }

    /// Waits for a source file that is not there yet; false when that was long enough.
    async fn wait(&mut self, want: Want) -> Result<bool, StepError> {
        let (Some(wait), cx) = (self.shop.fetch.wait, self.shop.cx) else { return Ok(false) };
        let every = wait.every.to_std();
        if every.is_zero() || self.waited + every > wait.r#for.to_std() {
            return Ok(false);
        }
        let note = format!("{} is not there yet: it is looked for again in {}", want.period, wait.every);
        cx.progress.tick(Tick::Note(note));
        cx.sleep(every).await?;
        self.waited += every;
        Ok(true)
    }

    /// Reads a period from all files of its job.
    async fn read(&self, files: &mut [Opened], want: Want) -> Result<Outcome, StepError> {
        let cx = self.shop.cx;
        let mut whole = Assembly::new(self.shop.recipe.extra());
        for opened in files {
            let found = match opened.first.take() {
                Some(found) => found,
                None if self.shop.opener.by_itself() => {
                    stoppable(cx, opened.file.read(want.period, cx)).await.map_err(|e| e.at(want.period))?
                }
                None => read_again(opened, want.period, cx).await.map_err(|error| error.at(want.period))?,
            };
            match found {
                Found::After => {
                    return Ok(Outcome::Missing { group: opened.group, hole: false, ended: true });
                }
                Found::Absent => {
                    return Ok(Outcome::Missing { group: opened.group, hole: true, ended: false });
                }
                Found::Here(piece) => {
                    whole.add(piece, &opened.request).map_err(|error| error.at(want.period))?
                }
            }
        }
        whole.finish().map_err(|error| error.at(want.period))?.map(Outcome::Here).ok_or_else(|| {
            StepError::permanent(ErrorKind::Internal, "a period was read from no file").at(want.period)
        })
    }

    /// Sends what was found of a period, or decides what its lack means.
    async fn settle(
        &mut self,
        want: Want,
        outcome: Outcome,
        verdict: &mut Option<Verdict>,
    ) -> Result<Next, StepError> {
        let (group, hole, ended) = match outcome {
            Outcome::Here(piece) => return self.send(want, piece, Status::Final).await,
            Outcome::Missing { group, hole, ended } => (group, hole, ended),
        };
        if want.context {
            return Ok(Next::More);
        }
        if let Some((piece, status)) = self.alternative(want).await? {
            return self.send(want, piece, status).await;
        }
        if want.action != Action::Add {
            return self.pass(Arrival::Kept(want.period)).await;
        }
        let shop = self.shop;
        let verdict = match (hole, *verdict) {
            (true, _) => Verdict::Hole,
            (false, Some(verdict)) => verdict,
            (false, None) if !ended && !shop.recipe.varies(group) && self.grid.is_none() => {
                return Err(absent(shop, want.period, group, hole));
            }
            (false, None) => {
                let work = (shop.periods, want.period, group);
                *verdict.insert(judge(shop.fetch, shop.recipe, work, (shop.net, shop.opener), shop.cx).await?)
            }
        };
        match (verdict, shop.fetch.on_missing) {
            (Verdict::Frontier, _) if !ended && self.wait(want).await? => Ok(Next::Again),
            (Verdict::Frontier, _) => {
                if ended && let Some(note) = quiet(shop, want.period, group) {
                    tracing::warn!(period = %want.period, note);
                    shop.cx.progress.tick(Tick::Note(note));
                }
                let combination = shop.recipe.combination(group);
                tracing::info!(period = %want.period, combination, "the source has no more: not yet");
                Ok(Next::End)
            }
            (Verdict::Hole, OnMissing::Stop) => Err(absent(shop, want.period, group, hole)),
            (Verdict::Hole, OnMissing::Gap) => self.gap(want).await,
        }
    }

    /// What the first alternative that has the period holds of it.
    async fn alternative(&self, want: Want) -> Result<Option<(Piece, Status)>, StepError> {
        let shop = self.shop;
        for other in &shop.fetch.alternatives {
            // What is stored and asked for again is replaced by something better alone.
            if other.provisional && want.action == Action::Revise {
                continue;
            }
            let places = shop.recipe.places(want.period, Some(&other.url), &shop.cx.scope)?;
            let job = Job { wants: vec![want], places };
            if let Ok(mut files) = shop.open(&job.places, &job).await?
                && let Outcome::Here(piece) = self.read(&mut files, want).await?
            {
                let status = if other.provisional { Status::Provisional } else { Status::Final };
                return Ok(Some((piece, status)));
            }
        }
        Ok(None)
    }

    async fn send(&mut self, want: Want, piece: Piece, status: Status) -> Result<Next, StepError> {
        let grid = match self.grid.take() {
            Some(grid) if grid == piece.grid => grid,
            _ => piece.grid,
        };
        self.grid = Some(Arc::clone(&grid));
        if want.action == Action::Fill {
            self.count.filled();
        }
        for gap in std::mem::take(&mut self.gaps) {
            if let Next::End = self.gap(gap).await? {
                return Ok(Next::End);
            }
        }
        self.pass(Arrival::Slice(Slice {
            period: want.period,
            status: piece.status.max(status),
            context: want.context,
            grid,
            fields: piece.fields,
        }))
        .await
    }

    async fn gap(&mut self, want: Want) -> Result<Next, StepError> {
        let Some(grid) = self.grid.clone() else {
            self.gaps.push(want);
            return Ok(Next::More);
        };
        self.count.found(want.period).await?;
        tracing::warn!(period = %want.period, "the source has no such period but later ones: a gap");
        let (period, context, fields) = (want.period, false, Vec::new());
        self.pass(Arrival::Slice(Slice { period, status: Status::Gap, context, grid, fields })).await
    }

    async fn pass(&self, arrival: Arrival) -> Result<Next, StepError> {
        Ok(if self.arrivals.send(Ok(arrival)).await.is_ok() { Next::More } else { Next::End })
    }
}

async fn read_again(opened: &mut Opened, period: Period, cx: &Context) -> Result<Found, StepError> {
    let what = label(&opened.request.place, cx);
    // `retrying` makes its futures one after the other; the lock lets each borrow the file.
    let file = tokio::sync::Mutex::new(&mut opened.file);
    cx.retrying(&what, |_| async { within(cx, file.lock().await.read(period, cx)).await }).await
}

/// `inside`: the file is there, and its own time axis lacks the period.
fn absent(shop: &Shop<'_>, period: Period, group: usize, inside: bool) -> StepError {
    let places = shop.recipe.places(period, None, &shop.cx.scope).unwrap_or_default();
    let place = places.get(group).map(ToString::to_string).unwrap_or_default();
    let combination = shop.recipe.combination(group);
    let place = if combination.is_empty() { place } else { format!("{place} ({combination})") };
    let varies = shop.recipe.varies(group);
    let why = if inside {
        ": its time axis goes on behind the period, but lacks it"
    } else if varies {
        ", although later periods are there"
    } else {
        ""
    };
    let help = if varies || inside {
        "ask the provider, run again when it is there, or write `on-missing: gap` to record the gap and go on"
    } else {
        "look at the URL: it names no period, so there is no other file"
    };
    let what = if inside { "it is not in" } else { "the source does not have" };
    StepError::permanent(ErrorKind::Data, format!("{what} {place}{why}")).at(period).help(help)
}
