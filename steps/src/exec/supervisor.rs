//! A process between frazil and a program, so that neither outlives what it should.
//!
//! It sets the limits of the program before that begins, which only a process of one's own can do for
//! its children without unsafe code. It holds the end of a pipe that frazil holds open: when frazil
//! ends, however it does, the pipe does too, and the program with all that it started is killed.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process_group, setrlimit, waitid,
};

/// What each process of a program may take at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Memory for data, in bytes.
    pub memory: Option<u64>,
    /// The longest file that is written, in bytes.
    pub file: Option<u64>,
}

/// The exit code when the program could not be started, as shells have it.
const NOT_STARTED: u8 = 127;

/// The exit code of a program that a signal ended is so much more than the signal, as shells have it.
pub(super) const BY_SIGNAL: i32 = 128;

/// Runs a program in a process group of its own and gives its exit code. Standard input holds the length of what the program is told (8 bytes,
/// little-endian), then that; it is held open for as long as the program may run.
///
/// # Errors
/// When standard input breaks off, or limits cannot be set.
pub fn supervise(limits: Limits, command: &[OsString]) -> io::Result<u8> {
    let Some((program, arguments)) = command.split_first() else { return Ok(NOT_STARTED) };
    let task = task(&mut io::stdin().lock())?;
    let group: Arc<Mutex<Option<Pid>>> = Arc::default();
    // Threads begin before the limits are set, which their stacks would count against. They end with
    // this process: one waits for frazil's end, one for a program that does not read.
    let (feed, to_feed) = mpsc::channel::<ChildStdin>();
    thread::spawn(move || {
        if let Ok(mut input) = to_feed.recv() {
            // A program that does not want to know everything is no error.
            input.write_all(&task).ok();
        }
    });
    let watched = Arc::clone(&group);
    thread::spawn(move || {
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        kill(&mut watched.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody is left to be told how it ended.
        std::process::exit(i32::from(NOT_STARTED));
    });
    // Held until the program runs: a frazil that ends meanwhile finds a group to kill.
    let mut known = group.lock().unwrap_or_else(PoisonError::into_inner);
    limit(Resource::Core, Some(0))?;
    limit(Resource::Fsize, limits.file)?;
    limit(Resource::Data, limits.memory)?;
    let started = Command::new(program).args(arguments).stdin(Stdio::piped()).process_group(0).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            writeln!(io::stderr(), "cannot start {}: {error}", program.display()).ok();
            return Ok(NOT_STARTED);
        }
    };
    let pid = Pid::from_child(&child);
    *known = Some(pid);
    drop(known);
    if let Some(input) = child.stdin.take() {
        feed.send(input).ok();
    }
    // It is left unreaped until its group is gone: until then its number is nobody else's.
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    kill(&mut group.lock().unwrap_or_else(PoisonError::into_inner));
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_STARTED))
}

fn task(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut task = Vec::new();
    if input.take(length).read_to_end(&mut task)? as u64 == length {
        Ok(task)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn limit(resource: Resource, most: Option<u64>) -> io::Result<()> {
    let Some(most) = most else { return Ok(()) };
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Kills all that is left of a group, once.
fn kill(group: &mut Option<Pid>) {
    if let Some(pid) = group.take() {
        // It may be gone already.
        kill_process_group(pid, Signal::KILL).ok();
    }
}
