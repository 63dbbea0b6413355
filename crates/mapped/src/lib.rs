//! The mapped engine: many AnnData stores as one dataset that is indexed by observation.
//!
//! Nothing is concatenated. Opening reads the annotations that were asked for, the variables and
//! the row pointers; every sample or batch reads just its rows. One engine serves all stores,
//! mixed in one collection: what differs between them ends at [`anndex_store::Array`].
//!
//! The results are those of lamindb's `MappedCollection` (2.12) wherever that accepts the input.

mod allowance;
mod assemble;
mod batch;
mod buffer;
mod chunk_cache;
mod collection;
mod columns;
mod csc;
mod encoder;
mod encoders;
mod filter;
mod format;
mod held;
mod join;
mod keys;
mod labels;
mod lacking;
mod loader;
mod obs_values;
mod options;
mod order;
mod pack;
mod prepare;
mod rows;
mod sample;
mod selection;
mod shape;
mod source;
mod waiting;
mod weights;
mod window;

pub use anndex_anndata::Join;
pub use anndex_store::storage::cache_directory::user_cache;
pub use batch::{Batch, BatchColumn};
pub use buffer::Buffers;
pub use collection::MappedCollection;
pub use encoder::Encoder;
pub use format::BatchFormat;
pub use loader::{Epoch, Loader, LoaderBuilder, LoaderState, RepeatedDecoding};
pub use options::{EncodeLabels, MappedOptions, UnknownLabel};
pub use order::{Sampler, Shuffle};
pub use prepare::{Preparation, PrepareOptions, PrepareProgress, Prepared};
pub use sample::{ObsValue, Sample};
