//! From `object_store`'s errors to ours. Theirs print whole requests and answers, so nothing of
//! them is handed on but the status, the code of the service, and what kind of failure it was.

use std::error::Error as StdError;

use anndex_store::{Error, ErrorKind};
use object_store::Error as Theirs;
use object_store::client::{HttpError, HttpErrorKind};

use crate::connector::{ASTRAY, WITHHELD};

/// Codes that services answer with, and what they mean for the user.
const CODES: [(&str, ErrorKind, &str); 9] = [
    (
        "NoSuchBucket",
        ErrorKind::NotFound,
        "there is no such bucket; check the URL",
    ),
    (
        "ContainerNotFound",
        ErrorKind::NotFound,
        "there is no such container; check the URL",
    ),
    (
        "ExpiredToken",
        ErrorKind::PermissionDenied,
        "the credentials have expired; get new ones",
    ),
    (
        "TokenRefreshRequired",
        ErrorKind::PermissionDenied,
        "the credentials have expired; get new ones",
    ),
    (
        "InvalidAccessKeyId",
        ErrorKind::PermissionDenied,
        "the storage does not know the access key; check the credentials",
    ),
    (
        "SignatureDoesNotMatch",
        ErrorKind::PermissionDenied,
        "the storage does not accept the secret key; check the credentials",
    ),
    (
        "RequestTimeTooSkewed",
        ErrorKind::PermissionDenied,
        "the clock of this machine is wrong; set it",
    ),
    (
        "PermanentRedirect",
        ErrorKind::InvalidInput,
        "the bucket is in another region; set AWS_REGION to it",
    ),
    (
        "AuthorizationHeaderMalformed",
        ErrorKind::InvalidInput,
        "the bucket is in another region; set AWS_REGION to it",
    ),
];

const WITHOUT_RANGES: &str = "the storage gives whole objects only, and not parts of them; download \
                              the object, and register it from there";

const DENIED: &str = "the storage refuses access; check the credentials and what they allow";

/// What an error is about, as far as it matters here.
struct Facts {
    text: String,
    http: Option<HttpErrorKind>,
}

impl Facts {
    fn of(error: &Theirs) -> Self {
        let mut text = error.to_string();
        let mut http = None;
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<HttpError>() {
                http = Some(error.kind());
            }
            text.push('\n');
            text.push_str(&error.to_string());
            source = error.source();
        }
        Self { text, http }
    }

    /// Whether the server sent to where the request can't go.
    fn is_redirected(&self) -> bool {
        [ASTRAY, WITHHELD]
            .iter()
            .any(|what| self.text.contains(what))
    }

    /// The status of the answer.
    fn status(&self) -> Option<u16> {
        let (_, rest) = self.text.split_once("status code: ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The service's code for what went wrong: one word.
    fn code(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once("<Code>")?;
        let (code, _) = rest.split_once("</Code>")?;
        let is_word = code.len() < 50 && code.bytes().all(|b| b.is_ascii_alphanumeric());
        is_word.then_some(code)
    }
}

/// Whether the same request may succeed a moment later.
pub(crate) fn is_transient(error: &Theirs) -> bool {
    let facts = Facts::of(error);
    matches!(error, Theirs::Generic { .. })
        && !facts.is_redirected()
        && (facts.http.is_some() || facts.status().is_some_and(|s| s >= 500 || s == 429))
}

/// Whether the server refused and did not say why.
pub(crate) fn is_unexplained(error: &Theirs) -> bool {
    let facts = Facts::of(error);
    matches!(facts.status(), Some(400 | 403)) && facts.code().is_none()
}

/// Ours for an error of a request.
pub(crate) fn request(error: &Theirs) -> Error {
    let facts = Facts::of(error);
    let (kind, message) = kind_and_message(error, &facts);
    let mut ours = Error::new(kind, message);
    let is_unanswered = matches!(
        facts.http,
        Some(HttpErrorKind::Connect | HttpErrorKind::Timeout)
    );
    if is_unanswered && facts.status().is_none() {
        ours = ours.unanswered();
    }
    if let Some(status) = facts.status() {
        ours = ours.with("status", status);
    }
    if let Some(code) = facts.code() {
        ours = ours.with("code", code);
    }
    ours
}

/// What is said of a web server, which has neither buckets nor credentials.
pub(crate) fn of_web_server(error: Error) -> Error {
    let message = match error.kind() {
        ErrorKind::NotFound => "there is no such file on the web server; check the URL",
        ErrorKind::PermissionDenied => {
            "the web server refuses access; files are read from it without a user, so this one must \
             be public"
        }
        ErrorKind::InvalidInput => {
            "the web server sends to where nothing can be read; check the URL"
        }
        ErrorKind::Unsupported if error.message() == WITHOUT_RANGES => {
            "the web server gives whole files only, and not parts of them; download the file, and \
             register it from there"
        }
        _ => return error,
    };
    in_other_words(&error, message)
}

/// The same kind of error, said otherwise.
fn in_other_words(error: &Error, message: &str) -> Error {
    let mut ours = Error::new(error.kind(), message);
    for key in ["status", "code"] {
        if let Some(value) = error.context(key) {
            ours = ours.with(key, value);
        }
    }
    ours
}

/// What a server says that was asked without credentials because only a URL names it.
pub(crate) fn of_nobody(error: Error) -> Error {
    if error.kind() != ErrorKind::PermissionDenied {
        return error;
    }
    in_other_words(
        &error,
        "the storage needs credentials, and anndex sends none to a server that only a URL names; \
         if the server is yours, name it in AWS_ENDPOINT_URL, or as the endpoint_url of \
         the AWS profile that they are in",
    )
}

fn kind_and_message(error: &Theirs, facts: &Facts) -> (ErrorKind, &'static str) {
    let code = facts.code();
    if let Some((_, kind, message)) = CODES.iter().find(|(known, ..)| Some(*known) == code) {
        return (*kind, message);
    }
    match error {
        Theirs::NotFound { .. } => (
            ErrorKind::NotFound,
            "there is no such object; check the bucket and the key",
        ),
        Theirs::InvalidPath { .. } => (
            ErrorKind::InvalidInput,
            "the key is not fit for object storage; rename it",
        ),
        Theirs::PermissionDenied { .. } | Theirs::Unauthenticated { .. } => {
            (ErrorKind::PermissionDenied, DENIED)
        }
        Theirs::Precondition { .. } | Theirs::NotModified { .. } => (
            ErrorKind::Storage,
            "the object changed since it was looked at; try again when nobody writes it",
        ),
        Theirs::AlreadyExists { .. } => {
            (ErrorKind::AlreadyExists, "there is such an object already")
        }
        Theirs::NotSupported { .. } if facts.text.contains("Range request not supported") => {
            (ErrorKind::Unsupported, WITHOUT_RANGES)
        }
        Theirs::NotSupported { .. } | Theirs::NotImplemented { .. } => {
            (ErrorKind::Unsupported, "the storage can't do this")
        }
        _ => other(facts),
    }
}

fn other(facts: &Facts) -> (ErrorKind, &'static str) {
    if facts.text.contains("non-partial response") {
        return (ErrorKind::Unsupported, WITHOUT_RANGES);
    }
    if facts.text.contains(ASTRAY) {
        return (
            ErrorKind::InvalidInput,
            "the server sends to where nothing can be asked; check the URL",
        );
    }
    let is_sent_on = matches!(facts.status(), Some(300..=399));
    if facts.text.contains(WITHHELD) || is_sent_on {
        return (
            ErrorKind::InvalidInput,
            "the storage sends to another server, which gets no credentials; set the region \
             (AWS_REGION) and the server (AWS_ENDPOINT_URL) to where the bucket is",
        );
    }
    if facts.text.contains("redirect without LOCATION") {
        return (
            ErrorKind::InvalidInput,
            "the bucket is in another region; set AWS_REGION to it",
        );
    }
    if facts.text.contains("169.254.") || facts.text.contains("metadata.google.internal") {
        return (
            ErrorKind::PermissionDenied,
            "there are no credentials; set them in the environment, or AWS_SKIP_SIGNATURE=true \
             for a public bucket",
        );
    }
    match (facts.status(), facts.http) {
        (Some(401 | 403), _) => (ErrorKind::PermissionDenied, DENIED),
        (Some(429), _) => (
            ErrorKind::Storage,
            "the storage refuses more requests for now; try again later",
        ),
        (Some(500..), _) => (
            ErrorKind::Storage,
            "the storage fails, also when it is asked again; try again later",
        ),
        (Some(_), _) => (ErrorKind::Storage, "the storage refuses the request"),
        (None, Some(HttpErrorKind::Connect)) => (
            ErrorKind::Storage,
            "the storage can't be reached; check the URL and the network",
        ),
        (None, Some(HttpErrorKind::Timeout)) => (
            ErrorKind::Storage,
            "the storage does not answer in time; try again later",
        ),
        (None, Some(_)) => (
            ErrorKind::Storage,
            "the connection to the storage breaks, also when it is made again; try again later",
        ),
        (None, None) => (
            ErrorKind::Storage,
            "the answer of the storage can't be understood",
        ),
    }
}

/// Ours for an environment that no client can be made from.
pub(crate) fn configuration(error: &Theirs) -> Error {
    // Of theirs only what names no value is handed on.
    let text = Facts::of(error).text;
    let known = [
        (
            "SecretAccessKey",
            "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY",
        ),
        (
            "AccessKeyId",
            "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID",
        ),
        (
            "Account must be specified",
            "AZURE_STORAGE_ACCOUNT_NAME is not set",
        ),
    ];
    let what = known.iter().find(|(theirs, _)| text.contains(theirs));
    let what = what.map_or(
        "an environment variable or file with credentials is wrong",
        |w| w.1,
    );
    Error::invalid_input(format!("the storage can't be opened: {what}"))
}
