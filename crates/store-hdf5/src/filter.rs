//! The filters of a chunk, undone in the reverse of the order in which they were applied.

mod checksum;
mod lz4;

use std::ops::Range;

use anndex_codec::{Codec, Decoders, blosc, lzf, unshuffle};
use anndex_store::{Error, Result};
use hdf5_reader::FilterRegistry;
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::messages::filter_pipeline::FilterDescription;

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const SZIP: u16 = 4;
const NBIT: u16 = 5;
const SCALE_OFFSET: u16 = 6;
const LZF: u16 = 32000;
const BLOSC: u16 = 32001;
const LZ4: u16 = 32004;
const ZSTD: u16 = 32015;

/// Filters that exist but are not decoded, for messages.
const KNOWN_FILTERS: &[(u16, &str)] = &[
    (307, "bzip2"),
    (32008, "bitshuffle"),
    (32013, "zfp"),
    (32017, "sz"),
    (32018, "fcidecomp"),
    (32024, "sz3"),
    (32026, "blosc2"),
    (32028, "sperr"),
];

/// The filters of one array, in the order in which a writer applies them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipeline(Vec<Filter>);

#[derive(Debug, Clone)]
struct Filter {
    kind: Kind,
    description: FilterDescription,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Deflate,
    Shuffle {
        element_size: usize,
    },
    Fletcher32,
    Lzf,
    Blosc,
    Lz4,
    Zstd,
    /// Rare ones, which `hdf5-reader` decodes.
    Builtin,
    Unknown,
}

impl Pipeline {
    pub(crate) fn new(descriptions: &[FilterDescription]) -> Self {
        let filters = descriptions.iter().map(|description| Filter {
            kind: kind(description),
            description: description.clone(),
        });
        Self(filters.collect())
    }

    /// Names with settings, such as `deflate(4)`.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(Filter::name).collect()
    }

    /// Whether a chunk with this mask of skipped filters is stored as it is.
    pub(crate) fn is_empty(&self, mask: u32) -> bool {
        self.active(mask).next().is_none()
    }

    /// Undoes the filters that `mask` does not skip; the result fills `out`, a whole chunk.
    ///
    /// # Errors
    /// `Unsupported` for a filter that can't be decoded, `Corrupt` for bytes that can't.
    pub(crate) fn decode(
        &self,
        mask: u32,
        decoders: &mut Decoders,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let chunk_bytes = out.len();
        let filters = self.active(mask).rev().map(|(index, filter)| {
            let earlier = self.active(mask).take_while(|(i, _)| *i < index);
            let limit = earlier.fold(chunk_bytes, |n, (_, filter)| filter.largest_encoded(n));
            (filter, limit)
        });
        decoders.chain(filters, stored, out)
    }

    fn active(&self, mask: u32) -> impl DoubleEndedIterator<Item = (usize, &Filter)> {
        self.0
            .iter()
            .enumerate()
            .filter(move |(index, _)| *index >= 32 || mask >> index & 1 == 0)
    }
}

impl Filter {
    fn name(&self) -> String {
        let setting = |index: usize| self.description.client_data.get(index);
        match self.kind {
            Kind::Deflate => setting(0).map_or("deflate".into(), |n| format!("deflate({n})")),
            Kind::Shuffle { .. } => "shuffle".into(),
            Kind::Fletcher32 => "fletcher32".into(),
            Kind::Lzf => "lzf".into(),
            Kind::Lz4 => "lz4".into(),
            // The level is stored as an unsigned number, though it may be negative.
            Kind::Zstd => setting(0).map_or("zstd".into(), |&n| format!("zstd({})", n as i32)),
            Kind::Blosc => match (setting(6), setting(4)) {
                (Some(&codec), Some(level)) => {
                    format!("blosc({},{level})", blosc::compressor_name(codec))
                }
                _ => "blosc".into(),
            },
            Kind::Builtin => match self.description.id {
                SZIP => "szip".into(),
                NBIT => "nbit".into(),
                _ => "scaleoffset".into(),
            },
            Kind::Unknown => {
                let id = self.description.id;
                let known = KNOWN_FILTERS.iter().find(|(known, _)| *known == id);
                let name = known.map(|(_, name)| *name);
                match name.or(self.description.name.as_deref()) {
                    Some(name) => format!("{name} ({id})"),
                    None => format!("filter {id}"),
                }
            }
        }
    }

    /// The most bytes that applying this filter to `n` bytes can give.
    fn largest_encoded(&self, n: usize) -> usize {
        match self.kind {
            Kind::Shuffle { .. } => n,
            Kind::Fletcher32 => n.saturating_add(4),
            _ => n.saturating_add(n / 8).saturating_add(1024),
        }
    }

    fn undo(&self, decoders: &mut Decoders, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        match self.kind {
            Kind::Deflate => decoders.zlib(stored, out),
            Kind::Shuffle { element_size } => {
                let out = out.get_mut(..stored.len()).ok_or_else(too_long)?;
                unshuffle(element_size, stored, out);
                Ok(stored.len())
            }
            Kind::Lzf => lzf(stored, out),
            Kind::Lz4 => lz4::decode(stored, out),
            Kind::Zstd => decoders.zstd(stored, out),
            Kind::Blosc => blosc::Frame::new(stored)?.decode(decoders, out),
            Kind::Builtin | Kind::Fletcher32 => {
                let bytes = FilterRegistry::new()
                    .apply_with_limit(&self.description, stored, 1, Some(out.len()))
                    .map_err(crate::error::from_hdf5)?;
                let out = out.get_mut(..bytes.len()).ok_or_else(too_long)?;
                out.copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Kind::Unknown => Err(Error::unsupported(format!(
                "chunks compressed with {} can't be decoded; write the file again with gzip, \
                 lzf, blosc, zstd or lz4",
                self.name()
            ))),
        }
    }
}

impl Codec for Filter {
    fn content(&self, stored: &[u8]) -> Result<Option<Range<usize>>> {
        match self.kind {
            Kind::Fletcher32 => checksum::verified(stored)
                .map(|len| Some(0..len))
                .map_err(|e| e.with("filter", self.name())),
            _ => Ok(None),
        }
    }

    fn decode(&self, decoders: &mut Decoders, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        self.undo(decoders, stored, out)
            .map_err(|e| e.with("filter", self.name()))
    }
}

fn too_long() -> Error {
    Error::corrupt("a chunk has more bytes than its shape")
}

fn kind(description: &FilterDescription) -> Kind {
    match description.id {
        DEFLATE => Kind::Deflate,
        SHUFFLE => Kind::Shuffle {
            element_size: description.client_data.first().map_or(1, |&n| n as usize),
        },
        FLETCHER32 => Kind::Fletcher32,
        LZF => Kind::Lzf,
        BLOSC => Kind::Blosc,
        LZ4 => Kind::Lz4,
        ZSTD => Kind::Zstd,
        SZIP | NBIT | SCALE_OFFSET => Kind::Builtin,
        _ => Kind::Unknown,
    }
}

/// The filters that `hdf5-reader` lacks, for the few structures that it decodes itself.
pub(crate) fn registry() -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    for id in [LZF, BLOSC, LZ4, ZSTD] {
        let decode = move |description: &FilterDescription, stored: &[u8], _: usize| {
            let filter = Filter {
                kind: kind(description),
                description: description.clone(),
            };
            // The length is not known; memory that nothing is written to is never taken.
            let mut out = vec![0; crate::grid::USUAL_CHUNK_BYTES];
            let len = filter
                .decode(&mut Decoders::default(), stored, &mut out)
                .map_err(|e| Hdf5Error::DecompressionError(e.to_string()))?;
            out.truncate(len);
            out.shrink_to_fit();
            Ok(out)
        };
        registry.register(id, Box::new(decode));
    }
    registry
}
