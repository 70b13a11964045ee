mod fix;

use std::{io, path::PathBuf};

use clap::{Args, ValueEnum};
use frazil_engine::{
    diagnostic::{CODES, Diagnostic, Severity},
    project::{Checked, LoadOptions, load},
};

use crate::{
    Globals,
    exit::{Exit, Usage},
    render::{self, machines},
};

/// All problems of all files, offline.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files or folders; the project's pipelines where none is said
    paths: Vec<PathBuf>,
    /// For people, JSON lines, annotations of a GitHub workflow, or a SARIF log
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormat,
    /// Mends what can only be meant one way; comments and layout stay. What is left is shown
    #[arg(long)]
    fix: bool,
    /// Shows what `--fix` would change, and changes nothing
    #[arg(long, visible_alias = "dry-run")]
    diff: bool,
    /// Ends with 1 where there are warnings too
    #[arg(long, value_name = "WHAT")]
    deny: Option<Denied>,
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

/// What is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Denied {
    /// Problems that stop no run
    Warnings,
}

impl Check {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        if let Some(code) = &self.explain {
            return explain(code);
        }
        let folder = std::env::current_dir()?;
        let project = globals.project.clone();
        let options = LoadOptions { paths: self.paths.clone(), project, folder: folder.clone() };
        let registry = frazil_steps::registry();
        let mut checked = load(&options, &registry);
        if self.diff {
            render::out(&fix::diff(&checked))?;
        } else {
            if self.fix {
                checked = fix::mend(checked, &folder, || load(&options, &registry))?;
            }
            self.show(&checked, globals)?;
        }
        if self.diff || self.format == CheckFormat::Human {
            render::note(&summary(&checked))?;
        }
        let denied = self.deny.is_some() && !checked.problems.is_empty();
        Ok(if checked.has_errors() || denied { Exit::Failed } else { Exit::Done })
    }

    fn show(&self, checked: &Checked, globals: &Globals) -> io::Result<()> {
        let (problems, sources) = (&checked.problems, &checked.sources);
        render::out(&match self.format {
            CheckFormat::Human => render::problems(problems, sources, globals.color.on(&io::stdout())),
            CheckFormat::Json => machines::json(problems, sources),
            CheckFormat::Github => machines::github(problems, sources),
            CheckFormat::Sarif => format!("{}\n", machines::sarif(problems, sources)),
        })
    }
}

/// So many of something, in words.
fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn summary(checked: &Checked) -> String {
    let count = |severity| checked.problems.iter().filter(|p: &&Diagnostic| p.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let files = plural(checked.sources.0.len(), "file");
    let said = match (errors, warnings) {
        (0, 0) if checked.sources.0.is_empty() => return "no files found\n".to_owned(),
        (0, 0) => return format!("{files} checked, no problems\n"),
        (0, _) => plural(warnings, "warning"),
        (_, 0) => plural(errors, "error"),
        _ => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    let fixes = fix::count(checked);
    let hint = if fixes > 0 { format!("; `frazil check --fix` mends {fixes}") } else { String::new() };
    let more = if errors > 0 { "; `frazil check --explain CODE` says more" } else { "" };
    format!("{files} checked, {said}{hint}{more}\n")
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
