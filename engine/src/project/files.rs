use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Project, check, kept, programs};
use crate::{
    diagnostic::{Diagnostic, Severity, Sources, Span, codes, narrow},
    document::{MAX_BYTES, TOO_LARGE},
    registry::Registry,
};

/// Problems of one file that are shown: nobody reads more, and each may show a long line.
const SHOWN: usize = 100;

/// Which files are read.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Files and folders; the `pipelines` folder of the project where none is said.
    pub paths: Vec<PathBuf>,
    /// Project files: later maps merge over earlier ones. The nearest `frazil.yaml` above each
    /// path where none is said.
    pub project: Vec<PathBuf>,
    /// Where relative paths begin and looking for `frazil.yaml` starts.
    pub folder: PathBuf,
}

/// What was found in files.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The projects that have no errors.
    pub projects: Vec<Project>,
    /// Everything that is wrong, in the order of the files.
    pub problems: Vec<Diagnostic>,
    /// The files.
    pub sources: Sources,
}

impl Checked {
    /// Whether anything keeps a project from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }
}

/// The files of one project.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) project: Vec<PathBuf>,
    pub(super) pipelines: Vec<PathBuf>,
}

/// What stands in the files of projects, by their folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    pub(super) groups: BTreeMap<PathBuf, Group>,
    /// Where a file cannot be read, what is said of that.
    pub(super) read: BTreeMap<PathBuf, Result<String, Diagnostic>>,
    /// Folders that cannot be read.
    pub(super) problems: Vec<Diagnostic>,
}

/// Reads and checks files, and the whole project around each: a dataset has one writer and edges
/// lead to a dataset that is there in the project, not only in the files that were named.
#[must_use]
pub fn load(options: &LoadOptions, registry: &Registry) -> Checked {
    check_texts(&gather(options), options, registry)
}

/// Reads the files.
pub(super) fn gather(options: &LoadOptions) -> Texts {
    let mut texts = Texts::default();
    texts.groups = groups(options, &mut texts.problems);
    for path in texts.groups.values().flat_map(|group| group.project.iter().chain(&group.pipelines)) {
        let told = |error| unreadable(&shown(path, &options.folder), &error);
        texts.read.insert(path.clone(), text_of(path).map_err(told));
    }
    texts
}

/// The files that [`gather`] reads.
pub(super) fn files_of(options: &LoadOptions) -> BTreeSet<PathBuf> {
    let groups = groups(options, &mut Vec::new()).into_values();
    groups.flat_map(|group| group.project.into_iter().chain(group.pipelines)).collect()
}

/// Checks what was read.
pub(super) fn check_texts(texts: &Texts, options: &LoadOptions, registry: &Registry) -> Checked {
    let mut checked = Checked { problems: texts.problems.clone(), ..Checked::default() };
    let memory = default_memory();
    let schemas = check::Schemas::new(registry);
    for (root, group) in &texts.groups {
        let mut read = |path: &Path| -> Option<usize> {
            match texts.read.get(path)? {
                Ok(text) => Some(checked.sources.add(shown(path, &options.folder), text.clone())),
                Err(problem) => {
                    checked.problems.push(problem.clone());
                    None
                }
            }
        };
        let files = group.project.iter().chain(&group.pipelines).count();
        let project: Vec<usize> = group.project.iter().filter_map(|path| read(path)).collect();
        let pipelines: Vec<usize> = group.pipelines.iter().filter_map(|path| read(path)).collect();
        let whole = project.len() + pipelines.len() == files;
        let kept = kept::read(root);
        let input = check::Files { root, memory, project: &project, pipelines: &pipelines, kept: &kept };
        let (project, problems) = check::check(&input, &checked.sources, registry, &schemas);
        checked.problems.extend(problems);
        checked.projects.extend(project.filter(|_| whole).map(programs::resolved));
    }
    checked.problems.sort_by_key(Diagnostic::order);
    enough(&mut checked.problems);
    narrow(&mut checked.problems, &checked.sources);
    let secret = checked.problems.iter().filter(|p| p.code == codes::CREDENTIAL);
    for span in secret.filter_map(|p| p.primary.as_ref()).map(|label| label.span).collect::<Vec<_>>() {
        checked.sources.mask(span);
    }
    checked
}

/// What stands in a file; never more than is read of one, and nothing of what is no file, since a
/// pipe would be waited for.
pub(crate) fn text_of(path: &Path) -> io::Result<String> {
    let file = |message| io::Error::other(message);
    if !fs::metadata(path)?.is_file() {
        return Err(file("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(file(TOO_LARGE));
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Leaves the first problems of each file, and says how many more there are.
fn enough(problems: &mut Vec<Diagnostic>) {
    let mut counts: BTreeMap<usize, (usize, Severity, Span)> = BTreeMap::new();
    problems.retain(|problem| {
        let Some(label) = &problem.primary else { return true };
        let (count, severity, last) =
            counts.entry(label.span.source).or_insert((0, Severity::Warning, label.span));
        *count += 1;
        if *count > SHOWN {
            *severity = problem.severity.min(*severity);
        } else {
            *last = label.span;
        }
        *count <= SHOWN
    });
    for (count, severity, last) in counts.into_values().filter(|(count, ..)| *count > SHOWN) {
        let message = format!("{} more problems in this file are not shown", count - SHOWN);
        let problem =
            Diagnostic::error(codes::ENOUGH, last, message).help("mend the first ones and check again");
        let at = problems.partition_point(|p| {
            let (source, from, _) = p.order();
            (source, from) <= (last.source, last.from)
        });
        problems.insert(at, if severity == Severity::Error { problem } else { problem.warning() });
    }
}

pub(crate) fn unreadable(name: &str, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::nowhere(codes::UNREADABLE, format!("cannot read {name}: {why}"))
}

/// The files by project folder.
fn groups(options: &LoadOptions, problems: &mut Vec<Diagnostic>) -> BTreeMap<PathBuf, Group> {
    let absolute = |path: &Path| normal(&options.folder.join(path));
    let explicit: Vec<PathBuf> = options.project.iter().map(|p| absolute(p)).collect();
    let explicit_root = explicit.first().and_then(|p| p.parent()).map(Path::to_owned);
    let mut found = Vec::new();
    for path in &options.paths {
        let path = absolute(path);
        if path.is_dir() {
            collect(&path, &mut found, problems);
        } else {
            found.push(path);
        }
    }
    let mut groups: BTreeMap<PathBuf, Group> = BTreeMap::new();
    if options.paths.is_empty() {
        let root = explicit_root
            .clone()
            .or_else(|| nearest(&options.folder))
            .unwrap_or_else(|| normal(&options.folder));
        groups.insert(root, Group::default());
    }
    for path in found {
        if is_project_file(&path) {
            let root = path.parent().unwrap_or(&path).to_owned();
            if explicit.is_empty() && path.file_name().is_some_and(|n| n == "frazil.yaml") {
                groups.entry(root).or_default();
            }
            continue;
        }
        let root = explicit_root.clone().or_else(|| path.parent().and_then(nearest)).or_else(|| alone(&path));
        let Some(root) = root else { continue };
        groups.entry(root).or_default().pipelines.push(path);
    }
    for (root, group) in &mut groups {
        group.project = if explicit.is_empty() {
            Some(root.join("frazil.yaml")).filter(|p| p.is_file()).into_iter().collect()
        } else {
            explicit.clone()
        };
        let own = root.join("pipelines");
        if own.is_dir() {
            collect(&own, &mut group.pipelines, problems);
        }
        group.pipelines.sort();
        group.pipelines.dedup();
    }
    groups
}

/// `*.yaml` under a folder, but no tests.
fn collect(folder: &Path, found: &mut Vec<PathBuf>, problems: &mut Vec<Diagnostic>) {
    let wanted =
        |name: &str| (name.ends_with(".yaml") || name.ends_with(".yml")) && !name.ends_with(".test.yaml");
    // A link may lead back to where it lies.
    inside(folder, &wanted, &mut BTreeSet::new(), found, problems);
}

/// `*.test.yaml` under a folder.
pub(crate) fn collect_tests(folder: &Path, found: &mut Vec<PathBuf>, problems: &mut Vec<Diagnostic>) {
    inside(folder, &|name| name.ends_with(".test.yaml"), &mut BTreeSet::new(), found, problems);
}

fn inside(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<Diagnostic>,
) {
    if !seen.insert(fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())) {
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(&folder.to_string_lossy(), &error)),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        if name.starts_with('.') {
        } else if path.is_dir() {
            inside(&path, wanted, seen, found, problems);
        } else if wanted(&name) {
            found.push(path);
        }
    }
}

/// `frazil.yaml`, and what may be laid over it: `frazil.prod.yaml`.
fn is_project_file(path: &Path) -> bool {
    path.file_name().is_some_and(|n| {
        let name = n.to_string_lossy();
        name == "frazil.yaml" || (name.starts_with("frazil.") && name.ends_with(".yaml"))
    })
}

/// The folder of the nearest `frazil.yaml`, from `folder` upwards.
pub(crate) fn nearest(folder: &Path) -> Option<PathBuf> {
    normal(folder).ancestors().find(|a| a.join("frazil.yaml").is_file()).map(Path::to_owned)
}

/// The project folder of a file without a `frazil.yaml`: above its `pipelines`, else its own.
fn alone(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let above = folder.file_name().filter(|n| *n == "pipelines").and_then(|_| folder.parent());
    Some(above.unwrap_or(folder).to_owned())
}

fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

pub(crate) fn shown(path: &Path, folder: &Path) -> String {
    path.strip_prefix(normal(folder)).unwrap_or(path).to_string_lossy().into_owned()
}

/// Half of what the machine or its cgroup allows, in bytes.
fn default_memory() -> u64 {
    const FALLBACK: u64 = 2 * 1024 * 1024 * 1024;
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let cgroup =
        number("/sys/fs/cgroup/memory.max").or_else(|| number("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    [machine, cgroup].into_iter().flatten().min().map_or(FALLBACK, |bytes| bytes / 2)
}
