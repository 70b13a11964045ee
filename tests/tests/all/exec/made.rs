//! A project whose days are made by a Python program.

use frazil_tests::{programs::python, sandbox::Sandbox};
use serde_json::Value;

const PIPELINE: &str = r#"frazil: 1
id: made
params:
  end: { type: period, default: "2024-01-05" }
datasets:
  days:
    title: Days
    time: { step: P1D, start: "2024-01-01" }
    chunks: { time: 3 }
    variables: { v: { units: mm, dtype: float32 } }
    BLOCK
steps:
  missing: { uses: enumerate-periods, with: { dataset: days, end: "{{ params.end }}", batch: 3 } }
  made:
    uses: exec
    needs: missing
    with: { command: [PYTHON, scripts/make.py], WITH, input: INPUT, memory: 4GiB }
  kept: { uses: append-commit, needs: made, with: { dataset: days } }
"#;

/// The pipeline, with more in the block of its dataset and in the settings of the program; `None`, said in a
/// line, without a Python.
pub(super) fn pipeline(block: &str, with: &str, input: &Value) -> Option<String> {
    let python = python()?.display().to_string();
    let text = PIPELINE.replace("    BLOCK\n", block).replace("WITH", with);
    Some(text.replace("PYTHON", &python).replace("INPUT", &input.to_string()))
}

/// The project, in which `program` makes the days.
pub(super) fn project(program: &str, pipeline: &str) -> Sandbox {
    Sandbox::new(&[
        ("frazil.yaml", "frazil: 1\nstores: { cubes: ./cubes }\n"),
        ("pipelines/made.yaml", pipeline),
        ("scripts/make.py", program),
    ])
}
