//! Entity tags, which tell contents of an object apart.

/// A tag without its quotes, which some servers leave out in lists.
pub fn unquoted(etag: String) -> String {
    let inner = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(etag.clone(), str::to_owned)
}
