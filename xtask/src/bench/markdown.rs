//! Tables in Markdown that can be read as text, too.

/// A table with columns of equal width. The columns numbered in `text` are words, which begin at
/// the left, the others figures, which end at the right.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    text: &[usize],
    body: &[[String; N]],
) -> String {
    let head = head.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&head).chain(body).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let written = |line: &[String; N]| {
        let cells = line.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| {
            if text.contains(&column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = std::array::from_fn(|column| {
        let dashes = "-".repeat(widths[column].saturating_sub(1));
        let end = if text.contains(&column) { "-" } else { ":" };
        format!("{dashes}{end}")
    });
    let body: String = body.iter().map(written).collect();
    format!("{}{}{body}", written(&head), written(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_equally_wide() {
        let body = [["first".to_owned(), "1".to_owned(), "a – b".to_owned()]];
        let found = table(["case", "cells/s", "why"], &[0, 2], &body);
        let expected = "| case  | cells/s | why   |\n\
                        | ----- | ------: | ----- |\n\
                        | first |       1 | a – b |\n";
        assert_eq!(found, expected);
    }
}
