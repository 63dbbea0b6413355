//! Mapping a collection: its artifacts as one dataset that is indexed by observation.

use std::path::{Path, PathBuf};

use super::Instance;
use super::cache::{Place, local_paths, places};
use super::handle::Handle;
use super::lineage::RunChoice;
use super::retry::blocking;
use crate::anndata::Label;
use crate::error::{Error, Result};
use crate::mapped::{EncodeLabels, Join, MappedCollection, MappedOptions, UnknownLabel};
use crate::record::{Artifact, Collection};
use crate::registry::Registry;
use crate::storage::StreamOptions;
use crate::store::{DataType, StoreFormats};

/// A collection that is about to be mapped. The parameters are those of [`MappedOptions`], with
/// the same defaults.
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before open is called"]
pub struct MappedBuilder {
    collection: Handle<Collection>,
    options: MappedOptions,
    is_run_input: RunChoice,
}

impl Handle<Collection> {
    /// The local paths of the artifacts, in their order, all of which must be AnnData that this
    /// build can open. What is at URLs is brought into the cache.
    ///
    /// # Errors
    /// `InvalidInput` if one is not, listing all that are not; else as
    /// [`CacheBuilder::paths`](super::CacheBuilder::paths).
    pub async fn anndata_paths(&self) -> Result<Vec<PathBuf>> {
        let artifacts = self.artifacts().await?;
        check_formats(&self.db, &artifacts)?;
        local_paths(&self.db, &artifacts, &|_| {}).await
    }

    /// The places of the artifacts, in their order, as [`Handle::anndata_paths`], but with URLs for
    /// what is not here: nothing is brought into the cache.
    ///
    /// # Errors
    /// As [`Handle::anndata_paths`].
    pub async fn anndata_locations(&self) -> Result<Vec<String>> {
        let artifacts = self.artifacts().await?;
        check_formats(&self.db, &artifacts)?;
        let places = places(&self.db, &artifacts, StreamOptions::default()).await?;
        places.iter().map(location).collect()
    }

    /// Starts to map the collection's artifacts, all of which must be AnnData.
    pub fn mapped(&self) -> MappedBuilder {
        MappedBuilder {
            collection: self.clone(),
            options: MappedOptions::default(),
            is_run_input: RunChoice::Current,
        }
    }
}

/// Hands a parameter on to the options.
macro_rules! parameters {
    ($($name:ident($value:ident: $type:ty);)*) => {
        $(
            #[doc = concat!("Sets [`MappedOptions::", stringify!($name), "`].")]
            pub fn $name(mut self, $value: $type) -> Self {
                self.options = self.options.$name($value);
                self
            }
        )*
    };
}

impl MappedBuilder {
    /// Sets [`MappedOptions::layers_keys`].
    pub fn layers_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.layers_keys(keys);
        self
    }

    /// Sets [`MappedOptions::obs_keys`].
    pub fn obs_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.obs_keys(keys);
        self
    }

    /// Sets [`MappedOptions::obsm_keys`].
    pub fn obsm_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.obsm_keys(keys);
        self
    }

    /// Sets [`MappedOptions::names`]. Default: the keys of the artifacts, or their uids.
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.names(names);
        self
    }

    /// Adds a condition to [`MappedOptions::obs_filter`]: `column` holds one of `values`.
    pub fn obs_filter<L: Into<Label>>(
        mut self,
        column: impl Into<String>,
        values: impl IntoIterator<Item = L>,
    ) -> Self {
        self.options = self.options.obs_filter(column, values);
        self
    }

    parameters! {
        join(join: impl Into<Option<Join>>);
        encode_labels(encode_labels: EncodeLabels);
        unknown_label(unknown_label: UnknownLabel);
        cache_categories(cache_categories: bool);
        parallel(parallel: bool);
        dtype(dtype: impl Into<Option<DataType>>);
        stream(stream: bool);
        streaming(streaming: StreamOptions);
        cache_dir(cache_dir: impl Into<PathBuf>);
        chunk_cache(bytes: u64);
    }

    /// Sets all parameters at once.
    pub fn options(mut self, options: MappedOptions) -> Self {
        self.options = options;
        self
    }

    /// Whether the collection becomes an input of a run: of the current one if there is one, of
    /// none for `false`, of the current one or an error for `true`, or of the run given.
    pub fn is_run_input(mut self, is_run_input: impl Into<RunChoice>) -> Self {
        self.is_run_input = is_run_input.into();
        self
    }

    /// Opens the artifacts, in their order. What has to be converted first is kept in the
    /// instance's cache, unless the options name another directory.
    ///
    /// # Errors
    /// - `InvalidInput` if an artifact is not an AnnData that this build can open (the error lists
    ///   these), or if the collection must be an input but no run is going on;
    /// - `NotFound` if an artifact is not in its storage any more, or no artifact has a key that
    ///   was asked for;
    /// - as [`MappedCollection::open_paths`]; `Backend` if the database fails.
    pub async fn open(self) -> Result<MappedCollection> {
        let (collection, run) = (self.collection.clone(), self.is_run_input.clone());
        let located = self.locate().await?;
        let opened = async {
            let mapped = blocking(move || located.open()).await?;
            collection.track_input(run).await?;
            Ok::<_, Error>(mapped)
        };
        opened.await.map_err(|e| in_collection(e, &collection.uid))
    }

    /// Finds the artifacts, in their order, and opens none of them: what is at URLs is brought into
    /// the cache, or, to be streamed, looked at and held against what was registered. The collection
    /// becomes an input of no run by that.
    ///
    /// # Errors
    /// As [`MappedBuilder::open`], but for those of opening.
    pub async fn locate(self) -> Result<LocatedCollection> {
        let uid = self.collection.uid.clone();
        let located = self.locate_checked().await;
        located.map_err(|e| in_collection(e, &uid))
    }

    async fn locate_checked(self) -> Result<LocatedCollection> {
        let db = self.collection.instance().clone();
        // Asked before files are opened, which takes longer.
        self.is_run_input.resolve(&db)?;
        let artifacts = self.collection.artifacts().await?;
        check_formats(&db, &artifacts)?;
        let mut options = self.options;
        options.check()?;
        let places = match options.stream {
            true => places(&db, &artifacts, options.streaming).await?,
            false => {
                let paths = local_paths(&db, &artifacts, &|_| {}).await?;
                paths.into_iter().map(Place::Local).collect()
            }
        };
        if options.names.is_empty() {
            let name = |artifact: &Handle<Artifact>| {
                artifact.key.clone().unwrap_or_else(|| artifact.uid.clone())
            };
            options.names = artifacts.iter().map(name).collect();
        }
        options
            .cache_dir
            .get_or_insert_with(|| db.cache_dir().to_owned());
        Ok(LocatedCollection {
            formats: db.formats().clone(),
            places,
            options,
        })
    }
}

fn in_collection(error: Error, uid: &str) -> Error {
    error.operation("map collection").with("collection", uid)
}

/// A collection whose artifacts were found, and which opens without the registry.
#[derive(Debug)]
pub struct LocatedCollection {
    formats: StoreFormats,
    places: Vec<Place>,
    options: MappedOptions,
}

impl LocatedCollection {
    /// Opens the artifacts, in their order. It waits for files and servers, so asynchronous callers
    /// use [`MappedBuilder::open`].
    ///
    /// # Errors
    /// As [`MappedCollection::open_paths`].
    pub fn open(&self) -> Result<MappedCollection> {
        let remote = |place: &Place| matches!(place, Place::Remote(_));
        let is_remote = self.places.iter().any(remote);
        let open = |place: &Place| match place {
            Place::Local(path) => self.formats.open(path),
            Place::Remote(content) => self.formats.open_remote(content),
        };
        MappedCollection::open_each(&self.places, is_remote, open, &self.options)
    }

    /// The paths of the artifacts, in their order, and the URLs of those that are streamed.
    ///
    /// # Errors
    /// `InvalidInput` if a path is not UTF-8.
    pub fn locations(&self) -> Result<Vec<String>> {
        self.places.iter().map(location).collect()
    }

    /// What they are opened with: where the caller has named none, the names of the artifacts, and
    /// the instance's cache.
    pub fn options(&self) -> &MappedOptions {
        &self.options
    }
}

fn location(place: &Place) -> Result<String> {
    match place {
        Place::Local(path) => path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::invalid_input("the path is not UTF-8; rename it").with("path", path.display())
        }),
        Place::Remote(content) => Ok(content.location()),
    }
}

/// Lists the artifacts that no format of this build opens.
fn check_formats(db: &Instance, artifacts: &[Handle<Artifact>]) -> Result<()> {
    let mut others = Vec::new();
    let mut reason = None;
    for artifact in artifacts {
        if let Err(error) = db.formats().for_path(Path::new(&artifact.storage_key)) {
            others.push(artifact.label());
            reason.get_or_insert(error);
        }
    }
    match reason {
        None => Ok(()),
        Some(reason) => Err(Error::invalid_input(format!(
            "only AnnData can be mapped, and these can't be opened as such: {}; make a collection \
             without them",
            others.join(", ")
        ))
        .source_error(reason)),
    }
}
