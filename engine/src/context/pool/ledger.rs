//! When the next start of a pool is, kept beside the places so that it outlives the process.

use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::step::{ErrorKind, StepError};

/// Starts that wait at most: what lies further ahead was noted by a clock that was wrong.
const QUEUE: u32 = 10_000;

/// The longest that a pool is held because the other side asked to wait.
const HOLD: chrono::Duration = chrono::Duration::days(1);

/// The times of a pool, in this process or in a file that all processes share.
#[derive(Debug)]
pub(super) enum Ledger {
    Own(Mutex<Times>),
    Shared(PathBuf),
}

/// What is known of the starts to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// The next start that nobody has claimed.
    next: Option<DateTime<Utc>>,
    /// Nobody starts before.
    hold: Option<DateTime<Utc>>,
}

impl Times {
    /// Claims the next start.
    fn claim(&mut self, now: DateTime<Utc>, interval: Duration) -> DateTime<Utc> {
        let interval = chrono::Duration::from_std(interval).unwrap_or_default();
        let furthest = interval.checked_mul(i32::try_from(QUEUE).unwrap_or(i32::MAX));
        let next = self.next.filter(|next| furthest.is_none_or(|furthest| *next - now <= furthest));
        let hold = self.hold.filter(|hold| *hold - now <= HOLD);
        let start = [next, hold].into_iter().flatten().fold(now, DateTime::max);
        self.next = Some(start + interval);
        start
    }

    fn parse(text: &str) -> Self {
        let of = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().parse().ok()
        };
        Self { next: of("next "), hold: of("hold ") }
    }

    fn text(self) -> String {
        let line = |key: &str, at: Option<DateTime<Utc>>| {
            at.map_or_else(String::new, |at| format!("{key} {}\n", at.to_rfc3339()))
        };
        format!("{}{}", line("next", self.next), line("hold", self.hold))
    }
}

impl Ledger {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        folder.map_or_else(|| Self::Own(Mutex::default()), |folder| Self::Shared(folder.join("times")))
    }

    /// Claims the next start and says when it is.
    pub(super) async fn claim(
        &self,
        now: DateTime<Utc>,
        interval: Duration,
    ) -> Result<DateTime<Utc>, StepError> {
        self.change(move |times| times.claim(now, interval)).await
    }

    /// Whether nobody may start now.
    pub(super) async fn is_held(&self, now: DateTime<Utc>) -> Result<bool, StepError> {
        self.change(move |times| times.hold.is_some_and(|hold| hold > now && hold - now <= HOLD)).await
    }

    /// Lets nobody start before `until`.
    pub(super) async fn hold(&self, until: DateTime<Utc>) -> Result<(), StepError> {
        self.change(move |times| times.hold = times.hold.max(Some(until))).await
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Times) -> T + Send + 'static,
    ) -> Result<T, StepError> {
        match self {
            Self::Own(times) => Ok(change(&mut times.lock().unwrap_or_else(PoisonError::into_inner))),
            Self::Shared(path) => {
                let path = path.clone();
                let work = tokio::task::spawn_blocking(move || {
                    locked(&path, change).map_err(|error| {
                        StepError::permanent(
                            ErrorKind::Store,
                            format!("cannot keep the pool in {}: {error}", path.display()),
                        )
                        .help("`state` in frazil.yaml names the folder: it must be writable")
                    })
                });
                work.await.unwrap_or_else(|error| {
                    Err(StepError::permanent(ErrorKind::Internal, format!("a pool broke off: {error}")))
                })
            }
        }
    }
}

/// Changes the times in a file while nobody else does.
fn locked<T>(path: &Path, change: impl FnOnce(&mut Times) -> T) -> std::io::Result<T> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let before = Times::parse(&text);
    let mut times = before;
    let result = change(&mut times);
    if times != before {
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)?;
        file.write_all(times.text().as_bytes())?;
    }
    Ok(result)
}
