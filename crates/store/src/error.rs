//! One error type for the whole system, because callers decide by *kind* (retry, ask, give up)
//! while people need the operation, the path and the next step.

use std::error::Error as StdError;
use std::fmt;

use crate::shown;

/// The result of every fallible anndex operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A record, file, array or key does not exist.
    NotFound,
    /// Something with this identity exists already.
    AlreadyExists,
    /// Another writer got there first; trying again can succeed.
    Conflict,
    /// An argument is wrong; the same call will fail again.
    InvalidInput,
    /// Valid, but nothing compiled in can do it.
    Unsupported,
    /// Stored bytes break their own format.
    Corrupt,
    /// The operating system or service refused access.
    PermissionDenied,
    /// Reading or writing bytes failed.
    Storage,
    /// The database failed.
    Backend,
    /// The caller stopped the operation.
    Cancelled,
}

impl ErrorKind {
    /// The kind in words, as it stands in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::PermissionDenied => "permission denied",
            Self::Storage => "storage",
            Self::Backend => "backend",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error with its kind, the operation that failed, context such as path, key, uid or column,
/// and the cause.
///
/// `Display` prints the message and the context on one line; the cause is reached through
/// [`std::error::Error::source`], or printed with the alternate form `{:#}`. Neither shows more of a
/// URL than its scheme, host and path, nor anything that a terminal would obey (see
/// [`shown`]); the cause by itself may.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Option<&'static str>,
    message: String,
    context: Vec<(&'static str, String)>,
    in_doubt: bool,
    is_unanswered: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says what is wrong and what to do next.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            operation: None,
            message: shown::sentence(&message).into_owned(),
            context: Vec::new(),
            in_doubt: false,
            is_unanswered: false,
            source: None,
        }))
    }

    /// Shorthand for [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Shorthand for [`ErrorKind::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// An I/O error on `path`, its kind chosen from the operating system's; an error of ours that was
    /// made one of I/O is what it was.
    pub fn io(path: impl fmt::Display, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        const PATH: (ErrorKind, &str) = (
            ErrorKind::InvalidInput,
            "the system takes no such path; check it",
        );
        if let Some(ours) = Self::inside(&source) {
            return ours.again().with("path", path);
        }
        let (kind, message) = match source.kind() {
            Io::NotFound => (ErrorKind::NotFound, "no such file or directory"),
            Io::PermissionDenied => (ErrorKind::PermissionDenied, "permission denied"),
            Io::AlreadyExists => (ErrorKind::AlreadyExists, "the file exists already"),
            Io::UnexpectedEof => (ErrorKind::Corrupt, "the file ends too early"),
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => (
                ErrorKind::Storage,
                "there is no room left to write this; free some space and try again",
            ),
            Io::ReadOnlyFilesystem => (
                ErrorKind::PermissionDenied,
                "the file system can only be read; choose a place that can be written",
            ),
            // Not only of files on servers: see `storage::LocalFile`.
            Io::StaleNetworkFileHandle => (
                ErrorKind::Storage,
                "the file changed, or was removed, since it was opened; open it again",
            ),
            Io::InvalidFilename => PATH,
            // A NUL character, which is noticed before the system is asked.
            Io::InvalidInput if source.raw_os_error().is_none() => PATH,
            _ => (ErrorKind::Storage, "input or output failed"),
        };
        Self::new(kind, message)
            .with("path", path)
            .source_error(source)
    }

    /// Names the operation that failed, such as `"open store"`. The innermost name stays.
    pub fn operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds context such as `("path", …)`. A key that is already there keeps its inner value. NUL
    /// characters, at which C programs would end the message, are written as `\0`.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        if self.0.context.iter().all(|(k, _)| *k != key) {
            let value = value.to_string().replace('\0', "\\0");
            self.0
                .context
                .push((key, shown::place(&value).into_owned()));
        }
        self
    }

    /// Adds to the message what more there is to know or to do.
    pub fn note(mut self, more: impl fmt::Display) -> Self {
        let message = format!("{}; {more}", self.0.message);
        self.0.message = shown::sentence(&message).into_owned();
        self
    }

    /// Says that nobody knows whether what failed was done all the same, as when the connection
    /// breaks while a database commits.
    pub fn in_doubt(mut self) -> Self {
        self.0.in_doubt = true;
        self
    }

    /// Whether it may have been done all the same.
    pub fn is_in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// Says that a server did not answer in time, so that asking it anything else is of no use now.
    pub fn unanswered(mut self) -> Self {
        self.0.is_unanswered = true;
        self
    }

    /// Whether a server did not answer in time.
    pub fn is_unanswered(&self) -> bool {
        self.0.is_unanswered
    }

    /// The error of ours that an error of I/O was made from, as a [`RemoteFile`] does.
    ///
    /// [`RemoteFile`]: crate::storage::RemoteFile
    pub fn inside(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The same error once more, for whoever else it concerns; the cause is among the context.
    pub fn again(&self) -> Self {
        let mut again = Self::new(self.kind(), self.message());
        again.0.operation = self.0.operation;
        again.0.in_doubt = self.0.in_doubt;
        again.0.is_unanswered = self.0.is_unanswered;
        for (key, value) in self.contexts() {
            again = again.with(key, value);
        }
        match self.source() {
            Some(cause) => again.with("because", cause),
            None => again,
        }
    }

    /// Sets the cause.
    pub fn source_error(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong, as far as a caller can act on it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without operation, context and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, if it was named.
    pub fn operation_name(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The value of a context key, such as `"path"`.
    pub fn context(&self, key: &str) -> Option<&str> {
        self.0
            .context
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, v)| v.as_str())
    }

    /// All context, in the order it was added.
    pub fn contexts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(k, v)| (*k, v.as_str()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            let open = if index == 0 { " (" } else { ", " };
            write!(f, "{open}{key}: {value}")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if f.alternate() {
            let mut cause = self
                .0
                .source
                .as_deref()
                .map(|e| e as &(dyn StdError + 'static));
            while let Some(error) = cause {
                write!(f, ": {}", shown::sentence(&error.to_string()))?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_operation_context_and_cause() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "gone");
        let error = Error::io("a.h5ad", io)
            .operation("open store")
            .with("path", "outer");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.context("path"), Some("a.h5ad"));
        assert_eq!(
            format!("{error:#}"),
            "open store: no such file or directory (path: a.h5ad): gone"
        );
    }
}
