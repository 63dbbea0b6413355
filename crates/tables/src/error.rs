//! Errors of the libraries that read tables, as those of anndex.

use anndex_store::{Error, ErrorKind, Result, decoding as decoders};
use arrow_schema::ArrowError;
use parquet::errors::ParquetError;

/// An error of Arrow's, which is about the content unless it says otherwise.
pub(crate) fn arrow(error: ArrowError) -> Error {
    let kind = match &error {
        ArrowError::IoError(..) => ErrorKind::Storage,
        ArrowError::NotYetImplemented(_) => ErrorKind::Unsupported,
        ArrowError::MemoryError(_) => ErrorKind::InvalidInput,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, "the table can't be read").source_error(error)
}

/// An error of Parquet's.
pub(crate) fn parquet(error: ParquetError) -> Error {
    let kind = match &error {
        ParquetError::NYI(_) => ErrorKind::Unsupported,
        ParquetError::External(_) => ErrorKind::Storage,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, "the Parquet file can't be read").source_error(error)
}

/// Does work that damaged bytes may make panic, which is an error like any other then.
pub(crate) fn decoding<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    decoders::catch(work).unwrap_or_else(|| {
        Err(Error::corrupt(
            "the file is damaged in a way that its decoder does not expect",
        ))
    })
}
