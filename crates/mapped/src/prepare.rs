//! Preparing a collection for the fastest epochs: its observations in a new order, with joined
//! variables, in files whose chunks are fast to read.
//!
//! The rows come from a loader, so that what is read ahead is bounded by a budget and each chunk is
//! decoded once per window, and are appended to one file after the other. Which row comes where
//! depends on the options alone, so a directory can be completed by another process, with other
//! threads and another budget, to the same bytes.
//!
//! The files are sharded Zarr v3 in a group that is named and marked as annbatch (0.3) does it, so
//! that a directory is a collection of annbatch, and each file an AnnData.

mod columns;
mod directory;
mod division;
mod gather;
mod options;
mod part;
mod variables;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use options::PrepareOptions;

use super::collection::MappedCollection;
use super::format::BatchFormat;
use super::loader::{Loader, LoaderState};
use super::order::{Order, Sampler};
use anndex_anndata::{
    BackedAnnData, DataFrame, MatrixKey, MatrixLayout, RowWriter, sparse_data_type,
};
use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::operation;
use anndex_store::{DataType, StoreFormat, StoreFormats, StoreWriter};
use columns::ObsColumn;
use directory::Directory;
use division::{Division, FILE_STEP};
use part::Part;

/// The suffix of the files that are written.
const SUFFIX: &str = ".zarr";
/// What goes from the loader to the files at once has about so many bytes.
const BATCH_BYTES: f64 = (16 << 20) as f64;
/// What is kept of the budget for batches and for chunks that are being encoded, up to half of it.
const RESERVED_BYTES: u64 = 192 << 20;

/// A collection that was opened and checked, and is about to be prepared.
#[derive(Debug)]
pub struct Preparation {
    mapped: MappedCollection,
    options: PrepareOptions,
    format: Arc<dyn StoreFormat>,
    formats: StoreFormats,
    sources: Vec<PathBuf>,
    division: Division,
    batch_rows: u64,
    columns: Vec<ObsColumn>,
    variables: DataFrame,
    matrices: Vec<PreparedMatrix>,
    loader: Loader,
    notices: Vec<String>,
}

/// A matrix with what is the same in all files.
#[derive(Debug)]
struct PreparedMatrix {
    path: String,
    sparse: bool,
    /// The type in batches.
    batched: DataType,
    row_shape: Vec<u64>,
}

/// How far preparing is, in observations of all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareProgress {
    /// Those that are written, now or by a process before.
    pub done: u64,
    /// All of them.
    pub total: u64,
}

/// A prepared collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its files, in order.
    pub files: Vec<PathBuf>,
    /// The number of observations of all files.
    pub n_obs: u64,
    /// The number of variables.
    pub n_vars: u64,
    /// The number of files that were there already.
    pub n_found: u64,
}

impl Preparation {
    /// Opens the AnnData at `paths`, in this order, and checks that they can be prepared. Nothing
    /// is written.
    ///
    /// # Errors
    /// - `InvalidInput` if the options are out of range or contradict each other, there are no
    ///   observations, or the stores do not fit together: one lacks a matrix, variables differ and
    ///   are not joined, or a column of obs has text in one and numbers in another;
    /// - `NotFound` if no store has a key that was asked for;
    /// - `Unsupported` if this build writes no Zarr; as [`MappedCollection::open_paths`].
    pub fn open(
        formats: &StoreFormats,
        paths: &[PathBuf],
        options: &PrepareOptions,
        cache_dir: Option<&Path>,
    ) -> Result<Self> {
        options.check()?;
        let format = formats.for_path(Path::new(SUFFIX))?.clone();
        let mut mapping = options.mapped();
        mapping.cache_dir = cache_dir.map(Path::to_owned);
        let mapped = MappedCollection::open_paths(formats, paths, &mapping)?;
        if mapped.is_empty() {
            return Err(Error::invalid_input(
                "the collection has no observations, so there is nothing to prepare",
            ));
        }
        let (variables, left_out) = variables::joined(&mapped)?;
        let mut notices = mapped.notices().to_vec();
        if !left_out.is_empty() {
            notices.push(format!(
                "columns of var that are not the same in all files were left out: {}",
                left_out.join(", ")
            ));
        }
        let matrices: Result<Vec<_>> = (0..mapped.matrix_keys().len())
            .map(|key| PreparedMatrix::new(&mapped, key))
            .collect();
        let matrices = matrices?;
        notices.extend(matrices.iter().filter_map(PreparedMatrix::notice));
        let reserved = RESERVED_BYTES.min(options.memory / 2);
        let batch_rows = batch_rows(&mapped, options)?;
        let loader = mapped
            .loader()
            .batch_size(batch_rows)
            .shuffle(options.shuffle)
            .format(BatchFormat::Csr)
            .memory(options.memory - reserved)
            .threads(options.threads)
            .build()?;
        Ok(Self {
            division: Division::new(&mapped, options)?,
            columns: columns::open(&mapped, options.obs_keys.as_deref())?,
            options: options.clone(),
            formats: formats.clone(),
            sources: paths.to_vec(),
            batch_rows,
            format,
            variables,
            matrices,
            loader,
            notices,
            mapped,
        })
    }

    /// What had to be left out or converted, in sentences for the user.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The number of observations.
    pub fn n_obs(&self) -> u64 {
        self.mapped.n_obs()
    }

    /// Writes what is not there yet into `directory`, which is made if it does not exist.
    /// `inputs` stands for the content of the sources, and is compared with that of an earlier
    /// call. `progress` is called between steps; if it fails, so does this, and all complete files
    /// stay.
    ///
    /// # Errors
    /// - `AlreadyExists` if something else is in the directory, such as a collection that was
    ///   prepared from other inputs or with other options;
    /// - `InvalidInput` if it is inside one of the sources;
    /// - `Conflict` if a collection is being prepared there, by this process or another;
    /// - `Cancelled` if the operation that this thread works for was stopped;
    /// - `Corrupt`, `Unsupported` or `Storage` if rows can't be read, `Storage` or
    ///   `PermissionDenied` if they can't be written, and what `progress` fails with.
    pub fn write(
        &self,
        directory: &Path,
        inputs: &str,
        progress: &mut dyn FnMut(PrepareProgress) -> Result<()>,
    ) -> Result<Prepared> {
        self.check_outside(directory)?;
        let parameters = self.options.parameters(inputs);
        let n_files = self.division.n_files();
        let directory = Directory::open(directory, self.format.clone(), parameters, n_files)?;
        let mut found = Vec::new();
        for number in 0..n_files {
            found.push(self.find(&directory, number)?);
        }
        let mut done = (0..n_files)
            .filter(|&number| found[number as usize])
            .map(|number| len(&self.division.rows_of(number)))
            .sum();
        let mut step = |rows: u64| {
            done += rows;
            let total = self.n_obs();
            operation::check()?;
            progress(PrepareProgress { done, total })
        };
        step(0)?;
        let mut number = 0;
        while number < n_files {
            if found[number as usize] {
                number += 1;
                continue;
            }
            let missing = found.iter().skip(number as usize).take_while(|f| !**f);
            let end = number + missing.count() as u64;
            self.write_files(&directory, number..end, &mut step)?;
            number = end;
        }
        directory.complete()?;
        Ok(Prepared {
            files: (0..n_files).map(|number| directory.file(number)).collect(),
            n_obs: self.n_obs(),
            n_vars: self.variables.len() as u64,
            n_found: found.iter().filter(|found| **found).count() as u64,
        })
    }

    /// Whether a file is there already.
    fn find(&self, directory: &Directory, number: u64) -> Result<bool> {
        let path = directory.file(number);
        if !path.exists() {
            return Ok(false);
        }
        let n_obs = self
            .formats
            .open(&path)
            .and_then(BackedAnnData::open)
            .map(|data| data.n_obs());
        match n_obs {
            Ok(n_obs) if n_obs == len(&self.division.rows_of(number)) => Ok(true),
            Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
            _ => Err(Error::corrupt(
                "this is not as it was prepared; remove it, and it is prepared again",
            )
            .with("path", path.display())),
        }
    }

    /// Writes files that follow each other.
    fn write_files(
        &self,
        directory: &Directory,
        numbers: Range<u64>,
        step: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let order = Order::new(self.n_obs(), self.options.shuffle, &Sampler::All, 0)?;
        self.loader.load_state(LoaderState {
            batch: self.division.rows_of(numbers.start).start / self.batch_rows,
            epoch: 0,
            digest: self.loader.state().digest,
        })?;
        let mut epoch = self.loader.epoch()?;
        for number in numbers {
            let rows = self.division.rows_of(number);
            let observations: Vec<u64> = rows.map(|position| order.index(position)).collect();
            let writer = self.format.create(&directory.incomplete(number)?)?;
            let mut part = Part::start(writer, self, &observations, &mut || step(0))?;
            let mut left = observations.len();
            while left > 0 {
                let batch = epoch.next().unwrap_or_else(|| {
                    let message = "the loader ended before the files did; this is a bug";
                    Err(Error::new(ErrorKind::Storage, message))
                })?;
                part.append(&batch)?;
                left = left.saturating_sub(batch.len());
                let rows = batch.len() as u64;
                batch.recycle(self.loader.buffers());
                step(rows)?;
            }
            part.finish()?;
            directory.keep(number)?;
        }
        Ok(())
    }

    /// Refuses a directory inside one of the sources, which would change it.
    fn check_outside(&self, directory: &Path) -> Result<()> {
        let at = |path: &Path, e| Error::io(path.display(), e);
        let absolute = std::path::absolute(directory).map_err(|e| at(directory, e))?;
        let existing = absolute.ancestors().find(|path| path.exists());
        let existing = existing.unwrap_or(&absolute);
        let real = existing.canonicalize().map_err(|e| at(existing, e))?;
        for source in &self.sources {
            if real.starts_with(source.canonicalize().map_err(|e| at(source, e))?) {
                return Err(Error::invalid_input(
                    "the directory is inside a file of the collection; choose another one",
                )
                .with("path", directory.display())
                .with("file", source.display()));
            }
        }
        Ok(())
    }
}

impl PreparedMatrix {
    fn new(mapped: &MappedCollection, key: usize) -> Result<Self> {
        let populated = mapped.sources.iter().enumerate();
        let populated = populated.filter(|(_, source)| source.n_obs() > 0);
        let shape = mapped.matrix_shape(key, populated.map(|(index, _)| index))?;
        let path = match &mapped.keys.matrices[key] {
            MatrixKey::X => "X".to_owned(),
            MatrixKey::RawX => "raw/X".to_owned(),
            MatrixKey::Layer(name) => format!("layers/{name}"),
            MatrixKey::Obsm(name) => format!("obsm/{name}"),
        };
        Ok(Self {
            sparse: !path.starts_with("obsm/"),
            path,
            batched: shape.data_type,
            row_shape: shape.row_shape.iter().map(|&n| n as u64).collect(),
        })
    }

    /// The type that is written.
    fn data_type(&self) -> DataType {
        match self.sparse {
            true => sparse_data_type(&self.batched),
            false => self.batched.clone(),
        }
    }

    /// What is written otherwise than it was.
    fn notice(&self) -> Option<String> {
        let (path, from, to) = (&self.path, &self.batched, self.data_type());
        let notice = format!("`{path}` is {from}, which sparse matrices can't be; written as {to}");
        (to != *from).then_some(notice)
    }

    fn start(
        &self,
        writer: &mut dyn StoreWriter,
        n_rows: u64,
        layout: &MatrixLayout,
        index_type: &DataType,
    ) -> Result<RowWriter> {
        let data_type = self.data_type();
        if self.sparse {
            let shape = [n_rows, self.row_shape.iter().product()];
            let types = [data_type, index_type.clone()];
            return RowWriter::csr(writer, &self.path, shape, types, layout);
        }
        let shape = [&[n_rows], self.row_shape.as_slice()].concat();
        RowWriter::dense(writer, &self.path, &shape, data_type, layout)
    }
}

fn len(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// Observations of a batch: a divisor of those of a file.
fn batch_rows(mapped: &MappedCollection, options: &PrepareOptions) -> Result<u64> {
    if options.rows_per_file < FILE_STEP {
        return Ok(options.rows_per_file);
    }
    let mut largest = 1f64;
    for source in mapped.sources.iter() {
        let mut bytes = 0f64;
        for key in 0..mapped.keys.matrices.len() {
            let element = mapped.batch_data_type(key)?.fixed_size()? + size_of::<i32>();
            let rows = source.matrix(key);
            bytes += rows.map_or(0.0, |rows| rows.mean_elements() * element as f64);
        }
        largest = largest.max(bytes);
    }
    let mut rows = FILE_STEP;
    while rows > 1 && rows as f64 * largest > BATCH_BYTES {
        rows /= 2;
    }
    Ok(rows)
}
