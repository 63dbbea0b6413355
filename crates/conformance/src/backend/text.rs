//! Filters on text: whole, parts, beginnings and ends, with case and without.

use super::samples::collection;
use super::{count, insert, select};
use anndex_core::backend::{Backend, Filter, Query, TextMatch};
use anndex_core::record::{Collection, Field, Kind};

const TEXTS: &[&str] = &[
    "", "a", "A", "ab", "aB", "Ab%", "_ab", "ä", "Ä", "Äß", "äẞ", "ſs", "Kk", "İi", "ıI", "σΣς",
    "ǅ", "a\u{308}", "🧬a", "Ab\\",
];

/// Every text against every other one, in every way, compared with what is said of texts here.
pub(super) async fn every_match(backend: &dyn Backend) {
    for (number, text) in TEXTS.iter().enumerate() {
        let record = Collection {
            description: Some((*text).to_owned()),
            ..collection(&format!("{number:02}"))
        };
        insert(backend, record).await;
    }
    insert(backend, collection("none")).await;
    let ways = [
        TextMatch::Equals,
        TextMatch::Contains,
        TextMatch::StartsWith,
        TextMatch::EndsWith,
    ];
    for searched in TEXTS {
        for how in ways {
            let exact = Filter::Text(Field::Description, how, (*searched).to_owned());
            check(backend, exact, |text| how.matches(text, searched)).await;
            let folded = Filter::folded(Field::Description, how, *searched);
            let fold = anndex_core::backend::fold;
            let matches = |text: &str| how.matches(&fold(text), &fold(searched));
            check(backend, folded, matches).await;
        }
    }
}

async fn check(backend: &dyn Backend, filter: Filter, matches: impl Fn(&str) -> bool) {
    let expected: Vec<String> = (0..TEXTS.len())
        .filter(|number| matches(TEXTS[*number]))
        .map(|number| format!("{number:02}"))
        .collect();
    let query = Query::new(Kind::Collection).filter(filter.clone());
    let found = select(backend, &query).await;
    let found: Vec<&str> = found.iter().map(|record| record.uid()).collect();
    assert_eq!(found, expected, "{filter:?}");
    // Nothing matches where there is no text, and what does not match is the rest.
    let rest = Query::new(Kind::Collection).filter(filter.clone().negate());
    let rest = count(backend, &rest).await;
    assert_eq!(rest, (TEXTS.len() + 1 - found.len()) as u64, "{filter:?}");
}
