//! `check --fix` and `check --diff`: sure fixes, a file at a time.

use std::{fs, io::Write, path::Path};

use anyhow::Context as _;
use frazil_engine::{
    diagnostic::{Fixed, fixed, is_unchanged},
    project::Checked,
};

use super::plural;
use crate::render;

/// One fix may bring others to light (a file that was no YAML is judged at last), so fixing goes on
/// while there is something to fix; a file that a person writes needs two or three rounds.
const MAX_ROUNDS: usize = 8;

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// How many fixes would be made.
pub(super) fn count(checked: &Checked) -> usize {
    fixed(&checked.problems, &checked.sources).iter().map(|file| file.done.len()).sum()
}

/// Makes every sure fix, says what it did, and gives what is found afterwards.
pub(super) fn mend(
    mut checked: Checked,
    folder: &Path,
    again: impl Fn() -> Checked,
) -> anyhow::Result<Checked> {
    for _ in 0..MAX_ROUNDS {
        let files = fixed(&checked.problems, &checked.sources);
        if files.is_empty() {
            break;
        }
        for file in files {
            replace(&file, &checked, folder)?;
            let name = checked.sources.name(file.source);
            let lines = file.done.iter().map(|(line, title)| format!("  line {line}: {title}\n"));
            render::note(&format!(
                "{name}: {}\n{}",
                plural(file.done.len(), "fix").replace("fixs", "fixes"),
                lines.collect::<String>()
            ))?;
        }
        checked = again();
    }
    Ok(checked)
}

/// Puts the mended text in the place of a file as one act: whoever reads it meanwhile reads the old
/// file or the new one.
fn replace(file: &Fixed, checked: &Checked, folder: &Path) -> anyhow::Result<()> {
    let source = checked.sources.0.get(file.source).context("a file that was not read")?;
    // A link stays a link: what it leads to is mended.
    let path = fs::canonicalize(folder.join(&source.name))
        .with_context(|| format!("cannot find {} any more", source.name))?;
    let now = fs::read_to_string(&path).with_context(|| format!("cannot read {} again", source.name))?;
    anyhow::ensure!(
        is_unchanged(source, &now),
        "{} was changed while it was checked: nothing was mended in it",
        source.name
    );
    let wanted = fs::metadata(&path)?.permissions();
    let beside = path.parent().context("a file lies in a folder")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = beside.join(format!(".{name}.{}.fix", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut out = fs::File::create_new(&temporary)?;
        out.write_all(file.apply(&now).as_bytes())?;
        out.set_permissions(wanted)?;
        out.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&temporary));
        anyhow::Error::new(error).context(format!("cannot write {}", source.name))
    })
}

/// What would be changed, as `diff -u` writes it.
pub(super) fn diff(checked: &Checked) -> String {
    let one = |file: Fixed| {
        let name = checked.sources.name(file.source).to_owned();
        let text = checked.sources.0.get(file.source).map_or("", |source| &source.text);
        let hunks = hunks(text, &file.apply(text));
        format!("--- {name}\n+++ {name}\n{hunks}")
    };
    fixed(&checked.problems, &checked.sources).into_iter().map(one).collect()
}

/// The stretches of lines that differ, with lines around them. Fixes put lines in, but never take
/// whole lines away, so a line of the new text that begins like nothing in the old one was put in.
fn hunks(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    // What was put in stands at the top alone (`frazil: 1`); below, line stands beside line.
    let extra = new.len().saturating_sub(old.len());
    let top = (0..old.len()).find(|at| old.get(*at) != new.get(*at)).unwrap_or(old.len());
    let pairs = (0..old.len()).map(|at| (at, if at < top { at } else { at + extra }));
    let changed: Vec<usize> = pairs.filter(|(a, b)| old.get(*a) != new.get(*b)).map(|(a, _)| a).collect();
    let mut marks = changed.clone();
    if extra > 0 {
        marks.insert(marks.partition_point(|at| *at < top), top);
    }
    let mut text = String::new();
    let mut rest = &marks[..];
    while let [first, ..] = rest {
        let count = 1 + rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT).count();
        let last = rest[count - 1];
        rest = &rest[count..];
        let (from, to) = (first.saturating_sub(CONTEXT), (last + CONTEXT + 1).min(old.len()));
        let put = if (from..=to).contains(&top) && marks.contains(&top) { extra } else { 0 };
        let shift = if from > top { extra } else { 0 };
        text.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            from + 1,
            to - from,
            from + 1 + shift,
            to - from + put
        ));
        for at in from..=to {
            if at == top && put > 0 {
                new[top..top + extra].iter().for_each(|line| text.push_str(&marked('+', line)));
            }
            let Some(line) = old.get(at).filter(|_| at < to) else { continue };
            match new.get(if at < top { at } else { at + extra }) {
                Some(other) if changed.contains(&at) => {
                    text.push_str(&marked('-', line));
                    text.push_str(&marked('+', other));
                }
                _ => text.push_str(&marked(' ', line)),
            }
        }
    }
    text
}

fn marked(mark: char, line: &str) -> String {
    let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
    format!("{mark}{line}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_stand_beside_each_other() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
        assert_eq!(
            hunks(before, &before.replace('e', "E")),
            "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n"
        );
        let two = hunks(before, &before.replace('a', "A").replace('j', "J"));
        assert_eq!(two, "@@ -1,4 +1,4 @@\n-a\n+A\n b\n c\n d\n@@ -7,4 +7,4 @@\n g\n h\n i\n-j\n+J\n");
        assert_eq!(hunks("a\n", "a\n"), "");
    }

    #[test]
    fn a_line_that_is_put_in_shifts_what_follows() {
        let before = "# x\na\nb\nc\nd\ne\nf\n";
        assert_eq!(
            hunks(before, "# x\nfrazil: 1\na\nb\nc\nd\ne\nf\n"),
            "@@ -1,5 +1,6 @@\n # x\n+frazil: 1\n a\n b\n c\n d\n"
        );
        let far = hunks("a\nb\nc\nd\ne\nf\ng\nh\ni", "1\na\nb\nc\nd\ne\nf\ng\nh\nI");
        assert_eq!(
            far,
            "@@ -1,4 +1,5 @@\n+1\n a\n b\n c\n d\n@@ -6,4 +7,4 @@\n f\n g\n h\n-i\n\\ No newline at end of file\n+I\n\\ No newline at end of file\n"
        );
    }
}
