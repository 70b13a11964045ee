/// The candidate that `word` was most likely meant to be, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let limit = (folded.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (fold(candidate), candidate))
        // What differs in length by more cannot be near, and need not be measured.
        .filter(|(other, _)| other.len().abs_diff(folded.len()) <= limit)
        .map(|(other, candidate)| (distance(&folded, &other), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The one candidate that `word` can be meant to be; none where two are as near, and none that
/// differs by more than a slip or two.
pub(crate) fn plainly_meant<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let found = nearest(word, candidates.iter().copied())?;
    let folded = fold(word);
    let best = distance(&folded, &fold(found));
    let others = candidates.iter().copied().filter(|other| *other != found);
    let mut rivals = others.filter(|other| distance(&folded, &fold(other)) <= best);
    (best <= (folded.len() / 5).clamp(1, 2) && rivals.next().is_none()).then_some(found)
}

/// `did you mean …?`, or the list where it is short; none where there is nothing to name.
#[must_use]
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    if let Some(found) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{found}`?"));
    }
    let list: Vec<String> = candidates.iter().map(|c| format!("`{c}`")).collect();
    match list.len() {
        0 => None,
        1 => Some(format!("there is only {}", list[0])),
        2..=12 => Some(format!("one of {}", list.join(", "))),
        _ => None,
    }
}

/// Words of other workflow files, and ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("on", "triggers"),
    ("schedule", "triggers"),
    ("depends", "needs"),
    ("depends-on", "needs"),
    ("inputs", "needs"),
    ("type", "uses"),
    ("step", "uses"),
    ("args", "with"),
    ("settings", "with"),
    ("config", "with"),
    ("jobs", "steps"),
    ("tasks", "steps"),
];

/// The key that an unknown one is renamed to: one that is near, or another system's word for it
/// where what stands under it looks the same.
pub(crate) fn key_for<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = fold(word);
    let same = |(theirs, _): &&(&str, &str)| fold(theirs) == folded && !OTHERWISE.contains(theirs);
    match ELSEWHERE.iter().find(same) {
        Some((_, ours)) => known.iter().copied().find(|key| key == ours),
        None if ELSEWHERE.iter().any(|(theirs, _)| fold(theirs) == folded) => None,
        None => plainly_meant(word, known),
    }
}

/// Words of [`ELSEWHERE`] under which something else stands than under ours.
const OTHERWISE: &[&str] = &["on", "schedule", "inputs", "type", "jobs", "tasks"];

/// As [`did_you_mean`] for keys, which may be another system's words.
pub(crate) fn key_meant(word: &str, known: &[&str]) -> Option<String> {
    let folded = fold(word);
    let ours = ELSEWHERE.iter().find(|(theirs, ours)| fold(theirs) == folded && known.contains(ours));
    match ours {
        Some((_, ours)) => Some(format!("here this is `{ours}`")),
        None => did_you_mean(word, known),
    }
}

/// `in_flight`, `inFlight` and `in-flight` are one word to a reader.
fn fold(word: &str) -> Vec<char> {
    word.chars().filter(|c| *c != '-' && *c != '_').flat_map(char::to_lowercase).take(64).collect()
}

/// Edit distance in which two neighbours that changed places count once.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["append-commit", "fetch", "derived-resample"];
        assert_eq!(nearest("apend-commit", words), Some("append-commit"));
        assert_eq!(nearest("append_commit", words), Some("append-commit"));
        assert_eq!(nearest("fecth", words), Some("fetch"));
        assert_eq!(nearest("zonal", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(plainly_meant("fecth", &words), Some("fetch"));
        // Two that are as near are no plain meaning.
        assert_eq!(
            (nearest("rain", ["rein", "ruin"]), plainly_meant("rain", &["rein", "ruin"])),
            (Some("rein"), None)
        );
        assert_eq!(
            (nearest("example_org", ["example"]), plainly_meant("example_org", &["example"])),
            (Some("example"), None)
        );
    }
}
