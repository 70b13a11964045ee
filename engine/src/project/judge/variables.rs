//! Units, standard names and cell methods of the variables of a block, beside each other.

use crate::{
    cf::{
        StandardName, name_for, names, standard_name,
        units::{NoUnit, dimension, is_rate, meant},
    },
    dataset::{CellMethod, Dataset, Variable},
    diagnostic::{Diagnostic, Span, codes, nearest},
    document::Node,
};

/// From so many problems on nothing is said of what was meant: a file that is wrong throughout is
/// not worth looking through the whole table for each name.
const ENOUGH: usize = 100;

/// Judges each variable of a block; `node` is the block.
pub(super) fn judge(node: &Node, block: &Dataset, out: &mut Vec<Diagnostic>) {
    let variables = node.get("variables").map_or(&[][..], Node::entries);
    for entry in variables {
        let Some(variable) = block.variables.get(&entry.key) else { continue };
        let at = |key: &str| entry.value.place(&format!("/{key}"));
        let units = units(variable, at("units"), out);
        name(variable, units, [at("standard-name"), at("units")], out);
        cell(variable, [at("cell"), at("units")], out);
        let mut bad = |code, key: &str, message: &str| {
            out.push(Diagnostic::told(code, at(key), message));
        };
        if variable.valid.is_some_and(|[low, high]| low > high) {
            bad(codes::RANGE, "valid", "the smallest value comes first");
        }
        if variable.scale_factor == Some(0.0) {
            bad(codes::RANGE, "scale-factor", "a scale factor of 0 loses every value");
        }
    }
}

/// The unit, where it can be compared.
fn units<'a>(variable: &'a Variable, place: Span, out: &mut Vec<Diagnostic>) -> Option<&'a str> {
    let units = variable.units.as_deref()?;
    match dimension(units) {
        Ok(_) => return Some(units),
        Err(NoUnit::Malformed) => out.push(
            Diagnostic::error(codes::TEXT, place, format!("`{units}` is not a unit"))
                .help("write it as UDUNITS does, `mm`, `kg m-2 s-1` or `degC`"),
        ),
        Err(NoUnit::Unknown(part)) => {
            let message = format!("UDUNITS knows no unit `{part}`, so nobody can convert it");
            let problem = Diagnostic::error(codes::UNIT, place, message).warning();
            out.push(match meant(&part).filter(|_| out.len() < ENOUGH) {
                Some(found) => problem.help(format!("did you mean `{found}`?")).instead(&part, Some(found)),
                None => problem.help("of what is counted write `1`, and say what it is in `long-name`"),
            });
        }
    }
    None
}

fn name(
    variable: &Variable,
    units: Option<&str>,
    [place, units_place]: [Span; 2],
    out: &mut Vec<Diagnostic>,
) {
    let Some(text) = variable.standard_name.as_deref() else { return };
    let canonical = match standard_name(text) {
        StandardName::Known(canonical) => canonical,
        StandardName::Old(now) => {
            let old = text.split(' ').next().unwrap_or(text);
            out.push(
                Diagnostic::error(
                    codes::OLD_NAME,
                    place,
                    format!("the CF table calls `{old}` otherwise now"),
                )
                .help(format!("write `{now}`"))
                .instead(old, Some(now))
                .warning(),
            );
            match standard_name(now) {
                StandardName::Known(canonical) => canonical,
                _ => return,
            }
        }
        StandardName::Unknown => return out.push(unknown(text, place, out.len() < ENOUGH)),
    };
    let Some(units) = units.filter(|_| !canonical.is_empty()) else { return };
    if dimension(units) == dimension(canonical) {
        return;
    }
    let message = format!("`{text}` is measured in `{canonical}`, and `{units}` cannot be turned into that");
    let other = (out.len() < ENOUGH).then(|| name_for(text, units)).flatten();
    let help = other.map_or_else(
        || format!("write a unit such as `{canonical}`, or another standard name"),
        |other| format!("in `{units}` it is `{other}`; a unit of `{text}` is `{canonical}`"),
    );
    out.push(
        Diagnostic::error(codes::NAME_UNITS, place, message)
            .label(format!("in `{canonical}`"))
            .other(units_place, "another kind of unit")
            .help(help),
    );
}

fn unknown(text: &str, place: Span, suggest: bool) -> Diagnostic {
    let shaped = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ');
    let folded = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let found = suggest.then(|| nearest(&folded, names().map(|(name, _)| name))).flatten();
    let usual = "write one of its table, such as `air_temperature`, or leave it out and write `long-name`";
    let help = found.map_or_else(|| usual.to_owned(), |found| format!("did you mean `{found}`?"));
    if !shaped || text.contains(char::is_uppercase) || text.contains(' ') {
        let message = format!("`{text}` does not look like a CF standard name");
        return Diagnostic::error(codes::TEXT, place, message).help(help).instead(text, found);
    }
    // The table grows every few months, so a name that is not in this one may be right.
    Diagnostic::error(codes::STANDARD_NAME, place, format!("the CF table has no standard name `{text}`"))
        .help(help)
        .instead(text, found)
        .warning()
}

/// A total has no time under its fraction line.
fn cell(variable: &Variable, [place, units_place]: [Span; 2], out: &mut Vec<Diagnostic>) {
    let Some(units) = variable.units.as_deref().filter(|units| is_rate(units)) else { return };
    if variable.cell == Some(CellMethod::Total) {
        let message = format!("`{units}` is a rate, and `cell: total` says that the numbers are totals");
        out.push(
            Diagnostic::error(codes::CELL, place, message)
                .label("a total over the period")
                .other(units_place, "something per time")
                .help("write `cell: mean`; or, where each number is the amount of its period, its unit without time"),
        );
    }
}
