//! Problems in files: a stable code, places with line and column, and what to do.

mod code;
mod fix;
mod nearest;
mod source;

use serde_json::{Value, json};

pub use code::{CODES, Code, codes};
pub(crate) use fix::narrow;
pub use fix::{Edit, Fix, Fixed, fixed, is_unchanged};
pub use nearest::did_you_mean;
use nearest::plainly_meant;
pub(crate) use nearest::{key_for, key_meant, nearest};
pub use source::{Position, Source, Sources, Span};

/// Version of the JSON form of a problem.
const JSON_VERSION: u32 = 1;

/// Whether a problem stops a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// Worth a look.
    Warning,
}

/// One place of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// A problem in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, such as `FZ203`.
    pub code: &'static str,
    /// Whether it stops a run.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where it is wrong; none when a file cannot be read.
    pub primary: Option<Label>,
    /// Other places that belong to it.
    pub others: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// What mends it, where that can be said as changes of text.
    pub fixes: Vec<Fix>,
    /// A word that was meant instead of another in a place: a fix once the place is looked at.
    meant: Option<(String, Edit)>,
}

impl Diagnostic {
    /// An error at one place.
    pub(crate) fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let primary = Some(Label { span, text: String::new() });
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary,
            others: Vec::new(),
            help: None,
            fixes: Vec::new(),
            meant: None,
        }
    }

    /// An error in the words of a type that refused a text; what follows `: write` or `: use` is
    /// what to do.
    pub(crate) fn told(code: &'static str, span: Span, text: &str) -> Self {
        match [": write ", ": use "].iter().filter_map(|mark| text.find(mark)).min() {
            Some(at) => Self::error(code, span, &text[..at]).help(&text[at + 2..]),
            None => Self::error(code, span, text),
        }
    }

    /// An error at no place in a file.
    pub(crate) fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            others: Vec::new(),
            help: None,
            fixes: Vec::new(),
            meant: None,
        }
    }

    /// The same as a warning.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// With words at its place.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// With a second place.
    pub(crate) fn other(mut self, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label { span, text: text.into() });
        self
    }

    /// With what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With what to do, where something is known.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// With the word of `known` that was most likely meant by `word`, which stands at its place; a
    /// fix where there is only one such word.
    pub(crate) fn meant(self, word: &str, known: &[&str]) -> Self {
        let found = plainly_meant(word, known);
        self.maybe_help(did_you_mean(word, known)).instead(word, found)
    }

    /// With a fix that writes `found` instead of `word`, where something was found.
    pub(crate) fn instead(mut self, word: &str, found: Option<&str>) -> Self {
        if let (Some(label), Some(found)) = (&self.primary, found.filter(|_| !word.is_empty())) {
            self.meant = Some((word.to_owned(), Edit { span: label.span, text: found.to_owned() }));
        }
        self
    }

    /// With a change at its place that can only be meant so.
    pub(crate) fn fix(self, title: impl Into<String>, text: impl Into<String>) -> Self {
        self.change(title, text, true)
    }

    /// With a change at its place that may be meant: for editors, never made by itself.
    pub(crate) fn option(self, title: impl Into<String>, text: impl Into<String>) -> Self {
        self.change(title, text, false)
    }

    fn change(mut self, title: impl Into<String>, text: impl Into<String>, sure: bool) -> Self {
        if let Some(label) = &self.primary {
            let edits = vec![Edit { span: label.span, text: text.into() }];
            self.fixes.push(Fix { title: title.into(), sure, edits });
        }
        self
    }

    /// With quotes around its place, of a kind that does not stand in `inside`; none where both do.
    pub(crate) fn quoted(mut self, inside: &str) -> Self {
        let quote = ['"', '\''].into_iter().find(|quote| !inside.contains(*quote) && !inside.contains('\\'));
        if let (Some(quote), Some(Label { span, .. })) = (quote, &self.primary) {
            let at = |byte| Edit { span: Span { from: byte, to: byte, ..*span }, text: quote.to_string() };
            let edits = vec![at(span.from), at(span.to)];
            self.fixes.push(Fix { title: "put quotes around it".into(), sure: true, edits });
        }
        self
    }

    /// With a change at another place.
    pub(crate) fn edit(mut self, title: impl Into<String>, edit: Edit) -> Self {
        self.fixes.push(Fix { title: title.into(), sure: true, edits: vec![edit] });
        self
    }

    /// As one versioned JSON object; lines and columns count from 1, columns in
    /// characters; `from` and `to` count bytes of the file.
    #[must_use]
    pub fn to_json(&self, sources: &Sources) -> Value {
        let place = |label: &Label| {
            let (start, end) = (sources.position(label.span.start()), sources.position(label.span.end()));
            json!({
                "file": sources.name(label.span.source),
                "line": start.line, "column": start.column,
                "end-line": end.line, "end-column": end.column,
                "from": label.span.from, "to": label.span.to,
                "text": label.text,
            })
        };
        let edit = |edit: &Edit| {
            let span = edit.span;
            json!({ "file": sources.name(span.source), "from": span.from, "to": span.to, "text": edit.text })
        };
        let fix = |fix: &Fix| {
            let edits: Vec<Value> = fix.edits.iter().map(edit).collect();
            json!({ "title": fix.title, "sure": fix.sure, "edits": edits })
        };
        json!({
            "version": JSON_VERSION,
            "type": "problem",
            "code": self.code,
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": self.message,
            "place": self.primary.as_ref().map(place),
            "others": self.others.iter().map(place).collect::<Vec<_>>(),
            "help": self.help,
            "fixes": self.fixes.iter().map(fix).collect::<Vec<_>>(),
        })
    }

    /// Where it stands, to put problems in order.
    pub(crate) fn order(&self) -> (usize, usize, &'static str) {
        self.primary.as_ref().map_or((0, 0, self.code), |l| (l.span.source, l.span.from, self.code))
    }
}

/// Problems as plain lines, for tests.
#[cfg(test)]
pub(crate) fn plain(problems: &[Diagnostic], sources: &Sources) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for p in problems {
        let severity = if p.severity == Severity::Warning { "warning" } else { "error" };
        writeln!(text, "{severity}[{}]: {}", p.code, p.message).unwrap();
        for label in p.primary.iter().chain(&p.others) {
            let at = sources.position(label.span.start());
            let name = sources.name(label.span.source);
            writeln!(
                text,
                "  {name}:{}:{} `{}` {}",
                at.line,
                at.column,
                sources.text(label.span),
                label.text
            )
            .unwrap();
        }
        if let Some(help) = &p.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}
