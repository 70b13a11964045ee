//! What can be known to be wrong with the settings before anything is read.

use frazil_engine::{dataset::Datasets, step::Finding};

use super::{Fetch, OnMissing, SourceKind, window};

fn finding(pointer: &str, message: &str, help: &str) -> Finding {
    Finding {
        code: "FZ510",
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
        beside: None,
    }
}

/// All problems of the settings.
pub(super) fn check(fetch: &Fetch, datasets: &Datasets) -> Vec<Finding> {
    let mut findings = source(fetch, datasets);
    if let Some(bbox) = fetch.bbox
        && let Err(message) = window::proper(bbox)
    {
        findings.push(finding("/bbox", &message, "write west, south, east, north in degrees"));
    }
    if fetch.max_gaps.is_some() && fetch.on_missing == OnMissing::Stop {
        findings.push(finding(
            "/max-gaps",
            "`max-gaps` limits gaps, but none is ever recorded: a missing period stops the step",
            "write `on-missing: gap` beside it, or leave it out",
        ));
    }
    if fetch.wait.is_some_and(|wait| wait.every.to_std().is_zero()) {
        findings.push(finding(
            "/wait/every",
            "a source that is asked without a pause may shut us out",
            "write a pause such as `every: 1m`",
        ));
    }
    findings.extend(states(fetch));
    findings.extend(over(fetch));
    if fetch.alternatives.iter().rev().skip(1).any(|alternative| alternative.provisional) {
        findings.push(finding(
            "/alternatives",
            "only the last alternative may be provisional",
            "what is provisional is asked for again until an earlier one is there: put it last",
        ));
    }
    findings
}

/// Whether at most one state of a repository is named, and of a repository alone.
fn states(fetch: &Fetch) -> Vec<Finding> {
    let said = [("/branch", &fetch.branch), ("/tag", &fetch.tag), ("/snapshot", &fetch.snapshot)];
    let said: Vec<&str> =
        said.into_iter().filter(|(_, said)| said.is_some()).map(|(pointer, _)| pointer).collect();
    let words = |pointer: &str| pointer[1..].to_owned();
    if fetch.source != SourceKind::Icechunk {
        let message = |pointer| format!("`{}` belongs to `source: icechunk`", words(pointer));
        return said.into_iter().map(|pointer| finding(pointer, &message(pointer), "remove it")).collect();
    }
    let two = said.get(1).map(|second| {
        let message =
            format!("`{}` and `{}` name two states of the repository", words(said[0]), words(second));
        finding(second, &message, "keep one of them")
    });
    two.into_iter().collect()
}

/// Whether each place names all of `over`: combinations that share a file would share its numbers.
fn over(fetch: &Fetch) -> Vec<Finding> {
    let own: Vec<_> = fetch
        .variables
        .iter()
        .filter_map(|(name, select)| Some((format!("/variables/{name}/url"), select.url.as_ref()?)))
        .collect();
    let all_own = !own.is_empty() && own.len() == fetch.variables.len();
    let main = fetch.url.iter().filter(|_| !all_own).map(|url| ("/url".to_owned(), url));
    let others = fetch.alternatives.iter().enumerate();
    let others = others.map(|(at, other)| (format!("/alternatives/{at}/url"), &other.url));
    let mut findings = Vec::new();
    for (pointer, url) in main.chain(own).chain(others) {
        let names = url.names();
        let used = |name: &str| names.iter().any(|used| used == name);
        for dimension in fetch.over.0.iter().filter(|dimension| !used(&dimension.name)) {
            let name = &dimension.name;
            findings.push(finding(
                &pointer,
                &format!("this does not name `{name}`: all of its labels would get the same numbers"),
                &format!("write `{{{{ {name} }}}}` in it, or leave `{name}` out of `over`"),
            ));
        }
    }
    findings
}

/// Whether the source says where it is, and nothing that only another kind of source has.
fn source(fetch: &Fetch, datasets: &Datasets) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(id) = fetch.dataset.as_ref() else {
        match (fetch.source, &fetch.url) {
            (SourceKind::Dataset, _) => findings.push(finding(
                "/source",
                "`source: dataset` does not say which",
                "write `dataset: name` beside it",
            )),
            (_, None) => findings.push(finding(
                "",
                "nothing says where the source files are",
                "write `url: …` with `{{ period | date('%Y%m%d') }}` or its like in it",
            )),
            _ => {}
        }
        return findings;
    };
    if fetch.source != SourceKind::Dataset {
        let message = "`dataset` belongs to `source: dataset`; files have a `url`";
        findings.push(finding("/dataset", message, "write `source: dataset`, or remove it"));
        return findings;
    }
    let of_files = [
        ("/url", fetch.url.is_some()),
        ("/alternatives", !fetch.alternatives.is_empty()),
        ("/auth", fetch.auth.is_some()),
        ("/headers", !fetch.headers.is_empty()),
        ("/wait", fetch.wait.is_some()),
        ("/max-gaps", fetch.max_gaps.is_some()),
        ("/over", !fetch.over.is_empty()),
    ];
    for (pointer, _) in of_files.into_iter().filter(|(_, said)| *said) {
        let message = format!("`{}` belongs to source files, and a dataset has none", &pointer[1..]);
        findings.push(finding(pointer, &message, "remove it"));
    }
    let Some(known) = datasets.get(id).map(|info| &info.block.variables) else { return findings };
    for (name, select) in &fetch.variables {
        let from = select.from.as_ref().unwrap_or(name);
        if !known.is_empty() && !known.contains_key(from) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let message = format!("`{id}` has no variable `{from}`");
            findings.push(finding(
                &format!("/variables/{name}"),
                &message,
                &format!("it has {}", names.join(", ")),
            ));
        }
        if select.url.is_some() || select.band.is_some() || select.level.is_some() || select.stamp.is_some() {
            let message = "a variable of a dataset is chosen by `from` alone";
            findings.push(finding(&format!("/variables/{name}"), message, "remove what else it says"));
        }
    }
    findings
}
