//! Changes of text that mend problems: spans of the file as it stands, so that comments and layout
//! are kept.

use std::collections::BTreeMap;

use super::{Diagnostic, Source, Sources, Span};

/// One change of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where text is put in.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// What mends a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in a few words.
    pub title: String,
    /// Whether it can only be meant so: `check --fix` makes no others.
    pub sure: bool,
    /// The changes; they belong together.
    pub edits: Vec<Edit>,
}

/// A file with fixes to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The file, as its place among [`Sources`].
    pub source: usize,
    /// What is done, by line of the old text.
    pub done: Vec<(usize, String)>,
    /// Changes in order, none over another.
    edits: Vec<(usize, usize, String)>,
}

impl Fixed {
    /// The text of the file with the fixes made: what was read, or the same with asterisks over
    /// credentials to show it.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut after = String::with_capacity(text.len());
        let mut at = 0;
        for (from, to, new) in &self.edits {
            after.push_str(text.get(at..*from).unwrap_or(""));
            after.push_str(new);
            at = *to;
        }
        after.push_str(text.get(at..).unwrap_or(""));
        after
    }
}

/// Every sure fix, by file; none for files in which nothing is to be done. Of fixes that overlap the
/// first is made, and one that two problems ask for is made once.
#[must_use]
pub fn fixed(problems: &[Diagnostic], sources: &Sources) -> Vec<Fixed> {
    let mut files: BTreeMap<usize, Vec<&Fix>> = BTreeMap::new();
    for problem in problems {
        let mut sure = problem.fixes.iter().filter(|fix| fix.sure);
        // Two sure ways are no sure way.
        let (Some(fix), None) = (sure.next(), sure.next()) else { continue };
        let Some(source) = fix.edits.first().map(|edit| edit.span.source) else { continue };
        if fix.edits.iter().all(|edit| edit.span.source == source) {
            files.entry(source).or_default().push(fix);
        }
    }
    let one = |(source, fixes): (usize, Vec<&Fix>)| {
        let text = &sources.0.get(source)?.text;
        let (edits, made) = chosen(text, &fixes);
        let line = |fix: &Fix| {
            let first = fix.edits.iter().map(|edit| edit.span.from).min().unwrap_or(0);
            sources.position((source, first)).line
        };
        let done: Vec<_> = made.into_iter().map(|fix| (line(fix), fix.title.clone())).collect();
        (!done.is_empty()).then_some(Fixed { source, done, edits })
    };
    files.into_iter().filter_map(one).collect()
}

/// The edits of the fixes that do not overlap earlier ones, and those.
fn chosen<'a>(text: &str, fixes: &[&'a Fix]) -> (Vec<(usize, usize, String)>, Vec<&'a Fix>) {
    let mut taken: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    let mut made = Vec::new();
    for fix in fixes {
        let fits = |edit: &Edit| {
            let (from, to) = (edit.span.from, edit.span.to);
            let same = taken.get(&(from, to)).is_some_and(|text| *text == edit.text);
            let before = taken.range(..(to.max(from + 1), 0)).next_back();
            let free = before.is_none_or(|((other, end), _)| *end <= from && *other != from);
            from <= to && text.get(from..to).is_some() && (same || free)
        };
        if fix.edits.is_empty() || !fix.edits.iter().all(fits) {
            continue;
        }
        let before = taken.len();
        taken.extend(fix.edits.iter().map(|edit| ((edit.span.from, edit.span.to), edit.text.as_str())));
        if taken.len() > before {
            made.push(*fix);
        }
    }
    (taken.into_iter().map(|((from, to), new)| (from, to, new.to_owned())).collect(), made)
}

/// Fixes replace a word where the file says it plainly: narrows each edit to the word that it
/// replaces, inside quotes too, and drops fixes of words that the file says another way.
pub(crate) fn narrow(problems: &mut [Diagnostic], sources: &Sources) {
    for problem in problems {
        let Some((old, fix)) = problem.meant.take() else { continue };
        let written = sources.text(fix.span);
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c));
        let mut found = written.match_indices(&old).filter(|(at, _)| {
            !part(written[..*at].chars().next_back()) && !part(written[at + old.len()..].chars().next())
        });
        let (Some((at, _)), None) = (found.next(), found.next()) else { continue };
        let from = fix.span.from + at;
        let span = Span { from, to: from + old.len(), ..fix.span };
        let title = format!("write `{}`", fix.text);
        problem.fixes.push(Fix { title, sure: true, edits: vec![Edit { span, ..fix }] });
    }
}

/// Whether a file is still what was read.
#[must_use]
pub fn is_unchanged(source: &Source, now: &str) -> bool {
    source.digest == blake3::hash(now.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(from: usize, to: usize, text: &str) -> Fix {
        let span = Span { source: 0, from, to };
        Fix { title: text.into(), sure: true, edits: vec![Edit { span, text: text.into() }] }
    }

    fn applied(text: &str, fixes: &[Fix]) -> (String, usize) {
        let (edits, made) = chosen(text, &fixes.iter().collect::<Vec<_>>());
        (Fixed { source: 0, done: Vec::new(), edits }.apply(text), made.len())
    }

    #[test]
    fn edits_keep_what_stands_around_them() {
        let fixes = [edit(9, 10, "ccc"), edit(0, 1, ""), edit(4, 4, "<"), edit(10, 10, "!")];
        assert_eq!(applied("a b  # x c", &fixes), (" b < # x ccc!".into(), 4));
    }

    #[test]
    fn of_two_that_overlap_the_first_is_made() {
        assert_eq!(applied("abcdef", &[edit(1, 4, "X"), edit(3, 5, "Y")]), ("aXef".into(), 1));
        assert_eq!(applied("abcdef", &[edit(3, 5, "Y"), edit(1, 4, "X")]), ("abcYf".into(), 1));
        assert_eq!(applied("abcdef", &[edit(1, 4, "X"), edit(2, 3, "Y")]), ("aXef".into(), 1));
        // The same edit of two problems is made once; two texts for one place are one too many.
        assert_eq!(applied("abcdef", &[edit(1, 4, "X"), edit(1, 4, "X")]), ("aXef".into(), 1));
        assert_eq!(applied("abcdef", &[edit(1, 1, "X"), edit(1, 1, "Y")]), ("aXbcdef".into(), 1));
        assert_eq!(applied("abcdef", &[edit(1, 3, "X"), edit(3, 4, "Y")]), ("aXYef".into(), 2));
        // Outside the text and inside a character nothing is done.
        assert_eq!(applied("aä", &[edit(2, 3, "X"), edit(9, 9, "Y")]), ("aä".into(), 0));
    }
}
