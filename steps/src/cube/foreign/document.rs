//! JSON as Python writes it.

use serde_json::Value;

/// Reads a document. Bare `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON does not
/// know, become texts.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| match quoted(bytes) {
        Some(quoted) => serde_json::from_slice(&quoted),
        None => Err(error),
    })
}

/// The same with bare words of numbers in quotes; none where there are none.
fn quoted(bytes: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let (mut out, mut at, mut text, mut found) = (Vec::with_capacity(bytes.len() + 16), 0, false, false);
    while let Some(&byte) = bytes.get(at) {
        let word = WORDS.iter().find(|word| !text && bytes[at..].starts_with(word));
        if let Some(word) = word {
            out.push(b'"');
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            found = true;
            continue;
        }
        match byte {
            b'"' => text = !text,
            b'\\' if text => {
                out.push(byte);
                at += 1;
            }
            _ => {}
        }
        out.extend(bytes.get(at));
        at += 1;
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_json_has_no_word_for_are_texts() {
        let read = |text: &str| parse(text.as_bytes()).ok();
        assert_eq!(
            read(r#"{"a": NaN, "b": [-Infinity, Infinity]}"#),
            Some(json!({ "a": "NaN", "b": ["-Infinity", "Infinity"] }))
        );
        assert_eq!(read(r#"{"a": "no \" NaN", "b": NaN}"#), Some(json!({ "a": "no \" NaN", "b": "NaN" })));
        assert_eq!(read(r#"{"a": "NaN"}"#), Some(json!({ "a": "NaN" })));
        assert_eq!(read("{nan}"), None);
        assert_eq!(read("\"\\"), None);
    }
}
