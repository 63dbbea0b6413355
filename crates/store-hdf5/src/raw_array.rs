//! The elements of an array as stored: reading rows from any layout, without making numbers or
//! text of them yet.

mod batches;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use anndex_store::{DataType, Span};
use anndex_store::{Error, Limits, Result};
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::dataspace::DataspaceType;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::{Dataset, Datatype, Hdf5File};

use crate::chunk_table::{ChunkIndex, is_undefined};
use crate::chunked::Chunked;
use crate::data_type::{ElementType, Encoding, is_plain_number};
use crate::error::from_hdf5;
use crate::filter::Pipeline;
use crate::grid::Grid;
use crate::reads::{Reads, fill, too_short};
use crate::source::Source;

/// Arrays above this have their chunk table loaded when opened, so that their stored size is
/// known before anybody makes room for their elements.
const LARGE_BYTES: u64 = 64 << 20;

/// One array, as rows of stored elements.
pub(crate) struct RawArray {
    file: Hdf5File,
    source: Source,
    /// Extent along each axis; empty for a scalar.
    pub(crate) shape: Vec<u64>,
    pub(crate) element: ElementType,
    /// Bytes of one stored row.
    row_bytes: usize,
    layout: Layout,
}

enum Layout {
    Compact(Vec<u8>),
    Contiguous {
        address: u64,
        size: u64,
    },
    /// Nothing was written; every element is this one, or zeros if it is empty.
    Unwritten(Vec<u8>),
    Chunked(Box<Chunked>),
    External,
}

impl RawArray {
    /// Reads the description of an array.
    pub(crate) fn open(file: &Hdf5File, dataset: &Dataset, source: Source) -> Result<Self> {
        let header = file
            .get_or_parse_header(dataset.address())
            .map_err(from_hdf5)?;
        let superblock = file.superblock();
        let mut dataspace = None;
        let mut datatype: Option<&Datatype> = None;
        let mut layout = None;
        let mut fill = None;
        let mut is_external = false;
        let mut pipeline = Pipeline::default();
        for message in &header.messages {
            match message {
                HdfMessage::Dataspace(message) => dataspace = Some(message),
                HdfMessage::Datatype(message) => datatype = Some(&message.datatype),
                HdfMessage::DataLayout(message) => layout = Some(&message.layout),
                // Both the old and the new message may be there; the one with a value counts.
                HdfMessage::FillValue(message) => fill = message.value.as_ref().or(fill),
                HdfMessage::FilterPipeline(message) => pipeline = Pipeline::new(&message.filters),
                HdfMessage::ExternalFiles(_) => is_external = true,
                _ => {}
            }
        }
        let missing = |what| Error::corrupt(format!("the array has no {what}"));
        let dataspace = dataspace.ok_or_else(|| missing("shape"))?;
        let datatype = datatype.ok_or_else(|| missing("element type"))?;
        let layout = layout.ok_or_else(|| missing("layout"))?;
        let mut element = ElementType::new(datatype, superblock.offset_size)?;
        let description = dataset.raw_datatype().map_err(from_hdf5)?;
        if element.data_type.is_numeric() && !is_plain_number(&description) {
            element.data_type = DataType::Other(format!("{} of unusual bits", element.data_type));
            element.encoding = Encoding::Other;
        }
        let element_size = element.size()?;
        let shape = match dataspace.dataspace_type {
            DataspaceType::Null => vec![0],
            _ => dataspace.dims.clone(),
        };
        let row_bytes = shape
            .iter()
            .skip(1)
            .try_fold(element_size, |bytes, &n| {
                bytes.checked_mul(usize::try_from(n).ok()?)
            })
            .ok_or_else(|| Error::corrupt(format!("the shape {shape:?} is not possible")))?;
        // Without one, elements are zeros.
        let element_fill = fill.cloned().unwrap_or_default();
        if !element_fill.is_empty() && element_fill.len() != element_size {
            return Err(Error::corrupt("the fill value has the wrong size"));
        }
        let layout = match layout {
            _ if is_external => Layout::External,
            DataLayout::Compact { data } => Layout::Compact(data.clone()),
            DataLayout::Contiguous { address, .. }
                if is_undefined(*address, superblock.offset_size) =>
            {
                Layout::Unwritten(element_fill)
            }
            DataLayout::Contiguous { address, size } => Layout::Contiguous {
                address: *address,
                size: *size,
            },
            DataLayout::Chunked {
                address,
                dims,
                element_size: stored_size,
                chunk_indexing,
            } => {
                // The last axis of a stored chunk shape may be the size of the element.
                let (dims, stored_size) = match dims.split_last() {
                    Some((last, dims)) if dims.len() == shape.len() => (dims, *last),
                    _ => (&dims[..], *stored_size),
                };
                if stored_size != 0 && stored_size as usize != element_size {
                    return Err(Error::corrupt("the layout disagrees with the element type"));
                }
                Layout::Chunked(Box::new(Chunked {
                    grid: Grid::new(&shape, dims, element_size)?,
                    index: ChunkIndex {
                        address: *address,
                        kind: chunk_indexing.clone(),
                        max_shape: dataspace.max_dims.clone(),
                    },
                    pipeline,
                    fill: element_fill,
                    table: OnceLock::new(),
                }))
            }
        };
        let array = Self {
            file: file.clone(),
            source,
            shape,
            element,
            row_bytes,
            layout,
        };
        let is_large = array.bytes().is_none_or(|bytes| bytes > LARGE_BYTES);
        if let Layout::Chunked(chunked) = &array.layout
            && is_large
        {
            chunked.table(&array.file, &array.source)?;
        }
        Ok(array)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.source.limits()
    }

    /// The length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.source.len()
    }

    fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Bytes of all elements as stored but decoded; `None` if that is beyond all measure.
    fn bytes(&self) -> Option<u64> {
        self.rows().checked_mul(self.row_bytes as u64)
    }

    pub(crate) fn chunk_shape(&self) -> Option<Vec<u64>> {
        match &self.layout {
            Layout::Chunked(chunked) => Some(chunked.grid.chunk_shape.clone()),
            _ => None,
        }
    }

    pub(crate) fn filters(&self) -> Vec<String> {
        match &self.layout {
            Layout::Chunked(chunked) => chunked.pipeline.names(),
            _ => Vec::new(),
        }
    }

    /// Bytes in the file, if they are known by now.
    pub(crate) fn stored_bytes(&self) -> Option<u64> {
        match &self.layout {
            Layout::Compact(data) => Some(data.len() as u64),
            // It may claim more than there is.
            Layout::Contiguous { size, .. } => Some((*size).min(self.source.len())),
            Layout::Unwritten(_) => Some(0),
            Layout::Chunked(chunked) => Some(chunked.table.get()?.stored_bytes()),
            Layout::External => None,
        }
    }

    /// Reads the rows of `spans` (sorted, inside the array) into `out`, as stored; `out` is
    /// exactly as long as they are. What was read `ahead` is not fetched again.
    pub(crate) fn read(
        &self,
        ahead: Option<&Source>,
        spans: &[Span],
        out: &mut [u8],
    ) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let own;
        let source = match ahead {
            Some(ahead) => ahead,
            None => {
                own = self.source_of(spans)?;
                &*own
            }
        };
        match &self.layout {
            Layout::Compact(data) => {
                let mut rest = out;
                for span in spans {
                    let len = (span.len() as usize).saturating_mul(self.row_bytes);
                    let start = (span.start as usize).saturating_mul(self.row_bytes);
                    let stored = data.get(start..).and_then(|data| data.get(..len));
                    let stored = stored.ok_or_else(too_short)?;
                    let (head, tail) = rest.split_at_mut(len);
                    head.copy_from_slice(stored);
                    rest = tail;
                }
                Ok(())
            }
            Layout::Contiguous { address, size } => {
                // Layouts before HDF5 1.6.3 hold the number of elements instead of bytes.
                let bytes = self.bytes().ok_or_else(too_short)?;
                let elements = bytes / self.element.size()?.max(1) as u64;
                if *size < bytes && *size != elements {
                    return Err(too_short());
                }
                let mut reads = Reads::new(source, out);
                let mut position = 0;
                for span in spans {
                    let range = self.range(*address, span).ok_or_else(too_short)?;
                    let len = (range.end - range.start) as usize;
                    reads.read(range.start, position, len)?;
                    position += len;
                }
                reads.flush()
            }
            Layout::Unwritten(element) => {
                fill(element, out);
                Ok(())
            }
            Layout::Chunked(chunked) => {
                let table = chunked.table(&self.file, source)?;
                chunked.read(table, source, spans, out)
            }
            Layout::External => Err(Error::unsupported(
                "the elements are in other files, which are never read; \
                 write them into one file with h5repack",
            )),
        }
    }

    /// The file with what `spans` need of it; `None` if it is on this machine.
    pub(crate) fn read_ahead(&self, spans: &[Span]) -> Result<Option<Source>> {
        match self.source.remote() {
            None => Ok(None),
            Some(_) => {
                self.check_decoded(spans)?;
                Ok(Some(self.source_of(spans)?.into_owned()))
            }
        }
    }

    /// Where the bytes of `spans` come from: for a file on a server, what they need of it is read
    /// ahead.
    fn source_of(&self, spans: &[Span]) -> Result<Cow<'_, Source>> {
        let Some(file) = self.source.remote() else {
            return Ok(Cow::Borrowed(&self.source));
        };
        let ranges = match &self.layout {
            Layout::Contiguous { address, .. } => {
                let range = |span| self.range(*address, span);
                spans.iter().filter_map(range).collect()
            }
            Layout::Chunked(chunked) => {
                chunked.ranges(chunked.table(&self.file, &self.source)?, spans)?
            }
            Layout::Compact(_) | Layout::Unwritten(_) | Layout::External => Vec::new(),
        };
        self.source.read_ahead(file, ranges).map(Cow::Owned)
    }

    /// The addresses of the rows of a span that begin at `address`; `None` if these are no
    /// addresses.
    fn range(&self, address: u64, span: &Span) -> Option<Range<u64>> {
        let at = |row: u64| row.checked_mul(self.row_bytes as u64)?.checked_add(address);
        Some(at(span.start)?..at(span.end)?)
    }
}
