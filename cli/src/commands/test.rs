mod bench;
mod geotiff;
mod judge;
mod report;
mod server;

use std::{io, path::PathBuf, sync::Arc, time::Instant};

use clap::{Args, ValueEnum};
use frazil_engine::{
    project::LoadOptions,
    suite::{self, Tests},
};

use crate::{
    Globals,
    exit::{Exit, Shown, Usage},
    render,
    session::runtime,
};
use report::Done;

/// Runs the tests of pipelines.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Test files (`*.test.yaml`) or folders; those beside the project's pipelines where none is said
    paths: Vec<PathBuf>,
    /// Only tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// For people, one versioned JSON object per line, or a JUnit report
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: TestFormat,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TestFormat {
    /// For people
    Human,
    /// One versioned JSON object per line
    Json,
    /// An XML report in the form of JUnit
    Junit,
}

impl Test {
    pub(crate) fn run(self, globals: &Globals) -> anyhow::Result<Exit> {
        let registry = Arc::new(frazil_steps::registry());
        let folder = std::env::current_dir()?;
        let options = LoadOptions { paths: self.paths.clone(), project: globals.project.clone(), folder };
        let found = suite::load(&options, &registry);
        if found.iter().any(Tests::has_errors) {
            let color = globals.color.on(&io::stderr());
            for tests in found.iter().filter(|tests| tests.has_errors()) {
                render::note(&render::problems(&tests.problems, &tests.sources, color))?;
            }
            return Err(Shown(Exit::Failed).into());
        }
        let runtime = runtime()?;
        let mut done = Vec::new();
        for tests in &found {
            let Some(project) = &tests.project else { continue };
            for file in &tests.files {
                let wanted = |name: &str| self.only.as_ref().is_none_or(|text| name.contains(text));
                for case in file.cases.iter().filter(|case| wanted(&case.name)) {
                    let started = Instant::now();
                    let failures = runtime.block_on(bench::run(project, &registry, case));
                    let result = Done {
                        file: file.name.clone(),
                        line: tests.sources.position((case.place.source, case.place.from)).line,
                        case: case.name.clone(),
                        // What stopped a test is no result of it, but the others are still worth running.
                        failures: failures.unwrap_or_else(|error| vec![bench::words(&error)]),
                        took: started.elapsed(),
                    };
                    self.one(&result)?;
                    done.push(result);
                }
            }
        }
        if done.is_empty() {
            let what = match &self.only {
                Some(text) => format!("no test here has `{text}` in its name"),
                None => "no tests here: they are `*.test.yaml` files beside pipelines".to_owned(),
            };
            return Err(Usage(what).into());
        }
        self.end(&done)?;
        Ok(if done.iter().all(|done| done.failures.is_empty()) { Exit::Done } else { Exit::Failed })
    }

    /// Shows a result as soon as it is there.
    fn one(&self, done: &Done) -> io::Result<()> {
        match self.format {
            TestFormat::Human => render::out(&report::human(done)),
            TestFormat::Json => render::out(&report::json(done)),
            TestFormat::Junit => Ok(()),
        }
    }

    fn end(&self, done: &[Done]) -> io::Result<()> {
        match self.format {
            TestFormat::Human => render::note(&report::summary(done)),
            TestFormat::Json => render::out(&report::json_summary(done)),
            TestFormat::Junit => render::out(&report::junit(done)),
        }
    }
}
