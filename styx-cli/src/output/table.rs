//! Tables that Styx 2.x does not have: columns as wide as what is in them.

use crate::visible::visible;

/// Columns are filled up to at most so much: one long text shall not push all others away, and a format can't fill up to more
/// than 65,535.
pub(super) const WIDEST: usize = 1_000;

/// A table under its headers, columns two blanks apart and nothing after the last one.
pub(crate) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| visible(cell))).collect();
    let width = |text: &str| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| width(&row[column])).max().unwrap_or_default().max(width(headers[column])).min(WIDEST)
    });
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        format!("{}\n", line.trim_end())
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(|cell| &**cell)));
    std::iter::once(line(headers)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_fills_up_nothing() {
        let long = "x".repeat(70_000);
        let lines = table(["X", "Y"], &[[long.clone(), "a".into()], ["b".into(), "c".into()]]);
        let second = format!("{:WIDEST$}  c", "b");
        assert_eq!(lines.lines().skip(1).collect::<Vec<_>>(), [format!("{long}  a"), second]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "bb".into(), String::new()], ["äöü".into(), String::new(), "c".into()]];
        assert_eq!(table(["X", "YYY", "Z"], &rows), "X    YYY  Z\na    bb\näöü       c\n");
        assert_eq!(table(["X", "Y"], &[["a\nb".into(), "c".into()]]), "X     Y\na\\nb  c\n");
    }
}
