//! What `from` means where there are several sources: a variable by its name alone where one source
//! has it, or `dataset.variable`.

use frazil_engine::{data::DatasetId, diagnostic::codes};

/// A source with what is known of its variables.
#[derive(Debug, Clone)]
pub(super) struct Known<'a> {
    pub(super) id: &'a DatasetId,
    /// Its variables; none where that is known only once it exists.
    pub(super) variables: Option<Vec<&'a str>>,
}

/// A name that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: String,
    /// The source whose block it contradicts.
    pub(super) source: Option<usize>,
}

impl Known<'_> {
    fn has(&self, name: &str) -> bool {
        self.variables.as_ref().is_some_and(|all| all.contains(&name))
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The place of the source and the variable that `from` names; none where it cannot be told yet,
/// as some source does not say what it has.
pub(super) fn find<'a>(from: &'a str, sources: &[Known<'_>]) -> Result<Option<(usize, &'a str)>, Wrong> {
    let holders: Vec<usize> = (0..sources.len()).filter(|at| sources[*at].has(from)).collect();
    match holders.as_slice() {
        [one] => return Ok(Some((*one, from))),
        [] => {}
        several => {
            let ids: Vec<&str> = several.iter().map(|at| sources[*at].id.as_str()).collect();
            return Err(Wrong {
                code: codes::AMBIGUOUS,
                message: format!("several sources have a variable `{from}`: {}", listed(&ids)),
                help: format!("name the dataset too, such as `from: {}.{from}`", ids[0]),
                source: None,
            });
        }
    }
    if let Some((dataset, variable)) = from.split_once('.') {
        return qualified(from, dataset, variable, sources);
    }
    match sources {
        [one] => match &one.variables {
            Some(_) => Err(lacks(one, 0, from)),
            None => Ok(Some((0, from))),
        },
        _ if sources.iter().any(|source| source.variables.is_none()) => Ok(None),
        _ => {
            let each = sources.iter().map(|source| {
                let names = source.variables.as_deref().unwrap_or_default().join(", ");
                format!("`{}` has {names}", source.id)
            });
            Err(Wrong {
                code: codes::SOURCE_VARIABLE,
                message: format!("no source has a variable `{from}`"),
                help: each.collect::<Vec<_>>().join("; "),
                source: None,
            })
        }
    }
}

fn qualified<'a>(
    from: &str,
    dataset: &str,
    variable: &'a str,
    sources: &[Known<'_>],
) -> Result<Option<(usize, &'a str)>, Wrong> {
    let Some(at) = sources.iter().position(|source| source.id.as_str() == dataset) else {
        let ids: Vec<&str> = sources.iter().map(|source| source.id.as_str()).collect();
        return Err(Wrong {
            code: codes::SOURCE_VARIABLE,
            message: format!("`{from}` is of `{dataset}`, which is none of the sources of this step"),
            help: format!(
                "it is made from {}: add the step that gives `{dataset}` to `needs`, or name one of them",
                listed(&ids)
            ),
            source: None,
        });
    };
    if sources[at].variables.is_some() && !sources[at].has(variable) {
        return Err(lacks(&sources[at], at, variable));
    }
    Ok(Some((at, variable)))
}

fn lacks(source: &Known<'_>, at: usize, variable: &str) -> Wrong {
    Wrong {
        code: codes::SOURCE_VARIABLE,
        message: format!("`{}` has no variable `{variable}`", source.id),
        help: format!("it has {}", source.variables.as_deref().unwrap_or_default().join(", ")),
        source: Some(at),
    }
}

/// A variable that several sources have, where all variables of all are taken.
pub(super) fn twice(sources: &[Known<'_>]) -> Option<Wrong> {
    let all = sources.iter().flat_map(|source| source.variables.iter().flatten());
    let wrong = all.filter_map(|name| find(name, sources).err()).next()?;
    let help =
        "instead of `method` name each in `variables`: `rain: { from: dataset.variable, method: sum }`";
    Some(Wrong { help: help.to_owned(), ..wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, sources: &[(&str, Option<&[&'static str]>)]) -> String {
        let ids: Vec<DatasetId> = sources.iter().map(|(id, _)| id.parse().unwrap()).collect();
        let known = ids.iter().zip(sources);
        let known: Vec<Known<'_>> =
            known.map(|(id, (_, all))| Known { id, variables: all.map(<[_]>::to_vec) }).collect();
        match find(from, &known) {
            Ok(Some((at, name))) => format!("{}.{name}", ids[at]),
            Ok(None) => "?".to_owned(),
            Err(wrong) => format!("{}: {}", wrong.code, wrong.message),
        }
    }

    #[test]
    fn a_name_is_found_where_one_source_has_it() {
        let both = [("rain", Some(&["tp", "n"][..])), ("temp", Some(&["t2m", "n", "rain.n"][..]))];
        assert_eq!(told("tp", &both), "rain.tp");
        assert_eq!(told("t2m", &both), "temp.t2m");
        assert_eq!(told("temp.n", &both), "temp.n");
        // A variable may be called so.
        assert_eq!(told("rain.n", &both), "temp.rain.n");
        assert_eq!(told("n", &both), "FZ525: several sources have a variable `n`: `rain`, `temp`");
        assert_eq!(told("x", &both), "FZ522: no source has a variable `x`");
        assert_eq!(told("rain.t2m", &both), "FZ522: `rain` has no variable `t2m`");
        assert_eq!(
            told("snow.n", &both),
            "FZ522: `snow.n` is of `snow`, which is none of the sources of this step"
        );
        let unsure = [("rain", Some(&["tp"][..])), ("temp", None)];
        assert_eq!(told("tp", &unsure), "rain.tp");
        assert_eq!(told("x", &unsure), "?");
        assert_eq!(told("temp.x", &unsure), "temp.x");
        assert_eq!(told("x", &[("temp", None)]), "temp.x");
    }
}
