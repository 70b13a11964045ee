//! A plan as people read it: a table for each pipeline, level by level, then why.

use frazil_engine::plan::{Measure, NodePlan, PipelinePlan, PlanFile, PlannedDocument, Work};

use crate::render::table;

/// The columns.
const HEAD: [&str; 8] = ["step", "periods", "requests", "received", "chunks", "commits", "memory", "time"];

/// The whole plan.
pub(super) fn plan(file: &PlanFile) -> String {
    let mut text: String = file.pipelines.iter().map(pipeline).collect();
    let steps = file.pipelines.iter().flat_map(|plan| &plan.nodes).filter(|node| node.has_work()).count();
    if steps > 1 {
        text.push_str(&total(&file.total));
    }
    text
}

fn pipeline(plan: &PipelinePlan) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(plan.nodes.iter().map(row));
    let what = if plan.nodes.iter().any(NodePlan::has_work) { "" } else { ": nothing to do" };
    let mut text = format!("{}{what}\n", plan.pipeline);
    let lines = table::table(&rows);
    let mut lines = lines.lines();
    text.extend(lines.next().map(|head| format!("{head}\n")));
    // A heading tells something where there is more than one level.
    let leveled = plan.nodes.iter().any(|node| node.level > 0);
    let mut level = None;
    for (node, line) in plan.nodes.iter().zip(lines) {
        if leveled && level.replace(node.level) != Some(node.level) {
            text.push_str(&heading(node.level));
        }
        text.push_str(line);
        text.push('\n');
    }
    for node in &plan.nodes {
        text.push_str(&notes(node));
    }
    text.push('\n');
    text
}

fn heading(level: u32) -> String {
    match level {
        0 => "level 0: what the selection itself writes\n".to_owned(),
        1 => "level 1: what hangs from it\n".to_owned(),
        _ => format!("level {level}: what hangs from level {}\n", level - 1),
    }
}

fn row(node: &NodePlan) -> Vec<String> {
    let work = node.planned.as_ref().map(|planned| &planned.work);
    let periods = node.planned.as_ref().and_then(|planned| periods(&planned.document));
    let [requests, received, chunks, commits, memory, time] =
        work.map_or_else(|| [(); 6].map(|()| dash()), figures);
    vec![
        node.node.to_string(),
        periods.unwrap_or_else(dash),
        requests,
        received,
        chunks,
        commits,
        memory,
        time,
    ]
}

fn dash() -> String {
    "-".to_owned()
}

/// Requests, received, chunks, commits, memory, time. What nobody knows is `?`.
fn figures(work: &Work) -> [String; 6] {
    let count = |n: usize| if n == 0 { dash() } else { n.to_string() };
    let known =
        |some: bool, text: Option<String>| if some { text.unwrap_or_else(|| "?".to_owned()) } else { dash() };
    [
        count(work.requests),
        known(work.requests > 0, work.bytes.map(|bytes| received(bytes, work))),
        known(work.commits > 0, work.chunks.map(|chunks| chunks.to_string())),
        count(work.commits),
        work.memory.map_or_else(dash, table::bytes),
        known(work.periods > 0, work.millis.map(|millis| format!("about {}", length(millis)))),
    ]
}

/// Bytes, and how they are known.
fn received(bytes: u64, work: &Work) -> String {
    let bytes = table::bytes(bytes);
    match work.bytes_from {
        Some(Measure::Head) if work.parts => format!("≤ {bytes} (head)"),
        Some(Measure::Head) => format!("{bytes} (head)"),
        Some(Measure::History) => format!("{bytes} (history)"),
        None => bytes,
    }
}

fn notes(node: &NodePlan) -> String {
    let mut notes = String::new();
    for reason in node.planned.iter().flat_map(|planned| &planned.reasons) {
        notes.push_str(&format!("  {}: {reason}\n", node.node));
    }
    if !node.lacks.is_empty() {
        let lacks: Vec<_> = node.lacks.iter().map(|id| format!("`{id}`")).collect();
        notes.push_str(&format!("  {}: cannot be planned without {}\n", node.node, lacks.join(", ")));
    }
    if let Some(error) = &node.error {
        notes.push_str(&format!("  {}: error: {error}\n", node.node));
        if let Some(help) = error.failure().and_then(|failure| failure.help.as_ref()) {
            notes.push_str(&format!("    help: {help}\n"));
        }
    }
    notes
}

fn total(work: &Work) -> String {
    let s = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![s(work.periods, "period"), s(work.requests, "request")];
    if work.requests > 0 {
        let bytes = work.bytes.map(|bytes| received(bytes, work));
        parts.push(format!("{} received", bytes.unwrap_or_else(|| "unknown bytes".to_owned())));
    }
    let chunks = work.chunks.map(|n| s(usize::try_from(n).unwrap_or(usize::MAX), "chunk"));
    parts.push(chunks.unwrap_or_else(|| "unknown chunks".to_owned()));
    parts.push(s(work.commits, "commit"));
    parts.push(work.millis.map_or_else(|| "unknown time".to_owned(), |n| format!("about {}", length(n))));
    format!("in all: {}\n", parts.join(", "))
}

/// A length of time in its largest unit.
fn length(millis: u64) -> String {
    let seconds = millis.div_ceil(1_000);
    match seconds {
        0..=1 => "1 s".to_owned(),
        2..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        7_200..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

fn periods(document: &PlannedDocument) -> Option<String> {
    let items = match document {
        PlannedDocument::Periods(periods) => &periods.items,
        PlannedDocument::Snapshot(planned) => &planned.changes,
        PlannedDocument::Slices(_) | PlannedDocument::Nothing => return None,
    };
    let count: usize = items.iter().map(|item| item.range.len()).sum();
    let (first, last) =
        (items.iter().map(|i| i.range.first).min()?, items.iter().map(|i| i.range.last).max()?);
    Some(if count == 1 { first.to_string() } else { format!("{count}: {first}/{last}") })
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_of_time_are_read_by_people() {
        let shown = [0, 900, 1_001, 119_000, 240_000, 7_300_000, 200_000_000].map(super::length);
        assert_eq!(shown, ["1 s", "1 s", "2 s", "119 s", "4 min", "2 h", "2 d"]);
    }
}
