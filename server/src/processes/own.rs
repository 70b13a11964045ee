use std::collections::BTreeMap;

use frazil_engine::project::Project;
use serde_json::{Value, json};

use super::{
    Described, Process,
    described::{self, links},
    input::PERIOD,
};
use crate::{
    asked::Base,
    echo::{ECHO, PAUSE},
};

/// A process of the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// Runs what is selected.
    Sync,
    /// Runs what lies in a range of periods.
    Backfill,
    /// What a run would do, and why.
    Plan,
    /// What a run would cost.
    Estimate,
    /// Gives what it takes: for those who test clients.
    Echo,
}

/// The longest that `echo` pauses, in seconds.
pub(crate) const PAUSE_AT_MOST: u64 = 10;

/// The most names that a selection may hold.
pub(crate) const SELECTED_AT_MOST: usize = 100;

impl Own {
    /// Those that there are.
    pub(crate) fn all(project: &Project) -> Vec<Self> {
        let mut all = vec![Self::Sync, Self::Backfill, Self::Plan, Self::Estimate];
        if project.config.serve.echo {
            all.push(Self::Echo);
        }
        all
    }

    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Backfill => "backfill",
            Self::Plan => "plan",
            Self::Estimate => "estimate",
            Self::Echo => ECHO,
        }
    }

    /// Whether it answers with what it gives, instead of becoming a job.
    pub(crate) const fn is_immediate(self) -> bool {
        matches!(self, Self::Plan | Self::Estimate | Self::Echo)
    }

    pub(super) fn summary(self, base: &Base) -> Process {
        let (title, description) = self.words();
        let (control, transmission) = match self {
            Self::Echo => (vec!["sync-execute", "async-execute", "dismiss"], vec!["value"]),
            Self::Plan | Self::Estimate => (vec!["sync-execute"], vec!["value"]),
            Self::Sync | Self::Backfill => (vec!["async-execute", "dismiss"], vec!["reference"]),
        };
        Process {
            id: self.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            title: Some(title.to_owned()),
            description: Some(description.to_owned()),
            job_control_options: control,
            output_transmission: transmission,
            mutable: false,
            links: links(self.id(), base),
            inputs: None,
            outputs: None,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Sync => (
                "Run what is selected",
                "Runs pipelines, or the steps that datasets need, one after the other, as `frazil run` does. The job that is answered is the last of them and stands for all: what they gave stands in its results, and they are stopped with it.",
            ),
            Self::Backfill => (
                "Run what lies in a range of periods",
                "Runs what is selected for the periods that are asked for, as `frazil backfill` does: one job after the other, as with `sync`.",
            ),
            Self::Plan => (
                "What a run would do, and why",
                "Reads stores and changes nothing: the document that `frazil plan --format json` prints.",
            ),
            Self::Estimate => (
                "What a run would cost",
                "The periods, requests, bytes, commits and time of what is selected. Changes nothing.",
            ),
            Self::Echo => ("Give back what is given", "For those who test clients of this server."),
        }
    }

    pub(super) fn inputs(self) -> BTreeMap<String, Described> {
        let mut inputs: Vec<(&str, Described)> = Vec::new();
        if self == Self::Echo {
            inputs.extend(echoed());
            inputs.push((PAUSE, Described::input("Seconds to wait first", pause(), false)));
        } else {
            let is_needed = !self.is_immediate();
            inputs.push(("select", select(is_needed)));
            inputs.push(("params", params()));
        }
        if self != Self::Echo {
            let instant = json!({ "type": "string", "format": "date-time" });
            let as_of = Described::input("The instant that decides what exists by now", instant, false);
            inputs.push(("as-of", as_of.saying("Now where none is said.")));
        }
        if self == Self::Estimate {
            let online = json!({ "type": "boolean", "default": false });
            let online = Described::input("Ask sources", online, false);
            inputs.push((
                "online",
                online.saying("Asks each source for the size of a few of the files that would be fetched."),
            ));
        }
        if self == Self::Backfill {
            inputs.extend(range());
        }
        if matches!(self, Self::Sync | Self::Backfill) {
            inputs.push(("overlap", overlap()));
        }
        inputs.into_iter().map(|(name, input)| (name.to_owned(), input)).collect()
    }

    /// The names of what it gives.
    pub(crate) fn output_names(self, project: &Project) -> Vec<String> {
        self.outputs(project).into_keys().collect()
    }

    pub(super) fn outputs(self, project: &Project) -> BTreeMap<String, Described> {
        let outputs = match self {
            Self::Plan => vec![("plan", Described::output("The plan", json!({ "type": "object" })))],
            Self::Estimate => {
                vec![(
                    "estimate",
                    Described::output("The work, in all and of each pipeline", json!({ "type": "object" })),
                )]
            }
            Self::Echo => echoed()
                .into_iter()
                .map(|(name, input)| (name, Described::output(input.title, input.schema)))
                .collect(),
            // What of it is given depends on what is selected.
            Self::Sync | Self::Backfill => {
                let all = project.pipelines.values();
                return all.flat_map(|pipeline| described::outputs(pipeline, project)).collect();
            }
        };
        outputs.into_iter().map(|(name, output)| (name.to_owned(), output)).collect()
    }
}

fn select(is_needed: bool) -> Described {
    let name = json!({ "type": "string", "pattern": r"^\+?[A-Za-z][A-Za-z0-9_-]{0,63}\+?$" });
    let select = Described::input("What is selected", name, is_needed).saying(
        "A pipeline, or a dataset for the steps that it needs; `name+` with all that hangs from it in other pipelines, `+name` with all that it needs of them.",
    );
    Described { max_occurs: Some(json!(SELECTED_AT_MOST)), ..select }
}

fn params() -> Described {
    let schema = json!({ "type": "object" });
    Described::input("Parameters", schema, false)
        .saying("By name, for all that have such a parameter; `pipeline.name` for one.")
}

fn range() -> Vec<(&'static str, Described)> {
    let period = || json!({ "type": "string", "pattern": PERIOD });
    let span = json!({ "type": "string" });
    vec![
        (
            "from",
            Described::input("The first period", period(), false)
                .saying("Where the pipeline begins if none is said."),
        ),
        (
            "to",
            Described::input("The last period", period(), false)
                .saying("Where the pipeline ends if none is said."),
        ),
        (
            "period",
            Described::input("Only these periods", span, false)
                .saying(
                    "One, a coarser one for all that lie in it, or `FIRST..LAST`; not with `from` and `to`.",
                )
                .many(),
        ),
        (
            "only",
            Described::input(
                "Which of them",
                json!({ "enum": ["missing", "failed", "all"], "default": "missing" }),
                false,
            )
            .saying(
                "`missing`: what holds no numbers; `failed`: of those, the ones at which past runs failed; `all`: every period.",
            ),
        ),
        (
            "order",
            Described::input(
                "In which order",
                json!({ "enum": ["oldest", "newest"], "default": "oldest" }),
                false,
            ),
        ),
    ]
}

fn overlap() -> Described {
    let schema = json!({ "enum": ["queue", "skip", "replace"] });
    Described::input("What becomes of it beside other runs of its pipelines", schema, false).saying(
        "It waits for them, is left out, or has them stop. What the trigger of the pipeline says, or `queue`, where none is said.",
    )
}

fn pause() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": PAUSE_AT_MOST, "default": 0 })
}

/// What `echo` takes and gives.
fn echoed() -> Vec<(&'static str, Described)> {
    vec![
        ("message", Described::input("Some text", json!({ "type": "string" }), false)),
        ("number", Described::input("A number", json!({ "type": "number" }), false)),
        ("flag", Described::input("True or false", json!({ "type": "boolean" }), false)),
        ("list", Described::input("Some texts", json!({ "type": "string" }), false).many()),
        ("object", Described::input("Any object", json!({ "type": "object" }), false)),
    ]
}
