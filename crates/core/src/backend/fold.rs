//! Upper and lower case as one, the same on every database.
//!
//! Databases fold case by their locale, or only in ASCII. So what is the same is said here, letter
//! by letter as Unicode's simple case folding has it, and backends are told which letters to
//! replace by which before they compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// No letter with case lies beyond.
const END: char = '\u{20000}';

/// A letter, in the case that stands for all of its cases.
fn fold_letter(c: char) -> char {
    // Without a dot it is no `i`, though its capital is.
    if c == 'ı' {
        return c;
    }
    let single = |mut cases: std::vec::IntoIter<char>| match (cases.next(), cases.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let upper: Vec<char> = c.to_uppercase().collect();
    let upper = single(upper.into_iter()).unwrap_or(c);
    let lower: Vec<char> = upper.to_lowercase().collect();
    single(lower.into_iter()).unwrap_or(upper)
}

/// Text in which all cases of a letter are the same: one character for each, so that `ß` is not
/// `ss`, and a capital `İ` only itself.
///
/// ```
/// use anndex_core::backend::fold;
///
/// assert_eq!(fold("McDonald ÉΣ"), fold("MCDONALD éς"));
/// ```
pub fn fold(text: &str) -> String {
    text.chars().map(fold_letter).collect()
}

/// The letters that must be replaced in a text, each by which, before it is compared with `folded`:
/// the other cases of its letters, in the order of code points. No replacement is replaced itself.
pub fn unfolded(folded: &str) -> Vec<(char, char)> {
    static CASES: OnceLock<BTreeMap<char, Vec<char>>> = OnceLock::new();
    let cases = CASES.get_or_init(|| {
        let mut cases: BTreeMap<char, Vec<char>> = BTreeMap::new();
        for c in '\0'..END {
            let folded = fold_letter(c);
            if folded != c {
                cases.entry(folded).or_default().push(c);
            }
        }
        cases
    });
    let letters: BTreeSet<char> = folded.chars().collect();
    let pairs = letters.iter().filter_map(|to| Some((*to, cases.get(to)?)));
    let pairs = pairs.flat_map(|(to, others)| others.iter().map(move |from| (*from, to)));
    let mut pairs: Vec<(char, char)> = pairs.collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_twice_is_folding_once() {
        for c in '\0'..=char::MAX {
            let folded = fold_letter(c);
            assert_eq!(fold_letter(folded), folded, "{c:?}");
            assert!(folded == c || c < END, "{c:?}");
        }
    }

    #[test]
    fn every_case_of_a_letter_is_replaced() {
        let replaced = |text: &str| -> String {
            let pairs = unfolded(text);
            pairs.iter().map(|(from, _)| *from).collect()
        };
        assert_eq!(replaced("a1_%"), "A");
        assert_eq!(replaced("k"), "K\u{212a}");
        assert_eq!(replaced("sσ"), "SſΣς");
        assert_eq!(replaced("ßi"), "Iẞ");
        assert_eq!(unfolded("é"), [('É', 'é')]);
        assert_eq!(fold("İIı ǅ ÅÅ"), "İiı ǆ åå");
    }
}
