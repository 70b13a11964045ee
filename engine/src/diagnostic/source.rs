/// A stretch of a file, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file, as its place among [`Sources`].
    pub source: usize,
    /// First byte.
    pub from: usize,
    /// First byte after it.
    pub to: usize,
}

impl Span {
    pub(crate) const fn start(self) -> (usize, usize) {
        (self.source, self.from)
    }
    pub(crate) const fn end(self) -> (usize, usize) {
        (self.source, self.to)
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path as people write it.
    pub name: String,
    /// What stands in it; asterisks over credentials.
    pub text: String,
    /// Digest of what stands in it.
    pub(super) digest: blake3::Hash,
    /// Where its lines begin.
    lines: Vec<usize>,
}

/// The files that were read, in the order in which they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(pub Vec<Source>);

impl Sources {
    /// Adds a file and gives its place.
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let digest = blake3::hash(text.as_bytes());
        self.0.push(Source { name, text, digest, lines });
        self.0.len() - 1
    }

    /// Puts asterisks over a credential, so that no excerpt brings it into a log; of a URL over its
    /// user and password alone.
    pub(crate) fn mask(&mut self, span: Span) {
        let Some(source) = self.0.get_mut(span.source) else { return };
        let Some(text) = source.text.get(span.from..span.to) else { return };
        let inside = text.trim_matches(['"', '\'']);
        let lead = text.len() - text.trim_start_matches(['"', '\'']).len();
        let (from, to) = match (inside.find("://"), inside.rfind('@')) {
            (Some(from), Some(to)) if from + 3 <= to => (lead + from + 3, lead + to),
            _ => (lead, lead + inside.len()),
        };
        let stars = "*".repeat(to - from);
        source.text.replace_range(span.from + from..span.from + to, &stars);
    }

    /// The path of a file.
    #[must_use]
    pub fn name(&self, source: usize) -> &str {
        self.0.get(source).map_or("?", |s| &s.name)
    }

    /// What stands in `span`.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.0.get(span.source).and_then(|s| s.text.get(span.from..span.to)).unwrap_or("")
    }

    /// Line and column of a byte of a file.
    #[must_use]
    pub fn position(&self, (source, byte): (usize, usize)) -> Position {
        let Some(source) = self.0.get(source) else { return Position { line: 1, column: 1 } };
        let byte = byte.min(source.text.len());
        let line = source.lines.partition_point(|start| *start <= byte).max(1);
        let start = source.lines.get(line - 1).copied().unwrap_or(0);
        let column = source.text.get(start..byte).map_or(1, |before| before.chars().count() + 1);
        Position { line, column }
    }
}
