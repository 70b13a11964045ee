//! What keeps an expression from filling the memory or never ending.
//!
//! The evaluator counts its instructions, and what it writes is counted here. What one instruction
//! may make very large is left out: statements that keep a value (doubling it in each turn), filters
//! that fill up or repeat, and `*` between a text or a list and a number.

use std::{io, sync::LazyLock};

use minijinja::{Environment, Error, ErrorKind, Value};
use regex::Regex;

/// The longest text with expressions, in bytes.
pub(crate) const MAX_TEXT: usize = 4_096;

/// The longest text that one with expressions gives, in bytes.
pub(crate) const MAX_RESULT: usize = 64 * 1024;

/// Instructions of one evaluation; an expression of a person takes a hundred.
const MAX_STEPS: u64 = 100_000;

/// What is said where a result is larger.
pub(crate) const TOO_LARGE: &str = "it gives more than 64 KiB";

/// Statements that keep nothing.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];

/// Filters that fill up, repeat or show what is inside.
const LEFT_OUT: &[&str] = &["batch", "slice", "indent", "format", "pprint", "groupby", "zip", "chain"];

/// An environment in which nothing grows without bounds.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(MAX_STEPS));
    LEFT_OUT.iter().for_each(|name| environment.remove_filter(name));
    ["debug", "namespace"].iter().for_each(|name| environment.remove_global(name));
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, TOO_LARGE)
}

/// `text | replace(what, by)`.
fn replace(text: &str, what: &str, by: &str) -> Result<String, Error> {
    let growth = by.len().saturating_sub(what.len());
    let found = if what.is_empty() { text.len() + 1 } else { text.matches(what).count() };
    if found.saturating_mul(growth).saturating_add(text.len()) > MAX_RESULT {
        return Err(too_large());
    }
    Ok(text.replace(what, by))
}

/// `list | join(between)`.
fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    for (at, item) in list.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(between.unwrap_or(""));
        }
        match item.as_str() {
            Some(text) => joined.push_str(text),
            None => joined.push_str(&item.to_string()),
        }
        if joined.len() > MAX_RESULT {
            return Err(too_large());
        }
    }
    Ok(joined)
}

/// Takes what an evaluation writes, up to a limit.
#[derive(Debug, Default)]
pub(super) struct Written(pub(super) Vec<u8>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RESULT {
            return Err(io::Error::other(TOO_LARGE));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether an evaluation ended because it took or gave too much.
pub(crate) fn is_excess(error: &Error) -> bool {
    let detail = error.detail().unwrap_or_default();
    matches!(error.kind(), ErrorKind::OutOfFuel | ErrorKind::WriteFailure) || detail == TOO_LARGE
}

/// What an expression may not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// More bytes than [`MAX_TEXT`].
    Long,
    /// This statement.
    Statement(String),
    /// A `*` beside this, which may be a text or a list.
    Repeats(String),
}

/// Says what `text` may not hold; `is_number` knows which dotted names are numbers.
pub(crate) fn forbidden(text: &str, is_number: impl Fn(&str) -> bool) -> Option<Forbidden> {
    if text.len() > MAX_TEXT {
        return Some(Forbidden::Long);
    }
    blocks(text).into_iter().find_map(|(mark, block)| {
        let inside = block.trim_start_matches(['-', '+']).trim();
        if mark == "{%" {
            let word: String = inside.chars().take_while(char::is_ascii_alphanumeric).collect();
            if !STATEMENTS.contains(&word.as_str()) {
                return Some(Forbidden::Statement(word));
            }
        }
        repeats(inside, &is_number).map(Forbidden::Repeats)
    })
}

/// The inner texts of `{{ … }}` and `{% … %}`, each with its mark; a mark inside quotes is text.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let mark = rest.get(at..at + 2).unwrap_or("{");
        let end = match mark {
            "{{" => "}}",
            "{%" => "%}",
            "{#" => "#}",
            _ => {
                rest = &rest[at + 1..];
                continue;
            }
        };
        let inner = &rest[at + 2..];
        let close = if mark == "{#" { inner.find(end) } else { closed(inner, end) };
        let close = close.unwrap_or(inner.len());
        if mark != "{#" {
            found.push((mark, &inner[..close]));
        }
        rest = inner.get(close + 2..).unwrap_or("");
    }
    found
}

/// Where `end` stands outside quotes.
fn closed(inner: &str, end: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if inner[at..].starts_with(end) => return Some(at),
            None => {}
        }
    }
    None
}

/// A block without what stands in quotes.
fn outside(block: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut plain = String::new();
    for c in block.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None => plain.push(c),
        }
    }
    plain
}

/// What in a block with a `*` may be a text or a list: nothing where there is none.
fn repeats(block: &str, is_number: impl Fn(&str) -> bool) -> Option<String> {
    // What a filter makes a number of, and words and names.
    static NUMBERS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[A-Za-z_][\w.]*\s*\|\s*(?:int|float|length|count)\b").ok());
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[A-Za-z_][\w.]*").ok());
    if !block.contains('*') {
        return None;
    }
    let (Some(numbers), Some(names)) = (&*NUMBERS, &*NAMES) else { return Some(block.to_owned()) };
    if !outside(block).contains('*') {
        return None;
    }
    let plain = numbers.replace_all(block, "1");
    if let Some(other) =
        plain.chars().find(|c| !(c.is_ascii_alphanumeric() || " \t_.+-*/%()<>=!".contains(*c)))
    {
        return Some(match other {
            '"' | '\'' => "what stands in quotes".to_owned(),
            '[' | ']' => "a list".to_owned(),
            other => format!("what follows `{other}`"),
        });
    }
    let words = ["if", "elif", "else", "and", "or", "not"];
    let mut found = names.find_iter(&plain).map(|name| name.as_str());
    found.find(|name| !words.contains(name) && !is_number(name)).map(|name| format!("`{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<Forbidden> {
        forbidden(text, |name| name.starts_with("period."))
    }

    #[test]
    fn what_may_grow_is_found() {
        for text in [
            "{{ period.year }}",
            "{{ period.year * 2 + 1 }}",
            "{{ (period.month - 1) // 3 * 3 }}",
            "{{ age|int * 5 }}",
            "{{ '*' }} and * outside",
            "{% if period.day > 1 %}a{% else %}b{% endif %}",
            "{#- {% set x = 1 %} * -#}",
            "{{ '}}' ~ \"{{\" }}",
        ] {
            assert_eq!(judged(text), None, "{text}");
        }
        for (text, what) in [
            ("{{ 'x' * 9 }}", "what stands in quotes"),
            ("{{ [1] * 9 }}", "a list"),
            ("{{ vars.x * 9 }}", "`vars.x`"),
            ("a {{ period.year * (x | string) }}", "what follows `|`"),
        ] {
            assert_eq!(judged(text), Some(Forbidden::Repeats(what.into())), "{text}");
        }
        for (text, word) in [
            ("{% set x = 1 %}", "set"),
            ("{%- macro x() -%}", "macro"),
            ("{% %}", ""),
            ("a{%+ block x %}", "block"),
        ] {
            assert_eq!(judged(text), Some(Forbidden::Statement(word.into())), "{text}");
        }
        assert_eq!(judged(&format!("{{{{ '{}' }}}}", "x".repeat(5000))), Some(Forbidden::Long));
    }

    #[test]
    fn evaluation_ends_and_gives_little() {
        let environment = environment();
        let result = |text: &str| {
            let template = environment.template_from_str(text)?;
            let mut written = Written::default();
            template.render_captured_to((), &mut written)?;
            Ok::<_, Error>(written.0.len())
        };
        let doubled = format!("{{{{ 'x'{} }}}}", "|replace('x','xx')".repeat(40));
        for text in [
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% for a in range(9000) %}{{ 'some text of a line' }}{% endfor %}",
            "{{ range(100000)|join('xxxxxxxxxxxx') }}",
            &doubled,
        ] {
            assert!(is_excess(&result(text).unwrap_err()), "{text}");
        }
        assert_eq!(result("{{ [1, 'b']|join('-') }}{{ 'a-b'|replace('-', '_') }}").unwrap(), 6);
        for filter in LEFT_OUT {
            assert_eq!(
                result(&format!("{{{{ 1|{filter} }}}}")).unwrap_err().kind(),
                ErrorKind::UnknownFilter
            );
        }
    }
}
