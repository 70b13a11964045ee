//! What is wrong with a `datasets` block in itself.

mod chunks;
mod variables;

use super::{is_crs, over};
use crate::{
    data::PeriodText,
    dataset::{Dataset, TimeAxis},
    diagnostic::{Diagnostic, codes},
    document::Entry,
};

/// SPDX identifiers that left open whether later versions hold too, and that are said otherwise now
/// (SPDX licence list 3.0).
const OLD_LICENSES: &[&str] = &[
    "AGPL-1.0", "AGPL-3.0", "GFDL-1.1", "GFDL-1.2", "GFDL-1.3", "GPL-1.0", "GPL-2.0", "GPL-3.0", "LGPL-2.0",
    "LGPL-2.1", "LGPL-3.0",
];

/// Says what is wrong with a `datasets` block whatever else stands in the project.
pub(super) fn judge(entry: &Entry, block: &Dataset, out: &mut Vec<Diagnostic>) {
    let node = &entry.value;
    let mut bad = |code, pointer: &str, message: String| {
        out.push(Diagnostic::told(code, node.place(pointer), &message));
    };
    if let TimeAxis::Regular(time) = &block.time
        && let Some(Err(error)) = time.start.as_deref().map(str::parse::<PeriodText>)
    {
        bad(codes::PERIOD, "/time/start", error.to_string());
    }
    if let Some(crs) = block.crs.as_deref().filter(|c| !is_crs(c)) {
        bad(codes::TEXT, "/crs", format!("`{crs}` is not a CRS: write a code such as `EPSG:4326`"));
    }
    if let Some(grid) = &block.grid
        && (grid.cell.contains(&0.0) || grid.shape.contains(&0))
    {
        bad(codes::RANGE, "/grid", "cells have a size and a grid has cells".into());
    }
    for key in ["chunks", "shards"] {
        let lengths = if key == "chunks" { &block.chunks } else { &block.shards };
        for (name, length) in lengths {
            if *length == 0 {
                bad(codes::RANGE, &format!("/{key}/{name}"), "a chunk holds at least one step".into());
            }
        }
    }
    if let Some(license) = block.license.as_deref().filter(|l| !is_license(l)) {
        bad(
            codes::LICENSE,
            "/license",
            format!(
                "`{license}` is not a licence: write an SPDX identifier such as `CC-BY-4.0`, or `other` with a link"
            ),
        );
    }
    if block.license.as_deref() == Some("other") && !block.links.iter().any(|l| l.rel == "license") {
        out.push(
            Diagnostic::error(
                codes::LICENSE,
                node.place("/license"),
                "`license: other` says nothing without a link",
            )
            .help("add `links: [ { rel: license, href: … } ]`")
            .warning(),
        );
    }
    if let Some(old) = block.license.as_deref().filter(|l| OLD_LICENSES.contains(l)) {
        let now = format!("{old}-only");
        out.push(
            Diagnostic::error(
                codes::OLD_LICENSE,
                node.place("/license"),
                format!("`{old}` is written otherwise now"),
            )
            .help(format!("write `{now}`, or `{old}-or-later`"))
            .option(format!("write `{now}`"), now.clone())
            .option(format!("write `{old}-or-later`"), format!("{old}-or-later"))
            .warning(),
        );
    }
    for (name, message) in over::problems(&block.dimensions, block) {
        let place = name.map_or_else(|| "/dimensions".to_owned(), |name| format!("/dimensions/{name}"));
        out.push(Diagnostic::told(codes::DIMENSION, node.place(&place), &message));
    }
    variables::judge(node, block, out);
    chunks::judge(entry, block, out);
}

/// An SPDX identifier or expression by its shape, or `other`.
fn is_license(text: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | ':'))
    };
    let words: Vec<&str> = text.split(' ').collect();
    words.len() % 2 == 1
        && words.iter().enumerate().all(|(at, w)| {
            if at % 2 == 0 { word(w.trim_matches(['(', ')'])) } else { matches!(*w, "AND" | "OR" | "WITH") }
        })
}
