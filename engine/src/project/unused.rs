//! What is there and serves nothing: parameters, secrets, triggers that nobody fires.

use super::{ProjectConfig, datasets::Blocks};
use crate::{
    diagnostic::{Diagnostic, Severity, codes},
    document::{Node, Tree},
    pipeline::Draft,
};

/// Parameters that no expression of their file names.
pub(super) fn params(draft: &Draft<'_>, out: &mut Vec<Diagnostic>) {
    let declared = draft.root.get("params").map_or(&[][..], Node::entries);
    // In a file with mistakes the place that uses it may be the mistake.
    let broken = |p: &Diagnostic| p.primary.as_ref().is_some_and(|l| l.span.source == draft.root.span.source);
    if declared.is_empty() || out.iter().any(|p| p.severity == Severity::Error && broken(p)) {
        return;
    }
    let mut said = String::new();
    expressions(draft.root, &mut said);
    for entry in declared.iter().filter(|entry| !names(&said, "params", &entry.key)) {
        let message = format!("nothing uses the parameter `{}`", entry.key);
        let help = format!("write `{{{{ params.{} }}}}` where it is meant, or remove it", entry.key);
        out.push(Diagnostic::error(codes::UNUSED_PARAM, entry.key_span, message).help(help).warning());
    }
}

/// Secrets that no file of the project names.
pub(super) fn secrets(
    project: Option<&Node>,
    config: &ProjectConfig,
    drafts: &[Draft<'_>],
    out: &mut Vec<Diagnostic>,
) {
    // A file that cannot be read may use any of them.
    let sound = !out.iter().any(|p| p.severity == Severity::Error);
    let Some(project) = project.filter(|_| sound && !config.secrets.is_empty()) else { return };
    let mut said = String::new();
    expressions(project, &mut said);
    drafts.iter().for_each(|draft| expressions(draft.root, &mut said));
    let triggers = drafts.iter().flat_map(|draft| &draft.triggers);
    let signed = triggers.filter_map(|trigger| trigger.http.as_ref()?.signed_by.as_ref());
    let signed: Vec<&String> =
        signed.chain(config.notify.iter().filter_map(|notify| notify.signed_by.as_ref())).collect();
    for entry in project.get("secrets").map_or(&[][..], Node::entries) {
        if signed.contains(&&entry.key) {
            continue;
        }
        if config.secrets.contains_key(&entry.key) && !names(&said, "secrets", &entry.key) {
            let message = format!("nothing uses the secret `{}`", entry.key);
            let help = format!("write `\"{{{{ secrets.{} }}}}\"` where it is meant, or remove it", entry.key);
            out.push(Diagnostic::error(codes::UNUSED_SECRET, entry.key_span, message).help(help).warning());
        }
    }
}

/// Triggers on datasets of this project to which no step ever commits.
pub(super) fn triggers(drafts: &[Draft<'_>], blocks: &Blocks, out: &mut Vec<Diagnostic>) {
    // A writer whose settings are wrong, or whose file cannot be read, is not known to be one.
    let steps = || drafts.iter().flat_map(|draft| &draft.steps);
    let unread = out.iter().any(|p| p.code < codes::UNKNOWN_KEY || p.code == codes::DATASET);
    for draft in drafts.iter().filter(|_| !unread && steps().all(|step| step.bound.is_some())) {
        let nodes = draft.root.get("triggers").map_or(&[][..], Node::items);
        for (trigger, node) in draft.triggers.iter().zip(nodes) {
            let Some((id, block)) = trigger.dataset.as_ref().and_then(|id| Some((id, blocks.get(id)?)))
            else {
                continue;
            };
            if block.writer.is_none() && !block.location.read_only {
                let message = format!("nothing ever starts this: no step of the project commits to `{id}`");
                out.push(
                    Diagnostic::error(codes::DEAD_TRIGGER, node.place("/dataset"), message)
                        .label("waits for commits")
                        .other(block.key, "nobody writes this")
                        .help("add a step that makes it, or say `external: URL` where somebody else does"),
                );
            }
        }
    }
}

/// All text with expressions below `node`, one after the other.
fn expressions(node: &Node, said: &mut String) {
    match &node.tree {
        Tree::Text(text) if text.contains("{{") || text.contains("{%") => {
            said.push_str(text);
            said.push('\n');
        }
        Tree::List(items) => items.iter().for_each(|item| expressions(item, said)),
        Tree::Map(entries) => entries.iter().for_each(|entry| expressions(&entry.value, said)),
        _ => {}
    }
}

/// Whether expressions name `block.name`, or `block` in a way that may mean any of its names.
fn names(said: &str, block: &str, name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    said.match_indices(block).any(|(at, _)| {
        let rest = said[at + block.len()..].trim_start();
        let Some(rest) = rest.strip_prefix('.') else { return !rest.starts_with(word) };
        let rest = rest.trim_start();
        rest.strip_prefix(name).is_some_and(|after| !after.starts_with(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_used_where_it_stands_whole() {
        assert!(names("{{ params.start }}", "params", "start"));
        assert!(names("{{ params . start|date }}", "params", "start"));
        assert!(names("{{ params['start'] }}", "params", "start"), "any of them may be meant");
        assert!(!names("{{ params.started }}", "params", "start"));
        assert!(!names("{{ vars.start }}", "params", "start"));
    }
}
