//! The files of a project that is at work: they are looked at again and again, and one that is not
//! good keeps its last good version.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Checked, LoadOptions, Project,
    files::{Texts, check_texts, files_of, gather, shown, text_of},
    programs,
};
use crate::{
    diagnostic::{Diagnostic, Severity, Sources},
    registry::Registry,
};

/// File systems note times in steps: what was changed this lately may be changed again unnoticed.
const FRESH: Duration = Duration::from_secs(2);

/// A project at work and its files.
#[derive(Debug)]
pub struct Watched {
    options: LoadOptions,
    registry: Arc<Registry>,
    /// The last good version of each file.
    good: Texts,
    project: Arc<Project>,
    /// How the files looked when they were read; none of one that was fresh then.
    looks: BTreeMap<PathBuf, Option<Look>>,
    /// Digest of what was read last, good or not.
    digest: blake3::Hash,
}

/// How a file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    length: u64,
    changed: (i64, i64),
    inode: u64,
}

/// What came of reading files that had changed.
#[derive(Debug, Clone)]
pub struct Reread {
    /// The project as it is now; that of before where nothing could be taken.
    pub project: Arc<Project>,
    /// What is wrong with the files as they are, in their order; warnings too.
    pub problems: Vec<Diagnostic>,
    /// The files as they are.
    pub sources: Sources,
    /// The files that are not taken as they are: of each the last good version stands, none of a new one.
    pub behind: Vec<String>,
    /// Whether `state` was changed, which a process at work cannot follow.
    pub moves_state: bool,
}

impl Watched {
    /// Reads and checks the files of one project.
    ///
    /// # Errors
    /// What is wrong with them, where there is not one project without errors.
    pub fn open(options: LoadOptions, registry: Arc<Registry>) -> Result<Self, Box<Checked>> {
        let good = gather(&options);
        let mut checked = check_texts(&good, &options, &registry);
        if checked.has_errors() || checked.projects.len() != 1 {
            return Err(Box::new(checked));
        }
        let Some(project) = checked.projects.pop().map(Arc::new) else { return Err(Box::new(checked)) };
        // Where its file goes away, the project does not become another one.
        let mut options = options;
        if let Some(group) = good.groups.values().next().filter(|_| options.project.is_empty()) {
            options.project.clone_from(&group.project);
        }
        let digest = digest(&good, &project);
        let mut watched = Self { options, registry, good, project, looks: BTreeMap::new(), digest };
        watched.looks = watched.look();
        Ok(watched)
    }

    /// The project as it was taken last.
    #[must_use]
    pub const fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// Whether any file may be another than when it was read. No file is read for that.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let looks = self.look();
        looks != self.looks || looks.values().any(Option::is_none)
    }

    /// Reads the files again; none where they hold what they held.
    pub fn reread(&mut self) -> Option<Reread> {
        self.looks = self.look();
        let found = gather(&self.options);
        if digest(&found, &self.project) == self.digest {
            return None;
        }
        let checked = check_texts(&found, &self.options, &self.registry);
        let moves_state = checked.projects.first().is_some_and(|project| !self.fits(project));
        let taken = self.all(&found, &checked).or_else(|| self.one_by_one(&found));
        if let Some((texts, project)) = taken {
            (self.good, self.project) = (texts, Arc::new(project));
            // Other steps may name other programs.
            self.looks = self.look();
        }
        self.digest = digest(&found, &self.project);
        let behind =
            changed(&self.good, &found).iter().map(|path| shown(path, &self.options.folder)).collect();
        let Checked { problems, sources, .. } = checked;
        Some(Reread { project: Arc::clone(&self.project), problems, sources, behind, moves_state })
    }

    /// What the project would be with another text of one file, or without it; nothing is written.
    #[must_use]
    pub fn with(&self, path: &Path, text: Option<String>) -> Checked {
        let mut found = self.good.clone();
        match text {
            Some(text) => drop(found.read.insert(path.to_owned(), Ok(text))),
            None => drop(found.read.remove(path)),
        }
        let take = BTreeSet::from([path.to_owned()]);
        check_texts(&compose(&self.good, &found, &take), &self.options, &self.registry)
    }

    /// The files as they are, or without changes in those that something is wrong with.
    fn all(&self, found: &Texts, checked: &Checked) -> Option<(Texts, Project)> {
        // A folder that cannot be read is not an empty one.
        if !found.problems.is_empty() {
            return None;
        }
        let errors = checked.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let places = errors.filter_map(|problem| problem.primary.as_ref());
        let blamed: BTreeSet<&str> = places.map(|label| checked.sources.name(label.span.source)).collect();
        let take = |path: &PathBuf| {
            found.read.get(path).is_none_or(Result::is_ok)
                && !blamed.contains(shown(path, &self.options.folder).as_str())
        };
        let take: BTreeSet<_> = changed(&self.good, found).into_iter().filter(take).collect();
        self.taken(compose(&self.good, found, &take))
    }

    /// Each change that is good by itself.
    fn one_by_one(&self, found: &Texts) -> Option<(Texts, Project)> {
        if !found.problems.is_empty() {
            return None;
        }
        let mut best = self.taken(self.good.clone())?;
        for path in changed(&self.good, found) {
            let texts = compose(&best.0, found, &BTreeSet::from([path]));
            best = self.taken(texts).unwrap_or(best);
        }
        Some(best)
    }

    fn taken(&self, texts: Texts) -> Option<(Texts, Project)> {
        let mut checked = check_texts(&texts, &self.options, &self.registry);
        if checked.has_errors() {
            return None;
        }
        let project = checked.projects.pop().filter(|project| self.fits(project))?;
        Some((texts, project))
    }

    /// Whether a process at work can go on with it: its history and its locks lie where they lay.
    fn fits(&self, project: &Project) -> bool {
        project.config.state == self.project.config.state
    }

    fn look(&self) -> BTreeMap<PathBuf, Option<Look>> {
        let root = &self.project.config.root;
        let programs = programs::all(&self.project).into_iter().map(|file| root.join(file));
        let paths = files_of(&self.options).into_iter().chain(programs).chain(kept_files(root));
        let now = SystemTime::now();
        paths.map(|path| (look(&path, now), path)).map(|(look, path)| (path, look)).collect()
    }
}

/// How a file looks, none where it is fresh; what is not there looks like nothing.
fn look(path: &Path, now: SystemTime) -> Option<Look> {
    let Ok(about) = fs::metadata(path) else {
        return Some(Look { length: 0, changed: (0, 0), inode: 0 });
    };
    let age = about.modified().ok().and_then(|changed| now.duration_since(changed).ok());
    // What is of the future never grows old by itself, and is not read at each look.
    age.is_none_or(|age| age > FRESH).then(|| Look {
        length: about.len(),
        changed: (about.mtime(), about.mtime_nsec()),
        inode: about.ino(),
    })
}

/// The files whose texts are not the same in both, also those that are in one alone.
fn changed(good: &Texts, found: &Texts) -> BTreeSet<PathBuf> {
    let paths = good.read.keys().chain(found.read.keys());
    paths.filter(|path| good.read.get(*path) != found.read.get(*path)).cloned().collect()
}

/// What is good, with some files as they were found.
fn compose(good: &Texts, found: &Texts, take: &BTreeSet<PathBuf>) -> Texts {
    let mut texts = good.clone();
    for path in take {
        match found.read.get(path) {
            Some(text) => drop(texts.read.insert(path.clone(), text.clone())),
            None => drop(texts.read.remove(path)),
        }
    }
    for group in texts.groups.values_mut() {
        let project: BTreeSet<_> = group.project.iter().cloned().collect();
        let pipelines = texts.read.keys().filter(|path| !project.contains(*path));
        group.pipelines = pipelines.cloned().collect();
    }
    texts
}

/// Digest of all that a project is read from.
fn digest(texts: &Texts, project: &Project) -> blake3::Hash {
    let root = &project.config.root;
    let mut digest = blake3::Hasher::new();
    for (path, text) in &texts.read {
        digest.update(path.as_os_str().as_encoded_bytes());
        let text = match text {
            Ok(text) => text.as_str(),
            Err(problem) => problem.message.as_str(),
        };
        digest.update(blake3::hash(text.as_bytes()).as_bytes());
    }
    for problem in &texts.problems {
        digest.update(problem.message.as_bytes());
    }
    for path in kept_files(root) {
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update(blake3::hash(text_of(&path).unwrap_or_default().as_bytes()).as_bytes());
    }
    for file in programs::all(project) {
        let content = programs::content(&root.join(&file));
        digest.update(file.as_bytes());
        digest.update(content.map_or([0; 32], |hash| *hash.as_bytes()).as_slice());
    }
    digest.finalize()
}

/// Templates that are kept for review.
fn kept_files(root: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(root.join("datasets")).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}
