mod number;
mod raw;

use std::collections::HashMap;

use serde_json::Number;
use serde_saphyr::{Location, Spanned, options::DuplicateKeyPolicy};

use self::{
    number::{plain_again, plain_number},
    raw::{Raw, options},
};
use super::{Entry, Node, Tree};
use crate::diagnostic::{Diagnostic, Span, codes};

/// The largest file that is read: a pipeline of a thousand steps has a quarter of it.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// What is said of a file that is larger.
pub(crate) const TOO_LARGE: &str = "the file is larger than 1 MiB";

/// Reads a file into a tree. With a tree there may still be problems: duplicate keys, braces
/// without quotes, numbers that readers understand differently.
pub(crate) fn read(source: usize, text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        let span = Span { source, from: 0, to: 0 };
        return (
            None,
            vec![
                Diagnostic::error(codes::UNREADABLE, span, TOO_LARGE)
                    .help("a file of so many steps is made by a program: let it make several"),
            ],
        );
    }
    let mut judge = Judge { source, text, problems: Vec::new(), numeric_keys: false };
    // This policy hands every entry over as it stands, so that both places can be shown.
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options(DuplicateKeyPolicy::LastWins)) {
        Ok(raw) => {
            let node = judge.node(raw);
            judge.equal_numbers();
            (Some(node), judge.problems)
        }
        Err(error) => (None, vec![judge.unreadable(&error)]),
    }
}

struct Judge<'a> {
    source: usize,
    text: &'a str,
    problems: Vec<Diagnostic>,
    numeric_keys: bool,
}

impl Judge<'_> {
    fn span(&self, location: &Location) -> Span {
        let span = location.span();
        let place = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        // Errors of the scanner know a line and a column only.
        let Some(from) = place(span.byte_offset()).filter(|from| *from > 0 || location.line() <= 1) else {
            return self.line_and_column(location.line(), location.column());
        };
        let from = from.min(self.text.len());
        let to = (from + place(span.byte_len()).unwrap_or(0)).min(self.text.len());
        Span { source: self.source, from, to }
    }

    fn line_and_column(&self, line: u64, column: u64) -> Span {
        let place = |n: u64| usize::try_from(n).unwrap_or(1).saturating_sub(1);
        let start = self.text.split_inclusive('\n').take(place(line)).map(str::len).sum::<usize>();
        let rest = self.text.get(start..).unwrap_or("").lines().next().unwrap_or("");
        let within = rest.char_indices().nth(place(column)).map_or(rest.len(), |(at, _)| at);
        let from = (start + within).min(self.text.len());
        let width = rest.get(within..).and_then(|r| r.chars().next()).map_or(0, char::len_utf8);
        Span { source: self.source, from, to: from + width }
    }

    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let mut span = self.span(&raw.defined);
        let tree = match raw.value {
            Raw::Null => Tree::Null,
            Raw::Bool(b) => Tree::Bool(b),
            Raw::Number(n) => self.number(span, n),
            Raw::Text(text) => Tree::Text(text),
            Raw::List(items) => Tree::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => self.map(&mut span, entries),
        };
        Node { span, tree }
    }

    fn number(&mut self, span: Span, number: Number) -> Tree {
        let written = self.text.get(span.from..span.to).unwrap_or("");
        if !written.is_empty() && !plain_number(written) {
            let help = format!("write it plainly, or put quotes around it: \"{written}\"");
            let message = format!("`{written}` is a number that readers understand differently");
            let problem = Diagnostic::error(codes::NUMBER, span, message).help(help);
            self.problems.push(match plain_again(written) {
                Some(again) => problem.fix(format!("write `{again}`"), again),
                None => problem.option("make it text", format!("\"{written}\"")),
            });
        }
        Tree::Number(number)
    }

    fn map(&mut self, span: &mut Span, entries: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Tree {
        let mut own: Vec<Entry> = Vec::with_capacity(entries.len());
        // By key, so that a map of very many keys is not looked through for each.
        let mut places: HashMap<String, Span> = HashMap::new();
        let mut merged: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            let key_span = self.span(&key.defined);
            let key = match key.value {
                Raw::Text(key) => key,
                Raw::Number(_) | Raw::Bool(_) => {
                    self.numeric_keys = true;
                    self.text.get(key_span.from..key_span.to).unwrap_or("").to_owned()
                }
                Raw::Null => "null".to_owned(),
                Raw::Map(_) | Raw::List(_) => match self.braces(*span) {
                    // It is judged as what was meant, so that nothing is said twice.
                    Some((meant, place)) => {
                        *span = place;
                        return Tree::Text(meant);
                    }
                    None => continue,
                },
            };
            let value = self.node(value);
            if key == "<<" {
                self.merge(value, &mut merged);
            } else if let Some(first) = places.get(&key) {
                self.problems.push(
                    Diagnostic::error(
                        codes::DUPLICATE_KEY,
                        key_span,
                        format!("`{key}` stands twice in one map"),
                    )
                    .label("here again")
                    .other(*first, "first here")
                    .help("rename or remove one of them"),
                );
            } else {
                places.insert(key.clone(), key_span);
                own.push(Entry { key, key_span, value });
            }
        }
        for entry in merged {
            // Of several the first wins.
            if places.insert(entry.key.clone(), entry.key_span).is_none() {
                own.push(entry);
            }
        }
        Tree::Map(own)
    }

    /// Takes over what `<<` names: a map, or maps of which the first wins.
    fn merge(&mut self, value: Node, merged: &mut Vec<Entry>) {
        match value.tree {
            Tree::Map(entries) => merged.extend(entries),
            Tree::List(items) => items.into_iter().for_each(|item| self.merge(item, merged)),
            _ => self.problems.push(Diagnostic::error(
                codes::TYPE,
                value.span,
                "`<<` takes a map, or a list of maps, by an alias such as `*name`",
            )),
        }
    }

    /// Of keys that are equal numbers the reader hands over the last alone: it is asked again.
    fn equal_numbers(&mut self) {
        if !self.numeric_keys || !self.problems.is_empty() {
            return;
        }
        let again = serde_saphyr::from_str_with_options::<Raw>(self.text, options(DuplicateKeyPolicy::Error));
        if let Err(error) = again
            && let serde_saphyr::Error::DuplicateMappingKey { key, location } = error.without_snippet()
        {
            let key = key.as_deref().unwrap_or("a key");
            let message = format!("`{key}` stands twice in one map");
            let span = self.span(location);
            self.problems.push(
                Diagnostic::error(codes::DUPLICATE_KEY, span, message).help("rename or remove one of them"),
            );
        }
    }

    /// Says what is wrong with a key that is no text; gives the expression that was meant.
    fn braces(&mut self, span: Span) -> Option<(String, Span)> {
        let line = self.text.get(span.from..).unwrap_or("").lines().next().unwrap_or("");
        let end = line.find("}}").map_or(line.trim_end().len(), |at| at + 2);
        let written = &line[..end];
        let span = Span { to: span.from + end, ..span };
        let expression = written.starts_with("{{");
        let problem = if expression {
            Diagnostic::error(codes::BRACES, span, "an expression needs quotes: YAML reads braces as a map")
                .help(format!("write \"{written}\""))
                .quoted(written)
        } else {
            Diagnostic::error(codes::TYPE, span, "a key that is a map or a list").help("keys are plain text")
        };
        self.problems.push(problem);
        expression.then(|| (written.to_owned(), span))
    }

    fn unreadable(&mut self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        let span = error.location().map_or(Span { source: self.source, from: 0, to: 0 }, |l| self.span(&l));
        // The reader stops at what follows an unquoted `{{ x }}`, and says nothing of braces.
        if let Some(found) = self.unquoted_braces(span) {
            let written = self.text.get(found.from..found.to).unwrap_or("");
            return Diagnostic::error(
                codes::BRACES,
                found,
                "an expression needs quotes: YAML reads braces as a map",
            )
            .help(format!("write \"{written}\""))
            .quoted(written);
        }
        let text = error.to_string();
        let message = text.lines().next().unwrap_or("it cannot be read");
        let message = match error {
            serde_saphyr::Error::Budget { .. } if message.contains("Documents") => {
                "a second document begins; one file is one document"
            }
            _ => message,
        };
        if let Some(problem) = beyond(error, message, span) {
            return problem;
        }
        let message = message.split(" at line ").next().unwrap_or(message).trim_start_matches("error: ");
        let message = message
            .split_once(": ")
            .filter(|(head, _)| head.starts_with("line "))
            .map_or(message, |(_, m)| m);
        let span = if message.contains("tab") { self.tab(span).unwrap_or(span) } else { span };
        Diagnostic::error(codes::SYNTAX, span, format!("this is not YAML: {message}")).help(remedy(message))
    }

    /// The tab that begins a line at or after `span`: the reader stops before it.
    fn tab(&self, span: Span) -> Option<Span> {
        let begin = self.text.get(..span.from)?.rfind('\n').map_or(0, |at| at + 1);
        let mut at = begin;
        for line in self.text.get(begin..)?.split_inclusive('\n') {
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line[..blank].find('\t') {
                return Some(Span { from: at + tab, to: at + tab + 1, ..span });
            }
            at += line.len();
        }
        None
    }

    /// A value that begins with `{{` without quotes in the line of `span` or the one before it.
    fn unquoted_braces(&self, span: Span) -> Option<Span> {
        let start = self.text.get(..span.from)?.rfind('\n').map_or(0, |at| at + 1);
        let before = self.text.get(..start.saturating_sub(1))?.rfind('\n').map_or(0, |at| at + 1);
        for line_start in [start, before] {
            let line = self.text.get(line_start..)?.lines().next()?;
            for (at, _) in line.match_indices("{{") {
                let lead = line[..at].trim_end();
                if lead.ends_with(':') || lead.ends_with('-') || lead.ends_with('[') || lead.ends_with(',') {
                    let rest = line[at..].trim_end();
                    let to = rest.rfind("}}").map_or(rest.len(), |end| {
                        rest[end + 2..].find([',', ' ', ']', '}']).map_or(rest.len(), |n| end + 2 + n)
                    });
                    return Some(Span {
                        source: self.source,
                        from: line_start + at,
                        to: line_start + at + to,
                    });
                }
            }
        }
        None
    }
}

/// What is said where the reader stopped at one of its limits.
fn beyond(error: &serde_saphyr::Error, message: &str, span: Span) -> Option<Diagnostic> {
    // At an alias the crate wraps the kind of its error, and keeps its words alone.
    let said = message.to_lowercase();
    let deep =
        said.contains("recursion limit") || (said.contains("budget breached") && said.contains("depth"));
    let large = matches!(error, serde_saphyr::Error::Budget { .. })
        || said.contains("budget breached")
        || (said.contains("alias") && ["limit", "exceed", "overflow"].iter().any(|word| said.contains(word)));
    if !(deep || large) || said.contains("second document") {
        return None;
    }
    Some(if deep {
        Diagnostic::error(codes::DEPTH, span, "this is nested more than 32 levels deep")
            .help("look for a bracket that is never closed")
    } else {
        Diagnostic::error(codes::EXPANDED, span, "this stands for more than any file that a person writes")
            .help("write out what aliases repeat, or make several files of it")
    })
}

/// What to look for, by what the reader stopped at.
fn remedy(message: &str) -> &'static str {
    if message.contains("tab") {
        "indent with spaces"
    } else if message.contains("mapping values") {
        "keys of one map begin in the same column; text that holds `: ` needs quotes"
    } else if message.contains("second document") {
        "put what follows `---` into a file of its own"
    } else {
        "look in the line before too: a bracket or a quote may be open there, or the indentation off"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::{Sources, plain};

    fn tree(text: &str) -> (Option<serde_json::Value>, String) {
        let mut sources = Sources::default();
        let at = sources.add("a.yaml".into(), text.into());
        let (node, problems) = read(at, text);
        (node.map(|n| n.json()), plain(&problems, &sources))
    }

    fn good(text: &str) -> serde_json::Value {
        let (value, problems) = tree(text);
        assert_eq!(problems, "");
        value.unwrap()
    }

    #[test]
    fn values_keep_their_type_and_no_is_text() {
        let value =
            good("a: NO\nb: true\nc: 1\nd: 1.5\ne: 2024-01-01\nf:\ng: on\nh: '1'\ni: 1e3\nj: 12:30\n");
        let wanted = json!({"a": "NO", "b": true, "c": 1, "d": 1.5, "e": "2024-01-01", "f": null, "g": "on",
            "h": "1", "i": 1000.0, "j": "12:30"});
        assert_eq!(value, wanted);
    }

    #[test]
    fn merges_take_over_what_is_not_said() {
        let value = good(
            "x-base: &b { a: 1, b: 2 }\nx-more: &m { b: 3, c: 4 }\nd: { <<: [*b, *m], a: 9 }\ne:\n  <<: *b\n  c: 5\n",
        );
        assert_eq!(value["d"], json!({"a": 9, "b": 2, "c": 4}));
        assert_eq!(value["e"], json!({"c": 5, "a": 1, "b": 2}));
    }

    #[test]
    fn places_are_exact() {
        let text = "ä: 1\nsteps:\n  one: { uses: fetch, needs: [a, 'bc'] }\n";
        let (node, _) = read(0, text);
        let node = node.unwrap();
        let at = |pointer: &str| {
            let span = node.place(pointer);
            &text[span.from..span.to]
        };
        assert_eq!(at("/steps/one/uses"), "fetch");
        assert_eq!(at("/steps/one/needs/1"), "'bc'");
        assert_eq!(at("/steps/one"), "one");
        assert_eq!(at("/steps/one/nothing"), "one");
        assert_eq!(at("/ä"), "1");
    }

    #[test]
    fn bad_yaml_is_told_at_its_place() {
        let mut all = String::new();
        for text in [
            "a: 1\nb: 2\na: 3\n",
            "a: { b: 1, b: 2 }\nc: 1\nc: 2\n",
            "p: { 1: a, 1: b }\n",
            "a: {{ params.start }}\nb: 1\n",
            "a: {{ params.start }}/x\nb: 1\n",
            "a: [{{ x }}, 2]\n",
            "a: 012\nb: 1_000\nc: 0x1F\nd: .5\ne: +1\nf: 0o17\n",
            "a: [1, 2\nb: 3\n",
            "a: 'x\n",
            "a: 1\n b: 2\n",
            "a: *nothing\n",
            "a: .nan\n",
            "a: 1\n---\nb: 2\n",
            "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
        ] {
            let (value, problems) = tree(text);
            let text: String = text.chars().take(60).collect();
            all.push_str(&format!(
                "--- {text:?}: {}\n{problems}",
                if value.is_some() { "a tree" } else { "nothing" }
            ));
        }
        insta::assert_snapshot!(all);
    }
}
