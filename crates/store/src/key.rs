//! Keys: the path-like names of artifacts, which never lead out of a storage.

use std::path::{Component, Path};

use crate::error::{Error, Result};

/// Checks that a key names a place below the root of a storage: components joined by `/`, none of
/// them empty, `.` or `..`, and no backslash, control or NUL character.
///
/// # Errors
/// `InvalidInput`, saying what is wrong with the key.
pub fn check(key: &str) -> Result<()> {
    let problem = if key.is_empty() {
        "is empty"
    } else if key.starts_with('/') {
        "is absolute; it must be relative to the root of the storage"
    } else if key.contains('\\') {
        "has a backslash; join its parts by /"
    } else if key.chars().any(char::is_control) {
        "has a control character"
    } else if key.split('/').any(|part| part == "..") {
        "has \"..\" in it and would leave the storage"
    } else if key.split('/').any(|part| part.is_empty() || part == ".") {
        "has an empty part or \".\" in it"
    } else if Path::new(key)
        .components()
        .any(|c| matches!(c, Component::Prefix(_)))
    {
        "names a drive; it must be relative to the root of the storage"
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("the key {problem}")).with("key", key.escape_debug()))
}

/// The suffix of a file name with its dot, as the reference counts it: `".h5ad"`, `".zarr.zip"`,
/// `".csv.gz"`; empty if there is none.
pub fn suffix(file_name: &str) -> &str {
    let from_dot = |text: &str| text.rfind('.').filter(|&dot| dot > 0);
    let Some(last) = from_dot(file_name) else {
        return "";
    };
    let suffix = &file_name[last..];
    if !COMPRESSIONS.contains(&suffix.to_lowercase().as_str()) {
        return suffix;
    }
    match from_dot(&file_name[..last]) {
        // "counts.2024.gz": a number is not a suffix of a format.
        Some(dot) if !file_name[dot + 1..last].bytes().all(|b| b.is_ascii_digit()) => {
            &file_name[dot..]
        }
        _ => suffix,
    }
}

const COMPRESSIONS: [&str; 6] = [".gz", ".zip", ".bz2", ".xz", ".zst", ".lz4"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_storage() {
        for key in [
            "a.h5ad",
            "a/b/c.zarr",
            "größe 1.h5ad",
            "a..b",
            "...",
            ".hidden",
        ] {
            assert!(check(key).is_ok(), "{key}");
        }
        for key in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "a//b",
            "a/",
            ".",
            "a/./b",
            "a\0b",
            "a\\..\\b",
            "C:\\a",
            "a\nb",
        ] {
            assert!(check(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn suffixes() {
        for (name, expected) in [
            ("a.h5ad", ".h5ad"),
            ("a.b.h5ad", ".h5ad"),
            ("a.zarr.zip", ".zarr.zip"),
            ("a.csv.gz", ".csv.gz"),
            ("a.gz", ".gz"),
            ("a.2024.gz", ".gz"),
            ("a", ""),
            (".bashrc", ""),
            ("", ""),
        ] {
            assert_eq!(suffix(name), expected, "{name}");
        }
    }
}
