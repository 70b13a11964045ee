use std::{
    fmt,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use frazil_engine::step::{ErrorKind, StepError};
use frazil_raster_protocol::{FrameError, HEADER, Header, Reply, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinSet,
};

/// What is kept of what a helper prints: enough for its last words.
const KEPT: usize = 8 << 10;

/// A running helper. Killed when dropped.
#[derive(Debug)]
pub(super) struct Helper {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    said: Arc<Mutex<Vec<u8>>>,
    /// Listens to what it prints, for as long as it lives.
    listener: JoinSet<()>,
}

/// Why an answer did not come.
#[derive(Debug)]
pub(super) struct Broken(FrameError);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<FrameError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Helper {
    /// Starts `program`, which ends itself before it takes more than `memory` bytes.
    pub(super) fn start(program: &Path, memory: Option<u64>) -> Result<Self, StepError> {
        let failed = |what: String| {
            StepError::permanent(ErrorKind::Refused, format!("cannot start {}: {what}", program.display()))
                .help(
                    "GDAL's library (libgdal) must be installed for files other than Cloud Optimized GeoTIFF",
                )
        };
        let mut child = Command::new(program)
            .args(memory.map(|bytes| bytes.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Secrets in the environment are not for a program that opens foreign files.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| passed_on(&name.to_string_lossy())))
            // A Ctrl-C at the terminal is for frazil, which lets a read end.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(requests), Some(answers), Some(words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("its pipes are missing".to_owned()));
        };
        let said = Arc::default();
        let mut listener = JoinSet::new();
        listener.spawn(listen(words, Arc::clone(&said)));
        Ok(Self { child, requests, answers, said, listener })
    }

    /// Asks, and waits for the answer. After an error, or when dropped half-way, it is good for
    /// nothing more.
    pub(super) async fn ask(&mut self, request: &Request, body: &[u8]) -> Result<(Reply, Vec<u8>), Broken> {
        let head = serde_json::to_vec(request).map_err(FrameError::Json)?;
        self.requests.write_all(&Header::of(&head, body)?.to_bytes()).await?;
        self.requests.write_all(&head).await?;
        self.requests.write_all(body).await?;
        self.requests.flush().await?;
        let mut header = [0; HEADER];
        self.answers.read_exact(&mut header).await?;
        let header = Header::from_bytes(header)?;
        let head = self.take(u64::from(header.head)).await?;
        let body = self.take(header.body).await?;
        Ok((serde_json::from_slice(&head).map_err(FrameError::Json)?, body))
    }

    async fn take(&mut self, len: u64) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        (&mut self.answers).take(len).read_to_end(&mut bytes).await?;
        if bytes.len() as u64 == len {
            Ok(bytes)
        } else {
            Err(Broken(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into())))
        }
    }

    /// Ends it; how it ended and the last of what it printed.
    pub(super) async fn end(&mut self) -> (String, String) {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "a helper was gone already");
        }
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        while self.listener.join_next().await.is_some() {}
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (status, String::from_utf8_lossy(&said).into_owned())
    }
}

/// What GDAL and PROJ need to find their tables, and nothing that may be a secret.
fn passed_on(name: &str) -> bool {
    matches!(
        name,
        "PATH" | "HOME" | "LANG" | "TZ" | "TMPDIR" | "LD_LIBRARY_PATH" | "GDAL_DATA" | "GDAL_DRIVER_PATH"
    ) || name.starts_with("LC_")
        || name.starts_with("PROJ_")
        || name.starts_with("ECCODES_")
}

/// Puts what a helper prints into the log and keeps the last of it.
async fn listen(mut words: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1 << 10];
    while let Ok(n @ 1..) = words.read(&mut buffer).await {
        let new = &buffer[..n];
        tracing::debug!(text = %String::from_utf8_lossy(new).trim_end(), "GDAL says");
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(new);
        let surplus = said.len().saturating_sub(KEPT);
        said.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that stands for the helper.
    fn program(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("helper");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn question() -> Request {
        Request::Crs { definition: "EPSG:4326".into() }
    }

    #[tokio::test]
    async fn the_last_words_of_a_helper_that_died_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut helper =
            Helper::start(&program(folder.path(), "echo 'cannot go on' >&2; exit 7"), None).unwrap();
        assert!(helper.ask(&question(), &[]).await.is_err());
        let (status, said) = helper.end().await;
        assert_eq!((status.as_str(), said.as_str()), ("exit status: 7", "cannot go on\n"));
    }

    #[tokio::test]
    async fn what_is_no_message_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut helper =
            Helper::start(&program(folder.path(), "echo 'Warning: this is not a message at all'"), None)
                .unwrap();
        assert!(helper.ask(&question(), &[]).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error_that_says_so() {
        let error = Helper::start(Path::new("/nowhere/frazil-gdal"), None).unwrap_err();
        assert!(error.to_string().contains("/nowhere/frazil-gdal"), "{error}");
    }
}
