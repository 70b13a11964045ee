//! What is wrong with a way onto another grid, as far as the block of its dataset tells.

use frazil_engine::{
    cf::units,
    dataset::{DatasetInfo, Datasets, Variable},
    step::Finding,
};

use super::{
    super::operation::{Method, Operation},
    finding,
};

/// Words for what is counted, in names and units.
const COUNTED: &[&str] =
    &["population", "people", "persons", "person", "inhabitants", "individuals", "households"];

/// Words of numbers that are made of counts and are none.
const MADE: &[&str] = &["density", "fraction", "share", "ratio", "rate", "index", "per", "percentage"];

/// Every problem of an operation that leads to another grid; `earlier` is the name that a variable of
/// the dataset has here.
pub(super) fn check(
    operation: &Operation,
    at: &str,
    datasets: &Datasets,
    earlier: impl Fn(&str) -> String,
    found: &mut Vec<Finding>,
) {
    let (onto, key) = match operation {
        Operation::Regrid(onto) => (onto, "regrid"),
        Operation::Reproject(onto) => (onto, "reproject"),
        _ => return,
    };
    let at = format!("{at}/{key}");
    let Some(info) = datasets.get(&onto.onto) else {
        found.push(finding(&format!("{at}/onto"), format!("there is no dataset `{}`", onto.onto), None));
        return;
    };
    place(info, key, &at, found);
    for (name, variable) in &info.block.variables {
        let earlier = earlier(name);
        let method = onto.method(&earlier);
        if let Some((message, help)) = unfit(name, variable, method) {
            let own = onto.variables.contains_key(&earlier);
            let pointer = if own { format!("{at}/variables/{earlier}") } else { format!("{at}/method") };
            let help =
                if own { help.to_owned() } else { format!("{help}: `variables: {{ {earlier}: … }}`") };
            let problem = finding(&pointer, message, Some(help));
            let problem = Finding { code: "FZ536", ..problem };
            found.push(problem.beside(&info.id, format!("/variables/{name}"), "what it is"));
        }
    }
}

/// Whether the dataset says where its cells lie.
fn place(info: &DatasetInfo, key: &str, at: &str, found: &mut Vec<Finding>) {
    let says = |what: &str, example: &str| {
        let help = format!("declare it: `{what}: {example}`");
        let problem =
            finding(&format!("{at}/onto"), format!("`{}` declares no `{what}`", info.id), Some(help));
        problem.beside(&info.id, "", "the dataset")
    };
    match &info.block.grid {
        None => {
            found.push(says("grid", "{ origin: [west, north], cell: [0.05, -0.05], shape: [rows, columns] }"))
        }
        Some(grid) if grid.cell.contains(&0.0) || grid.shape.contains(&0) => {
            let message = format!("the grid of `{}` has no cells", info.id);
            let problem = finding(&format!("{at}/onto"), message, None);
            found.push(problem.beside(&info.id, "/grid", "no cells"));
        }
        Some(_) => {}
    }
    if key == "reproject" && info.block.crs.is_none() {
        found.push(says("crs", "EPSG:32629"));
    }
}

/// Why numbers of a variable cannot be brought onto another grid so, and what can.
fn unfit(name: &str, variable: &Variable, method: Method) -> Option<(String, &'static str)> {
    let how = method.name();
    if !variable.categories.is_empty() {
        let fits = matches!(method, Method::Nearest | Method::Mode);
        let message = format!("`{name}` holds categories, of which there is no `{how}`");
        return (!fits).then_some((message, "take `mode` or `nearest`"));
    }
    if method == Method::Sum {
        let units = variable.units.as_deref()?;
        let message = format!("`{name}` is in `{units}`, and numbers of neighbouring cells do not add up");
        return (units::adds_up(units) == Some(false)).then_some((message, "take `average`"));
    }
    let message = format!("`{name}` counts, and `{how}` changes how many there are");
    (is_count(name, variable) && method != Method::Mode).then_some((message, "take `sum`"))
}

/// Whether numbers are counts of a cell, as far as its unit and its names say.
fn is_count(name: &str, variable: &Variable) -> bool {
    let units = variable.units.as_deref().unwrap_or_default();
    let words = |text: &str| -> Vec<String> {
        let split = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        split.map(str::to_ascii_lowercase).collect()
    };
    let one_of = |words: &[String], list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if one_of(&words(units), COUNTED) {
        return words(units).len() == 1 && !units.contains(['/', '-']);
    }
    let named: Vec<String> = [Some(name), variable.long_name.as_deref(), variable.standard_name.as_deref()]
        .into_iter()
        .flatten()
        .flat_map(words)
        .collect();
    let counted =
        one_of(&named, COUNTED) || variable.standard_name.as_deref() == Some("number_of_observations");
    units == "1" && counted && !one_of(&named, MADE)
}
