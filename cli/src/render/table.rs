//! Tables of plain text.

/// Columns as wide as their widest cell; the first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of bytes as people read it.
pub(crate) fn bytes(n: u64) -> String {
    let (mut whole, mut tenth, mut unit) = (n, 0, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if whole < 1_024 {
            break;
        }
        (tenth, whole, unit) = (whole % 1_024 * 10 / 1_024, whole / 1_024, next);
    }
    if unit == "B" || whole >= 100 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_read_by_people() {
        let shown: Vec<_> = [0, 1_023, 1_024, 1_536, 200 << 20, 3 << 30].map(super::bytes).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "200 MiB", "3.0 GiB"]);
    }
}
