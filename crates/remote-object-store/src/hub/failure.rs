//! Why a request to the Hub failed. Nothing of a request or an answer is in it but the status and
//! the Hub's code, since URLs may be signed and headers have the token.

use anndex_remote_requests::FailedRequest;
use anndex_store::{Error, ErrorKind};
use reqwest::StatusCode;

/// Why a request failed, and whether the same one may succeed a moment later.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_transient: bool,
}

/// The Hub's codes for what is not there, or not for everyone.
const CODES: [(&str, ErrorKind, &str); 3] = [
    (
        "RevisionNotFound",
        ErrorKind::NotFound,
        "the repository has no such revision; check what follows \"@\" in the URL",
    ),
    (
        "EntryNotFound",
        ErrorKind::NotFound,
        "there is no such file in the repository; check the path",
    ),
    (
        "GatedRepo",
        ErrorKind::PermissionDenied,
        "the repository is gated: ask for access on its page, and set HF_TOKEN to a token of who has it",
    ),
];

impl From<Failure> for FailedRequest {
    fn from(failure: Failure) -> Self {
        Self {
            error: failure.error,
            is_transient: failure.is_transient,
        }
    }
}

impl Failure {
    fn new(is_transient: bool, kind: ErrorKind, message: &str) -> Self {
        Self {
            error: Error::new(kind, message),
            is_transient,
        }
    }

    /// For a request without an answer.
    pub(super) fn of_request(error: &reqwest::Error) -> Self {
        let message = if error.is_connect() {
            "the storage can't be reached; check the URL and the network"
        } else if error.is_timeout() {
            "the storage does not answer in time; try again later"
        } else {
            return Self::broken_off();
        };
        let failure = Self::new(true, ErrorKind::Storage, message);
        Self {
            error: failure.error.unanswered(),
            ..failure
        }
    }

    pub(super) fn broken_off() -> Self {
        Self::new(
            true,
            ErrorKind::Storage,
            "the connection to the storage breaks, also when it is made again; try again later",
        )
    }

    /// For an answer that sends to a place where nothing can be asked.
    pub(super) fn astray() -> Self {
        Self::unlike_a_hub("it sends to a place that can't be asked")
    }

    /// For an answer that can't be the Hub's.
    pub(super) fn unlike_a_hub(what: &str) -> Self {
        let message = format!(
            "the answer can't be understood: {what}; check that HF_ENDPOINT is a Hugging Face Hub"
        );
        Self::new(false, ErrorKind::Storage, &message)
    }

    pub(super) fn without_ranges() -> Self {
        Self::new(
            false,
            ErrorKind::Unsupported,
            "the server gives whole files only, and not parts of them; download the file, and \
             register it from there",
        )
    }

    /// For an answer that is a refusal.
    pub(super) fn refused(status: StatusCode, code: Option<&str>, is_authorized: bool) -> Self {
        let known = CODES.into_iter().find(|(known, ..)| Some(*known) == code);
        let is_unknown_repository = code == Some("RepoNotFound");
        let (kind, message) = match (status.as_u16(), known) {
            (_, Some((_, kind, message))) => (kind, message),
            // The Hub does not tell strangers which private repositories there are.
            (401, _) | (403, _) if is_unknown_repository && !is_authorized => UNKNOWN,
            (401, _) if is_authorized => (
                ErrorKind::PermissionDenied,
                "the Hub does not accept the token; check HF_TOKEN and the file of the login",
            ),
            (401, _) => UNKNOWN,
            (403, _) => (
                ErrorKind::PermissionDenied,
                "the storage refuses access; check HF_TOKEN and what it allows",
            ),
            (404 | 410, _) if is_unknown_repository => (
                ErrorKind::NotFound,
                "there is no such repository, or it is private and not shown to this token; check \
                 the URL and HF_TOKEN",
            ),
            (404 | 410, _) => (
                ErrorKind::NotFound,
                "there is no such repository, revision or file; check the URL",
            ),
            (429, _) => (
                ErrorKind::Storage,
                "the storage refuses more requests for now; try again later",
            ),
            (500.., _) => (
                ErrorKind::Storage,
                "the storage fails, also when it is asked again; try again later",
            ),
            _ => (ErrorKind::Storage, "the storage refuses the request"),
        };
        let is_transient = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let mut failure = Self::new(is_transient, kind, message);
        failure.error = failure.error.with("status", status.as_u16());
        if let Some((code, ..)) = known {
            failure.error = failure.error.with("code", code);
        }
        failure
    }
}

const UNKNOWN: (ErrorKind, &str) = (
    ErrorKind::PermissionDenied,
    "there is no such repository, or it is private or gated; check the URL, or set HF_TOKEN to a \
     token that may read it",
);
