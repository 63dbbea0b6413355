//! URLs of objects: which storage they are in, and which key they have there.
//!
//! They are taken apart here and not by a general parser, because keys stand in them as they are
//! (`s3://bucket/größe 1#2.h5ad`), and because a general parser would resolve `..` before anybody
//! could refuse it.

mod repository;

use std::fmt;

use crate::error::{Error, Result};
use crate::key;

/// Schemes that can be opened, with the facade's feature that does it.
const SCHEMES: [(&str, &str); 9] = [
    ("s3", "s3"),
    ("gs", "gcs"),
    ("az", "azure"),
    ("http", "http"),
    ("https", "http"),
    ("sftp", "opendal"),
    ("webdav+http", "opendal"),
    ("webdav+https", "opendal"),
    ("hf", "huggingface"),
];

/// Whether keys are percent-encoded in URLs of this scheme.
fn is_encoded(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "webdav+http" | "webdav+https")
}

/// The parameter of an `s3` or `hf` URL that names the server.
const ENDPOINT: &str = "endpoint_url";

/// The place of an object, of a prefix of many, or of a whole storage (if the key is empty), such
/// as `s3://bucket/donors/a.h5ad`, or for a server of one's own
/// `s3://bucket/donors/a.h5ad?endpoint_url=https://minio.example.org`.
///
/// It holds no secret: URLs with a user, a password or a signature are refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StorageUrl {
    scheme: String,
    host: String,
    key: String,
    endpoint: Option<String>,
    is_prefix: bool,
}

impl StorageUrl {
    /// Whether this is a URL and no local path.
    pub fn is_one(text: &str) -> bool {
        scheme_of(text).is_some()
    }

    /// Takes a URL apart. No error repeats more of it than may be shown (see
    /// [`shown`](crate::shown)).
    ///
    /// # Errors
    /// `InvalidInput` if it is no URL, has no bucket or host, has a user, password or parameters
    /// that are not known, or if its key is not fit for one (see [`key::check`]).
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = scheme_of(text) else {
            return Err(Error::invalid_input("this is not a URL"));
        };
        let scheme = scheme.to_ascii_lowercase();
        let at = |error: Error| error.with("url", text);
        let (place, parameters) = match rest.split_once('?') {
            Some((place, parameters)) => (place, Some(parameters)),
            None => (rest, None),
        };
        let endpoint = match parameters {
            None => None,
            Some(parameters) if matches!(&*scheme, "s3" | "hf") => {
                Some(endpoint(parameters).map_err(at)?)
            }
            Some(_) => {
                return Err(at(Error::invalid_input(
                    "a URL with parameters can't be used: they often hold a secret, which would \
                     end up in the database; leave out the part from \"?\" on",
                )));
            }
        };
        let (host, path) = match scheme.as_str() {
            "hf" => repository::split(place).map_err(at)?,
            _ => split(place).map_err(at)?,
        };
        let path = match is_encoded(&scheme) {
            true if path.contains('#') => {
                return Err(at(Error::invalid_input(
                    "leave out the part of the URL from \"#\" on, or write it as %23",
                )));
            }
            true => percent_decoded(path).map_err(at)?,
            false => path.to_owned(),
        };
        let (key, is_prefix) = match path.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (path.as_str(), path.is_empty()),
        };
        if !key.is_empty() {
            key::check(key).map_err(at)?;
        }
        Ok(Self {
            host,
            key: key.to_owned(),
            is_prefix,
            endpoint,
            scheme,
        })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The bucket, the container, or the host with its port; for `hf`, the repository with what it
    /// is of and its revision, unless that is `main`: `datasets/OWNER/NAME@REVISION`, percent-encoded.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The key, without slashes at its ends; empty for the whole storage.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The URL of the server, if it is not the usual one of the scheme.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Whether it ends in a slash, and so can't be that of an object.
    pub fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// The URL of the whole bucket, container or host.
    #[must_use]
    pub fn root(&self) -> Self {
        Self {
            key: String::new(),
            is_prefix: true,
            ..self.clone()
        }
    }

    /// The key below this URL of something that is in it; `None` if it is not.
    pub fn relative<'a>(&self, inner: &'a Self) -> Option<&'a str> {
        let same = self.scheme == inner.scheme
            && self.host == inner.host
            && self.endpoint == inner.endpoint;
        if !same || self.key.is_empty() {
            return same.then_some(&inner.key);
        }
        match inner.key.strip_prefix(&self.key)? {
            "" => Some(""),
            below => below.strip_prefix('/'),
        }
    }

    /// The URL of something below this one.
    #[must_use]
    pub fn join(&self, key: &str) -> Self {
        let key = match (self.key.as_str(), key) {
            (own, "") => own.to_owned(),
            ("", key) => key.to_owned(),
            (own, key) => format!("{own}/{key}"),
        };
        Self {
            is_prefix: key.is_empty(),
            key,
            ..self.clone()
        }
    }

    /// The facade's feature that opens a scheme, if one does.
    pub(super) fn feature(scheme: &str) -> Option<&'static str> {
        let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
        known.map(|(_, feature)| *feature)
    }
}

/// As it can be parsed again, without a slash at its end.
impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if !self.key.is_empty() {
            f.write_str("/")?;
        }
        match is_encoded(&self.scheme) {
            true => write_encoded(f, &self.key)?,
            false => f.write_str(&self.key)?,
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, "?{ENDPOINT}={endpoint}"),
            None => Ok(()),
        }
    }
}

/// The scheme and what follows `://`. A drive such as `C:` is not a scheme.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then_some((scheme, rest))
}

/// The bucket, container or host, and what follows it.
fn split(place: &str) -> Result<(String, &str)> {
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    if host.is_empty() {
        return Err(Error::invalid_input(
            "the URL names no bucket or host; it is written like s3://bucket/key",
        ));
    }
    if host.contains('@') {
        return Err(Error::invalid_input(
            "a URL with a user or password can't be used; give credentials by the environment",
        ));
    }
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    match host.chars().all(is_fit) {
        true => Ok((host.to_ascii_lowercase(), path)),
        false => Err(Error::invalid_input(
            "the bucket or host of the URL has a character that none can have",
        )),
    }
}

fn endpoint(parameters: &str) -> Result<String> {
    let given = parameters
        .strip_prefix(ENDPOINT)
        .and_then(|rest| rest.strip_prefix('='));
    let Some(endpoint) = given.map(|endpoint| endpoint.trim_end_matches('/')) else {
        return Err(Error::invalid_input(format!(
            "the URL has parameters other than {ENDPOINT}; leave them out"
        )));
    };
    let host = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['@', '?', '#', '&']) => {
            Ok(endpoint.to_owned())
        }
        _ => Err(Error::invalid_input(format!(
            "{ENDPOINT} must be the http:// or https:// URL of a server, without a user and \
             without parameters"
        ))),
    }
}

fn percent_decoded(path: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |index: usize| char::from(*after.get(index)?).to_digit(16);
        let value = digit(0)
            .zip(digit(1))
            .and_then(|(a, b)| u8::try_from(16 * a + b).ok());
        let Some(value) = value else {
            return Err(Error::invalid_input(
                "a % in the URL is not followed by two digits",
            ));
        };
        bytes.push(value);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid_input("the path of the URL is not UTF-8"))
}

fn write_encoded(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    for byte in key.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&b) => {
                write!(f, "{}", char::from(b))?;
            }
            b => write!(f, "%{b:02X}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        for (text, host, key, shown) in [
            (
                "s3://bucket/a/b.h5ad",
                "bucket",
                "a/b.h5ad",
                "s3://bucket/a/b.h5ad",
            ),
            ("S3://bucket", "bucket", "", "s3://bucket"),
            (
                "gs://b/größe 1#2.zarr/",
                "b",
                "größe 1#2.zarr",
                "gs://b/größe 1#2.zarr",
            ),
            ("az://c/100%", "c", "100%", "az://c/100%"),
            (
                "http://h:8080/a%20b.h5ad",
                "h:8080",
                "a b.h5ad",
                "http://h:8080/a%20b.h5ad",
            ),
            (
                "webdav+https://h/a%20b.h5ad",
                "h",
                "a b.h5ad",
                "webdav+https://h/a%20b.h5ad",
            ),
            ("sftp://h:2222/a b", "h:2222", "a b", "sftp://h:2222/a b"),
            (
                "s3://b/k?endpoint_url=http://127.0.0.1:9000/",
                "b",
                "k",
                "s3://b/k?endpoint_url=http://127.0.0.1:9000",
            ),
        ] {
            let url = StorageUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.key()), (host, key), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(StorageUrl::parse(shown).unwrap().to_string(), shown);
        }
        assert!(StorageUrl::parse("s3://b/x/").unwrap().is_prefix());
        assert!(!StorageUrl::parse("s3://b/x").unwrap().is_prefix());
    }

    #[test]
    fn what_leaves_the_storage_or_holds_a_secret_is_refused() {
        for text in [
            "s3://bucket/../other/a",
            "s3://bucket/a/..",
            "s3://bucket//a",
            "http://host/a/%2e%2e/b",
            "http://host/a?X-Amz-Signature=SECRET",
            "https://me:SECRET@host/a",
            "s3://KEY:SECRET@bucket/a",
            "s3://bucket/a?endpoint_url=http://me:SECRET@host",
            "s3://bucket/a?token=SECRET",
            "s3:///a",
            "http://host/%zz",
            "http://host/%ff",
        ] {
            let error = StorageUrl::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
    }

    #[test]
    fn paths_are_no_urls() {
        for text in [
            "a.h5ad", "/a/b", "C:\\a", "C://a", "./s3:/a", "://a", "a b://c",
        ] {
            assert!(!StorageUrl::is_one(text), "{text}");
        }
    }

    #[test]
    fn keys_are_relative_to_the_storage_that_has_them() {
        let url = |text| StorageUrl::parse(text).unwrap();
        let inner = url("s3://b/x/y.h5ad");
        assert_eq!(url("s3://b").relative(&inner), Some("x/y.h5ad"));
        assert_eq!(url("s3://b/x").relative(&inner), Some("y.h5ad"));
        assert_eq!(url("s3://b/x/y.h5ad").relative(&inner), Some(""));
        assert_eq!(url("s3://b/xx").relative(&inner), None);
        assert_eq!(url("s3://b/x/y").relative(&inner), None);
        assert_eq!(url("gs://b").relative(&inner), None);
        assert_eq!(url("s3://b/x").join("y.h5ad"), inner);
        assert_eq!(url("s3://b").join(""), url("s3://b/"));
    }
}
