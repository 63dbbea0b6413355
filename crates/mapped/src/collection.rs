//! The mapped collection: its opened stores, and what is told of them without reading rows.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::chunk_cache::ChunkCache;
use super::encoder::Encoder;
use super::join::VarJoin;
use super::keys::Keys;
use super::options::MappedOptions;
use super::source::Source;
use super::{encoders, lacking, waiting};
use anndex_anndata::{BackedAnnData, Join, MatrixKey};
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;
use anndex_store::storage::RemoteContent;
use anndex_store::{DataType, Store, StoreFormats, Strings};

/// So many stores on servers may keep what was read of their structure until all are open: of each
/// that is some MiB at most.
const KEPT_STRUCTURES: usize = 64;

/// A virtual concatenation of AnnData stores, indexable by observation.
///
/// All methods but [`MappedCollection::close`] take `&self` and may be called from many threads at
/// once. A clone shares everything that was opened.
#[derive(Debug, Clone)]
pub struct MappedCollection {
    pub(super) keys: Arc<Keys>,
    pub(super) sources: Arc<[Source]>,
    /// The first observation of each source, and the number of all at the end.
    pub(super) offsets: Arc<[u64]>,
    pub(super) vars: Arc<VarJoin>,
    pub(super) encoders: Arc<[(String, Arc<Encoder>)]>,
    /// The type that matrices are converted to; as stored if `None`.
    pub(super) dtype: Option<DataType>,
    /// How many requests may be made at the same time, if a store is on a server.
    pub(super) requests: Option<usize>,
    notices: Vec<String>,
    closed: bool,
}

impl MappedCollection {
    /// Opens the AnnData files or directories at `paths`, in this order.
    ///
    /// # Errors
    /// As [`StoreFormats::open`] and [`MappedCollection::open`].
    pub fn open_paths<P: AsRef<Path> + Sync>(
        formats: &StoreFormats,
        paths: &[P],
        options: &MappedOptions,
    ) -> Result<Self> {
        Self::open_each(paths, false, |path| formats.open(path.as_ref()), options)
    }

    /// Opens AnnData on servers, in this order, to be read in place.
    ///
    /// # Errors
    /// As [`StoreFormats::open_remote`] and [`MappedCollection::open`].
    pub fn open_remote(
        formats: &StoreFormats,
        contents: &[RemoteContent],
        options: &MappedOptions,
    ) -> Result<Self> {
        let open = |content: &RemoteContent| formats.open_remote(content);
        Self::open_each(contents, true, open, options)
    }

    /// Opens what `open` gives for each of `places`, in this order, at the same time: with
    /// `waits`, because that waits for a server, more of them than there are cores.
    ///
    /// # Errors
    /// As `open` and [`MappedCollection::open`].
    pub fn open_each<P: Sync>(
        places: &[P],
        waits: bool,
        open: impl Fn(&P) -> Result<Arc<dyn Store>> + Sync + Send,
        options: &MappedOptions,
    ) -> Result<Self> {
        let requests = waits.then_some(options.streaming.requests);
        let stores = waiting::on_threads(requests, || {
            places
                .par_iter()
                .map(carried(open))
                .collect::<Result<Vec<_>>>()
        })?;
        Self::open(stores?, options)
    }

    /// Opens the AnnData in each of `stores`, in this order.
    ///
    /// # Errors
    /// `InvalidInput` if there is no store, the options contradict each other, an inner join has
    /// no shared variable, or variables to be joined are not unique; `NotFound` if no store has a
    /// key that was asked for; `Corrupt`, `Unsupported` or `Storage` if a store can't be read.
    pub fn open(stores: Vec<Arc<dyn Store>>, options: &MappedOptions) -> Result<Self> {
        let keys = options.keys()?;
        if stores.is_empty() {
            return Err(Error::invalid_input("there are no AnnData stores to map"));
        }
        let is_remote = stores.iter().any(|store| store.is_remote());
        let requests = is_remote.then_some(options.streaming.requests);
        waiting::on_threads(requests, || Self::open_all(stores, keys, requests, options))?
    }

    fn open_all(
        stores: Vec<Arc<dyn Store>>,
        keys: Keys,
        requests: Option<usize>,
        options: &MappedOptions,
    ) -> Result<Self> {
        // After each step, lest thousands of files keep at once what a few need: memory that is
        // given back in the end lies between what stays, and is not had back by the system. A few on
        // servers keep it, since it would take requests again.
        let releases = requests.is_none() || stores.len() > KEPT_STRUCTURES;
        let data: Result<Vec<_>> = stores
            .into_par_iter()
            .map(carried(|store| {
                let data = BackedAnnData::open(store)?;
                if releases {
                    data.store().release();
                }
                Ok(data)
            }))
            .collect();
        let data = data?;
        keys.check_columns(&data.iter().collect::<Vec<_>>())?;
        let vars = VarJoin::new(&data, options.join, releases)?;
        let cache = Arc::new(ChunkCache::new(options.chunk_cache));
        let opened: Result<Vec<_>> = data
            .into_par_iter()
            .enumerate()
            .map(carried(|(index, data)| {
                Source::open(data, &keys, vars.map(index), options, &cache)
            }))
            .collect();
        let mut sources = opened?;
        lacking::check_matrices(&keys, &sources)?;
        let encoders = encoders::build(&mut sources, &keys, &options.unknown_label)?;
        let mut offsets = vec![0];
        let mut n_obs = 0u64;
        for source in &sources {
            n_obs += source.n_obs();
            offsets.push(n_obs);
        }
        let mut notices: Vec<_> = sources.iter_mut().flat_map(Source::take_notices).collect();
        notices.extend(lacking::notices(&keys, &sources, &options.names));
        let dtype = options.dtype.clone();
        Ok(Self {
            keys: Arc::new(keys),
            sources: sources.into(),
            offsets: offsets.into(),
            vars: Arc::new(vars),
            encoders: encoders.into(),
            dtype,
            requests,
            notices,
            closed: false,
        })
    }

    /// The number of observations, after filtering.
    pub fn n_obs(&self) -> u64 {
        self.offsets.last().copied().unwrap_or_default()
    }

    /// The number of observations, after filtering.
    pub fn len(&self) -> u64 {
        self.n_obs()
    }

    /// Whether there are no observations.
    pub fn is_empty(&self) -> bool {
        self.n_obs() == 0
    }

    /// The number of joined variables; `None` without a join.
    pub fn n_vars(&self) -> Option<u64> {
        self.vars.joint().map(|joint| joint.len() as u64)
    }

    /// Observations × joined variables (`None` without a join).
    pub fn shape(&self) -> (u64, Option<u64>) {
        (self.n_obs(), self.n_vars())
    }

    /// Observations (after filtering) × variables of each store.
    pub fn original_shapes(&self) -> Vec<(u64, u64)> {
        self.sources
            .iter()
            .map(|source| (source.n_obs(), source.n_vars()))
            .collect()
    }

    /// The joined variables' names; `None` without a join.
    pub fn var_joint(&self) -> Option<&Strings> {
        self.vars.joint()
    }

    /// How variables are joined; `None` if they are taken as stored, which is also so if all
    /// stores have the same ones.
    pub fn join(&self) -> Option<Join> {
        self.vars.join()
    }

    /// For each store how its variables and the joined ones correspond: for an inner join the
    /// position in the store of each joined variable, for an outer join the joined position of
    /// each of the store's. `None` if they are taken as stored.
    pub fn var_indices(&self) -> Option<Vec<Vec<u32>>> {
        self.vars.indices()
    }

    /// The encoder of each encoded obs key, in the order of the keys.
    pub fn encoders(&self) -> impl ExactSizeIterator<Item = (&str, &Encoder)> {
        self.encoders
            .iter()
            .map(|(key, encoder)| (key.as_str(), &**encoder))
    }

    /// The encoder of an obs key; `None` if it is not encoded.
    pub fn encoder(&self, key: &str) -> Option<&Encoder> {
        self.encoders()
            .find(|(other, _)| *other == key)
            .map(|(_, encoder)| encoder)
    }

    /// The keys of the matrices in samples and batches, in their order.
    pub fn matrix_keys(&self) -> &[MatrixKey] {
        &self.keys.matrices
    }

    /// The obs keys in samples and batches, in their order.
    pub fn obs_keys(&self) -> &[String] {
        &self.keys.obs
    }

    /// What users should know of the collection, in sentences: what opening had to do that cost
    /// time or space, and which stores lack an obs key.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The number of stores.
    pub fn n_stores(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The location of each store, in order.
    pub fn locations(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sources.iter().map(Source::location)
    }

    /// The store of an observation, and its row there.
    ///
    /// # Errors
    /// `InvalidInput` if `index` is past the end, or the collection was closed.
    pub fn locate(&self, index: u64) -> Result<(usize, u64)> {
        self.check_open()?;
        if index >= self.n_obs() {
            return Err(Error::invalid_input(format!(
                "the observation {index} is out of range: there are {}",
                self.n_obs()
            )));
        }
        // The last source that begins at or before the index; empty ones begin where the next
        // one does.
        let source = self.offsets.partition_point(|&offset| offset <= index) - 1;
        Ok((
            source,
            self.sources[source].row(index - self.offsets[source]),
        ))
    }

    /// Whether the variables of every store are sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the variables' names can't be read.
    pub fn check_vars_sorted(&self, ascending: bool) -> Result<bool> {
        let lists = self.var_list()?;
        Ok(lists.iter().all(|names| {
            let mut pairs = names.iter().zip(names.iter().skip(1));
            pairs.all(|(a, b)| if ascending { a <= b } else { a >= b })
        }))
    }

    /// The stores whose variables are not exactly `vars`, in this order.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the variables' names can't be read.
    pub fn check_vars_non_aligned<S: AsRef<str>>(&self, vars: &[S]) -> Result<Vec<usize>> {
        let differs = |names: &Strings| !names.iter().eq(vars.iter().map(AsRef::as_ref));
        let lists = self.var_list()?;
        Ok((0..lists.len())
            .filter(|&index| differs(&lists[index]))
            .collect())
    }

    /// The variables' names of each store.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if they can't be read; `InvalidInput` if the collection was closed.
    pub fn var_list(&self) -> Result<Vec<Arc<Strings>>> {
        self.check_open()?;
        match self.vars.lists() {
            Some(lists) => Ok(lists.to_vec()),
            None => self
                .sources
                .par_iter()
                .map(carried(|s: &Source| s.var_names().map(Arc::new)))
                .collect(),
        }
    }

    /// Whether any of it is read from a server.
    pub fn is_remote(&self) -> bool {
        self.requests.is_some()
    }

    /// Releases all stores, once no clone and no loader uses them any more. Reading from the
    /// collection is an error from now on.
    pub fn close(&mut self) {
        self.sources = Arc::new([]);
        self.closed = true;
    }

    /// Whether the collection was closed.
    pub fn closed(&self) -> bool {
        self.closed
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed {
            return Err(Error::invalid_input("the mapped collection was closed"));
        }
        Ok(())
    }
}
