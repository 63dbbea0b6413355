//! What a prepared collection is to be like.
//!
//! The defaults were chosen by reading 120,000 cells × 20,000 genes with 2,100 counts per cell on two
//! cores, from one prepared file, in thousand cells per second: blocks of 256 rows in CSR batches of
//! 4,096, by our loader (256 MiB) and by annbatch; exact order (256 MiB); and one `get` in µs.
//!
//! | codec, elements of a chunk | MB | our blocks | annbatch's | exact order | `get` |
//! | --- | --- | --- | --- | --- | --- |
//! | none, 65,536 | 1,966 | 274 | 223 | 194 | 8 |
//! | Blosc LZ4 level 1, 65,536 | 612 | 148 | – | 58 | 211 |
//! | level 5, 16,384 | 607 | 142 | 150 | 58 | 82 |
//! | level 5, 32,768 | 604 | 139 | 119 | 46 | 120 |
//! | level 5, 65,536 | 602 | 131 | 118 | 41 | 170 |
//! | level 5, 131,072 | 562 | 146 | 158 | 51 | 205 |
//! | level 5, 262,144 | 562 | 147 | 111 | 52 | 345 |
//! | level 9, 65,536 | 600 | 138 | – | 41 | 168 |
//! | zstd level 1, 65,536 | 572 | 58 | – | 15 | 313 |
//! | zstd level 3, 65,536 | 546 | 54 | 73 | 14 | 290 |
//! | zstd level 3, 131,072 | 501 | 54 | – | 15 | 499 |
//!
//! Each number is the best of three epochs (`get`: the mean of 2,000) of one run, which was not
//! repeated. It tells codecs apart, by factors of 2 and more, but not levels of LZ4 or neighbouring
//! sizes of chunks, whose numbers go up and down. Among those 131,072 is the smallest that takes
//! 562 MB, and about what annbatch writes itself.

use std::collections::BTreeMap;

use crate::options::{EncodeLabels, MappedOptions};
use crate::order::Shuffle;
use anndex_anndata::{Join, MatrixKey, MatrixLayout, sparse_data_type};
use anndex_store::error::{Error, Result};
use anndex_store::{Attribute, Compression, DataType};

/// Changes whenever the same options give other bytes than before.
const LAYOUT_VERSION: i64 = 2;

/// The parameters of preparing a collection.
///
/// ```
/// use anndex_mapped::{PrepareOptions, Shuffle};
///
/// let options = PrepareOptions::default().shuffle(Shuffle::Exact { seed: 7 });
/// assert_eq!(options.layers_keys, ["X"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PrepareOptions {
    /// The order of the observations. Default: a random permutation with seed 0.
    pub shuffle: Shuffle,
    /// The matrices to write as sparse ones: `"X"` or names in `layers`. Default: `X`.
    pub layers_keys: Vec<String>,
    /// The matrices of `obsm` to write, as dense ones. Default: none.
    pub obsm_keys: Vec<String>,
    /// The columns of `obs` to write; all that any store has if `None`, the default.
    pub obs_keys: Option<Vec<String>>,
    /// How variables are joined; `None` takes them as stored, so that they must be the same in all
    /// stores. Default: inner.
    pub join: Option<Join>,
    /// Convert layers and obsm to this type. Default: as stored (NumPy's promotion over all
    /// stores), but float16 in sparse matrices, which SciPy has not, becomes float32.
    pub dtype: Option<DataType>,
    /// Observations of a file, at most. There are fewer if a sparse matrix would have more values
    /// in a file than int32 counts. Annotations of one file are held in memory one column at a
    /// time. Default: 1,048,576.
    pub rows_per_file: u64,
    /// Elements of a chunk. Default: 131,072.
    pub chunk_elements: u64,
    /// Chunks of a shard. Default: 1,024.
    pub chunks_per_shard: u64,
    /// How chunks are compressed. Default: Blosc with LZ4.
    pub compression: Compression,
    /// The memory that all of it may take, in bytes. It has no influence on what is written.
    /// Default: 1 GiB.
    pub memory: u64,
    /// The number of threads that read and decode. 0, the default, stands for the number of cores.
    pub threads: usize,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            shuffle: Shuffle::Exact { seed: 0 },
            layers_keys: vec!["X".to_owned()],
            obsm_keys: Vec::new(),
            obs_keys: None,
            join: Some(Join::Inner),
            dtype: None,
            rows_per_file: 1 << 20,
            chunk_elements: 1 << 17,
            chunks_per_shard: 1 << 10,
            compression: Compression::BloscLz4(5),
            memory: 1 << 30,
            threads: 0,
        }
    }
}

fn owned<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Vec<String> {
    keys.into_iter().map(Into::into).collect()
}

macro_rules! setters {
    ($($name:ident($type:ty);)*) => {
        $(
            #[doc = concat!("Sets [`PrepareOptions::", stringify!($name), "`].")]
            pub fn $name(mut self, $name: impl Into<$type>) -> Self {
                self.$name = $name.into();
                self
            }
        )*
    };
}

impl PrepareOptions {
    /// Sets [`PrepareOptions::layers_keys`].
    pub fn layers_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.layers_keys = owned(keys);
        self
    }

    /// Sets [`PrepareOptions::obsm_keys`].
    pub fn obsm_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.obsm_keys = owned(keys);
        self
    }

    /// Sets [`PrepareOptions::obs_keys`].
    pub fn obs_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.obs_keys = Some(owned(keys));
        self
    }

    setters! {
        shuffle(Shuffle);
        join(Option<Join>);
        dtype(Option<DataType>);
        rows_per_file(u64);
        chunk_elements(u64);
        chunks_per_shard(u64);
        compression(Compression);
        memory(u64);
        threads(usize);
    }

    /// Checks the options against each other, which needs no store.
    ///
    /// # Errors
    /// `InvalidInput` if one is out of range, or `raw.X`, or a sparse matrix of float16, is asked for.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("rows_per_file", self.rows_per_file),
            ("chunk_elements", self.chunk_elements),
            ("chunks_per_shard", self.chunks_per_shard),
            ("memory", self.memory),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::invalid_input(format!("`{name}` must be at least 1")));
        }
        let is_raw = |key: &String| MatrixKey::from_layers_key(key) == MatrixKey::RawX;
        if self.layers_keys.iter().any(is_raw) {
            return Err(Error::invalid_input(
                "`raw.X` has variables of its own, which are not joined, so it can't be prepared; \
                 choose X or a layer",
            ));
        }
        if self.layers_keys.is_empty() && self.obsm_keys.is_empty() {
            return Err(Error::invalid_input(
                "there is no matrix to prepare; choose X",
            ));
        }
        if let (Some(dtype), Some(key)) = (&self.dtype, self.layers_keys.first())
            && sparse_data_type(dtype) != *dtype
        {
            return Err(Error::invalid_input(format!(
                "`{key}` is written as a sparse matrix, and SciPy has none of {dtype}; choose {}",
                sparse_data_type(dtype)
            )));
        }
        self.mapped().check()
    }

    /// How the collection is opened.
    pub(super) fn mapped(&self) -> MappedOptions {
        MappedOptions::default()
            .layers_keys(&self.layers_keys)
            .obsm_keys(&self.obsm_keys)
            .encode_labels(EncodeLabels::None)
            .join(self.join)
            .dtype(self.dtype.clone())
            .chunk_cache(0)
    }

    pub(super) fn layout(&self) -> MatrixLayout {
        MatrixLayout {
            chunk_elements: self.chunk_elements,
            chunks_per_shard: self.chunks_per_shard,
            compression: self.compression,
        }
    }

    /// All that decides what is written, by name. `inputs` stands for the content of the stores.
    pub(super) fn parameters(&self, inputs: &str) -> BTreeMap<String, Attribute> {
        let shuffle = match self.shuffle {
            Shuffle::None => Attribute::Null,
            Shuffle::Exact { seed } => object([("kind", "exact".into()), ("seed", seed.into())]),
            Shuffle::Block { seed, rows, window } => object([
                ("kind", "block".into()),
                ("rows", rows.into()),
                ("seed", seed.into()),
                ("window", window.into()),
            ]),
        };
        let join = match self.join {
            None => Attribute::Null,
            Some(Join::Inner) => "inner".into(),
            Some(Join::Outer) => "outer".into(),
        };
        let or_null = |value: Option<Attribute>| value.unwrap_or(Attribute::Null);
        let parameters = [
            ("layout_version", LAYOUT_VERSION.into()),
            ("inputs", inputs.into()),
            ("shuffle", shuffle),
            ("layers_keys", self.layers_keys.clone().into()),
            ("obsm_keys", self.obsm_keys.clone().into()),
            ("obs_keys", or_null(self.obs_keys.clone().map(Into::into))),
            ("join", join),
            (
                "dtype",
                or_null(self.dtype.as_ref().map(|d| d.to_string().into())),
            ),
            ("rows_per_file", self.rows_per_file.into()),
            ("chunk_elements", self.chunk_elements.into()),
            ("chunks_per_shard", self.chunks_per_shard.into()),
            ("compression", format!("{:?}", self.compression).into()),
        ];
        let named = parameters.map(|(name, value)| (name.to_owned(), value));
        BTreeMap::from(named)
    }
}

fn object<const N: usize>(pairs: [(&str, Attribute); N]) -> Attribute {
    Attribute::Object(pairs.map(|(name, value)| (name.to_owned(), value)).into())
}
