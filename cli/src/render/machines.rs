//! Problems as other programs read them: JSON lines, annotations of a GitHub workflow, SARIF.

use frazil_engine::diagnostic::{CODES, Diagnostic, Edit, Fix, Label, Severity, Sources, Span};
use serde_json::{Value, json};

/// Problems as JSON, one versioned object per line.
pub(crate) fn json(problems: &[Diagnostic], sources: &Sources) -> String {
    problems.iter().map(|problem| format!("{}\n", problem.to_json(sources))).collect()
}

const fn level(problem: &Diagnostic) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What a workflow command says after `::`: line ends and `%` are written as codes.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, in which `:` and `,` are codes as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Problems as annotations of a GitHub workflow.
pub(crate) fn github(problems: &[Diagnostic], sources: &Sources) -> String {
    let mut text = String::new();
    for problem in problems {
        let mut place = String::new();
        if let Some(label) = &problem.primary {
            let at = sources.position((label.span.source, label.span.from));
            let end = sources.position((label.span.source, label.span.to));
            let name = property(sources.name(label.span.source));
            place = format!("file={name},line={},endLine={},", at.line, end.line);
            // A runner takes columns for a single line alone.
            if at.line == end.line {
                place.push_str(&format!("col={},endColumn={},", at.column, end.column));
            }
        }
        let mut message = problem.message.clone();
        if let Some(help) = &problem.help {
            message.push_str(&format!("\nhelp: {help}"));
        }
        let (level, title) = (level(problem), property(problem.code));
        text.push_str(&format!("::{level} {place}title={title}::{}\n", data(&message)));
    }
    text
}

/// A path as a URI reference: what is no letter, digit or `-._~/` is written as its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn region(span: Span, sources: &Sources) -> Value {
    let (at, end) = (sources.position((span.source, span.from)), sources.position((span.source, span.to)));
    json!({
        "startLine": at.line, "startColumn": at.column, "endLine": end.line, "endColumn": end.column,
        "byteOffset": span.from, "byteLength": span.to - span.from,
    })
}

fn location(label: &Label, sources: &Sources) -> Value {
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(sources.name(label.span.source)) },
        "region": region(label.span, sources),
    }});
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    location
}

fn fix(fix: &Fix, sources: &Sources) -> Value {
    let change = |edit: &Edit| {
        json!({
            "artifactLocation": { "uri": uri(sources.name(edit.span.source)) },
            "replacements": [
                { "deletedRegion": region(edit.span, sources), "insertedContent": { "text": edit.text } },
            ],
        })
    };
    let changes: Vec<Value> = fix.edits.iter().map(change).collect();
    json!({ "description": { "text": fix.title }, "artifactChanges": changes })
}

/// Problems as a SARIF 2.1.0 log.
pub(crate) fn sarif(problems: &[Diagnostic], sources: &Sources) -> String {
    let result = |problem: &Diagnostic| {
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" (help: {help})"));
        let one = |label: &Label| location(label, sources);
        let mut result = json!({
            "ruleId": problem.code,
            "level": level(problem),
            "message": { "text": format!("{}{help}", problem.message) },
            "locations": problem.primary.iter().map(one).collect::<Vec<_>>(),
        });
        if let Some(index) = CODES.iter().position(|code| code.id == problem.code) {
            result["ruleIndex"] = json!(index);
        }
        if !problem.others.is_empty() {
            result["relatedLocations"] = problem.others.iter().map(one).collect();
        }
        if !problem.fixes.is_empty() {
            result["fixes"] = problem.fixes.iter().map(|f| fix(f, sources)).collect();
        }
        result
    };
    let rule = |code: &frazil_engine::diagnostic::Code| json!({ "id": code.id, "shortDescription": { "text": code.title }, "fullDescription": { "text": code.page } });
    let driver = json!({
        "name": "frazil",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": CODES.iter().map(rule).collect::<Vec<_>>(),
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_reads_as_a_mark_is_written_as_a_code() {
        assert_eq!(data("50 %\r\nof a: b, c"), "50 %25%0D%0Aof a: b, c");
        assert_eq!(property("a:b,c %\n"), "a%3Ab%2Cc %25%0A");
    }

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("pipelines/rain of märz.yaml"), "pipelines/rain%20of%20m%C3%A4rz.yaml");
    }
}
