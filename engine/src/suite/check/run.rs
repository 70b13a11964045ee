use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Case, Judge};
use crate::{
    data::{DatasetId, Period, PeriodRange, Status},
    diagnostic::{Diagnostic, Span, codes},
    project::{Cascade, Selection, Stage},
    suite::{Answer, Constant, Expect, Run},
};

/// What is answered, with the path of a file.
type Answers = Vec<(Answer, Option<PathBuf>)>;

/// One run of a test, checked.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// Its instant.
    pub now: DateTime<Utc>,
    /// What is run, in the order of the graph, with the parameters of each.
    pub stages: Vec<(Stage, Map<String, Value>)>,
    /// What sources answer, with the path of each file.
    pub answers: Vec<(Answer, Option<PathBuf>)>,
    /// What must come of it, as it is written.
    pub expect: Expect,
    /// The commits of each dataset, where they are compared.
    pub commits: Option<BTreeMap<DatasetId, Vec<Vec<PeriodRange>>>>,
    /// The datasets that change, where they are compared.
    pub cascade: Option<Vec<DatasetId>>,
    /// Numbers that stand in every cell afterwards.
    pub values: Vec<(DatasetId, Period, Constant)>,
    /// What is known of periods afterwards.
    pub statuses: Vec<(DatasetId, Vec<PeriodRange>, Status)>,
}

impl Judge<'_> {
    /// The runs of a test; `answers` are those of the test itself.
    pub(super) fn runs(&mut self, case: &Case, answers: &Answers) -> Vec<TestRun> {
        if case.runs.is_empty() {
            let (Some(now), Some(expect)) = (case.now.clone(), case.expect.clone()) else {
                let message = "a test says `now` and `expect`, or has `runs` that do";
                let problem = Diagnostic::error(codes::MISSING_KEY, self.key, message);
                self.out.push(
                    problem.help("write `now: \"2024-02-01T06:30:00Z\"` and what must come of the run"),
                );
                return Vec::new();
            };
            let run =
                Run { now, run: case.run.clone(), params: case.params.clone(), http: Vec::new(), expect };
            return self.one(run, answers).into_iter().collect();
        }
        for key in [("now", case.now.is_some()), ("expect", case.expect.is_some())] {
            if let (key, true) = key {
                let place = self.node.place(&format!("/{key}"));
                let message = format!("a test with `runs` has no `{key}` of its own");
                let problem = Diagnostic::error(codes::SETTINGS, place, message);
                self.out.push(problem.help(format!("each of the runs says its `{key}`")));
            }
        }
        let nodes = self.node.get("runs").map_or(&[][..], |runs| runs.items());
        let mut runs: Vec<TestRun> = Vec::new();
        for (run, node) in case.runs.iter().zip(nodes) {
            let mut run = run.clone();
            if run.run.is_empty() {
                run.run.clone_from(&case.run);
            }
            for (key, value) in &case.params {
                run.params.entry(key.clone()).or_insert_with(|| value.clone());
            }
            let (project, folder) = (self.project, self.folder);
            let mut judge = Judge { node, key: node.span, project, folder, out: &mut *self.out };
            let Some(run) = judge.one(run, answers) else { continue };
            if runs.last().is_some_and(|before| run.now < before.now) {
                let message = "this run is before the one before it";
                let problem = Diagnostic::error(codes::RANGE, node.place("/now"), message);
                self.out.push(problem.help("runs follow each other in time"));
            }
            runs.push(run);
        }
        runs
    }

    fn one(&mut self, run: Run, common: &Answers) -> Option<TestRun> {
        let now = self.now(&run);
        let stages = now.map(|now| self.stages(&run, now)).unwrap_or_default();
        let mut answers = self.answers(&run.http);
        answers.extend(common.iter().cloned());
        let commits = self.commits(&run.expect);
        let cascade = run.expect.cascade.as_ref().map(|names| {
            let place = |at: usize| format!("/expect/cascade/{at}");
            let names = names.iter().enumerate();
            names.filter_map(|(at, name)| self.dataset(name, self.node.place(&place(at)))).collect()
        });
        let values = self.values(&run.expect);
        let statuses = self.statuses(&run.expect);
        let expect = run.expect;
        Some(TestRun { now: now?, stages, answers, expect, commits, cascade, values, statuses })
    }

    fn now(&mut self, run: &Run) -> Option<DateTime<Utc>> {
        let parsed = run.now.parse().ok();
        if parsed.is_none() {
            let message = format!("`{}` is not an instant", run.now);
            let problem = Diagnostic::error(codes::PATTERN, self.node.place("/now"), message);
            self.out.push(problem.help("write `2024-02-01T06:30:00Z`"));
        }
        parsed
    }

    fn stages(&mut self, run: &Run, now: DateTime<Utc>) -> Vec<(Stage, Map<String, Value>)> {
        let cascade = Cascade::of(self.project);
        let known: Vec<&str> = self
            .project
            .pipelines
            .keys()
            .map(|id| id.as_str())
            .chain(self.project.datasets.keys().map(DatasetId::as_str))
            .collect();
        let mut selections = Vec::new();
        for (at, text) in run.run.iter().enumerate() {
            let selection = Selection::parse(text);
            if cascade.select(std::slice::from_ref(&selection)).is_err() {
                let place = self.node.place(&format!("/run/{at}"));
                let message = format!("there is no pipeline or dataset `{}` to run here", selection.name);
                let problem = Diagnostic::error(codes::DATASET, place, message);
                self.out.push(problem.meant(&selection.name, &known));
            } else {
                selections.push(selection);
            }
        }
        if selections.is_empty() {
            if run.run.is_empty() {
                let problem = Diagnostic::error(codes::RANGE, self.node.place("/run"), "nothing is run");
                self.out.push(problem.help("name a pipeline, a dataset, or `name+`"));
            }
            return Vec::new();
        }
        let stages = cascade.select(&selections).unwrap_or_default();
        self.param_names(run, &stages);
        stages
            .into_iter()
            .filter_map(|stage| {
                let params = self.params(run, &stage, now)?;
                Some((stage, params))
            })
            .collect()
    }

    /// Parameters that nothing that is run has.
    fn param_names(&mut self, run: &Run, stages: &[Stage]) {
        let names =
            |stage: &Stage| stage.pipeline.params.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let known: Vec<String> = stages.iter().flat_map(names).collect();
        for key in run.params.keys() {
            let name = match key.split_once('.') {
                Some((of, name)) if stages.iter().any(|stage| stage.pipeline.id.as_str() == of) => name,
                _ => key,
            };
            if !known.iter().any(|known| known == name) {
                let params = self.node.get("params");
                let place = params.and_then(|params| params.entry(key)).map_or(self.key, |e| e.key_span);
                let message = format!("nothing that is run has a parameter `{name}`");
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                self.out.push(Diagnostic::error(codes::ATTRIBUTE, place, message).meant(name, &known));
            }
        }
    }

    fn params(&mut self, run: &Run, stage: &Stage, now: DateTime<Utc>) -> Option<Map<String, Value>> {
        let pipeline = &stage.pipeline;
        let mut given: BTreeMap<String, Value> = BTreeMap::new();
        let mut written: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in &run.params {
            let name = match key.split_once('.') {
                Some((of, name)) if of == pipeline.id.as_str() => name,
                _ => key.as_str(),
            };
            if pipeline.params.iter().any(|(known, _)| known == name) {
                given.insert(name.to_owned(), value.clone());
                written.insert(name.to_owned(), key.clone());
            }
        }
        match pipeline.accept_params(&given, &self.project.config, now) {
            Ok(params) => Some(params),
            Err(errors) => {
                for error in errors {
                    let key = written.get(&error.name).unwrap_or(&error.name);
                    let place = self.node.get("params").map_or(self.key, |p| p.place(&format!("/{key}")));
                    let message = format!("`{}` of `{}`: {}", error.name, pipeline.id, error.message);
                    self.out.push(Diagnostic::error(codes::PARAM, place, message).maybe_help(error.help));
                }
                None
            }
        }
    }

    /// What sources answer, with the path of each file.
    pub(super) fn answers(&mut self, http: &[Answer]) -> Answers {
        let mut answers = Vec::new();
        for (at, answer) in http.iter().enumerate() {
            let said = [
                answer.raster.is_some(),
                answer.file.is_some(),
                answer.text.is_some(),
                answer.status.is_some(),
            ];
            if said.into_iter().filter(|said| *said).count() != 1 {
                let message = "an answer is exactly one of `raster`, `file`, `text` and `status`";
                let place = self.node.place(&format!("/http/{at}/url"));
                let problem = Diagnostic::error(codes::SETTINGS, place, message);
                self.out.push(problem.help("write `raster: 1` for a GeoTIFF of ones"));
            }
            if answer.status.is_some_and(|status| !(200..600).contains(&status)) {
                let place = self.node.place(&format!("/http/{at}/status"));
                let problem = Diagnostic::error(codes::RANGE, place, "this is not the status of an answer");
                self.out.push(problem.help("write one from 200 to 599, such as 404 or 503"));
            }
            let path = answer.file.as_ref().map(|file| self.folder.join(file));
            if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
                let message = format!("there is no file {}", path.display());
                let place = self.node.place(&format!("/http/{at}/file"));
                let problem = Diagnostic::error(codes::UNREADABLE, place, message);
                self.out.push(problem.help("paths begin in the folder of the test file"));
            }
            answers.push((answer.clone(), path));
        }
        answers
    }

    fn commits(&mut self, expect: &Expect) -> Option<BTreeMap<DatasetId, Vec<Vec<PeriodRange>>>> {
        let mut expected = BTreeMap::new();
        for (name, commits) in expect.commits.as_ref()? {
            let Some((dataset, step)) = self.axis(name, &["expect", "commits"]) else { continue };
            let place = |at: usize| self.node.place(&format!("/expect/commits/{name}/{at}"));
            let places: Vec<Span> = (0..commits.len()).map(place).collect();
            let ranges =
                commits.iter().zip(places).filter_map(|(text, place)| self.ranges(text, step, place));
            expected.insert(dataset, ranges.collect());
        }
        Some(expected)
    }

    fn values(&mut self, expect: &Expect) -> Vec<(DatasetId, Period, Constant)> {
        let mut values = Vec::new();
        for (name, periods) in &expect.values {
            let Some((dataset, step)) = self.axis(name, &["expect", "values"]) else { continue };
            for (period, value) in periods {
                let map = self.node.get("expect").and_then(|e| e.get("values")).and_then(|v| v.get(name));
                let place = map.and_then(|map| map.entry(period)).map_or(self.key, |entry| entry.key_span);
                match Period::parse(period, step) {
                    Ok(period) => values.push((dataset.clone(), period, value.clone())),
                    Err(error) => self.bad_period(&error.to_string(), place),
                }
            }
        }
        values
    }

    fn statuses(&mut self, expect: &Expect) -> Vec<(DatasetId, Vec<PeriodRange>, Status)> {
        let mut statuses = Vec::new();
        for (name, periods) in &expect.statuses {
            let Some((dataset, step)) = self.axis(name, &["expect", "statuses"]) else { continue };
            for (text, status) in periods {
                let map = self.node.get("expect").and_then(|e| e.get("statuses")).and_then(|s| s.get(name));
                let place = map.and_then(|map| map.entry(text)).map_or(self.key, |entry| entry.key_span);
                let Some(ranges) = self.ranges(text, step, place) else { continue };
                statuses.push((dataset.clone(), ranges, *status));
            }
        }
        statuses
    }
}
