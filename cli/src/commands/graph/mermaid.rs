use frazil_engine::project::Drawing;

use super::{line, told};

/// Steps in a box for each pipeline, datasets between them, triggers beside.
pub(super) fn steps(drawing: &Drawing<'_>) -> String {
    let registry = frazil_steps::registry();
    let mut text = "flowchart LR\n".to_owned();
    for part in &drawing.pipelines {
        let pipeline = part.pipeline;
        let name =
            |at: usize| format!("{}__{}", key(pipeline.id.as_str()), key(pipeline.nodes[at].id.as_str()));
        line(&mut text, &format!("  subgraph {}[\"{}\"]", key(pipeline.id.as_str()), pipeline.id));
        for &at in &part.nodes {
            let node = &pipeline.nodes[at];
            line(&mut text, &format!("    {}[\"{}<br/><i>{}</i>\"]", name(at), node.id, node.uses));
        }
        for edge in part.edges(&registry) {
            let carries = &edge.carries;
            let arrow = if carries == "after" { "-.->".to_owned() } else { format!("-- {carries} -->") };
            line(&mut text, &format!("    {} {arrow} {}", name(edge.from), name(edge.to)));
        }
        line(&mut text, "  end");
        for &at in &part.nodes {
            if let Some(write) = pipeline.nodes[at].step.writes() {
                line(&mut text, &format!("  {} ==> {}", name(at), cylinder(write.dataset().as_str())));
            }
            for read in part.opens(at) {
                line(&mut text, &format!("  {} --> {}", cylinder(read.as_str()), name(at)));
            }
        }
        for (at, trigger) in pipeline.triggers.iter().enumerate() {
            let woken = key(pipeline.id.as_str());
            if let Some(dataset) = &trigger.dataset {
                line(&mut text, &format!("  {} -. wakes .-> {woken}", cylinder(dataset.as_str())));
            }
            if let Some(told) = told(trigger) {
                line(&mut text, &format!("  {woken}__trigger{at}([\"{told}\"]) -. wakes .-> {woken}"));
            }
        }
    }
    text
}

/// Datasets alone.
pub(super) fn datasets(drawing: &Drawing<'_>) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for id in &drawing.datasets {
        line(&mut text, &format!("  {}", cylinder(id.as_str())));
    }
    for derived in &drawing.derived {
        let (from, made) = (key(derived.from.as_str()), key(derived.made.as_str()));
        line(&mut text, &format!("  {from}_d -- {} --> {made}_d", derived.by));
    }
    text
}

/// A name as a key: without `-`, which begins an arrow.
fn key(name: &str) -> String {
    name.replace('-', "_")
}

fn cylinder(dataset: &str) -> String {
    // Datasets and pipelines share one set of names, but `a-b` and `a_b` would be one key.
    format!("{}_d[(\"{dataset}\")]", key(dataset))
}
