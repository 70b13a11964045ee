//! Asks frazil-gdal, a program of its own: frazil does not link GDAL.
//!
//! A helper process serves one source file at a time and is kept for the next. It is killed when
//! whoever asked stops waiting; one that died in the middle is a transient error that names the
//! file, and the next try starts another.

mod helper;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use frazil_engine::step::{ErrorKind, StepError};
use frazil_raster_protocol::{CrsText, Fault, FaultKind, Reply, Request};

use helper::{Broken, Helper};

/// The helper's file name.
const PROGRAM: &str = "frazil-gdal";

/// Helpers of one step. Cheap to clone; all clones share the processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Helpers {
    /// Those that wait for work; never more than were busy at a time.
    idle: Arc<Mutex<Vec<Helper>>>,
    /// The most memory that each may take, in bytes, besides what it takes idle.
    memory: Option<u64>,
}

/// An answer, or what became of it.
pub(crate) type Told<T> = Result<T, Untold>;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Untold {
    /// The helper says that it cannot be done: the file is at fault.
    Fault(Fault),
    /// The helper is gone, or cannot be had.
    Error(StepError),
}

impl Helpers {
    /// Helpers that each take no more than `memory` bytes: a file decides what is in it, not how
    /// much memory it takes.
    pub(crate) fn within(memory: u64) -> Self {
        Self { memory: Some(memory), ..Self::default() }
    }

    fn waiting(&self) -> Option<Helper> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A helper for one source file.
    pub(crate) fn take(&self) -> Lease {
        Lease { helpers: self.clone(), helper: self.waiting() }
    }

    /// A coordinate reference system by code or WKT, as PROJ's tables have it.
    ///
    /// # Errors
    /// When they do not have it, or there is no helper.
    pub(crate) async fn crs(&self, definition: &str) -> Result<CrsText, StepError> {
        let request = Request::Crs { definition: definition.to_owned() };
        match self.take().ask(&request, definition).await {
            Ok((Reply::Crs(text), _)) => Ok(text),
            Ok(_) => Err(misunderstood(definition)),
            Err(Untold::Error(error)) => Err(error),
            Err(Untold::Fault(fault)) => Err(StepError::permanent(
                ErrorKind::Data,
                format!("no coordinate reference system `{definition}`: {}", fault.message),
            )),
        }
    }
}

/// A helper in use; given back when dropped between two questions.
#[derive(Debug)]
pub(crate) struct Lease {
    helpers: Helpers,
    helper: Option<Helper>,
}

impl Lease {
    /// Asks about `file`, and waits for the answer and its numbers.
    ///
    /// A wait that is given up kills the process: what it would still say is not for the next one.
    pub(crate) async fn ask(&mut self, request: &Request, file: &str) -> Told<(Reply, Vec<u8>)> {
        self.tell(request, &[], file).await
    }

    /// The same of numbers that are sent along.
    pub(crate) async fn tell(
        &mut self,
        request: &Request,
        body: &[u8],
        file: &str,
    ) -> Told<(Reply, Vec<u8>)> {
        // Out of its place while it works, so that a dropped future drops it.
        let mut helper = match self.helper.take() {
            Some(helper) => helper,
            None => match self.helpers.waiting() {
                Some(helper) => helper,
                None => Helper::start(&program()?, self.helpers.memory).map_err(Untold::Error)?,
            },
        };
        let answer = match helper.ask(request, body).await {
            Ok(answer) => answer,
            Err(broken) => return Err(Untold::Error(died(&mut helper, broken, file).await)),
        };
        self.helper = Some(helper);
        match answer {
            (Reply::Failed(fault), _) => Err(Untold::Fault(fault)),
            answer => Ok(answer),
        }
    }
}

impl Lease {
    /// Gives the helper back until the next question, which any helper may answer.
    pub(crate) fn rest(&mut self) {
        if let Some(helper) = self.helper.take() {
            self.helpers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(helper);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.rest();
    }
}

async fn died(helper: &mut Helper, broken: Broken, file: &str) -> StepError {
    let (status, said) = helper.end().await;
    let mut text = format!("{file}: {PROGRAM} broke off ({status}; {broken})");
    if let Some(line) = said.lines().rev().find(|line| !line.trim().is_empty()) {
        text.push_str(&format!(": {line}"));
    }
    StepError::transient(ErrorKind::Data, text)
        .help("the file may be broken; where it is not, please report it together with the file")
}

/// An answer to another question.
pub(crate) fn misunderstood(file: &str) -> StepError {
    StepError::permanent(
        ErrorKind::Internal,
        format!("{file}: {PROGRAM} gave an answer to another question: is it of another version?"),
    )
}

/// What a fault of a file means for the step.
pub(crate) fn faulty(fault: &Fault, file: &str) -> StepError {
    let error = StepError::permanent(ErrorKind::Data, format!("{file}: {}", fault.message));
    match fault.kind {
        FaultKind::TooLarge => error.help("cut it with `bbox`"),
        _ => error,
    }
}

/// Beside our own program, or where `FRAZIL_GDAL` says.
fn program() -> Told<PathBuf> {
    let named = || std::env::var_os("FRAZIL_GDAL").map(PathBuf::from).filter(|path| path.is_file());
    beside(PROGRAM).or_else(named).ok_or_else(|| {
        Untold::Error(StepError::permanent(ErrorKind::Refused, format!("{PROGRAM} is not there")).help(
            format!(
                "put {PROGRAM} beside the frazil program, or name it in the environment variable FRAZIL_GDAL"
            ),
        ))
    })
}

/// The program called `name` that came with ours; none where it is not there.
pub(crate) fn beside(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    // Cargo runs tests from a folder below the one in which it puts programs.
    own.ancestors()
        .skip(1)
        .take(2)
        .enumerate()
        .filter(|(up, folder)| *up == 0 || folder.join("deps").is_dir())
        .map(|(_, folder)| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_helper_is_kept_after_an_answer_and_killed_when_nobody_waits() {
        let helpers = Helpers::default();
        assert_eq!(helpers.crs("EPSG:32629").await.unwrap().code.as_deref(), Some("EPSG:32629"));
        assert_eq!(helpers.idle.lock().unwrap().len(), 1);
        let question = Request::Crs { definition: "EPSG:4326".to_owned() };
        // Polled once: the question is on its way, and nobody waits for the answer. On a busy machine
        // the answer may be there by the end of that poll, so again until it is not.
        loop {
            let mut lease = helpers.take();
            if futures::poll!(std::pin::pin!(lease.ask(&question, "f"))).is_pending() {
                break;
            }
        }
        assert!(helpers.idle.lock().unwrap().is_empty());
        assert!(helpers.crs("EPSG:999999").await.unwrap_err().to_string().contains("EPSG:999999"));
        assert_eq!(helpers.idle.lock().unwrap().len(), 1);
    }
}
