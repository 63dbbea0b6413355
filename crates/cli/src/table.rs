//! Compact tables: columns as wide as their widest cell, two spaces between them, and none for
//! columns that are empty.

use crate::output::plain;

/// A table with a heading for each column.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table without rows. A heading that begins with `>` makes its column align to the right.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let right = headings.map(|heading| heading.starts_with('>')).to_vec();
        let row = headings.map(|heading| plain(heading.trim_start_matches('>')).into_owned());
        Self {
            rows: vec![row.to_vec()],
            right,
        }
    }

    /// Adds a row, with one cell per column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.right.len());
        self.rows
            .push(cells.map(|cell| plain(&cell).into_owned()).to_vec());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Whether any row has something in a column.
    fn is_shown(&self, column: usize) -> bool {
        let cells = self.rows.iter().skip(1).map(|row| row.get(column));
        self.is_empty() || cells.flatten().any(|cell| !cell.is_empty())
    }

    /// The headings, then the rows.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let mut widths = vec![0; self.right.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        self.rows.iter().map(move |row| {
            let columns = row.iter().zip(&widths).zip(&self.right);
            let columns = columns
                .enumerate()
                .filter(|(column, _)| self.is_shown(*column));
            let cells: Vec<String> = columns
                .map(|(_, ((cell, &width), right))| match right {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["na\u{7}me", "empty", ">size"]);
        table.row(["a\u{1b}[2J".to_owned(), String::new(), "1".to_owned()]);
        table.row(["b".to_owned(), String::new(), "100".to_owned()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            ["na\u{fffd}me  size", "a\u{fffd}[2J     1", "b       100"]
        );
    }
}
