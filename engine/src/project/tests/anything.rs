//! Whatever comes: files, expressions, cron lines and periods of any form are judged without a panic,
//! judging ends, and what is said of a file lies inside it.
//!
//! A moment each, or as many seconds as `FRAZIL_FUZZ_SECONDS` says.

mod broken;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

use self::broken::file;
use super::{GOOD, PROJECT, fake};
use crate::{
    data::{Frequency, Period, PeriodText},
    diagnostic::{Diagnostic, Sources, fixed, narrow},
    document,
    project::check,
    registry::Registry,
    template,
};

/// Cases of one round.
const CASES: u32 = 150;

fn of_anything<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seconds = std::env::var("FRAZIL_FUZZ_SECONDS").ok().and_then(|said| said.parse().ok()).unwrap_or(0);
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    loop {
        if let Err(error) = runner.run(&strategy, &test) {
            panic!("{error}");
        }
        if Instant::now() >= until {
            return;
        }
    }
}

/// Every place lies inside its file, between characters.
fn inside(problems: &[Diagnostic], sources: &Sources) -> Result<(), TestCaseError> {
    for problem in problems {
        let labels = problem.primary.iter().chain(&problem.others).map(|label| label.span);
        for span in labels.chain(problem.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span)) {
            let text = &sources.0[span.source].text;
            let there = span.from <= span.to && text.get(span.from..span.to).is_some();
            prop_assert!(there, "{span:?} of {} bytes: {} {}", text.len(), problem.code, problem.message);
        }
        let shown = problem.to_json(sources);
        prop_assert!(shown["place"].is_null() || shown["place"]["line"].as_u64() >= Some(1));
    }
    Ok(())
}

#[test]
fn the_reader_takes_anything() {
    of_anything(file(GOOD), |text| {
        let mut sources = Sources::default();
        let at = sources.add("a.yaml".into(), text.clone());
        let (node, problems) = document::read(at, &text);
        prop_assert!(node.is_some() || !problems.is_empty(), "nothing is said of a file that cannot be read");
        inside(&problems, &sources)
    });
}

fn judged(
    project: &str,
    pipeline: &str,
    registry: &Registry,
    schemas: &check::Schemas,
) -> (bool, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let first = sources.add("frazil.yaml".into(), project.into());
    let second = sources.add("pipelines/a.yaml".into(), pipeline.into());
    let files = check::Files {
        root: Path::new("/p"),
        memory: 1 << 30,
        project: &[first],
        pipelines: &[second],
        kept: &Default::default(),
    };
    let (found, mut problems) = check::check(&files, &sources, registry, schemas);
    narrow(&mut problems, &sources);
    (found.is_some(), problems, sources)
}

#[test]
fn a_project_of_anything_is_judged_and_mended() {
    let registry = fake::registry();
    let schemas = check::Schemas::new(&registry);
    of_anything((file(PROJECT), file(GOOD), any::<bool>()), |(project, pipeline, both)| {
        let project = if both { project.as_str() } else { PROJECT };
        let (good, problems, sources) = judged(project, &pipeline, &registry, &schemas);
        let errors = problems.iter().any(|p| p.severity == crate::diagnostic::Severity::Error);
        prop_assert_eq!(good, !errors, "a project is there where nothing is wrong");
        inside(&problems, &sources)?;
        // What is mended is a text, and another one.
        for file in fixed(&problems, &sources) {
            let text = &sources.0[file.source].text;
            prop_assert_ne!(&file.apply(text), text);
        }
        Ok(())
    });
}

#[test]
fn expressions_of_anything_are_judged() {
    let registry = fake::registry();
    let schemas = check::Schemas::new(&registry);
    let token = prop::sample::select(vec![
        "params.start",
        "params.bbox",
        "period",
        "period.year",
        "vars.chc",
        "secrets.edh",
        "now",
        "run.instant",
        "1",
        "0",
        "99999999",
        "-1",
        "1.5",
        "'a'",
        "\\\"b\\\"",
        "[",
        "]",
        "(",
        ")",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "~",
        "|",
        "|date('%Y')",
        "|date('%')",
        "|upper",
        "|replace('a','bb')",
        "|join('x')",
        "|int",
        "|list",
        ".",
        ",",
        ":",
        "if",
        "else",
        "and",
        "not",
        "in",
        "is",
        "defined",
        "==",
        "<",
        "{{",
        "}}",
        "{%",
        "%}",
        "for x in",
        "endfor",
        "set x =",
        "macro m()",
        "{#",
        "#}",
        " ",
        "ä",
        "'",
        "range(99)",
        "x",
        "loop.index",
        "{",
        "}",
    ]);
    of_anything(prop::collection::vec(token, 0..30), |tokens| {
        let expression = tokens.join(" ");
        let pipeline =
            GOOD.replacen("start: \"{{ params.start }}\"", &format!("start: \"{{{{ {expression} }}}}\""), 1);
        let (_, problems, sources) = judged(PROJECT, &pipeline, &registry, &schemas);
        inside(&problems, &sources)?;
        // A run evaluates what a check let pass: it ends, with a value or an error.
        let text = format!("{{{{ {} }}}}", expression.replace("\\\"", "\""));
        if template::guard::forbidden(&text, |_| false).is_none() {
            let names =
                json!({ "params": { "start": "2024-01-01", "bbox": [1, 2, 3, 4] }, "vars": { "chc": "x" } });
            drop(template::evaluate(&text, &names));
            drop(template::trial(&text));
        }
        Ok(())
    });
}

#[test]
fn cron_lines_of_anything_are_judged() {
    let registry = fake::registry();
    let schemas = check::Schemas::new(&registry);
    let field = "[0-9*/,LW#?-]{1,6}|[A-Z]{3}|\\*|\\*/[0-9]{1,9}|[0-9]{1,2}";
    let line = prop_oneof![
        4 => prop::collection::vec(field, 3..8).prop_map(|fields| fields.join(" ")),
        1 => "@[a-z]{1,8}",
        1 => "[ -~]{0,60}".prop_map(|text| text.replace(['"', '\\'], "")),
    ];
    let zone = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Calcutta",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Nowhere/At_all",
    ]);
    of_anything((line, zone), |(line, zone)| {
        let pipeline = GOOD.replacen("30 6 * * *", &line, 1).replacen("Africa/Freetown", zone, 1);
        let (_, problems, sources) = judged(PROJECT, &pipeline, &registry, &schemas);
        inside(&problems, &sources)
    });
}

#[test]
fn periods_of_anything_are_read() {
    let frequencies =
        ["PT30M", "PT1H", "PT6H", "P1D", "pentad", "dekad", "P1W", "P1M", "P3M", "P1Y", "P3M@12", "P1Y@7"];
    let frequencies: Vec<Frequency> = frequencies.iter().map(|text| text.parse().unwrap()).collect();
    let text = prop_oneof![
        4 => "[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2})?)?|-[DP][0-9]|)|-W[0-9]{2}|)",
        2 => "[0-9TWDPQ:+Z -]{0,24}",
        1 => any::<String>(),
    ];
    of_anything((text, prop::sample::select(frequencies)), |(text, frequency)| {
        if let Ok(found) = text.parse::<PeriodText>() {
            prop_assert!(found.start < found.end, "{text}");
            prop_assert!(found.first(frequency).start() <= found.start, "{text}");
            prop_assert!(found.last(frequency).end() >= found.end, "{text} of {frequency}");
        }
        if let Ok(period) = Period::parse(&text, frequency) {
            prop_assert_eq!(
                Period::parse(&period.to_string(), frequency),
                Ok(period),
                "{} of {}",
                text,
                frequency
            );
            prop_assert_eq!(period.plus(1).start(), period.end());
        }
        drop(text.parse::<crate::data::Duration>());
        if let Ok(frequency) = text.parse::<Frequency>() {
            prop_assert_eq!(frequency.to_string().parse::<Frequency>(), Ok(frequency));
        }
        Ok(())
    });
}
