//! Files to which something happened.

use proptest::prelude::*;

/// Bits of YAML and Jinja that change what stands around them.
const BITS: &[&str] = &[
    "{{",
    "}}",
    "{{ period.",
    "{%",
    "%}",
    "{#",
    "#}",
    "\"",
    "'",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ":",
    ": ",
    "- ",
    "? ",
    ",",
    "#",
    " #",
    "&a ",
    "*a",
    "*a ",
    "<<: *a",
    "!!int ",
    "!x ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "    ",
    "\u{0}",
    "\u{feff}",
    "ä",
    "€",
    "🧊",
    "\u{2028}",
    "null",
    "true",
    "~",
    "0x1F",
    "012",
    "1e999",
    ".nan",
    "-",
    "--",
    "@daily",
    "\"{{ params.start }}\"",
    "params",
    "secrets.",
    "steps:\n",
    "needs: ",
    "*",
    "**",
    "|replace('a','aa')",
    "x * 'y'",
    "999999999999999999999",
    "2024-13-45",
    "P1D",
    "\u{85}",
    "\u{a0}",
    "`",
];

/// Short files, so that the end is near whatever happens.
const SHORT: &[&str] = &[
    "a: {{ b }}",
    "- {{ x }}/y",
    "a: [1, {{ y }}]",
    "a: 012",
    "a: 1\na: 2",
    "a: &x {b: 1}\nc: *x",
    "a: {<<: *x}",
    "a: |\n  b",
    "a:\tb",
    "? {a: 1}\n: b",
    "'a': \"ä\"",
    "frazil: 1\nid: a\nsteps: {b: {uses: read}}",
    "frazil: 2",
    "frazil: 1\nsteps:\n  a: { uses: rd, timeout: 10, pool: chd }",
    "",
    "\u{feff}a: 1",
    "--- a\n--- b",
];

/// A change of a text, by places counted in thousandths of it.
#[derive(Debug, Clone)]
enum Change {
    Put(u16, usize),
    Take(u16, u8),
    Twice(u16, u8),
    Move(u16, u16, u8),
    /// Ends the text there, often in the middle of something.
    Cut(u16),
    /// Takes the quotes or braces around something away.
    Bare(u16),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0..=1000u16;
    prop_oneof![
        4 => (place.clone(), 0..BITS.len()).prop_map(|(at, bit)| Change::Put(at, bit)),
        2 => (place.clone(), 1..40u8).prop_map(|(at, length)| Change::Take(at, length)),
        1 => (place.clone(), 1..200u8).prop_map(|(at, length)| Change::Twice(at, length)),
        1 => place.clone().prop_map(Change::Cut),
        1 => place.clone().prop_map(Change::Bare),
        1 => (place.clone(), place, 1..80u8).prop_map(|(from, to, length)| Change::Move(from, to, length)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for change in changes {
        let place = |at: u16| usize::from(at) * text.len() / 1000;
        let end = |from: usize, length: u8| (from + usize::from(length)).min(text.len());
        match *change {
            Change::Put(at, bit) => drop(text.splice(place(at)..place(at), BITS[bit].chars())),
            Change::Take(at, length) => drop(text.drain(place(at)..end(place(at), length))),
            Change::Twice(at, length) => {
                let part: Vec<char> = text[place(at)..end(place(at), length)].to_vec();
                drop(text.splice(place(at)..place(at), part));
            }
            Change::Move(from, to, length) => {
                let range = place(from)..end(place(from), length);
                let part: Vec<char> = text.drain(range).collect();
                let to = (usize::from(to) * text.len() / 1000).min(text.len());
                drop(text.splice(to..to, part));
            }
            Change::Cut(at) => text.truncate(place(at)),
            Change::Bare(at) => {
                let from = place(at);
                let next = |from: usize, text: &[char]| {
                    text[from..].iter().position(|c| "\"'{}[]".contains(*c)).map(|n| from + n)
                };
                if let Some(open) = next(from, &text) {
                    let mark = text.remove(open);
                    let close = match mark {
                        '{' => '}',
                        '[' => ']',
                        other => other,
                    };
                    if let Some(n) = text[open..].iter().position(|c| *c == close) {
                        text.remove(open + n);
                    }
                }
            }
        }
    }
    text.into_iter().collect()
}

/// Files that were good before something happened to them, and files that never were.
pub(super) fn file(good: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(change(), 1..6).prop_map(move |changes| changed(good, &changes)),
        3 => (prop::sample::select(SHORT), prop::collection::vec(change(), 0..3)).prop_map(|(text, changes)| changed(text, &changes)),
        1 => prop::collection::vec(0..BITS.len(), 0..40).prop_map(|bits| bits.into_iter().map(|at| BITS[at]).collect()),
        1 => any::<String>(),
    ]
}
