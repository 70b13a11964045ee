//! Templates that are kept in the repository for review: `datasets/<id>.json` is the metadata that a
//! dataset is created with, as far as its block says it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::data::DatasetId;

/// Version of the format of kept templates.
pub const VERSION: u64 = 1;

/// Where the template of a dataset is kept, in the folder of a project.
#[must_use]
pub fn place(root: &Path, dataset: &DatasetId) -> PathBuf {
    root.join("datasets").join(format!("{dataset}.json"))
}

/// A template as it is kept.
#[must_use]
pub fn text(template: &Value) -> String {
    format!("{template:#}\n")
}

/// What two templates have in common: what one cannot say is left out of maps and is `null` in lists.
#[must_use]
pub fn common(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let both = a.iter().filter_map(|(key, a)| Some((key.clone(), common(a, b.get(key)?)?)));
            Some(Value::Object(both.collect()))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let both = a.iter().zip(b).map(|(a, b)| common(a, b).unwrap_or(Value::Null));
            Some(Value::Array(both.collect()))
        }
        _ => (a == b).then(|| a.clone()),
    }
}

/// Where a kept template says otherwise than what is there: the place, what is kept, what is found.
/// `null` in a list says nothing. What only is there is no difference, unless `whole` says so.
#[must_use]
pub fn difference(kept: &Value, found: &Value, whole: bool) -> Option<(String, String, String)> {
    differs(kept, found, whole, "")
}

fn differs(kept: &Value, found: &Value, whole: bool, at: &str) -> Option<(String, String, String)> {
    let nothing = || "nothing".to_owned();
    match (kept, found) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            ours.iter()
                .find_map(|(key, kept)| match theirs.get(key) {
                    Some(found) => differs(kept, found, whole, &below(key)),
                    None => Some((below(key), kept.to_string(), nothing())),
                })
                .or_else(|| {
                    let more = theirs.iter().filter(|_| whole).find(|(key, _)| !ours.contains_key(*key));
                    more.map(|(key, found)| (below(key), nothing(), found.to_string()))
                })
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let pairs = ours.iter().zip(theirs).enumerate().filter(|(_, (kept, _))| whole || !kept.is_null());
            pairs.filter_map(|(n, (kept, found))| differs(kept, found, whole, &format!("{at}/{n}"))).next()
        }
        _ => (kept != found).then(|| (at.to_owned(), kept.to_string(), found.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_two_say_alike_is_what_they_have_in_common() {
        let a = json!({ "units": "mm", "shape": [0, 1, 1], "only": 1, "deep": { "x": 1, "y": 2 } });
        let b = json!({ "units": "mm", "shape": [0, 2, 1], "deep": { "x": 1, "y": 3 }, "list": [1] });
        let both = json!({ "units": "mm", "shape": [0, null, 1], "deep": { "x": 1 } });
        assert_eq!(common(&a, &b), Some(both));
        assert_eq!(common(&json!([1]), &json!([1, 2])), None);
    }

    #[test]
    fn a_difference_is_told_by_its_place() {
        let kept = json!({ "a/b": [1, null, "x"], "c": { "d": 1.5 } });
        let more = json!({ "a/b": [1, 7, "x"], "c": { "d": 1.5, "e": 2 } });
        assert_eq!(difference(&kept, &more, false), None);
        let told = |kept: &Value, found: &Value, whole| {
            difference(kept, found, whole).map(|(at, kept, found)| format!("{at}: {kept} {found}"))
        };
        assert_eq!(told(&kept, &more, true).as_deref(), Some("/a~1b/1: null 7"));
        let other = json!({ "a/b": [1, null, "y"], "c": { "d": 1.5 } });
        assert_eq!(told(&kept, &other, true).as_deref(), Some("/a~1b/2: \"x\" \"y\""));
        assert_eq!(
            told(&kept, &json!({ "a/b": [1, 2, "x"] }), false).as_deref(),
            Some("/c: {\"d\":1.5} nothing")
        );
        assert_eq!(told(&json!({}), &json!({ "c": 1 }), true).as_deref(), Some("/c: nothing 1"));
        assert_eq!(told(&json!([1]), &json!([1, 2]), false).as_deref(), Some(": [1] [1,2]"));
    }
}
