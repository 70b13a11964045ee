//! What is wrong with a chain whatever the numbers are.

mod grid;

use std::collections::{BTreeMap, BTreeSet};

use frazil_engine::{cf::units, dataset::Datasets, step::Finding};

use super::operation::Operation;

/// A unit with the place that says it; none while the source decides.
type UnitAt = Option<(String, String)>;

/// What is known of variables by their present name.
#[derive(Default)]
struct Known {
    /// The unit that the chain gave.
    units: BTreeMap<String, UnitAt>,
    /// Names that were given away.
    gone: BTreeSet<String>,
    /// Where a name was first used.
    places: BTreeMap<String, String>,
}

/// Every problem of a chain: names that no dataset has, units that nothing leads to.
pub(super) fn check(operations: &[Operation], datasets: &Datasets) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut known = Known::default();
    if operations.is_empty() {
        found.push(finding("/do", "there is nothing to do".to_owned(), None));
    }
    for (at, operation) in operations.iter().enumerate() {
        let pointer = format!("/do/{at}");
        known.operation(operation, &pointer, &mut found);
        let later = &operations[at + 1..];
        grid::check(operation, &pointer, datasets, |name| earlier(name, later), &mut found);
    }
    known.ends(datasets, &mut found);
    found.retain(|f| !f.message.contains("{{"));
    found
}

impl Known {
    fn operation(&mut self, operation: &Operation, at: &str, found: &mut Vec<Finding>) {
        match operation {
            Operation::Deaccumulate(settings) => {
                let at = format!("{at}/deaccumulate/variables");
                if settings.variables.is_empty() {
                    found.push(finding(&at, "there is no variable to deaccumulate".to_owned(), None));
                }
                for (i, name) in settings.variables.iter().enumerate() {
                    self.uses(name, &format!("{at}/{i}"), found);
                }
            }
            Operation::Convert(targets) => {
                for (name, target) in targets {
                    let at = format!("{at}/convert/{name}");
                    self.uses(name, &at, found);
                    self.converts(name, target, &at, found);
                }
            }
            Operation::ScaleOffset(all) => {
                for (name, settings) in all {
                    let at = format!("{at}/scale-offset/{name}");
                    self.uses(name, &at, found);
                    self.units.insert(name.clone(), settings.units.clone().map(|unit| (unit, at)));
                }
            }
            Operation::Mask(all) => {
                for (name, mask) in all {
                    let at = format!("{at}/mask/{name}");
                    self.uses(name, &at, found);
                    if (mask.below, mask.above, mask.equal) == (None, None, None) {
                        let message = format!("nothing says which numbers of `{name}` to take out");
                        found.push(finding(&at, message, Some("say `below`, `above` or `equal`".to_owned())));
                    }
                }
            }
            Operation::Rename(names) => self.renames(names, &format!("{at}/rename"), found),
            Operation::Regrid(onto) | Operation::Reproject(onto) => {
                let key = if matches!(operation, Operation::Regrid(_)) { "regrid" } else { "reproject" };
                for name in onto.variables.keys() {
                    self.uses(name, &format!("{at}/{key}/variables/{name}"), found);
                }
            }
        }
    }

    fn uses(&mut self, name: &str, at: &str, found: &mut Vec<Finding>) {
        if self.gone.contains(name) {
            let message = format!("`{name}` was renamed before, and is not there any more");
            found.push(finding(at, message, None));
        } else {
            self.places.entry(name.to_owned()).or_insert_with(|| at.to_owned());
        }
    }

    fn converts(&mut self, name: &str, target: &str, at: &str, found: &mut Vec<Finding>) {
        let by_hand = Some(format!("use `scale-offset: {{ {name}: {{ scale: …, units: {target} }} }}`"));
        match self.units.get(name).cloned().flatten() {
            Some((from, _)) => {
                if let Err(error) = units::conversion(&from, target) {
                    found.push(finding(at, format!("`{name}` is in `{from}` here, and {error}"), by_hand));
                }
            }
            None if !units::is_known(target) => {
                found.push(finding(at, format!("nothing is known that gives `{target}`"), by_hand));
            }
            None => {}
        }
        self.units.insert(name.to_owned(), Some((target.to_owned(), at.to_owned())));
    }

    fn renames(&mut self, names: &BTreeMap<String, String>, at: &str, found: &mut Vec<Finding>) {
        let mut moved: Vec<(String, UnitAt, String)> = Vec::new();
        for (old, new) in names {
            let at = format!("{at}/{old}");
            self.uses(old, &at, found);
            if moved.iter().any(|(taken, ..)| taken == new) {
                found.push(finding(&at, format!("two variables would be called `{new}`"), None));
            }
            moved.push((new.clone(), self.units.remove(old).flatten(), at));
            self.places.remove(old);
            self.gone.insert(old.clone());
        }
        for (new, unit, at) in moved {
            self.gone.remove(&new);
            self.places.insert(new.clone(), at);
            self.units.insert(new, unit);
        }
    }

    /// What the variables are in the end, beside what the datasets of the project say.
    fn ends(&self, datasets: &Datasets, found: &mut Vec<Finding>) {
        let all: Vec<_> = datasets.values().flat_map(|info| &info.block.variables).collect();
        if all.is_empty() {
            return;
        }
        for (name, at) in &self.places {
            let declared: Vec<_> = all.iter().filter(|(n, _)| *n == name).map(|(_, v)| v).collect();
            if declared.is_empty() {
                let near = all.iter().map(|(n, _)| n.as_str()).min_by_key(|n| distance(n, name));
                let help = near.map(|n| format!("did you mean `{n}`?"));
                found.push(finding(at, format!("`{name}` is a variable of no dataset"), help));
            } else if let Some(Some((unit, at))) = self.units.get(name) {
                let wanted: Vec<&str> = declared.iter().filter_map(|v| v.units.as_deref()).collect();
                if let Some(other) = wanted.first()
                    && !wanted.iter().any(|w| units::same(w, unit))
                {
                    let message = format!("`{name}` ends in `{unit}`, but its dataset wants `{other}`");
                    found.push(finding(at, message, Some(format!("convert it to `{other}`"))));
                }
            }
        }
    }
}

/// The name that a variable has before these operations.
fn earlier(name: &str, later: &[Operation]) -> String {
    let mut name = name.to_owned();
    for operation in later.iter().rev() {
        if let Operation::Rename(names) = operation
            && let Some((old, _)) = names.iter().find(|(_, new)| **new == name)
        {
            name.clone_from(old);
        }
    }
    name
}

fn finding(pointer: &str, message: String, help: Option<String>) -> Finding {
    Finding { code: "FZ502", pointer: pointer.to_owned(), message, help, beside: None }
}

/// How many letters differ (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
