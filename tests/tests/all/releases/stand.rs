//! The rainfall example of version 1.0, and input of other numbers for the version after it.

use std::path::Path;

use frazil_tests::{
    programs::{ask_python, program},
    rainfall::Rainfall,
};
use serde_json::{Value, json};

/// Where the input of the first version is kept.
pub(super) const FIRST: &str = "first-input";

/// Until when all runs go.
pub(super) const UNTIL: [&str; 2] = ["-p", "end=2024-03-15"];

const FILE: &str = "pipelines/rainfall.yaml";

pub(super) struct Stand {
    pub(super) rainfall: Rainfall,
}

impl Stand {
    /// So many days of version 1.0 in the cubes; the source has other numbers for them by now.
    pub(super) fn of_days(days: u32) -> Self {
        let rainfall = Rainfall::of_days(days);
        let stand = Self { rainfall };
        let title = "    title: Daily rainfall\n";
        let file = stand.file().replace(title, &format!("{title}    version: \"1.0\"\n"));
        stand.rainfall.sandbox.write(FILE, &file);
        stand.run();
        copy(&stand.rainfall.sandbox.path("input"), &stand.rainfall.sandbox.path(FIRST), |at, _| at);
        stand.new_input();
        stand
    }

    pub(super) fn file(&self) -> String {
        std::fs::read_to_string(self.rainfall.sandbox.path(FILE)).unwrap()
    }

    /// Another version in the file.
    pub(super) fn version(&self, version: &str) {
        let file = self.file();
        let line = file.lines().find(|line| line.starts_with("    version: ")).unwrap();
        self.rainfall.sandbox.write(FILE, &file.replace(line, &format!("    version: \"{version}\"")));
    }

    /// The numbers of the version after it: each day those of another one.
    pub(super) fn new_input(&self) {
        copy(&self.rainfall.sandbox.path(FIRST), &self.rainfall.sandbox.path("input"), |at, n| n - 1 - at);
    }

    /// The numbers of the first version, but for the third of January, which was mended.
    pub(super) fn old_input(&self) {
        let input = self.rainfall.sandbox.path("input");
        copy(&self.rainfall.sandbox.path(FIRST), &input, |at, _| at + usize::from(at == 2));
    }

    pub(super) fn run_args(&self) -> [&'static str; 4] {
        ["run", "rainfall", UNTIL[0], UNTIL[1]]
    }

    pub(super) fn run(&self) {
        self.rainfall.sandbox.succeed(&self.run_args());
    }

    pub(super) fn plan(&self) -> String {
        self.rainfall.sandbox.succeed(&["plan", "rainfall", UNTIL[0], UNTIL[1]])
    }

    /// The head of `main`.
    pub(super) fn head(&self, dataset: &str) -> Value {
        let text = self.rainfall.sandbox.succeed(&["explain", dataset, "--format", "json"]);
        serde_json::from_str::<Value>(&text).unwrap()["commit"]["id"].clone()
    }

    /// The branches of the daily cube with their commits; `None` without a Python.
    pub(super) fn branches(&self) -> Option<Value> {
        self.branches_of("rain_daily")
    }

    /// The branches of a cube with their commits; `None` without a Python.
    pub(super) fn branches_of(&self, dataset: &str) -> Option<Value> {
        ask_python("branches.py", &[&self.rainfall.cube(dataset).to_string_lossy()])
    }

    /// Input on cells twice as large.
    pub(super) fn other_cells(&self) {
        let made = std::process::Command::new(program("examples/make-rainfall"))
            .arg(self.rainfall.sandbox.path("input"))
            .args(["75", "24", "18"])
            .status();
        assert!(made.unwrap().success());
    }

    /// What Python finds in the cubes, compared with an input.
    pub(super) fn found(&self, input: &str) -> Option<Value> {
        self.found_in(input, true)
    }

    /// The same, of the daily cube alone or of both.
    pub(super) fn found_in(&self, input: &str, both: bool) -> Option<Value> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let (daily, monthly) = (self.rainfall.cube("rain_daily"), self.rainfall.cube("rain_monthly"));
        let monthly = if both { path(&monthly) } else { "-".to_owned() };
        ask_python("check_rainfall.py", &[&path(&self.rainfall.sandbox.path(input)), &path(&daily), &monthly])
    }

    /// Both cubes are those of an input, bit for bit.
    pub(super) fn judge(&self, input: &str, days: u32) {
        let Some(found) = self.found(input) else { return };
        assert_eq!((&found["days"], &found["wrong_days"]), (&json!(days), &json!([])), "{input}: {found}");
        assert_eq!(found["months"], json!(["2024-01", "2024-02"]), "{input}: {found}");
        assert_eq!(found["wrong_months"], json!([]), "{input}: {found}");
    }
}

/// Copies the days of a folder; the n-th gets the numbers of the one that `of` says.
fn copy(from: &Path, to: &Path, of: impl Fn(usize, usize) -> usize) {
    let list = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder.join("2024")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let names = list(from);
    std::fs::create_dir_all(to.join("2024")).unwrap();
    for (at, name) in names.iter().enumerate() {
        let source = &names[of(at, names.len())];
        std::fs::copy(from.join("2024").join(source), to.join("2024").join(name)).unwrap();
    }
}
