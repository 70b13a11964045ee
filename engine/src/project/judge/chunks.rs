//! Chunks far too small or too large to be read well.

use crate::{
    data::Frequency,
    dataset::{CHUNK_BYTES, Dataset, TimeAxis},
    diagnostic::{Diagnostic, codes},
    document::Entry,
};

/// The side of a chunk in space where none is said.
const SIDE: u64 = 512;

/// Says where decoded chunks are smaller than 64 KiB on a long axis, or larger than 64 MiB.
pub(super) fn judge(entry: &Entry, block: &Dataset, out: &mut Vec<Diagnostic>) {
    let node = &entry.value;
    let place = node.entry("chunks").map_or(entry.key_span, |chunks| chunks.key_span);
    let said = |name: &str| block.chunks.get(name).copied().filter(|length| *length > 0);
    let step = match &block.time {
        TimeAxis::None => None,
        TimeAxis::Regular(time) => Some(time.frequency()),
    };
    let time = step.map_or(1, |step| said("time").unwrap_or_else(|| step.default_time_chunk()));
    let names = block.grid.as_ref().and_then(|grid| grid.names.clone());
    let names = names.unwrap_or_else(|| ["y".to_owned(), "x".to_owned()]);
    let shape = block.grid.as_ref().map(|grid| grid.shape);
    // Where the grid is not declared, what is said counts as it stands, and nothing said is no news.
    let side = |at: usize| {
        let whole = shape.map(|shape| shape[at].max(1));
        let length = said(&names[at]).or_else(|| whole.map(|_| SIDE));
        match (length, whole) {
            (Some(length), Some(whole)) => Some(length.min(whole)),
            (length, _) => length,
        }
    };
    let (Some(rows), Some(columns)) = (side(0), side(1)) else { return };
    let widest =
        block.variables.values().filter_map(|variable| variable.dtype).map(|dtype| dtype.size() as u64).max();
    let bytes = widest.unwrap_or(4);
    // Along further dimensions a chunk holds one label, where nothing else is said.
    let planes =
        block.dimensions.0.iter().map(|d| said(&d.name).unwrap_or(1).clamp(1, d.labels.len().max(1) as u64));
    let planes = planes.fold(1, u64::saturating_mul);
    let layer = rows.saturating_mul(columns).saturating_mul(planes).saturating_mul(bytes).max(1);
    let decoded = layer.saturating_mul(time);
    let between = if planes > 1 { format!(" × {planes}") } else { String::new() };
    let shown = format!("{time}{between} × {rows} × {columns} numbers of {bytes} bytes");
    if decoded > *CHUNK_BYTES.end() {
        let fitting = (CHUNK_BYTES.end() / layer).max(1);
        let help = if layer > *CHUNK_BYTES.end() {
            format!("chunk it in space too: `{}: {SIDE}, {}: {SIDE}`", names[0], names[1])
        } else {
            format!("write `time: {fitting}`{}", if fitting > 1 { " or less" } else { "" })
        };
        let message = format!("a chunk decodes to {}: {shown}", human(decoded));
        out.push(Diagnostic::error(codes::CHUNKS, place, message).help(help).warning());
    } else if decoded < *CHUNK_BYTES.start() && step.is_some_and(|step| said_or_long(block, step)) {
        let fitting = CHUNK_BYTES.start().div_ceil(layer);
        let message = format!("a chunk decodes to {} only: {shown}", human(decoded));
        let help = format!(
            "write `time: {fitting}` or more, so that a long series is not thousands of small objects"
        );
        out.push(Diagnostic::error(codes::CHUNKS, place, message).help(help).warning());
    }
}

/// Whether small chunks are meant, or will be many: what nobody chose on an axis that has no thousands of
/// periods in some years is no news.
fn said_or_long(block: &Dataset, step: Frequency) -> bool {
    !block.chunks.is_empty() || step.nominal_minutes() <= Frequency::Day.nominal_minutes()
}

fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 0x10_0000),
    }
}
