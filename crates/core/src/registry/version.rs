//! The rules for the versions of a family.

use crate::error::{Error, ErrorKind, Result};

/// The versions that making a new version of a family gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextVersion {
    /// The version of the new record.
    pub version: String,
    /// The version that the newest record so far gets, if it had none.
    pub newest: Option<String>,
}

/// The version of a record that continues a family.
///
/// `versions` are those of the family, the newest last. A newest record without a version becomes
/// `"1"`. `given` is what the caller asks for; without it the version is the newest one, which
/// must be an integer, plus 1.
///
/// # Errors
/// `AlreadyExists` if the family has the version; `InvalidInput` if none is given and the newest is
/// not an integer.
pub fn next(versions: &[Option<String>], given: Option<&str>) -> Result<NextVersion> {
    let newest = versions.last().and_then(Option::as_deref);
    let first = newest.is_none().then(|| "1".to_owned());
    if let Some(first) = &first {
        check_free(versions, first)?;
    }
    let newest = newest.unwrap_or("1");
    let version = match given {
        Some(version) => version.to_owned(),
        None => following(newest).ok_or_else(|| {
            Error::invalid_input(format!(
                "the newest version is {newest:?}, which is not an integer; give the new version"
            ))
        })?,
    };
    if first.as_deref() == Some(version.as_str()) {
        return Err(taken(&version));
    }
    check_free(versions, &version)?;
    Ok(NextVersion {
        version,
        newest: first,
    })
}

/// Checks that a family does not have a version yet.
///
/// # Errors
/// `AlreadyExists`, naming the version.
pub fn check_free(versions: &[Option<String>], version: &str) -> Result<()> {
    match versions.iter().any(|v| v.as_deref() == Some(version)) {
        true => Err(taken(version)),
        false => Ok(()),
    }
}

fn taken(version: &str) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("the family has version {version:?} already; give another one"),
    )
    .with("version", version)
}

fn following(version: &str) -> Option<String> {
    let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| version.parse::<u64>().ok())??;
    Some(number.checked_add(1)?.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn family(versions: &[&str]) -> Vec<Option<String>> {
        versions
            .iter()
            .map(|v| (!v.is_empty()).then(|| (*v).to_owned()))
            .collect()
    }

    #[test]
    fn unversioned_becomes_1_and_2() {
        let next = next(&family(&[""]), None).unwrap();
        assert_eq!(
            (next.version.as_str(), next.newest.as_deref()),
            ("2", Some("1"))
        );
    }

    #[test]
    fn the_newest_integer_counts_on() {
        assert_eq!(next(&family(&["1", "9"]), None).unwrap().version, "10");
        assert_eq!(next(&family(&["0.1", "3"]), None).unwrap().version, "4");
        assert_eq!(
            next(&family(&["1"]), Some("1.0.0-rc1")).unwrap().newest,
            None
        );
    }

    #[test]
    fn other_versions_ask_for_an_explicit_one() {
        for version in ["0.1", "v2", "-1", "+1", " 1", "18446744073709551615", "٣"] {
            let error = next(&family(&["1", version]), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains(&format!("{version:?}")), "{error}");
        }
    }

    #[test]
    fn a_version_is_used_once() {
        for (versions, given) in [
            (family(&["1", "2"]), Some("1")),
            (family(&["4", "3"]), None),
            (family(&[""]), Some("1")),
            (family(&["1", ""]), Some("7")),
        ] {
            let error = next(&versions, given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            assert!(error.message().contains('"'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn counting_on_never_repeats(steps in 1usize..50) {
            let mut versions = vec![None];
            for _ in 0..steps {
                let next = next(&versions, None).unwrap();
                if let Some(newest) = next.newest {
                    *versions.last_mut().unwrap() = Some(newest);
                }
                versions.push(Some(next.version));
            }
            let expected: Vec<_> = (1..=steps + 1).map(|n| Some(n.to_string())).collect();
            prop_assert_eq!(versions, expected);
        }
    }
}
