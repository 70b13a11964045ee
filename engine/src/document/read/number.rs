//! Numbers as every reader understands them.

use serde_json::Number;

/// The number that every reader takes for the same, where there can be no doubt which one was meant.
pub(super) fn plain_again(written: &str) -> Option<String> {
    let bare = written.strip_prefix('+').unwrap_or(written).replace('_', "");
    let digits = bare.strip_prefix('-').unwrap_or(&bare);
    let whole = if digits.starts_with('.') { format!("0{digits}") } else { digits.to_owned() };
    let again = if bare.starts_with('-') { format!("-{whole}") } else { whole };
    plain_number(&again).then_some(again)
}

/// Whether `text` is a number to every reader, as JSON writes it.
pub(super) fn plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or("");
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    !whole.is_empty() && !leading_zero && !text.contains('_') && serde_json::from_str::<Number>(text).is_ok()
}
