//! `backup` and `restore`: the state in one file, and back.

use std::path::PathBuf;

use clap::Args;
use frazil_engine::{step::StepError, store};

use crate::{
    Globals,
    exit::Exit,
    render,
    session::{Session, runtime},
};

/// Copies the state into a file.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A new file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let done = runtime()?.block_on(store::backup(session.state(), &self.file));
        done.map_err(StepError::from)?;
        render::note(&format!("run history and tokens are in {}\n", self.file.display()))?;
        Ok(Exit::Done)
    }
}

/// Puts a copy of the state in its place.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `frazil backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Restore {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let session = Session::open(globals)?;
        let done = runtime()?.block_on(store::restore(&self.file, session.state()));
        if let Some(aside) = done.map_err(StepError::from)? {
            render::note(&format!("what was there is now {aside}\n"))?;
        }
        Ok(Exit::Done)
    }
}
