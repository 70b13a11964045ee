use std::{io, path::PathBuf};

use clap::{Args, ValueEnum};
use frazil_engine::{
    diagnostic::{CODES, Diagnostic, Severity},
    project::{Checked, LoadOptions, load},
};

use crate::{
    Globals,
    exit::{Exit, Usage},
    render,
};

/// All problems of all files, offline.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files or folders; the project's pipelines where none is said
    paths: Vec<PathBuf>,
    /// For people, JSON lines, annotations of a GitHub workflow, or a SARIF log
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormat,
    /// Prints the page of a code, such as FZ203
    #[arg(long, value_name = "CODE", conflicts_with = "paths")]
    explain: Option<String>,
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For people
    Human,
    /// One versioned JSON object per line
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// A SARIF 2.1.0 log
    Sarif,
}

impl Check {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        if let Some(code) = &self.explain {
            return explain(code);
        }
        let folder = std::env::current_dir()?;
        let options = LoadOptions { paths: self.paths, project: globals.project.clone(), folder };
        let checked = load(&options, &frazil_steps::registry());
        let (problems, sources) = (&checked.problems, &checked.sources);
        match self.format {
            CheckFormat::Human => {
                render::out(&render::problems(problems, sources, globals.color.on(&io::stdout())))?;
                render::note(&summary(&checked))?;
            }
            CheckFormat::Json => {
                let lines: Vec<String> =
                    problems.iter().map(|p| format!("{}\n", p.to_json(sources))).collect();
                render::out(&lines.concat())?;
            }
            CheckFormat::Github => render::out(&render::github(problems, sources))?,
            CheckFormat::Sarif => render::out(&format!("{}\n", render::sarif(problems, sources)))?,
        }
        Ok(if checked.has_errors() { Exit::Failed } else { Exit::Done })
    }
}

fn summary(checked: &Checked) -> String {
    let count = |severity| checked.problems.iter().filter(|p: &&Diagnostic| p.severity == severity).count();
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let files = plural(checked.sources.0.len(), "file");
    match (errors, warnings) {
        (0, 0) if checked.sources.0.is_empty() => "no files found\n".to_owned(),
        (0, 0) => format!("{files} checked, no problems\n"),
        (0, _) => format!("{files} checked, {}\n", plural(warnings, "warning")),
        (_, 0) => {
            format!("{files} checked, {}; `frazil check --explain CODE` says more\n", plural(errors, "error"))
        }
        _ => format!(
            "{files} checked, {} and {}; `frazil check --explain CODE` says more\n",
            plural(errors, "error"),
            plural(warnings, "warning")
        ),
    }
}

fn explain(code: &str) -> anyhow::Result<Exit> {
    let wanted = code.to_ascii_uppercase();
    let Some(code) = CODES.iter().find(|c| c.id == wanted) else {
        let message = format!(
            "there is no code `{wanted}`; codes run from {} to {}",
            CODES[0].id,
            CODES[CODES.len() - 1].id
        );
        return Err(Usage(message).into());
    };
    render::out(&format!("{}: {}\n\n{}\n", code.id, code.title, code.page))?;
    Ok(Exit::Done)
}
