//! What may be shown of text that came from elsewhere: nothing of a URL but its scheme, host and
//! path, since the rest may be a password or a signature, and no character that a terminal obeys.
//!
//! Errors do this themselves (see [`Error`](crate::Error)), so that it holds in all languages and
//! also for a URL that was taken for a path.

use std::borrow::Cow;

/// Schemes in whose URLs keys stand as they are, so that `#` and `@` are letters like others.
const WITH_KEYS: [&str; 5] = ["s3", "gs", "az", "sftp", "hf"];

/// The one parameter that is shown, for it is a server's URL and is looked at like one.
const ENDPOINT: &str = "?endpoint_url=";

/// A sentence as it may be shown. A URL in it ends at white space, or at its closing quote.
///
/// ```
/// use anndex_store::shown::sentence;
///
/// let text = "no such file: \"https://me:password@host/a?signature=secret\", and no other";
/// assert_eq!(sentence(text), "no such file: \"https://host/a\", and no other");
/// ```
pub fn sentence(text: &str) -> Cow<'_, str> {
    shown(text, false)
}

/// A path, a name or a URL as it may be shown. A URL in it ends where the text ends.
///
/// ```
/// use anndex_store::shown::place;
///
/// assert_eq!(place("https://me:password@host/a b?signature=secret"), "https://host/a b");
/// assert_eq!(place("/data/me/https:/me:password@host/a"), "/data/me/https:/host/a");
/// assert_eq!(place("https://me:pass/word@host"), "https://...");
/// ```
pub fn place(text: &str) -> Cow<'_, str> {
    shown(text, true)
}

/// Text in which everything is seen that a terminal would obey instead.
pub fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(is_obeyed) {
        true => Cow::Owned(text.replace(is_obeyed, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

/// Control characters, line breaks among them, those that turn the direction of writing around, and
/// those that no XML document may hold.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

fn shown(text: &str, is_place: bool) -> Cow<'_, str> {
    let text = plain(text);
    if !text.contains(":/") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(colon) = rest.find(":/") {
        let (before, after) = rest.split_at(colon);
        let scheme = scheme_at_end(before);
        out.push_str(before);
        let slashes = after.len() - after[1..].trim_start_matches('/').len();
        out.push_str(&after[..slashes]);
        rest = &after[slashes..];
        if scheme.len() < 2 {
            continue;
        }
        let quote = before[..before.len() - scheme.len()].chars().next_back();
        let end = match quote.filter(|quote| "\"'`".contains(*quote)) {
            Some(quote) => closing(rest, quote),
            None if is_place => rest.len(),
            None => end_of_word(rest),
        };
        out.push_str(&url(scheme, &rest[..end]));
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The scheme that a text ends in, or nothing. A drive such as `C:` has one letter only.
fn scheme_at_end(text: &str) -> &str {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let length = text.bytes().rev().take_while(|b| is_part(*b)).count();
    let word = &text[text.len() - length..];
    word.trim_start_matches(|c: char| !c.is_ascii_alphabetic())
}

/// Where a quotation ends; inside, a quote is written with a backslash before it.
fn closing(text: &str, quote: char) -> usize {
    let ends = text.match_indices(quote).map(|(position, _)| position);
    let mut ends = ends.filter(|end| !text[..*end].ends_with('\\'));
    ends.next().unwrap_or(text.len())
}

/// Where a URL in a sentence ends, without the marks of the sentence.
fn end_of_word(text: &str) -> usize {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text[..end]
        .trim_end_matches([')', ']', '>', ',', ';', ':', '.', '!', '\'', '"', '`'])
        .len()
}

/// What is shown of a URL, from what follows its scheme and slashes.
fn url(scheme: &str, rest: &str) -> String {
    const HIDDEN: &str = "...";
    let has_key = WITH_KEYS.contains(&scheme.to_ascii_lowercase().as_str());
    let (place, parameters) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (authority, path) = place.split_at(place.find(['/', '#']).unwrap_or(place.len()));
    let host = match authority.rsplit_once('@') {
        // A password may hold any character, so where it ends is not known then.
        Some(_) if format!("{path}{parameters}").contains('@') => return HIDDEN.to_owned(),
        Some((_, host)) => host,
        None => authority,
    };
    let port = match host
        .rsplit_once(']')
        .unwrap_or(("", host))
        .1
        .split_once(':')
    {
        Some((_, port)) if !port.bytes().all(|b| b.is_ascii_digit()) => return HIDDEN.to_owned(),
        port => port,
    };
    if port.is_some() && format!("{path}{parameters}").contains('@') {
        return HIDDEN.to_owned();
    }
    let path = match has_key {
        true => path,
        false => &path[..path.find('#').unwrap_or(path.len())],
    };
    let server = parameters.strip_prefix(ENDPOINT).filter(|_| has_key);
    let server = server.filter(|server| is_server(server));
    match server {
        Some(server) => format!("{host}{path}{ENDPOINT}{server}"),
        None => format!("{host}{path}"),
    }
}

/// Whether this is the URL of a server and nothing else.
fn is_server(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
        host.chars().all(is_fit) && url("http", host) == host
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_url_is_shown_that_may_be_secret() {
        for (given, shown) in [
            ("https://host/a?X-Amz-Signature=SECRET", "https://host/a"),
            ("https://host/a#SECRET", "https://host/a"),
            ("https://me:SECRET@host:80/a", "https://host:80/a"),
            ("https://SECRET@host/a", "https://host/a"),
            ("https://me:SEC@RET@host/a", "https://host/a"),
            ("https://me:SEC/RET@host/a", "https://..."),
            ("https://me:1/SECRET@host/a", "https://..."),
            ("https://me:SEC?RET@host/a", "https://..."),
            ("https://me:S@EC/RET@host/a", "https://..."),
            ("https://me:SEC RET@host/a b", "https://host/a b"),
            ("https://host/a b?SECRET", "https://host/a b"),
            ("HTTPS://me:SECRET@host", "HTTPS://host"),
            ("s3://KEY:SECRET@bucket/a", "s3://bucket/a"),
            ("s3://bucket/a?token=SECRET", "s3://bucket/a"),
            ("s3://b/a?endpoint_url=http://me:SECRET@h", "s3://b/a"),
            ("s3://b/a?endpoint_url=http://me:SECRET", "s3://b/a"),
            ("s3://b/a?endpoint_url=http://h?SECRET", "s3://b/a"),
            ("s3://b/a?endpoint_url=http://h&k=SECRET", "s3://b/a"),
            (
                "postgres://me:SECRET@[::1]:5432/db",
                "postgres://[::1]:5432/db",
            ),
            (
                "/data/me/https:/me:SECRET@host/a?SECRET",
                "/data/me/https:/host/a",
            ),
            ("https:/host/a?SECRET", "https:/host/a"),
            ("webdav+https://me:SECRET@host/a", "webdav+https://host/a"),
            ("https://%zz?SECRET", "https://%zz"),
            ("https://?SECRET", "https://"),
            ("file:///a?SECRET", "file:///a"),
        ] {
            assert_eq!(place(given), shown, "{given}");
            if !given.contains(' ') {
                let text = format!("no such file: {given}, or {given:?} (path: {given}).");
                let expected = format!("no such file: {shown}, or {shown:?} (path: {shown}).");
                assert_eq!(sentence(&text), expected);
            }
        }
    }

    #[test]
    fn all_else_stays() {
        for text in [
            "s3://bucket/größe 1#2@3.h5ad",
            "s3://b/k?endpoint_url=http://127.0.0.1:9000",
            "s3://b/k?endpoint_url=https://h/minio",
            "hf://datasets/OWNER/NAME@REVISION/path",
            "http://host:8080/a%20b.h5ad",
            "/data/why?.h5ad",
            "C:/data/a?.h5ad",
            "there is no run; a:b",
            "s3:// can't be opened: this build reads local paths and gs://, hf://",
        ] {
            assert_eq!(sentence(text), text);
            if !text.contains("can't") {
                assert_eq!(place(text), text);
            }
        }
    }

    #[test]
    fn what_terminals_obey_is_seen() {
        assert_eq!(
            sentence("a\u{1b}[2J\nb\u{202e}"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}"
        );
    }
}
