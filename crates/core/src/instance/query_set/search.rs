//! Searching records by what people remember of their names, keys and descriptions.
//!
//! The backend finds candidates, and all ranking is done here, so that every database gives the
//! same records in the same order.

use std::cmp::Reverse;

use super::QuerySet;
use crate::backend::{Filter, TextMatch, fold};
use crate::error::{Error, Result};
use crate::instance::handle::Handle;
use crate::record::{Field, Value};
use crate::registry::Registry;

/// The fields that are searched, the most telling first.
const SEARCHED: [Field; 4] = [Field::Name, Field::Key, Field::Handle, Field::Description];

/// How well a text fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is what was searched.
    Exact,
    /// It starts with it.
    Prefix,
    /// One of its words starts with it.
    WordPrefix,
    /// It has it in it.
    Contains,
    /// It has all words in it, anywhere.
    Words,
    /// It has some of the words; other fields have the rest.
    Part,
}

impl<R: Registry> QuerySet<R> {
    /// The records of the set in whose name, key or description all words of a text occur, the
    /// best first: those that are the text, that start with it, that have a word which starts
    /// with it, that have it in them, and then those with its words apart. Names and keys come
    /// before descriptions that fit as well, and the most recent record before others. Upper and
    /// lower case are the same, as [`fold`] has them, and no character is special.
    ///
    /// Limit and offset count ranked records; the order of the set does not matter. A text
    /// without words finds nothing.
    ///
    /// # Errors
    /// `InvalidInput` if a filter does not fit the kind, or the kind has nothing to search;
    /// `Backend` if the database fails.
    pub async fn search(&self, text: &str) -> Result<Vec<Handle<R>>> {
        let has = |field: &Field| R::KIND.field(*field).is_some();
        let fields: Vec<Field> = SEARCHED.into_iter().filter(has).collect();
        if fields.is_empty() {
            return Err(Error::invalid_input(format!(
                "{} has no name, key or description to search",
                R::KIND.with_article()
            )));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut candidates = self.clone();
        candidates.query.order.clear();
        let (limit, offset) = (candidates.query.limit.take(), candidates.query.offset);
        candidates.query.offset = 0;
        for word in &words {
            let contains = fields.iter();
            let contains = contains.map(|field| Filter::folded(*field, TextMatch::Contains, *word));
            candidates = candidates.filter(Filter::Any(contains.collect()));
        }
        let whole = fold(&words.join(" "));
        let mut found = candidates.all().await?;
        found.sort_by_cached_key(|record| {
            let fits = fields.iter().enumerate().filter_map(|(place, field)| {
                let Some(Value::Text(text)) = record.get(*field) else {
                    return None;
                };
                let described = *field == Field::Description;
                Some((fit(&fold(&text), &whole), described, place))
            });
            let best = fits.min();
            (best.is_none(), best, Reverse(record.id()))
        });
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let taken = limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
        Ok(found.into_iter().skip(skipped).take(taken).collect())
    }
}

/// How a text fits, both folded.
fn fit(text: &str, whole: &str) -> Fit {
    if text == whole {
        return Fit::Exact;
    }
    if text.starts_with(whole) {
        return Fit::Prefix;
    }
    let mut occurrences = text.match_indices(whole).map(|(at, _)| at).peekable();
    if occurrences.peek().is_some() {
        let starts_word = |at: usize| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(|c| !c.is_alphanumeric())
        };
        return match occurrences.any(starts_word) {
            true => Fit::WordPrefix,
            false => Fit::Contains,
        };
    }
    match whole.split(' ').all(|word| text.contains(word)) {
        true => Fit::Words,
        false => Fit::Part,
    }
}
