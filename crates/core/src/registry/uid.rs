//! Universal ids: random base62, where versioned records count their versions in the last four
//! characters.

use rand::RngExt;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use sha1::{Digest, Sha1};

use crate::error::{Error, Result};

/// The digits, in the order in which they count. Databases sort them differently, so uids are
/// compared here and not there.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The version part of the first version.
const FIRST_VERSION: &str = "0000";

/// The fewest characters that a uid can be abbreviated to: fewer are too easily another record's,
/// or a slip of the hand.
pub const SHORTEST_ABBREVIATION: usize = 4;

/// How many characters at the end of a versioned uid count the versions.
const VERSION_LENGTH: usize = FIRST_VERSION.len();

/// A random base62 string of `length` characters.
pub fn random(length: usize) -> String {
    // From the system, since processes that are forked share the state of any other generator.
    let mut rng = UnwrapErr(SysRng);
    (0..length)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

/// `length` characters of base62, at most 20, that always follow from the same text.
pub(crate) fn of(text: &str, length: usize) -> String {
    let digest = Sha1::digest(text.as_bytes());
    let digits = digest
        .iter()
        .map(|byte| usize::from(*byte) % ALPHABET.len());
    let digits = digits.map(|digit| char::from(ALPHABET[digit]));
    digits.take(length).collect()
}

/// A random uid of `length` characters for the first version of a new family.
pub fn new_family(length: usize) -> String {
    random(length.saturating_sub(VERSION_LENGTH)) + FIRST_VERSION
}

/// The part of a versioned uid that its whole family shares. A string that is not a uid is its own
/// stem.
pub fn stem(uid: &str) -> &str {
    split(uid).0
}

/// The place of a versioned uid in its family, from 0.
///
/// # Errors
/// `InvalidInput` if the last four characters are not base62.
pub fn sequence(uid: &str) -> Result<u32> {
    let (_, version) = split(uid);
    let digit = |byte: u8| ALPHABET.iter().position(|&other| other == byte);
    version
        .bytes()
        .try_fold(0u32, |sum, byte| {
            Some(sum * 62 + u32::try_from(digit(byte)?).ok()?)
        })
        .filter(|_| version.len() == VERSION_LENGTH)
        .ok_or_else(|| {
            Error::invalid_input("this is not a uid of a versioned record").with("uid", uid)
        })
}

/// The uid that follows in a family.
///
/// # Errors
/// `InvalidInput` if `uid` is none of a versioned record, or the last one that is possible
/// (62^4 versions).
pub fn next(uid: &str) -> Result<String> {
    let mut rest = sequence(uid)? + 1;
    let mut version = [ALPHABET[0]; VERSION_LENGTH];
    for digit in version.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    if rest > 0 {
        return Err(Error::invalid_input("this family can't have more versions").with("uid", uid));
    }
    Ok(stem(uid).chars().chain(version.map(char::from)).collect())
}

fn split(uid: &str) -> (&str, &str) {
    uid.len()
        .checked_sub(VERSION_LENGTH)
        .and_then(|middle| uid.split_at_checked(middle))
        .unwrap_or((uid, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_in_base62() {
        for (uid, following) in [
            ("abc0000", "abc0001"),
            ("abc0009", "abc000A"),
            ("abc000Z", "abc000a"),
            ("abc000z", "abc0010"),
            ("abc0zzz", "abc1000"),
        ] {
            assert_eq!(next(uid).unwrap(), following);
        }
        assert!(next("abczzzz").is_err());
        assert!(next("000").is_err());
        assert!(next("ab-0000é").is_err());
        assert!(next("").is_err());
    }

    proptest! {
        #[test]
        fn a_family_shares_its_stem(length in 4usize..24, steps in 0usize..200) {
            let first = new_family(length);
            prop_assert_eq!(first.len(), length);
            prop_assert!(first.bytes().all(|byte| ALPHABET.contains(&byte)));
            let mut uid = first.clone();
            for step in 0..steps {
                prop_assert_eq!(sequence(&uid).unwrap() as usize, step);
                uid = next(&uid).unwrap();
            }
            prop_assert_eq!(stem(&uid), stem(&first));
            prop_assert_eq!(uid.len(), length);
        }

        #[test]
        fn any_string_is_handled(text in "\\PC*") {
            let _ = next(&text);
            prop_assert!(text.starts_with(stem(&text)));
        }
    }
}
