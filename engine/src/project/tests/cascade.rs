//! Selections over several files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::checked;
use crate::project::{Cascade, Project, Selection};

/// A file of datasets, each made from those named: in its own file by `needs`, else opened.
fn file(id: &str, made: &[(&str, &[&str])]) -> String {
    let mut text = format!("frazil: 1\nid: {id}\ndatasets:\n");
    for (name, _) in made {
        text.push_str(&format!(
            "  {name}: {{ title: T, time: {{ step: P1D }}, variables: {{ v: {{ units: mm }} }} }}\n"
        ));
    }
    text.push_str("steps:\n");
    let mut opened = Vec::new();
    for (name, from) in made {
        match from {
            [] => text.push_str(&format!(
                "  list_{name}: {{ uses: list-periods, with: {{ dataset: {name}, start: \"2024\" }} }}\n  read_{name}: {{ uses: read, needs: list_{name}, with: {{ source: cog, url: \"https://x.org/{{{{ period.year }}}}\" }} }}\n  make_{name}: {{ uses: settle, needs: read_{name}, with: {{ dataset: {name} }} }}\n"
            )),
            [from] => {
                let own = made.iter().any(|(other, _)| other == from);
                let step = if own { format!("make_{from}") } else { format!("open_{from}") };
                if !own && !opened.contains(from) {
                    opened.push(from);
                    text.push_str(&format!("  {step}: {{ uses: open, with: {{ dataset: {from} }} }}\n"));
                }
                text.push_str(&format!("  make_{name}: {{ uses: sum, needs: {step}, with: {{ dataset: {name} }} }}\n"));
            }
            _ => panic!("a dataset has one source here"),
        }
    }
    text
}

fn project(files: &[String]) -> Project {
    let texts: Vec<&str> = files.iter().map(String::as_str).collect();
    let (project, problems) = checked("frazil: 1\nid: p\n", &texts);
    project.unwrap_or_else(|| panic!("{problems}\n{}", files.join("---\n")))
}

/// Stages as `pipeline: datasets that it makes`.
fn selected(project: &Project, names: &[&str]) -> Vec<String> {
    let selections: Vec<Selection> = names.iter().map(|name| Selection::parse(name)).collect();
    let stages = Cascade::of(project).select(&selections).unwrap();
    let shown = stages.iter().map(|stage| {
        let units = stage.units.iter().flat_map(|unit| stage.pipeline.units[*unit].nodes());
        let writes = units.filter_map(|node| stage.pipeline.nodes[node].step.writes());
        let names: Vec<String> = writes.map(|write| write.dataset().to_string()).collect();
        format!("{}: {}", stage.pipeline.id, names.join(" "))
    });
    shown.collect()
}

/// a → b (own file) and c; d from c; e from b.
fn diamond() -> Project {
    project(&[
        file("rain", &[("a", &[]), ("b", &["a"]), ("z", &[])]),
        file("middle", &[("c", &["a"]), ("e", &["b"])]),
        file("deep", &[("d", &["c"])]),
    ])
}

#[test]
fn a_plus_takes_what_hangs_from_it_in_all_files() {
    let project = diamond();
    assert_eq!(selected(&project, &["a"]), ["rain: a"]);
    assert_eq!(selected(&project, &["a+"]), ["rain: a b", "middle: c e", "deep: d"]);
    assert_eq!(selected(&project, &["c+"]), ["middle: c", "deep: d"]);
    assert_eq!(selected(&project, &["d"]), ["deep: d"]);
    assert_eq!(selected(&project, &["+d"]), ["rain: a", "middle: c", "deep: d"]);
    assert_eq!(selected(&project, &["+c+"]), ["rain: a", "middle: c", "deep: d"]);
    assert_eq!(selected(&project, &["e", "deep"]), ["deep: d", "middle: e"]);
    assert_eq!(selected(&project, &[]), ["rain: a b z", "middle: c e", "deep: d"]);
    let unknown = Cascade::of(&project).select(&[Selection::parse("x+")]).unwrap_err();
    assert_eq!(unknown.0, "x");
    let made = Cascade::of(&project).made_from(&"a".parse().unwrap());
    assert_eq!(made.iter().map(ToString::to_string).collect::<Vec<_>>().len(), 4, "{made:?}");
}

/// Two files that open each other's datasets without a circle: the first is walked twice.
#[test]
fn a_file_that_waits_for_what_hangs_from_it_is_two_stages() {
    let project = project(&[file("one", &[("a", &[]), ("c", &["b"])]), file("two", &[("b", &["a"])])]);
    assert_eq!(selected(&project, &["a+"]), ["one: a", "two: b", "one: c"]);
}

proptest! {
    /// Whatever the files and the selection, each dataset comes after what it is made from, once,
    /// and what is selected is what can be reached.
    #[test]
    fn stages_follow_the_graph(
        sources in prop::collection::vec(prop::option::of(0usize..8), 8),
        files in prop::collection::vec(0usize..3, 8),
        start in 0usize..8, below: bool, above: bool,
    ) {
        let name = |at: usize| format!("d{at}");
        // Each is made from an earlier one, so there is no circle.
        let source: Vec<Option<usize>> =
            (0..8).map(|at| sources[at].filter(|_| at > 0).map(|from| from % at.max(1))).collect();
        let texts: Vec<String> = (0..3).filter(|f| files.contains(f)).map(|f| {
            let names: Vec<(String, Vec<String>)> = (0..8).filter(|at| files[*at] == f)
                .map(|at| (name(at), source[at].iter().map(|from| name(*from)).collect())).collect();
            let borrowed: Vec<(&str, Vec<&str>)> = names.iter()
                .map(|(n, from)| (n.as_str(), from.iter().map(String::as_str).collect())).collect();
            let made: Vec<(&str, &[&str])> = borrowed.iter().map(|(n, from)| (*n, from.as_slice())).collect();
            file(&format!("p{f}"), &made)
        }).collect();
        let project = project(&texts);
        let text = format!("{}d{start}{}", if above { "+" } else { "" }, if below { "+" } else { "" });
        let stages = selected(&project, &[&text]);
        let mut place: BTreeMap<String, usize> = BTreeMap::new();
        for (at, stage) in stages.iter().enumerate() {
            for made in stage.split(": ").nth(1).unwrap_or("").split_whitespace() {
                // What a later stage needs of its own file is walked with it again.
                place.entry(made.to_owned()).or_insert(at);
            }
        }
        for (at, of) in source.iter().enumerate() {
            if let (Some(made), Some(from)) = (place.get(&name(at)), of.and_then(|f| place.get(&name(f)))) {
                prop_assert!(from <= made, "{stages:?}");
            }
        }
        // Found the slow way: up and down by single edges, then what each needs of its own file.
        let mut wanted: Vec<usize> = vec![start];
        let mut all_below = vec![start];
        for (at, of) in source.iter().enumerate() {
            if of.is_some_and(|from| all_below.contains(&from)) { all_below.push(at) }
        }
        if below { wanted.extend(&all_below) }
        let mut up = source[start];
        while let Some(at) = up.filter(|_| above) { wanted.push(at); up = source[at]; }
        for at in wanted.clone() {
            let mut up = source[at];
            let mut of = at;
            while let Some(from) = up.filter(|from| files[*from] == files[of]) { wanted.push(from); of = from; up = source[from]; }
        }
        for at in 0..8 {
            prop_assert_eq!(place.contains_key(&name(at)), wanted.contains(&at), "d{} in {:?}", at, &stages);
        }
    }
}
