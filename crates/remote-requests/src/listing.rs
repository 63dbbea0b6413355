//! What a storage lists, which has an end, whatever the storage says.

use std::collections::HashSet;
use std::time::Instant;

use anndex_store::{Error, Limits, Remaining, Result};

use crate::too_slow;

/// So many are listed before it is looked whether they repeat.
const FIRST_LOOK: usize = 1000;

/// The objects of a listing as they come in.
#[derive(Debug)]
pub struct Listing<T> {
    found: Vec<T>,
    key_of: fn(&T) -> &str,
    limits: Limits,
    left: Remaining,
    begin: Instant,
    /// When it is looked next whether they repeat: each time that there are twice as many.
    next_look: usize,
}

impl<T> Listing<T> {
    /// Begins a listing of objects that are told apart by their keys.
    pub fn new(limits: Limits, key_of: fn(&T) -> &str) -> Self {
        Self {
            found: Vec::new(),
            key_of,
            limits,
            left: limits.listing(),
            begin: Instant::now(),
            next_look: FIRST_LOOK,
        }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// `Corrupt` if the storage begins its list anew, or lists more than any storage has; `Storage`
    /// if it takes too long.
    pub fn add(&mut self, object: T) -> Result<()> {
        self.left.spend(1)?;
        self.check_time()?;
        self.found.push(object);
        if self.found.len() < self.next_look {
            return Ok(());
        }
        self.next_look = 2 * self.found.len();
        let mut keys = HashSet::with_capacity(self.found.len());
        let twice = self.found.iter().map(self.key_of);
        match twice.into_iter().find(|key| !keys.insert(*key)) {
            None => Ok(()),
            Some(key) => Err(Error::corrupt(
                "the storage lists the same object again and again, so its list has no end; tell \
                 the people who run it",
            )
            .with("object", key.escape_debug())),
        }
    }

    /// Whether it may go on.
    ///
    /// # Errors
    /// `Storage` if it takes too long.
    pub fn check_time(&self) -> Result<()> {
        match self.begin.elapsed() > self.limits.time {
            true => Err(too_slow(self.limits.time)),
            false => Ok(()),
        }
    }

    /// All that was listed.
    pub fn into_found(self) -> Vec<T> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anndex_store::ErrorKind;
    use std::time::Duration;

    fn list(limits: Limits, keys: impl Iterator<Item = String>) -> Result<usize> {
        let mut listing = Listing::new(limits, |key: &String| key);
        for key in keys {
            listing.add(key)?;
        }
        Ok(listing.into_found().len())
    }

    #[test]
    fn a_list_that_repeats_or_never_ends_is_refused() {
        let endless = || (0u64..).map(|number| number.to_string());
        let all = list(Limits::DEFAULT, endless().take(10_000));
        assert_eq!(all.expect("a list"), 10_000);
        let repeated = list(Limits::DEFAULT, endless().take(700).cycle());
        assert_eq!(repeated.unwrap_err().kind(), ErrorKind::Corrupt);
        let limits = Limits {
            pages: 2,
            ..Limits::DEFAULT
        };
        assert_eq!(
            list(limits, endless()).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        let limits = Limits {
            time: Duration::ZERO,
            ..Limits::DEFAULT
        };
        assert_eq!(
            list(limits, endless()).unwrap_err().kind(),
            ErrorKind::Storage
        );
    }
}
