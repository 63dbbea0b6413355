//! From OpenDAL's errors to ours. Theirs print requests and answers, so nothing of them is handed on
//! but what kind of failure it was.

use std::error::Error as StdError;
use std::io;

use anndex_store::{Error, ErrorKind};
use opendal_core::{Error as Theirs, ErrorKind as TheirKind};

/// Whether the same request may succeed a moment later.
pub(crate) fn is_transient(error: &Theirs) -> bool {
    // OpenDAL takes a refusal for a lock of somebody else's.
    let is_refused = error.kind() == TheirKind::PermissionDenied;
    error.is_temporary() && !is_refused && !is_no_directory(error)
}

/// Whether a part of the path is a file, for which OpenDAL has no kind everywhere.
fn is_no_directory(error: &Theirs) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::NotADirectory) {
            return true;
        }
        source = error.source();
    }
    false
}

/// Ours for an error of a request.
pub(crate) fn request(error: &Theirs) -> Error {
    let (kind, message) = kind_and_message(error);
    Error::new(kind, message)
}

const MISSING: &str = "there is no such object; check the host and the key";

fn kind_and_message(error: &Theirs) -> (ErrorKind, &'static str) {
    match error.kind() {
        TheirKind::NotFound | TheirKind::IsADirectory | TheirKind::NotADirectory => {
            (ErrorKind::NotFound, MISSING)
        }
        TheirKind::PermissionDenied => (
            ErrorKind::PermissionDenied,
            "the storage refuses access; check the credentials and what they allow",
        ),
        TheirKind::ConditionNotMatch => (
            ErrorKind::Storage,
            "the object changed since it was looked at; try again when nobody writes it",
        ),
        _ if is_no_directory(error) => (ErrorKind::NotFound, MISSING),
        TheirKind::Unsupported => (ErrorKind::Unsupported, "the storage can't do this"),
        TheirKind::RateLimited => (
            ErrorKind::Storage,
            "the storage refuses more requests for now; try again later",
        ),
        _ => other(&text(error)),
    }
}

/// What OpenDAL has no kind for.
fn other(text: &str) -> (ErrorKind, &'static str) {
    let denied = "the storage does not accept who you are; check the credentials";
    let known = [
        ("status: 401", ErrorKind::PermissionDenied, denied),
        ("Permission denied (", ErrorKind::PermissionDenied, denied),
        (
            "Host key verification failed",
            ErrorKind::PermissionDenied,
            "the key of the host is not known; connect to it by `ssh` once and compare the key",
        ),
        (
            "No such file or directory",
            ErrorKind::Storage,
            "the program `ssh` is not there; install OpenSSH",
        ),
        (
            "ssh error",
            ErrorKind::Storage,
            "the storage can't be reached by `ssh`; check the URL and the network",
        ),
        (
            "send http request",
            ErrorKind::Storage,
            "the storage can't be reached, or the connection breaks; check the URL and the network",
        ),
    ];
    let found = known.into_iter().find(|(theirs, ..)| text.contains(theirs));
    match found {
        Some((_, kind, message)) => (kind, message),
        None => (
            ErrorKind::Storage,
            "the storage fails, also when it is asked again; try again later",
        ),
    }
}

/// All that is said of an error and of what it came from.
fn text(error: &Theirs) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push('\n');
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Ours for a URL that no client can be made for.
pub(crate) fn configuration(_: &Theirs) -> Error {
    Error::invalid_input("the storage can't be opened: the host of the URL can't be used")
}
