//! Results as people read them, as JSON lines, and as JUnit reports.

use std::time::Duration;

use serde_json::json;

/// One test that was run.
#[derive(Debug)]
pub(super) struct Done {
    /// Its file, as people write it.
    pub(super) file: String,
    /// Where it begins there, from 1.
    pub(super) line: usize,
    /// Its name.
    pub(super) case: String,
    /// What was not as expected; nothing where it passed.
    pub(super) failures: Vec<String>,
    pub(super) took: Duration,
}

fn failed(done: &[Done]) -> usize {
    done.iter().filter(|done| !done.failures.is_empty()).count()
}

pub(super) fn human(done: &Done) -> String {
    let mark = if done.failures.is_empty() { "ok    " } else { "FAILED" };
    let mut text =
        format!("{mark} {}:{}: {} ({:.2} s)\n", done.file, done.line, done.case, done.took.as_secs_f64());
    for failure in &done.failures {
        text.push_str(&format!("       {}\n", failure.replace('\n', "\n       ")));
    }
    text
}

pub(super) fn summary(done: &[Done]) -> String {
    let failed = failed(done);
    format!("{} passed, {failed} failed\n", done.len() - failed)
}

pub(super) fn json(done: &Done) -> String {
    let line = json!({
        "frazil": 1, "type": "test", "file": done.file, "line": done.line, "test": done.case,
        "status": if done.failures.is_empty() { "passed" } else { "failed" },
        "failures": done.failures,
        "seconds": done.took.as_secs_f64(),
    });
    format!("{line}\n")
}

pub(super) fn json_summary(done: &[Done]) -> String {
    let failed = failed(done);
    let line = json!({
        "frazil": 1, "type": "result", "passed": done.len() - failed, "failed": failed,
        "status": if failed == 0 { "passed" } else { "failed" },
    });
    format!("{line}\n")
}

/// A report as Jenkins, GitLab and others read it: a suite for each file.
pub(super) fn junit(done: &[Done]) -> String {
    let seconds = |done: &[&Done]| done.iter().map(|done| done.took.as_secs_f64()).sum::<f64>();
    let mut files: Vec<&str> = done.iter().map(|done| done.file.as_str()).collect();
    files.dedup();
    let all: Vec<&Done> = done.iter().collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"frazil\" tests=\"{}\" failures=\"{}\" time=\"{:.3}\">\n",
        done.len(),
        failed(done),
        seconds(&all),
    );
    for file in files {
        let own: Vec<&Done> = done.iter().filter(|done| done.file == file).collect();
        let failed = own.iter().filter(|done| !done.failures.is_empty()).count();
        let name = escaped(file);
        text.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{:.3}\">\n",
            own.len(),
            seconds(&own),
        ));
        for done in own {
            let (case, line, took) = (escaped(&done.case), done.line, done.took.as_secs_f64());
            let head = format!(
                "    <testcase classname=\"{name}\" name=\"{case}\" file=\"{name}\" line=\"{line}\" time=\"{took:.3}\""
            );
            let Some(first) = done.failures.first() else {
                text.push_str(&format!("{head}/>\n"));
                continue;
            };
            let message = escaped(first.lines().next().unwrap_or_default());
            let all = escaped(&done.failures.join("\n"));
            text.push_str(&format!(
                "{head}>\n      <failure message=\"{message}\">{all}</failure>\n    </testcase>\n"
            ));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text as it may stand in XML 1.0, in an element or an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // No XML 1.0 holds other control characters, not even by their codes.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_xml_whatever_the_names_hold() {
        let done = |case: &str, failures: &[&str]| Done {
            file: "a&b.test.yaml".to_owned(),
            line: 3,
            case: case.to_owned(),
            failures: failures.iter().map(|f| (*f).to_owned()).collect(),
            took: Duration::from_millis(1_250),
        };
        let text = junit(&[done("one", &[]), done("two", &["<no> \"x\"\u{1b}[0m\nmore", "third"])]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"frazil\" tests=\"2\" failures=\"1\" time=\"2.500\">
  <testsuite name=\"a&amp;b.test.yaml\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"2.500\">
    <testcase classname=\"a&amp;b.test.yaml\" name=\"one\" file=\"a&amp;b.test.yaml\" line=\"3\" time=\"1.250\"/>
    <testcase classname=\"a&amp;b.test.yaml\" name=\"two\" file=\"a&amp;b.test.yaml\" line=\"3\" time=\"1.250\">
      <failure message=\"&lt;no&gt; &quot;x&quot;\u{fffd}[0m\">&lt;no&gt; &quot;x&quot;\u{fffd}[0m\nmore\nthird</failure>
    </testcase>
  </testsuite>
</testsuites>
";
        assert_eq!(text, expected);
    }
}
