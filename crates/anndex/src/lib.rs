//! A registry of versioned collections of AnnData files, and an engine that maps them: many files
//! as one dataset that is indexed by observation, without concatenating anything.
//!
//! ```
//! # #[cfg(all(feature = "sqlite", feature = "hdf5"))]
//! # #[tokio::main]
//! # async fn main() -> anndex::Result<()> {
//! # use anndex::anndata::{AnnData, Column, DataFrame, InMemoryMatrix, WriteOptions, write};
//! # let directory = tempfile::tempdir().map_err(|e| anndex::Error::io("temporary directory", e))?;
//! # for (name, genes, counts) in [
//! #     ("a.h5ad", ["CD3E", "NKG7"], [1.0f32, 2.0]),
//! #     ("b.h5ad", ["CD3E", "MS4A1"], [3.0, 4.0]),
//! # ] {
//! #     let x = anndex::store::NumericArray::from_values([1, 2], &counts)?;
//! #     let data = AnnData {
//! #         x: Some(InMemoryMatrix::Dense(x)),
//! #         obs: DataFrame::new(["cell 1"].iter().collect())
//! #             .with_column("cell_type", Column::strings([name]))?,
//! #         var: DataFrame::new(genes.iter().collect()),
//! #         ..AnnData::default()
//! #     };
//! #     let mut writer = anndex::formats().create(&directory.path().join(name))?;
//! #     write(writer.as_mut(), &data, &WriteOptions::default())?;
//! #     writer.finish()?;
//! # }
//! # let file = |name: &str| directory.path().join(name);
//! # let cells = directory.path().join("cells");
//! use anndex::Join;
//!
//! let db = anndex::init(cells).await?;
//! let a = db.artifact(file("a.h5ad")).description("donor 1").save().await?;
//! let b = db.artifact(file("b.h5ad")).description("donor 2").save().await?;
//! let c = db.collection([a, b]).name("My collection").version("1").save().await?;
//!
//! let mapped = c.mapped().obs_keys(["cell_type"]).join(Join::Inner).open().await?;
//! assert_eq!(mapped.shape(), (2, Some(1)));
//! let sample = mapped.get(1)?;
//! assert_eq!(sample.matrix("X").and_then(|row| row.get_f64(0)), Some(3.0));
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "sqlite", feature = "hdf5")))]
//! # fn main() {}
//! ```
//!
//! An [`Instance`] is a database, a default storage and a local cache. [`init`] makes one in a
//! directory, or in a PostgreSQL database, [`connect`] opens it, and [`discover`] finds the one that the current directory
//! belongs to. All operations of an instance are asynchronous and need a tokio runtime with timers
//! (`enable_all`, as `#[tokio::main]` does); reading from a [`MappedCollection`] is not, and can be
//! done from any number of threads.
//!
//! # Features
//! - `sqlite`: instances in a directory.
//! - `postgres`: instances at `postgres://` URLs.
//! - `hdf5`: AnnData in `.h5ad` files.
//! - `zarr`: AnnData in `.zarr` directories and `.zarr.zip` files.
//! - `tables`: Parquet, CSV, TSV and Arrow files, as Arrow data.
//! - `lamindb`: taking over the registry of a lamindb instance, with [`Instance::import`].
//! - `s3`, `gcs`, `azure`, `http`: artifacts at `s3://`, `gs://`, `az://` and `http(s)://` URLs.
//!   Credentials come from the environment and the usual files of these services.
//! - `huggingface`: artifacts in repositories of the Hugging Face Hub, for reading:
//!   `hf://datasets/OWNER/NAME@REVISION/PATH`, as `huggingface_hub` spells them. The token is that of
//!   its login, or `HF_TOKEN`.
//! - `opendal`: artifacts at `sftp://`, `webdav+http://` and `webdav+https://` URLs. SFTP goes through
//!   the program `ssh` and its configuration; users and passwords of WebDAV are in `~/.netrc`.
//! - `progress`: bars that show how far a transfer is.
//!
//! `sqlite`, `hdf5` and `zarr` are on by default. What is not compiled in answers with an error that names the
//! feature.

mod connect;
mod directory;
mod drivers;
mod formats;
mod location;
mod options;
#[cfg(feature = "progress")]
mod progress;
mod storage_root;
#[cfg(feature = "tables")]
pub mod tables;
#[cfg(feature = "postgres")]
mod url;

pub use anndex_core::backend::Filter;
pub use anndex_core::error::{Error, ErrorKind, Result};
pub use anndex_core::instance::{
    ArtifactBuilder, CacheBuilder, CacheProgress, CheckBuilder, CheckReport, CollectionBuilder,
    Finding, Handle, IdLike, ImportBuilder, ImportReport, Instance, LeftOut, LineageBuilder,
    LoadBuilder, LocatedCollection, MappedBuilder, PrepareBuilder, PreparedCollection, Problem,
    QuerySet, RecordStream, RunBuilder, RunChoice, TransformBuilder, ULabelBuilder,
};
pub use anndex_core::lineage::{LineageGraph, LineageNode};
pub use anndex_core::mapped::{
    Batch, BatchColumn, BatchFormat, Buffers, EncodeLabels, Encoder, Epoch, Join, Loader,
    LoaderBuilder, LoaderState, MappedCollection, MappedOptions, ObsValue, PrepareOptions,
    PrepareProgress, Prepared, RepeatedDecoding, Sample, Sampler, Shuffle, UnknownLabel,
};
pub use anndex_core::record::{
    Artifact, Collection, FeatureSet, Field, Run, Storage, Transform, ULabel, User, Visibility,
};
pub use anndex_core::registry::{Data, IsVersioned, Registry, TracksRun, TracksUpdates};
#[doc(no_inline)]
pub use anndex_core::{
    anndata, backend, instance, mapped, operation, record, registry, shown, storage, store,
};

#[cfg(feature = "lamindb")]
#[doc(inline)]
pub use anndex_import_lamindb as lamindb;

pub use connect::{connect, connect_with, init, init_with};
pub use directory::{DATABASE_VARIABLE, discover, find_instance};
pub use drivers::drivers;
pub use formats::formats;
pub use location::shown_location;
pub use options::{InstanceOptions, USER_VARIABLE};
#[cfg(feature = "progress")]
pub use progress::TransferBars;

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
