//! Repositories of the Hugging Face Hub in URLs, as `huggingface_hub` spells them:
//! `hf://[datasets/|spaces/|models/]OWNER/NAME[@REVISION]/PATH`.
//!
//! What stands before the path is one storage, as a bucket is: a repository at a revision.

use super::percent_decoded;
use crate::error::{Error, Result};

/// The revision that is meant where none is named.
const USUAL_REVISION: &str = "main";

/// Splits a URL, without its scheme, into the repository and the path in it. Each repository and
/// revision is spelled in one way: without `models/` and without `@main`, and slashes in revisions
/// as `%2F`.
///
/// # Errors
/// `InvalidInput` if no repository is named, or a part of it has a character that none can have.
pub(super) fn split(place: &str) -> Result<(String, &str)> {
    let (kind, rest) = match place.split_once('/') {
        Some((kind @ ("datasets" | "spaces"), rest)) => (format!("{kind}/"), rest),
        Some(("models", rest)) => (String::new(), rest),
        Some(("buckets" | "kernels", _)) => {
            return Err(Error::invalid_input(
                "the Hub's buckets and kernels can't be read; name a repository of datasets, \
                 models or spaces",
            ));
        }
        _ => (String::new(), place),
    };
    let (owner, rest) = rest.split_once('/').ok_or_else(incomplete)?;
    let name_end = rest.find(['@', '/']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(name_end);
    if [owner, name].contains(&"") {
        return Err(incomplete());
    }
    if ![owner, name].into_iter().all(is_name) {
        return Err(Error::invalid_input(
            "the owner or name of the repository has a character that none can have; a revision \
             follows the name, as in hf://datasets/OWNER/NAME@REVISION/PATH",
        ));
    }
    let Some(rest) = rest.strip_prefix('@') else {
        let path = rest.strip_prefix('/').unwrap_or_default();
        return Ok((format!("{kind}{owner}/{name}"), path));
    };
    let (revision, path) = rest.split_at(revision_end(rest));
    let path = path.strip_prefix('/').unwrap_or_default();
    let revision = percent_decoded(revision)?;
    check_revision(&revision)?;
    let suffix = match revision.as_str() {
        USUAL_REVISION => String::new(),
        revision => format!("@{}", encoded(revision)),
    };
    Ok((format!("{kind}{owner}/{name}{suffix}"), path))
}

fn incomplete() -> Error {
    Error::invalid_input(
        "the URL names no repository with its owner; it is written like \
         hf://datasets/OWNER/NAME/PATH, or hf://OWNER/NAME/PATH for a model",
    )
}

fn is_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    name.chars().all(is_fit) && !name.chars().all(|c| c == '.')
}

/// Revisions have no slash, but for those that the Hub makes itself.
fn revision_end(rest: &str) -> usize {
    let slashes = match rest.starts_with("refs/convert/") || rest.starts_with("refs/pr/") {
        true => 2,
        false => 0,
    };
    let mut ends = rest.match_indices("/").map(|(end, _)| end);
    ends.nth(slashes).unwrap_or(rest.len())
}

/// As Git checks names, as far as it matters to a URL.
fn check_revision(revision: &str) -> Result<()> {
    let is_fit = |part: &str| !part.is_empty() && !part.starts_with('.');
    let is_whole = revision.split('/').all(is_fit) && !revision.contains("..");
    match is_whole && !revision.chars().any(|c| c.is_control() || c == '\\') {
        true => Ok(()),
        false => Err(Error::invalid_input(
            "what follows \"@\" in the URL is not a revision; name a branch, a tag or a commit",
        )),
    }
}

fn encoded(revision: &str) -> String {
    let mut encoded = String::new();
    for byte in revision.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => encoded.push(char::from(b)),
            b => encoded.push_str(&format!("%{b:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::storage::StorageUrl;

    #[test]
    fn each_repository_and_revision_is_spelled_in_one_way() {
        let convert = "hf://datasets/Lab/Cells@refs%2Fconvert%2Fparquet";
        for (text, root, key) in [
            ("hf://Lab/net.v1/a.h5ad", "hf://Lab/net.v1", "a.h5ad"),
            ("hf://models/Lab/net/a", "hf://Lab/net", "a"),
            ("hf://models/Lab/net@v1", "hf://Lab/net@v1", ""),
            ("HF://spaces/Lab/app@main/x/", "hf://spaces/Lab/app", "x"),
            (
                "hf://datasets/Lab/Cells/größe 1#2@x%2F.zarr",
                "hf://datasets/Lab/Cells",
                "größe 1#2@x%2F.zarr",
            ),
            (
                "hf://datasets/Lab/Cells@refs%2Fconvert%2Fparquet/a/b",
                convert,
                "a/b",
            ),
            (
                "hf://datasets/Lab/Cells@refs/convert/parquet/a/b",
                convert,
                "a/b",
            ),
            (
                "hf://datasets/Lab/Cells@refs/pr/10",
                "hf://datasets/Lab/Cells@refs%2Fpr%2F10",
                "",
            ),
            (
                "hf://datasets/Lab/Cells@new cells/a",
                "hf://datasets/Lab/Cells@new%20cells",
                "a",
            ),
        ] {
            let url = StorageUrl::parse(text).unwrap();
            assert_eq!(url.key(), key, "{text}");
            assert_eq!(url.root().to_string(), root, "{text}");
            let shown = url.to_string();
            assert_eq!(StorageUrl::parse(&shown).unwrap(), {
                let mut expected = url.root().join(key);
                expected.is_prefix = key.is_empty();
                expected
            });
        }
        let url = "hf://datasets/Lab/Cells@v1/a?endpoint_url=https://hub.example.org/";
        let url = StorageUrl::parse(url).unwrap();
        assert_eq!(url.endpoint(), Some("https://hub.example.org"));
        assert_eq!(url.host(), "datasets/Lab/Cells@v1");
    }

    #[test]
    fn what_names_no_repository_is_refused() {
        for text in [
            "hf://",
            "hf://datasets",
            "hf://datasets/",
            "hf://datasets/cells",
            "hf://datasets/cells@main/a",
            "hf://datasets/lab//a",
            "hf://datasets//cells/a",
            "hf://gpt2",
            "hf://buckets/lab/cells/a",
            "hf://lab/cells@/a",
            "hf://lab/cells@a..b/a",
            "hf://lab/cells@..%2Fother/a",
            "hf://lab/cells@refs/pr//a",
            "hf://lab/cells@%zz/a",
            "hf://lab/../a",
            "hf://../cells/a",
            "hf://lab/cells/../a",
            "hf://lab/cells/a//b",
            "hf://me:SECRET@lab/cells/a",
            "hf://lab/cells/a?token=SECRET",
            "hf://lab/cells/a?endpoint_url=https://me:SECRET@hub.example.org",
        ] {
            let error = StorageUrl::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
    }
}
