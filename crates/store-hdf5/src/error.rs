//! Sorts the reader's many errors into the kinds that callers act on.

use anndex_store::{Error, ErrorKind};
use hdf5_reader::error::Error as Hdf5Error;

/// The error of the crate `hdf5-reader` as ours; the caller adds path and node.
pub(crate) fn from_hdf5(error: Hdf5Error) -> Error {
    if let Some(ours) = io(&error).and_then(Error::inside) {
        return ours.again();
    }
    let kind = kind(&error);
    let message = match kind {
        _ if is_virtual(&error) => {
            "this is a virtual array, whose values are in other arrays, and \
                                    can't be read; copy the values into one array"
                .to_owned()
        }
        ErrorKind::Unsupported => format!("this part of the file can't be decoded: {error}"),
        ErrorKind::NotFound => format!("nothing is stored here: {error}"),
        ErrorKind::Corrupt => format!("the file is damaged or no HDF5: {error}"),
        _ => format!("reading failed: {error}"),
    };
    Error::new(kind, message).source_error(error)
}

/// Whether the error says that the layout of an array is a mapping to other arrays.
fn is_virtual(error: &Hdf5Error) -> bool {
    const VIRTUAL: u8 = 3;
    match error {
        Hdf5Error::Context { source, .. } => is_virtual(source),
        error => matches!(error, Hdf5Error::UnsupportedLayoutClass(VIRTUAL)),
    }
}

/// Whether the error says that there is nothing of that name and kind.
pub(crate) fn is_absent(error: &Hdf5Error) -> bool {
    kind(error) == ErrorKind::NotFound
}

/// The error of I/O that it comes from.
fn io(error: &Hdf5Error) -> Option<&std::io::Error> {
    match error {
        Hdf5Error::Context { source, .. } => io(source),
        Hdf5Error::Io(io) => Some(io),
        _ => None,
    }
}

fn kind(error: &Hdf5Error) -> ErrorKind {
    match error {
        Hdf5Error::Context { source, .. } => kind(source),
        Hdf5Error::Io(io) => match io.kind() {
            std::io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Storage,
        },
        Hdf5Error::GroupNotFound(_)
        | Hdf5Error::DatasetNotFound(_)
        | Hdf5Error::AttributeNotFound(_) => ErrorKind::NotFound,
        Hdf5Error::UnsupportedFilter(_)
        | Hdf5Error::UnsupportedEncoding(_)
        | Hdf5Error::UnsupportedDatatypeClass(_)
        | Hdf5Error::UnsupportedLayoutClass(_)
        | Hdf5Error::UnsupportedLinkType(_)
        | Hdf5Error::UnsupportedSuperblockVersion(_) => ErrorKind::Unsupported,
        // Versions that nothing ever wrote come from damage, not from a newer format.
        _ => ErrorKind::Corrupt,
    }
}
