//! Tables for people: columns as wide as what is in them, two blanks apart, nothing after the last one, and no text in them
//! that isn't harmless.

use crate::text::{WIDEST, visible, width};

/// The columns of a table, and how wide they have become.
///
/// ```
/// use styx_host::table::Table;
///
/// let mut table = Table::new(&["NAME", "VALUE"]);
/// let rows = [["a\nb", "1"], ["c", "2"]];
/// rows.iter().for_each(|row| table.fit(row));
/// let lines = [table.heads(), table.line(&rows[0]), table.line(&rows[1])];
/// assert_eq!(lines, ["NAME  VALUE", r"a\nb  1", "c     2"]);
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
struct Column {
    head: &'static str,
    width: usize,
    is_right: bool,
}

impl Table {
    /// A table with these heads.
    pub fn new(heads: &[&'static str]) -> Self {
        let column = |head: &&'static str| Column { head, width: width(head), is_right: false };
        Self { columns: heads.iter().map(column).collect() }
    }

    /// Makes a column at least so wide.
    #[must_use]
    pub fn at_least(mut self, column: usize, width: usize) -> Self {
        self.columns[column].width = self.columns[column].width.max(width);
        self
    }

    /// Aligns a column to the right.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.columns[column].is_right = true;
        self
    }

    /// Makes the columns wide enough for a row; no column gets wider than [`WIDEST`].
    pub fn fit(&mut self, cells: &[impl AsRef<str>]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.width = column.width.max(width(&visible(cell.as_ref())).min(WIDEST));
        }
    }

    /// The line of the heads.
    pub fn heads(&self) -> String {
        self.line(&self.columns.iter().map(|column| column.head).collect::<Vec<_>>())
    }

    /// The line of a row.
    pub fn line(&self, cells: &[impl AsRef<str>]) -> String {
        self.painted(cells, |_, cell| cell.to_owned())
    }

    /// The line of a row, of which `paint` colours the cells, named by their column.
    pub fn painted(&self, cells: &[impl AsRef<str>], paint: impl Fn(usize, &str) -> String) -> String {
        let mut line = String::new();
        let mut pending = 0;
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let cell = visible(cell.as_ref());
            let room = column.width.saturating_sub(width(&cell));
            if column.is_right {
                pending += room;
            }
            if !cell.is_empty() {
                line.extend([" ".repeat(pending), paint(index, &cell)]);
                pending = 0;
            }
            pending += 2 + if column.is_right { 0 } else { room };
        }
        line
    }
}

/// A whole table, each line with its end.
pub fn table<const N: usize>(heads: [&'static str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new(&heads);
    rows.iter().for_each(|row| table.fit(row));
    let mut text = format!("{}\n", table.heads());
    for row in rows {
        text.extend([&table.line(row), "\n"]);
    }
    text
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
        assert_eq!(table(["X", "Y"], &[["\u{1b}[2J数".into(), "c".into()]]), "X            Y\n\\u{1b}[2J数  c\n");
    }

    #[test]
    fn numbers_stand_right_and_colours_take_no_room() {
        let mut table = Table::new(&["N", "NAME"]).right(0).at_least(0, 4);
        let row = ["12", "a"];
        table.fit(&row);
        assert_eq!((table.heads(), table.line(&row)), ("   N  NAME".into(), "  12  a".into()));
        assert_eq!(table.painted(&row, |column, cell| format!("{column}<{cell}>")), "  0<12>  1<a>");
    }
}
