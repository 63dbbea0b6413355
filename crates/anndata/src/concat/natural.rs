//! The order that anndata puts united categories in: numbers inside texts count as numbers.

use std::cmp::Ordering;

/// Compares texts so that `"b9"` comes before `"b10"`: runs of the digits 0 to 9 by their value, all
/// else by code points.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (text_a, after_a) = split(a, false);
        let (text_b, after_b) = split(b, false);
        let (number_a, rest_a) = split(after_a, true);
        let (number_b, rest_b) = split(after_b, true);
        let texts = text_a.cmp(text_b);
        let order = texts
            .then_with(|| number_a.is_empty().cmp(&number_b.is_empty()).reverse())
            .then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() || number_a.is_empty() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Splits off the longest beginning that is all digits, or has none.
fn split(text: &str, digits: bool) -> (&str, &str) {
    let other = |c: char| c.is_ascii_digit() != digits;
    text.split_at(text.find(other).unwrap_or(text.len()))
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_count_as_numbers() {
        // Taken from natsort.natsorted.
        let sorted = [
            "", "1", "2", "10", "B", "a", "a1", "a2b", "a10", "a10b2", "a10b10", "ab", "b9", "b010",
        ];
        let mut shuffled = sorted;
        shuffled.reverse();
        shuffled.sort_by(|a, b| compare(a, b));
        assert_eq!(shuffled, sorted);
    }
}
