//! One store of a mapped collection, with everything opened that its samples need.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use super::chunk_cache::ChunkCache;
use super::csc;
use super::encoder::Encoder;
use super::filter;
use super::keys::Keys;
use super::options::MappedOptions;
use super::rows::MatrixRows;
use anndex_anndata::VarMap;
use anndex_anndata::{BackedAnnData, BackedColumn, Column, Matrix, MatrixKey, SparseFormat};
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::{Span, Strings};

/// Stands among codes for a missing value.
pub(super) const MISSING_CODE: i32 = i32::MIN;

/// One store with its matrices and obs columns, in the order of the collection's keys.
#[derive(Debug)]
pub(super) struct Source {
    data: BackedAnnData,
    /// The rows that passed the filter; `None` if all did.
    selected: Option<Vec<u64>>,
    matrices: Vec<Option<MatrixRows>>,
    columns: Vec<Option<ObsColumn>>,
    var_map: Option<Arc<VarMap>>,
    notices: Vec<String>,
}

/// A column of obs, as it is kept for sampling.
#[derive(Debug)]
enum ObsColumn {
    /// One code per row of the store.
    Codes(Vec<i32>),
    /// All values.
    Values(Column),
    /// Nothing: every read fetches what it needs.
    Stored(BackedColumn, Option<Arc<Encoder>>),
}

/// Some rows of an obs column.
#[derive(Debug)]
pub(super) enum ObsRows<'a> {
    /// Codes, [`MISSING_CODE`] for missing values.
    Codes(Vec<i32>),
    /// Values as stored; the pair says which row of the column each asked-for row is.
    Values(Cow<'a, Column>, Vec<usize>),
}

impl Source {
    pub(super) fn open(
        data: BackedAnnData,
        keys: &Keys,
        var_map: Option<Arc<VarMap>>,
        options: &MappedOptions,
        cache: &Arc<ChunkCache>,
    ) -> Result<Self> {
        let location = data.store().location().to_owned();
        let open = || -> Result<Self> {
            let mut notices = Vec::new();
            let matrices: Result<Vec<_>> = keys
                .matrices
                .iter()
                .map(|key| open_matrix(&data, key, options, cache, &mut notices))
                .collect();
            let column = |key: &String| open_column(&data, key, options);
            let columns: Result<Vec<_>> = match data.store().is_remote() {
                false => keys.obs.iter().map(column).collect(),
                // Each of them mostly waits.
                true => keys.obs.par_iter().map(carried(column)).collect(),
            };
            Ok(Self {
                selected: filter::select(&data, &options.obs_filter)?,
                matrices: matrices?,
                columns: columns?,
                var_map,
                notices,
                data,
            })
        };
        let opened = open().map_err(|error| error.operation("map").with("path", location))?;
        // From here on values are read, and little else.
        opened.data.store().release();
        Ok(opened)
    }

    pub(super) fn location(&self) -> &str {
        self.data.store().location()
    }

    pub(super) fn data(&self) -> &BackedAnnData {
        &self.data
    }

    /// The error with this store's location.
    pub(super) fn locate(&self, error: Error) -> Error {
        error.operation("read").with("path", self.location())
    }

    /// The number of observations, after filtering.
    pub(super) fn n_obs(&self) -> u64 {
        self.selected
            .as_ref()
            .map_or_else(|| self.data.n_obs(), |rows| rows.len() as u64)
    }

    pub(super) fn n_vars(&self) -> u64 {
        self.data.n_vars()
    }

    pub(super) fn var_names(&self) -> Result<Strings> {
        self.data.var().index()
    }

    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The row in the store of an observation; `observation` is in range.
    pub(super) fn row(&self, observation: u64) -> u64 {
        self.selected
            .as_ref()
            .map_or(observation, |rows| rows[observation as usize])
    }

    /// Whether the store lacks the collection's obs key number `key`.
    pub(super) fn lacks_obs(&self, key: usize) -> bool {
        self.columns.get(key).is_none_or(Option::is_none)
    }

    /// The matrix under the collection's key number `key`; `None` if the store lacks it.
    pub(super) fn matrix(&self, key: usize) -> Option<&MatrixRows> {
        self.matrices.get(key)?.as_ref()
    }

    /// How the store's columns of a matrix become the sample's; `raw.X` and obsm are not joined.
    pub(super) fn var_map(&self, key: &MatrixKey) -> Option<&VarMap> {
        match key {
            MatrixKey::X | MatrixKey::Layer(_) => self.var_map.as_deref(),
            MatrixKey::RawX | MatrixKey::Obsm(_) => None,
        }
    }

    /// Extent of one sample row of a matrix along each of its axes.
    pub(super) fn sample_shape(&self, key: &MatrixKey, rows: &MatrixRows) -> Vec<usize> {
        self.var_map(key)
            .map_or_else(|| rows.row_shape().to_vec(), |map| vec![map.width])
    }

    pub(super) fn set_encoder(&mut self, keys: &Keys, key: &str, encoder: &Arc<Encoder>) {
        let position = keys.obs.iter().position(|other| other == key);
        let Some(Some(column)) = position.and_then(|index| self.columns.get_mut(index)) else {
            return;
        };
        match column {
            ObsColumn::Codes(_) => {}
            ObsColumn::Values(values) => {
                *column = ObsColumn::Codes(encoder.encode_column(values, MISSING_CODE));
            }
            ObsColumn::Stored(_, own) => *own = Some(encoder.clone()),
        }
    }

    /// A whole column of obs; `None` if the store lacks it.
    pub(super) fn read_column(&self, name: &str) -> Result<Option<Column>> {
        if !has_column(&self.data, name) {
            return Ok(None);
        }
        self.data.obs().read_column(name).map(Some)
    }

    /// Whether every row of the store is an observation, or which are.
    pub(super) fn selected(&self) -> Option<&[u64]> {
        self.selected.as_deref()
    }

    /// The collection's obs key number `key` if it is in memory as stored (`Some(None)` if the
    /// store lacks it); `None` if it has to be read.
    pub(super) fn kept_column(&self, key: usize) -> Option<Option<&Column>> {
        match self.columns.get(key)? {
            None => Some(None),
            Some(ObsColumn::Values(column)) => Some(Some(column)),
            Some(ObsColumn::Codes(_) | ObsColumn::Stored(..)) => None,
        }
    }

    /// Reads `rows` (sorted, distinct, in range) of the collection's obs key number `key`;
    /// `None` if the store lacks it.
    pub(super) fn obs_rows(&self, key: usize, rows: &[u64]) -> Result<Option<ObsRows<'_>>> {
        let Some(Some(column)) = self.columns.get(key) else {
            return Ok(None);
        };
        Ok(Some(match column {
            ObsColumn::Codes(codes) => {
                ObsRows::Codes(rows.iter().map(|&row| codes[row as usize]).collect())
            }
            ObsColumn::Values(column) => {
                let rows = rows.iter().map(|&row| row as usize).collect();
                ObsRows::Values(Cow::Borrowed(column), rows)
            }
            ObsColumn::Stored(column, encoder) => {
                let spans: Vec<_> = rows.iter().map(|&row| Span::new(row, row + 1)).collect();
                let read = column
                    .read(Some(&spans))
                    .map_err(|error| error.with("path", self.location()))?;
                match encoder {
                    Some(encoder) => ObsRows::Codes(encoder.encode_column(&read, MISSING_CODE)),
                    None => ObsRows::Values(Cow::Owned(read), (0..rows.len()).collect()),
                }
            }
        }))
    }
}

fn has_column(data: &BackedAnnData, name: &str) -> bool {
    data.obs().index_name() == name || data.obs().columns().iter().any(|column| column == name)
}

fn open_column(
    data: &BackedAnnData,
    name: &str,
    options: &MappedOptions,
) -> Result<Option<ObsColumn>> {
    if !has_column(data, name) {
        return Ok(None);
    }
    if options.cache_categories {
        return data
            .obs()
            .read_column(name)
            .map(ObsColumn::Values)
            .map(Some);
    }
    data.obs()
        .column(name)
        .map(|column| Some(ObsColumn::Stored(column, None)))
}

fn open_matrix(
    data: &BackedAnnData,
    key: &MatrixKey,
    options: &MappedOptions,
    cache: &Arc<ChunkCache>,
    notices: &mut Vec<String>,
) -> Result<Option<MatrixRows>> {
    let Some(matrix) = data.matrix(key)? else {
        return Ok(None);
    };
    let is_remote = data.store().is_remote();
    let by_rows = match matrix {
        Matrix::Sparse(sparse) if sparse.format() == SparseFormat::Csc => {
            if is_remote {
                let message = "a csc_matrix is converted to rows first, from a file on this \
                               machine; leave out `stream`, so that it is cached";
                return Err(Error::unsupported(message).with("node", format!("/{}", sparse.path())));
            }
            let location = data.store().location();
            let (converted, notice) =
                csc::by_rows(&sparse, location, options.cache_dir.as_deref())?;
            notices.extend(notice);
            Matrix::Sparse(converted)
        }
        other => other,
    };
    let path = by_rows.path().to_owned();
    MatrixRows::open(&by_rows, is_remote, cache.clone())
        .map_err(|error: Error| error.with("node", format!("/{path}")))
        .map(Some)
}
