//! The rainfall example, made small: its input, its server, its project.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    programs::{ask_python, program, root, succeeded},
    sandbox::Sandbox,
    server::Server,
};

/// The rainfall example over input of its own.
#[derive(Debug)]
pub struct Rainfall {
    /// The project and its results.
    pub sandbox: Sandbox,
    /// Serves the input.
    pub server: Server,
}

impl Rainfall {
    /// So many days of 48 × 36 cells, served and ready to be run.
    ///
    /// # Panics
    /// When the input cannot be made.
    #[must_use]
    pub fn of_days(days: u32) -> Self {
        let sandbox = Sandbox::new(&[]);
        let input = sandbox.path("input");
        let made = Command::new(program("examples/make-rainfall"))
            .arg(&input)
            .args([&days.to_string(), "48", "36"])
            .output()
            .expect("make-rainfall starts");
        succeeded("make-rainfall", &made);
        let server = Server::start(&input, 0).expect("a server on loopback");
        let example = root().join("examples/rainfall");
        for path in ["frazil.yaml", "pipelines/rainfall.yaml"] {
            let text = std::fs::read_to_string(example.join(path)).expect("the example is there");
            let text = text
                .replace("chunks: { time: 30, y: 180, x: 240 }", "chunks: { time: 30 }")
                .replace("http://127.0.0.1:8080", &server.url());
            // What lets go of the past has tests of its own.
            let text = text.split("  tidy:\n").next().unwrap_or_default();
            sandbox.write(path, text);
        }
        Self { sandbox, server }
    }

    /// Where a dataset's repository is.
    #[must_use]
    pub fn cube(&self, dataset: &str) -> PathBuf {
        self.sandbox.path("cubes").join(dataset)
    }

    /// Forgets all results, not the input.
    ///
    /// # Panics
    /// When they cannot be deleted.
    pub fn forget(&self) {
        for folder in ["cubes", ".frazil", "stac"] {
            let path = self.sandbox.path(folder);
            if path.exists() {
                std::fs::remove_dir_all(path).expect("results can be deleted");
            }
        }
    }

    /// Sees to it that Python finds so many days from 2024-01-01 on and these months, each right,
    /// and nothing else; does nothing without a Python.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn assert_right(&self, days: u32, months: &[&str], context: &str) {
        let Some(found) = self.judge() else { return };
        let expected = [
            ("days", json!(days)),
            ("first", json!("2024-01-01")),
            ("wrong_days", json!([])),
            ("months", json!(months)),
            ("wrong_months", json!([])),
        ];
        for (what, expected) in expected {
            assert_eq!(found[what], expected, "{context}: {what} in {found}");
        }
    }

    /// What Python finds in the cubes, compared with the input; `None` without a Python.
    ///
    /// # Panics
    /// When the cubes cannot be read.
    #[must_use]
    pub fn judge(&self) -> Option<Value> {
        let input = self.sandbox.path("input");
        let (daily, monthly) = (self.cube("rain_daily"), self.cube("rain_monthly"));
        let monthly = if monthly.exists() { monthly.to_string_lossy().into_owned() } else { "-".to_owned() };
        ask_python("check_rainfall.py", &[&input.to_string_lossy(), &daily.to_string_lossy(), &monthly])
    }
}
