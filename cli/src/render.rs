//! What people see: problems with excerpts.

pub(crate) mod machines;
pub(crate) mod progress;
pub(crate) mod table;

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use chrono::{SecondsFormat, Utc};
use frazil_engine::diagnostic::{Diagnostic, Label, Severity, Sources};
use serde_json::json;

use crate::Color;

impl Color {
    /// Whether a stream is coloured.
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                stream.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Problems as a compiler shows them.
pub(crate) fn problems(problems: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for problem in problems {
        text.push_str(&renderer.render(&[group(problem, sources)]));
        text.push_str("\n\n");
    }
    text
}

fn group<'a>(problem: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&problem.message).id(problem.code));
    let mut left: Vec<(bool, &Label)> = problem.primary.iter().map(|l| (true, l)).collect();
    left.extend(problem.others.iter().map(|l| (false, l)));
    while let Some((_, first)) = left.first() {
        let source = first.span.source;
        let text = sources.0.get(source).map_or("", |s| &s.text);
        let mut snippet = Snippet::source(text).path(sources.name(source)).fold(true);
        for (primary, label) in left.iter().filter(|(_, l)| l.span.source == source) {
            let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(visible(text, label.span.from, label.span.to));
            let words = Some(label.text.as_str()).filter(|text| !text.is_empty());
            snippet = snippet.annotation(annotation.label(words));
        }
        group = group.element(snippet);
        left.retain(|(_, l)| l.span.source != source);
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    group
}

/// A stretch of at least one character and at most one line.
fn visible(text: &str, from: usize, to: usize) -> std::ops::Range<usize> {
    let line_end = text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| from + n);
    let next = text.get(from..).and_then(|rest| rest.chars().next()).map_or(from, |c| from + c.len_utf8());
    from..to.min(line_end).max(next.min(line_end))
}

/// Prints data to stdout.
pub(crate) fn out(text: &str) -> io::Result<()> {
    io::Write::write_all(&mut io::stdout().lock(), text.as_bytes())
}

/// Set once where all that goes to stderr is read by machines, a JSON object per line.
static LINES: OnceLock<()> = OnceLock::new();

/// From now on what goes to stderr is written as lines of the log are.
pub(crate) fn note_as_json() {
    LINES.get_or_init(|| ());
}

/// Prints everything else to stderr.
pub(crate) fn note(text: &str) -> io::Result<()> {
    said("INFO", text)
}

/// Prints what went wrong in the end to stderr.
pub(crate) fn wrong(text: &str) -> io::Result<()> {
    said("ERROR", text)
}

fn said(level: &str, text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    if LINES.get().is_none() {
        return io::Write::write_all(&mut stderr, text.as_bytes());
    }
    let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let line = json!({ "timestamp": at, "level": level, "message": text.trim_end(), "target": "frazil" });
    io::Write::write_all(&mut stderr, format!("{line}\n").as_bytes())
}
