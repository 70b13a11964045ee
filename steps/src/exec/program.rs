//! One call of a program: what it may take, what it says, how it ends.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use frazil_engine::{
    context::{Context, Tick},
    step::{ErrorKind, StepError},
    template::reveal,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::{Exec, check::inside, supervisor::BY_SIGNAL};
use crate::raster::beside;

/// The program of ours that stands between.
const SUPERVISOR: &str = "frazil";

/// How long a call may take where the step does not say.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// The longest answer, in bytes: a line for each of ten thousand periods.
const ANSWER: u64 = 1 << 20;

/// Lines of a call that are shown; the rest is left to the program's own log.
const SHOWN: usize = 200;

/// The longest line that is shown, in bytes.
const LINE: usize = 1 << 10;

/// Lines that are told when a program failed.
const LAST: usize = 4;

/// How often it is looked how much a program has written.
const LOOK: Duration = Duration::from_secs(1);

/// How long a program that was told to end may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// Asked to be tried again (EX_TEMPFAIL of sysexits.h).
const TRY_AGAIN: i32 = 75;

/// Variables that every program has, where we have them.
const PASSED: &[&str] = &["PATH", "HOME", "USER", "LANG", "TZ", "LD_LIBRARY_PATH"];

/// The program as it is started; an absolute path where it is a file of the project.
///
/// # Errors
/// When it, or a file that it is made of, is not there.
pub(super) fn find(exec: &Exec, root: &Path) -> Result<PathBuf, StepError> {
    let refused = |message: String| StepError::permanent(ErrorKind::Refused, message);
    if let Some(file) = exec.files.iter().find(|file| !inside(file) || !root.join(file).is_file()) {
        return Err(refused(format!("`{file}`, of which the program is made, is not there"))
            .help("`files` names files by their paths in the project's folder"));
    }
    let name = exec.command.first().map(String::as_str).unwrap_or_default();
    if name.contains('/') {
        let path = root.join(name);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(refused(format!("the program `{name}` is not there")).help(
                "`command` names a program of this machine, or a file by its path in the project's folder",
            ))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|path| !name.is_empty() && path.is_file()).ok_or_else(|| {
        refused(format!("the program `{name}` is not there"))
            .help("install it, or write a path with a `/` for a file of the project: `./name`")
    })
}

/// Runs the program once; its answer as it stands on standard output.
///
/// # Errors
/// Transient when it asks to be tried again; permanent when it ends otherwise than well, or took more
/// than it may.
pub(super) async fn run(exec: &Exec, task: &[u8], folder: &Path, cx: &Context) -> Result<Vec<u8>, StepError> {
    let mut child = start(exec, folder, cx)?;
    let (Some(lifeline), Some(answer), Some(words)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(StepError::permanent(ErrorKind::Internal, "the pipes of a program are missing"));
    };
    let mut call = Call { exec, folder, cx, said: VecDeque::new(), child, lifeline: Some(lifeline) };
    let limit = cx.timeout.map_or(TIMEOUT, |timeout| timeout.to_std());
    let ended = tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(StepError::Cancelled),
        error = outgrown(exec, folder) => Err(error),
        ended = tokio::time::timeout(limit, call.finish(task, answer, words)) => ended.unwrap_or_else(|_| {
            let message = format!("`{}` was not done within {limit:?} and was ended", exec.name());
            Err(StepError::permanent(ErrorKind::Data, message).help("raise `timeout` of the step if it needs longer"))
        }),
    };
    match ended {
        Ok((status, answer)) => call.judge(status).await.map(|()| answer),
        Err(error) => {
            call.end().await;
            Err(error)
        }
    }
}

fn start(exec: &Exec, folder: &Path, cx: &Context) -> Result<Child, StepError> {
    let refused = |message: String| StepError::permanent(ErrorKind::Refused, message);
    let root = &cx.scope.project.root;
    let program = find(exec, root)?;
    let supervisor = beside(SUPERVISOR).ok_or_else(|| {
        refused(format!(
            "the program {SUPERVISOR} is not beside the one that runs, which needs it to start others"
        ))
    })?;
    let memory = exec.memory.map_or(cx.scope.memory, |memory| memory.bytes());
    let mut command = Command::new(supervisor);
    command
        .args([
            "supervise",
            "--memory",
            &memory.to_string(),
            "--file",
            &exec.output.bytes.bytes().to_string(),
            "--",
        ])
        .arg(program)
        .args(exec.command.iter().skip(1))
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Our own environment holds secrets that are not for everybody.
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| passed(&name.to_string_lossy())))
        .env("TMPDIR", folder)
        // A Ctrl-C at the terminal is for frazil, which ends the program.
        .process_group(0);
    for (name, value) in &exec.env {
        command.env(name, reveal(value, &*cx.scope.secrets)?);
    }
    command.spawn().map_err(|error| refused(format!("cannot start {SUPERVISOR}: {error}")))
}

fn passed(name: &str) -> bool {
    PASSED.contains(&name) || name.starts_with("LC_")
}

/// A program at work. Dropping it ends the program: its supervisor sees the lifeline end.
struct Call<'a> {
    exec: &'a Exec,
    folder: &'a Path,
    cx: &'a Context,
    /// The last lines that it printed.
    said: VecDeque<String>,
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl Call<'_> {
    /// Tells it its task and waits; how it ended and what it answered.
    async fn finish(
        &mut self,
        task: &[u8],
        answer: ChildStdout,
        words: ChildStderr,
    ) -> Result<(ExitStatus, Vec<u8>), StepError> {
        let failed = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Internal, format!("a program cannot be waited for: {error}"))
        };
        let Self { exec, cx, said, child, lifeline, .. } = self;
        let tell = async {
            if let Some(lifeline) = lifeline {
                let told = async {
                    lifeline.write_all(&(task.len() as u64).to_le_bytes()).await?;
                    lifeline.write_all(task).await?;
                    lifeline.flush().await
                };
                if let Err(error) = told.await {
                    tracing::debug!(%error, "a program ended before it knew its task");
                }
            }
            Ok(())
        };
        let hear = async {
            let mut text = Vec::new();
            answer.take(ANSWER + 1).read_to_end(&mut text).await.map_err(failed)?;
            if text.len() as u64 > ANSWER {
                let message = format!(
                    "the answer of `{}` on standard output is longer than {ANSWER} bytes",
                    exec.name()
                );
                return Err(StepError::permanent(ErrorKind::Data, message)
                    .help("print the answer alone; all else goes to standard error"));
            }
            Ok(text)
        };
        let listen = async {
            listen(words, said, cx).await;
            Ok(())
        };
        let wait = async { child.wait().await.map_err(failed) };
        let ((), answer, (), status) = tokio::try_join!(tell, hear, listen, wait)?;
        Ok((status, answer))
    }

    /// Ends it and all that it started.
    async fn end(&mut self) {
        self.lifeline = None;
        if tokio::time::timeout(GONE, self.child.wait()).await.is_err() {
            tracing::warn!(program = %self.exec.name(), "a program does not end");
        }
    }

    /// What its end means.
    async fn judge(&self, status: ExitStatus) -> Result<(), StepError> {
        let wrote = written(self.folder).await;
        if let Some(error) = self.exec.output.exceeded(wrote, self.exec) {
            return Err(error);
        }
        if status.success() {
            return Ok(());
        }
        let how = match status.code() {
            Some(TRY_AGAIN) => format!("asked to be tried again (exit code {TRY_AGAIN})"),
            Some(code @ 129..=192) => format!("was ended by signal {}", code - BY_SIGNAL),
            Some(code) => format!("ended with exit code {code}"),
            None => format!("was ended with the process that watches it ({status})"),
        };
        let words: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let words =
            if words.is_empty() { ", saying nothing".to_owned() } else { format!(": {}", words.join(" / ")) };
        let message = format!("`{}` {how}{words}", self.exec.name());
        if status.code() == Some(TRY_AGAIN) {
            return Err(StepError::transient(ErrorKind::Data, message));
        }
        let error = StepError::permanent(ErrorKind::Data, message);
        Err(if self.lacked_memory(status) {
            let memory = self.exec.memory.map_or(self.cx.scope.memory, |memory| memory.bytes());
            error.help(format!(
                "it lacked memory: each of its processes may take {} MiB; raise `memory` of the step",
                memory >> 20
            ))
        } else if wrote.0 >= self.exec.output.bytes.bytes() {
            error.help(format!(
                "one file may hold {}: raise `output: {{ bytes: … }}` of the step",
                self.exec.output.bytes
            ))
        } else {
            error
        })
    }

    /// Whether it failed for want of memory, as far as it says so: nothing else tells.
    fn lacked_memory(&self, status: ExitStatus) -> bool {
        let words = [
            "MemoryError",
            "memory exhausted",
            "Cannot allocate memory",
            "bad_alloc",
            "out of memory",
            "Out of memory",
        ];
        status.code() != Some(0) && self.said.iter().any(|line| words.iter().any(|word| line.contains(word)))
    }
}

/// Shows what a program prints and keeps the last of it.
async fn listen(words: ChildStderr, said: &mut VecDeque<String>, cx: &Context) {
    let mut words = BufReader::new(words);
    let mut shown = 0usize;
    loop {
        let mut line = Vec::new();
        // A line without an end is told in pieces.
        match (&mut words).take(LINE as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let line = cx.scope.secrets.redact(String::from_utf8_lossy(&line).trim_end());
        if line.trim().is_empty() {
            continue;
        }
        shown += 1;
        if shown <= SHOWN {
            tracing::info!(step = %cx.node, line, "a program says");
            cx.progress.tick(Tick::Said(line.clone()));
        }
        if said.len() == LAST {
            said.pop_front();
        }
        said.push_back(line);
    }
    if shown > SHOWN {
        cx.progress.tick(Tick::Said(format!("{} more lines are not shown", shown - SHOWN)));
    }
}

/// Ends when a program has written more than it may.
async fn outgrown(exec: &Exec, folder: &Path) -> StepError {
    loop {
        tokio::time::sleep(LOOK).await;
        let wrote = written(folder).await;
        if let Some(error) = exec.output.exceeded(wrote, exec) {
            return error;
        }
    }
}

impl super::Output {
    /// What is wrong with having written so many bytes in so many files, if anything.
    fn exceeded(self, (bytes, files): (u64, u64), exec: &Exec) -> Option<StepError> {
        let (what, key) = if bytes > self.bytes.bytes() {
            (format!("more than {}", self.bytes), "bytes")
        } else if files > self.files {
            (format!("more than {} files", self.files), "files")
        } else {
            return None;
        };
        let message = format!("`{}` wrote {what}", exec.name());
        Some(
            StepError::permanent(ErrorKind::Data, message)
                .help(format!("raise `output: {{ {key}: … }}` of the step if it needs more")),
        )
    }
}

/// Bytes and files below a folder; links are not followed.
async fn written(folder: &Path) -> (u64, u64) {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        let (mut bytes, mut files, mut open) = (0u64, 0u64, vec![folder]);
        while let Some(folder) = open.pop() {
            // What goes away meanwhile counts for nothing.
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                match entry.metadata() {
                    Ok(about) if about.is_dir() => open.push(entry.path()),
                    Ok(about) => (bytes, files) = (bytes.saturating_add(about.len()), files + 1),
                    Err(_) => {}
                }
            }
        }
        (bytes, files)
    })
    .await
    .unwrap_or_default()
}
