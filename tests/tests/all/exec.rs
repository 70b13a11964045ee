//! Programs of a project's own as steps.

#[path = "exec/calls.rs"]
mod calls;
#[path = "exec/limits.rs"]
mod limits;
#[path = "exec/made.rs"]
mod made;
#[path = "exec/runs.rs"]
mod runs;
#[path = "exec/shapes.rs"]
mod shapes;
