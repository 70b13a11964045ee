//! The frazil command line: data goes to stdout, everything else to stderr.

mod commands;
mod exit;
mod render;
mod session;
mod signals;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::{commands::Command, exit::Exit};

/// A declarative workflow engine for data cubes: pipelines are YAML graphs of typed steps.
#[derive(Debug, Parser)]
#[command(name = "frazil", version, propagate_version = true, after_help = Exit::table())]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// The project file; may be repeated: later maps merge over earlier ones, lists replace
    #[arg(long, global = true, value_name = "FILE", env = "FRAZIL_PROJECT", value_delimiter = ':')]
    pub(crate) project: Vec<PathBuf>,
    /// Colours: on a terminal alone, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// More of the log on stderr; twice for all of it (or FRAZIL_LOG)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How the log is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human", env = "FRAZIL_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Human,
    /// One JSON object per line
    Json,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArg {
    /// For people, or one versioned JSON object per line
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One versioned JSON object per line
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error).into(),
    };
    log(&cli.globals);
    match cli.command.run(&cli.globals) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}

/// Logs to stderr: warnings, and more where it is asked for.
fn log(globals: &Globals) {
    let level = match globals.verbose {
        // The store warns of racing commits on local files at each open; frazil's locks keep them apart.
        0 => "warn,icechunk_arrow_object_store=error,icechunk_storage=error",
        1 => "info,frazil=debug,frazil_engine=debug,frazil_steps=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("FRAZIL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match globals.log_format {
        LogFormat::Human => log.init(),
        LogFormat::Json => {
            render::note_as_json();
            log.json().flatten_event(true).init();
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
