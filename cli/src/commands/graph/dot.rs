use frazil_engine::project::{Drawing, Part};

use super::{line, told};

/// Steps in a cluster for each pipeline, datasets between them, triggers beside.
pub(super) fn steps(drawing: &Drawing<'_>) -> String {
    let mut text = "digraph frazil {\n  rankdir=LR;\n  compound=true;\n  node [shape=box];\n".to_owned();
    for id in &drawing.datasets {
        line(&mut text, &format!("  {} [shape=cylinder];", quoted(id.as_str())));
    }
    for part in &drawing.pipelines {
        cluster(&mut text, part);
        triggers(&mut text, part);
    }
    line(&mut text, "}");
    text
}

fn cluster(text: &mut String, part: &Part<'_>) {
    let pipeline = part.pipeline;
    let name = |at: usize| quoted(&format!("{}/{}", pipeline.id, pipeline.nodes[at].id));
    let (cluster, label) = (quoted(&format!("cluster_{}", pipeline.id)), quoted(pipeline.id.as_str()));
    line(text, &format!("  subgraph {cluster} {{\n    label={label};"));
    for &at in &part.nodes {
        let node = &pipeline.nodes[at];
        line(text, &format!("    {} [label=\"{}\\n{}\"];", name(at), node.id, node.uses));
    }
    line(text, "  }");
    for edge in part.edges(&frazil_steps::registry()) {
        let style = if edge.carries == "after" { ", style=dashed" } else { "" };
        let label = quoted(&edge.carries);
        line(text, &format!("  {} -> {} [label={label}{style}];", name(edge.from), name(edge.to)));
    }
    for &at in &part.nodes {
        if let Some(write) = pipeline.nodes[at].step.writes() {
            line(text, &format!("  {} -> {} [style=bold];", name(at), quoted(write.dataset().as_str())));
        }
        for id in part.opens(at) {
            line(text, &format!("  {} -> {};", quoted(id.as_str()), name(at)));
        }
    }
}

/// Arrows to the box of a pipeline end at its first step and are cut at the border.
fn triggers(text: &mut String, part: &Part<'_>) {
    let Some(&first) = part.nodes.first() else { return };
    let pipeline = part.pipeline;
    let step = quoted(&format!("{}/{}", pipeline.id, pipeline.nodes[first].id));
    let ends =
        format!("[label=\"wakes\", style=dotted, lhead={}]", quoted(&format!("cluster_{}", pipeline.id)));
    for (at, trigger) in pipeline.triggers.iter().enumerate() {
        if let Some(dataset) = &trigger.dataset {
            line(text, &format!("  {} -> {step} {ends};", quoted(dataset.as_str())));
        }
        if let Some(told) = told(trigger) {
            let name = quoted(&format!("{}/trigger {at}", pipeline.id));
            line(
                text,
                &format!("  {name} [shape=oval, label={}];\n  {name} -> {step} {ends};", quoted(&told)),
            );
        }
    }
}

/// Datasets alone.
pub(super) fn datasets(drawing: &Drawing<'_>) -> String {
    let mut text = "digraph frazil {\n  rankdir=LR;\n  node [shape=cylinder];\n".to_owned();
    for id in &drawing.datasets {
        line(&mut text, &format!("  {};", quoted(id.as_str())));
    }
    for derived in &drawing.derived {
        let (from, made) = (quoted(derived.from.as_str()), quoted(derived.made.as_str()));
        line(&mut text, &format!("  {from} -> {made} [label={}];", quoted(&derived.by)));
    }
    line(&mut text, "}");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
