//! A project in a folder of its own, for one test.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::programs::{frazil, succeeded};

/// A project in a temporary folder, deleted when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// A project of these files, by their relative paths.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn new(files: &[(&str, &str)]) -> Self {
        let sandbox = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    /// The same in memory where the system has such a folder: for tests that commit very often, since a
    /// commit waits for the disk.
    ///
    /// # Panics
    /// When the files cannot be written.
    #[must_use]
    pub fn in_memory(files: &[(&str, &str)]) -> Self {
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return Self::new(files) };
        let sandbox = Self { folder };
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// An absolute path in the project.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The command line, run in the project's folder.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = frazil();
        command.current_dir(self.folder.path()).args(args);
        command
    }

    /// Starts the command line and kills it after `moment`; how it ended where that was before.
    ///
    /// # Panics
    /// When it cannot be started or killed.
    pub fn killed_after(&self, args: &[&str], moment: Duration) -> Option<ExitStatus> {
        let mut run = self.command(args);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("frazil starts");
        let until = Instant::now() + moment;
        while Instant::now() < until {
            if let Some(status) = run.try_wait().expect("frazil is waited for") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        run.kill().expect("frazil is killed");
        run.wait().expect("frazil is waited for");
        None
    }

    /// Runs the command line and waits for it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("frazil starts")
    }

    /// Standard output of a run that must succeed.
    ///
    /// # Panics
    /// When it did not, with what it said.
    pub fn succeed(&self, args: &[&str]) -> String {
        succeeded(&format!("frazil {}", args.join(" ")), &self.run(args))
    }

    /// Standard output and error of a run that must end with `code`.
    ///
    /// # Panics
    /// When it ended otherwise, with what it said.
    pub fn fail(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "frazil {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            args.join(" ")
        );
        (stdout, stderr)
    }
}
