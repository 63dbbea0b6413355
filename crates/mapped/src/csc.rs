//! Matrices that are compressed by columns, converted to rows once and kept in the user's cache.
//!
//! Reading a row of such a matrix would touch all of it, so there is no way around a conversion.
//! It runs in bounded memory: one pass counts the values of each row, then one pass per band of
//! rows that fits the budget collects them.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use md5::{Digest, Md5};

use anndex_anndata::{SparseFormat, SparseMatrix};
use anndex_store::error::{Error, Result};
use anndex_store::storage::cache_directory::{self, user_cache};
use anndex_store::{Array, DataType, NumericArray, RawArray, Span};

/// Memory for the values of one band of rows.
const BAND_BYTES: u64 = 256 << 20;
/// Values that are read at once.
const BLOCK_VALUES: u64 = 1 << 20;
/// Part of the cache key, to be raised when the files' layout changes.
const LAYOUT_VERSION: u32 = 1;

/// The same matrix compressed by rows, from the cache or converted into it now; in the latter
/// case with a sentence for the user.
pub(super) fn by_rows(
    csc: &SparseMatrix,
    location: &str,
    cache_dir: Option<&Path>,
) -> Result<(SparseMatrix, Option<String>)> {
    let cache = match cache_dir {
        Some(directory) => directory.to_owned(),
        None => user_cache()?,
    };
    let target = cache.join("csr").join(cache_key(csc, Path::new(location))?);
    if target.is_dir() {
        return Ok((open(csc, &target)?, None));
    }
    tracing::warn!(
        path = location,
        node = csc.path(),
        "converting a csc_matrix to rows"
    );
    convert(csc, &target)?;
    let notice = format!(
        "{location}: `{}` is compressed by columns; it was converted to rows once, into {}",
        csc.path(),
        target.display()
    );
    Ok((open(csc, &target)?, Some(notice)))
}

/// Names the conversion by where the matrix is, its shape and when its files were changed.
fn cache_key(csc: &SparseMatrix, location: &Path) -> Result<String> {
    let absolute = fs::canonicalize(location).unwrap_or_else(|_| location.to_owned());
    let mut hash = Md5::new();
    hash.update(format!(
        "{LAYOUT_VERSION}\0{}\0{}\0{}x{}x{}\0{}\0",
        absolute.display(),
        csc.path(),
        csc.n_rows(),
        csc.n_columns(),
        csc.n_stored(),
        csc.data().info().data_type
    ));
    let mut stamps = Vec::new();
    let inside = if absolute.is_dir() {
        absolute.join(csc.path())
    } else {
        absolute
    };
    collect_stamps(&inside, &mut stamps).map_err(|e| Error::io(inside.display(), e))?;
    stamps.sort();
    stamps.iter().for_each(|stamp| hash.update(stamp));
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Size and time of change of a file, or of all files in a directory.
fn collect_stamps(path: &Path, stamps: &mut Vec<String>) -> std::io::Result<()> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // A store that is not a file (in memory) is named by its location alone.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            collect_stamps(&entry?.path(), stamps)?;
        }
        return Ok(());
    }
    let changed = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    stamps.push(format!(
        "{}\0{}\0{}\0",
        path.display(),
        metadata.len(),
        changed.as_nanos()
    ));
    Ok(())
}

fn open(csc: &SparseMatrix, directory: &Path) -> Result<SparseMatrix> {
    let array = |name: &str, data_type: &DataType, len: u64| -> Result<Arc<dyn Array>> {
        Ok(Arc::new(RawArray::open(
            &directory.join(name),
            data_type.clone(),
            len,
        )?))
    };
    let parts = [
        array("data", &csc.data().info().data_type, csc.n_stored())?,
        array("indices", &DataType::UInt32, csc.n_stored())?,
        array("indptr", &DataType::UInt64, csc.n_rows().saturating_add(1))?,
    ];
    SparseMatrix::new(
        csc.path(),
        SparseFormat::Csr,
        [csc.n_rows(), csc.n_columns()],
        parts,
    )
}

/// Writes the three arrays under a temporary name and moves them to `target` at once. A second
/// process that does the same finds the first one's result and drops its own.
fn convert(csc: &SparseMatrix, target: &Path) -> Result<()> {
    let parent = target.parent().unwrap_or(target);
    let io = |error| Error::io(target.display(), error).operation("convert csc_matrix");
    cache_directory::create(parent).map_err(|e| e.operation("convert csc_matrix"))?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(format!(
        ".{name}.{}.{:08x}",
        std::process::id(),
        rand::random::<u32>()
    ));
    fs::create_dir(&temporary).map_err(io)?;
    let written = write_rows(csc, &temporary);
    let moved = written.and_then(|()| match fs::rename(&temporary, target) {
        Ok(()) => Ok(()),
        Err(_) if target.is_dir() => fs::remove_dir_all(&temporary).map_err(io),
        Err(error) => Err(io(error)),
    });
    if moved.is_err() {
        // The error that led here matters more than one of cleaning up.
        let _ = fs::remove_dir_all(&temporary);
    }
    moved
}

fn write_rows(csc: &SparseMatrix, directory: &Path) -> Result<()> {
    let columns = csc.read_indptr()?;
    let n_rows = usize::try_from(csc.n_rows())
        .map_err(|_| Error::unsupported("more rows than memory can count"))?;
    if u32::try_from(csc.n_columns()).is_err() {
        return Err(Error::unsupported("more than 2^32 - 1 columns"));
    }
    let mut indptr = vec![0u64; n_rows + 1];
    for_blocks(csc, &columns, |_, _, rows| {
        rows.iter().for_each(|&row| indptr[row as usize + 1] += 1);
        Ok(())
    })?;
    for row in 0..n_rows {
        indptr[row + 1] += indptr[row];
    }
    let mut data = Output::create(&directory.join("data"))?;
    let mut indices = Output::create(&directory.join("indices"))?;
    let size = csc.data().info().data_type.fixed_size()?;
    let mut start = 0;
    while start < n_rows {
        let limit = indptr[start] + (BAND_BYTES / (size as u64 + 4)).max(1);
        let end = indptr.partition_point(|&position| position <= limit) - 1;
        // A row that alone exceeds the budget is a band of its own.
        let end = end.clamp(start + 1, n_rows);
        let (values, columns) = collect_band(csc, &columns, &indptr, start..end, size)?;
        data.write(&values)?;
        indices.write(bytemuck::cast_slice(&columns))?;
        start = end;
    }
    data.finish()?;
    indices.finish()?;
    let mut output = Output::create(&directory.join("indptr"))?;
    output.write(bytemuck::cast_slice(&indptr))?;
    output.finish()
}

/// The values and columns of a band of rows, row by row.
fn collect_band(
    csc: &SparseMatrix,
    columns: &[u64],
    indptr: &[u64],
    band: std::ops::Range<usize>,
    size: usize,
) -> Result<(Vec<u8>, Vec<u32>)> {
    let base = indptr[band.start];
    let count = (indptr[band.end] - base) as usize;
    let mut values = vec![0; count * size];
    let mut positions = vec![0u32; count];
    let mut next: Vec<usize> = indptr[band.clone()]
        .iter()
        .map(|&position| (position - base) as usize)
        .collect();
    for_blocks(csc, columns, |span, block_columns, rows| {
        let block = NumericArray::read(&**csc.data(), &[span])?;
        for (index, &row) in rows.iter().enumerate() {
            let Some(cursor) = (row as usize)
                .checked_sub(band.start)
                .and_then(|r| next.get_mut(r))
            else {
                continue;
            };
            values[*cursor * size..(*cursor + 1) * size]
                .copy_from_slice(&block.bytes()[index * size..(index + 1) * size]);
            positions[*cursor] = block_columns[index];
            *cursor += 1;
        }
        Ok(())
    })?;
    Ok((values, positions))
}

/// Goes through all stored values in blocks: which they are, their columns and their rows.
fn for_blocks(
    csc: &SparseMatrix,
    indptr: &[u64],
    mut visit: impl FnMut(Span, &[u32], &[u64]) -> Result<()>,
) -> Result<()> {
    let end = indptr.last().copied().unwrap_or_default();
    let mut column = 0;
    let mut start = 0;
    while start < end {
        let span = Span::new(start, end.min(start + BLOCK_VALUES));
        let rows = NumericArray::read(&**csc.indices(), &[span])?.cast(&DataType::UInt64)?;
        let rows = rows.as_slice::<u64>().unwrap_or_default();
        if let Some(row) = rows.iter().find(|&&row| row >= csc.n_rows()) {
            return Err(Error::corrupt(format!(
                "the row index {} is out of range: there are {} rows",
                *row as i64,
                csc.n_rows()
            ))
            .with("node", format!("/{}/indices", csc.path())));
        }
        let columns: Vec<u32> = (span.start..span.end)
            .map(|position| {
                while indptr[column + 1] <= position {
                    column += 1;
                }
                column as u32
            })
            .collect();
        visit(span, &columns, rows)?;
        start = span.end;
    }
    Ok(())
}

/// A file of the conversion, on disk for certain once it is finished.
struct Output {
    path: PathBuf,
    file: BufWriter<fs::File>,
}

impl Output {
    fn create(path: &Path) -> Result<Self> {
        let file = fs::File::create(path).map_err(|e| Error::io(path.display(), e))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|e| Error::io(self.path.display(), e))
    }

    fn finish(mut self) -> Result<()> {
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|e| Error::io(self.path.display(), e))
    }
}
