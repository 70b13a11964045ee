//! Texts and numbers of a certain form.

use regex::Regex;
use serde_json::Value;

use crate::{
    data::{DatasetId, Duration, Frequency, Size},
    diagnostic::{Diagnostic, Span, codes},
    project::PublicUrl,
};

/// A duration that is a bare number: of the units that it can be in only people know which.
pub(super) fn unitless(number: &serde_json::Number, place: Span) -> Diagnostic {
    let problem = Diagnostic::error(codes::DURATION, place, format!("`{number}` has no unit"))
        .help(format!("write `{number}s`, `{number}m`, `{number}h` or `{number}d`"));
    let written = |unit: &str| format!("{number}{unit}");
    ["s", "m", "h", "d"]
        .iter()
        .fold(problem, |p, unit| p.option(format!("write `{}`", written(unit)), written(unit)))
}

/// A duration as people write it elsewhere, as we write it: `10 min`, `90 days`, `2 Hours`.
fn duration_meant(text: &str) -> Option<String> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match text[at..].trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        _ => return None,
    };
    let written = format!("{}{unit}", &text[..at]);
    written.parse::<Duration>().is_ok().then_some(written)
}

/// Text with a form: the type that decodes it says what is wrong.
pub(super) fn text_form(
    schema: &Value,
    name: Option<&str>,
    text: &str,
    place: Span,
    out: &mut Vec<Diagnostic>,
) {
    let (code, error) = match name {
        Some("Duration") => (codes::DURATION, text.parse::<Duration>().err().map(|e| e.to_string())),
        Some("Frequency") => (codes::FREQUENCY, text.parse::<Frequency>().err().map(|e| e.to_string())),
        Some("Size") => (codes::PATTERN, text.parse::<Size>().err()),
        Some("PublicUrl") => (codes::PATTERN, text.parse::<PublicUrl>().err().map(|e| e.to_string())),
        Some(name) if name.ends_with("Id") && schema.get("pattern").is_some() => {
            (codes::NAME, text.parse::<DatasetId>().err().map(|e| e.to_string()))
        }
        _ => {
            let fits = schema["pattern"]
                .as_str()
                .and_then(|pattern| Regex::new(pattern).ok())
                .is_none_or(|pattern| pattern.is_match(text));
            (codes::PATTERN, (!fits).then(|| format!("`{text}` does not have the form that is wanted here")))
        }
    };
    if let Some(message) = error {
        let problem = Diagnostic::told(code, place, &message);
        let meant = (code == codes::DURATION).then(|| duration_meant(text)).flatten();
        out.push(match &meant {
            Some(meant) => problem.help(format!("write `{meant}`")).instead(text, Some(meant)),
            None => problem,
        });
    }
}

pub(super) fn limits(schema: &Value, number: f64, place: Span, out: &mut Vec<Diagnostic>) {
    let bound = |key: &str| schema[key].as_f64();
    let problem = match (bound("minimum"), bound("maximum")) {
        (Some(min), _) if number < min => format!("{number} is less than {min}"),
        (_, Some(max)) if number > max => format!("{number} is more than {max}"),
        _ => match bound("exclusiveMinimum") {
            Some(min) if number <= min => format!("{number} is not more than {min}"),
            _ => return,
        },
    };
    out.push(Diagnostic::error(codes::RANGE, place, problem));
}
