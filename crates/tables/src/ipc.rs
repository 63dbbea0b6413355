//! Arrow's own files: Feather since version 2, and streams.

mod lengths;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use anndex_store::storage::LocalFile;
use anndex_store::{Error, Limits, Result};
use arrow_ipc::reader::{FileReader, StreamReader};

use self::lengths::Lengths;
use crate::Table;
use crate::error::arrow;

/// What a file in Arrow's file format begins with; anything else is a stream, or nothing of Arrow's.
const FILE: &[u8] = b"ARROW1";
/// What the first version of Feather begins with.
const FEATHER_1: &[u8] = b"FEA1";

pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Table> {
    // Refuses what is not a file.
    let bytes = LocalFile::open(path)?;
    let mut lengths = Lengths::new(&bytes, *limits);
    let at = |error| Error::io(path.display(), error);
    let mut file = File::open(path).map_err(at)?;
    let mut magic = Vec::new();
    (&mut file)
        .take(FILE.len() as u64)
        .read_to_end(&mut magic)
        .map_err(at)?;
    file.rewind().map_err(at)?;
    if magic.starts_with(FEATHER_1) {
        return Err(Error::unsupported(
            "this is version 1 of Feather; write it anew with pyarrow.feather",
        ));
    }
    if magic == FILE {
        lengths.check_file()?;
        let reader = FileReader::try_new(BufReader::new(file), None).map_err(arrow)?;
        let schema = reader.schema();
        let batches = reader
            .collect::<std::result::Result<_, _>>()
            .map_err(arrow)?;
        return Table::new(schema, batches);
    }
    lengths.check_stream()?;
    let reader = StreamReader::try_new_buffered(file, None).map_err(arrow)?;
    let schema = reader.schema();
    let batches = reader
        .collect::<std::result::Result<_, _>>()
        .map_err(arrow)?;
    Table::new(schema, batches)
}
