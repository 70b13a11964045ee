//! `supervise`: stands between frazil and the program of an `exec` step. frazil starts it itself.

use std::ffi::OsString;

use clap::Args;
use frazil_steps::exec::{Limits, supervise};

use crate::exit::Exit;

/// Runs a program that ends when frazil does.
#[derive(Debug, Args)]
pub(crate) struct Supervise {
    /// The most memory that each process may take, in bytes
    #[arg(long)]
    memory: Option<u64>,
    /// The longest file that is written, in bytes
    #[arg(long)]
    file: Option<u64>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Supervise {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let code = supervise(Limits { memory: self.memory, file: self.file }, &self.command)?;
        // The code of the program, none of ours.
        std::process::exit(i32::from(code))
    }
}
