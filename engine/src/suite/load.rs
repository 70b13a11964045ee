use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{TestCase, check};
use crate::{
    diagnostic::{Diagnostic, Severity, Sources, narrow},
    project::{self, LoadOptions, Project, collect_tests, nearest, shown, text_of, unreadable},
    registry::Registry,
    schema,
};

/// The tests of one folder, and the project that they are of.
#[derive(Debug, Clone)]
pub struct Tests {
    /// The checked project; none where it has errors.
    pub project: Option<Project>,
    /// The files.
    pub files: Vec<TestFile>,
    /// Everything that is wrong, in the order of the files.
    pub problems: Vec<Diagnostic>,
    /// The files of the project and the test files.
    pub sources: Sources,
}

/// One test file.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// Its path as people write it.
    pub name: String,
    /// The folder that its paths begin in.
    pub folder: PathBuf,
    /// Its tests, in the order of the file.
    pub cases: Vec<TestCase>,
}

impl Tests {
    /// Whether anything keeps the tests from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }
}

/// Reads and checks test files and the project around each: files and folders that are named, else
/// the folder `pipelines` of the project.
#[must_use]
pub fn load(options: &LoadOptions, registry: &Registry) -> Vec<Tests> {
    let mut problems = Vec::new();
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in found(options, &mut problems) {
        let folder = path.parent().unwrap_or(&options.folder).to_owned();
        folders.entry(folder).or_default().push(path);
    }
    let schema = schema::suite();
    let mut all: Vec<Tests> = folders
        .into_iter()
        .map(|(folder, files)| {
            let around = |paths: Vec<PathBuf>, from: &Path| {
                let project = options.project.clone();
                project::load(&LoadOptions { paths, project, folder: from.to_owned() }, registry)
            };
            let mut checked = around(vec![folder.clone()], &options.folder);
            if checked.sources.0.is_empty() && checked.problems.is_empty() {
                // No pipeline lies beside them: those of the project around them are meant.
                checked = around(Vec::new(), &folder);
            }
            let project = checked.projects.pop();
            let mut tests =
                Tests { project, files: Vec::new(), problems: checked.problems, sources: checked.sources };
            for path in files {
                tests.read(&path, options, &schema);
            }
            tests
        })
        .collect();
    if !problems.is_empty() {
        let sources = Sources::default();
        all.insert(0, Tests { project: None, files: Vec::new(), problems, sources });
    }
    all
}

impl Tests {
    fn read(&mut self, path: &Path, options: &LoadOptions, schema: &serde_json::Value) {
        let name = shown(path, &options.folder);
        let source = match text_of(path) {
            Ok(text) => self.sources.add(name.clone(), text),
            Err(error) => return self.problems.push(unreadable(&name, &error)),
        };
        let mut problems = Vec::new();
        let root = project::read(source, &self.sources, schema, &mut problems);
        let folder = path.parent().unwrap_or(path).to_owned();
        let mut cases = root
            .map_or_else(Vec::new, |root| check::cases(&root, self.project.as_ref(), &folder, &mut problems));
        if !problems.is_empty() {
            cases.clear();
        }
        problems.sort_by_key(Diagnostic::order);
        narrow(&mut problems, &self.sources);
        self.problems.extend(problems);
        self.files.push(TestFile { name, folder, cases });
    }
}

fn found(options: &LoadOptions, problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths = options.paths.clone();
    if paths.is_empty() {
        let explicit = options.project.first().map(|file| options.folder.join(file));
        let root = explicit.as_deref().and_then(Path::parent).map(Path::to_owned);
        let root = root.or_else(|| nearest(&options.folder)).unwrap_or_else(|| options.folder.clone());
        paths.extend(Some(root.join("pipelines")).filter(|folder| folder.is_dir()));
    }
    for path in paths {
        let path = options.folder.join(path);
        if path.is_dir() {
            collect_tests(&path, &mut found, problems);
        } else {
            found.push(path);
        }
    }
    found.sort();
    found.dedup();
    found
}
