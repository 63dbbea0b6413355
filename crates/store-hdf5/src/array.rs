//! An opened dataset as an array: decodes what [`RawArray`] reads.

use std::fmt;
use std::sync::Arc;

use anndex_store::{Array, ArrayInfo, DataType, Span, Strings, check_spans};
use anndex_store::{Error, Remaining, Result};
use hdf5_reader::{Dataset, Hdf5File};

use crate::data_type::{ElementType, Encoding};
use crate::raw_array::RawArray;
use crate::source::Source;
use crate::strings::{HeapSource, Heaps, VALUES_AHEAD, fixed_text};

/// A dataset, or one field of a compound dataset.
#[derive(Clone)]
pub(crate) struct Hdf5Array {
    raw: Arc<RawArray>,
    heaps: HeapSource,
    location: Arc<str>,
    /// The path from the root, and `[field]` for a field.
    node: String,
    info: ArrayInfo,
    element: ElementType,
    /// Where the element stands in a stored one: 0 unless it is a field.
    offset: usize,
    /// The file with what was read ahead of it.
    ahead: Option<Source>,
}

impl Hdf5Array {
    pub(crate) fn open(
        file: &Hdf5File,
        dataset: &Dataset,
        source: Source,
        heaps: HeapSource,
        node: String,
    ) -> Result<Self> {
        let location = source.location().into();
        let raw = RawArray::open(file, dataset, source)?;
        let element = raw.element.clone();
        Ok(Self::new(Arc::new(raw), heaps, location, node, element, 0))
    }

    fn new(
        raw: Arc<RawArray>,
        heaps: HeapSource,
        location: Arc<str>,
        node: String,
        element: ElementType,
        offset: usize,
    ) -> Self {
        // A scalar has one row; the axes of its value are none that spans could count.
        let is_array_in_scalar = raw.shape.is_empty() && !element.shape.is_empty();
        let info = ArrayInfo {
            data_type: if is_array_in_scalar {
                DataType::Other(format!("scalar array of {}", element.data_type))
            } else {
                element.data_type.clone()
            },
            shape: match is_array_in_scalar {
                true => Vec::new(),
                false => [&raw.shape[..], &element.shape].concat(),
            },
            chunk_shape: raw
                .chunk_shape()
                .map(|chunk| [&chunk[..], &element.shape].concat()),
            shard_shape: None,
            filters: raw.filters(),
            stored_bytes: raw.stored_bytes(),
        };
        Self {
            raw,
            heaps,
            location,
            node,
            info,
            element,
            offset,
            ahead: None,
        }
    }

    fn context(&self, error: Error) -> Error {
        error.with("path", &self.location).with("node", &self.node)
    }

    /// Calls `each` with the stored bytes of each element of this type, whose text is in `heaps`.
    fn read_elements(
        &self,
        spans: &[Span],
        heaps: Option<&Heaps>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let stored_size = self.raw.element.size()?.max(1);
        let (offset, end) = (self.offset, self.offset + self.element.size()?);
        let value_size = self.element.value_size;
        let ahead = self.ahead.as_ref();
        let mut read = |bytes: &[u8]| {
            let elements = || {
                let stored = bytes.chunks_exact(stored_size);
                stored.map(move |stored| stored.get(offset..end))
            };
            if let Some(heaps) = heaps {
                let values = elements().flatten();
                heaps.read_ahead(values.flat_map(|element| element.chunks_exact(value_size)))?;
            }
            elements().try_for_each(|element| {
                each(element.ok_or_else(|| Error::corrupt("a field lies outside its element"))?)
            })
        };
        self.raw.read_batches(ahead, spans, |bytes| {
            let mut pieces = bytes.chunks(stored_size.saturating_mul(VALUES_AHEAD));
            pieces.try_for_each(&mut read)
        })
    }

    fn read_numbers(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        let value_size = self.info.data_type.fixed_size()?;
        if value_size != self.element.value_size {
            return Err(Error::corrupt("the elements have an impossible size"));
        }
        if self.element.size()? == self.raw.element.size()? {
            self.raw.read(self.ahead.as_ref(), spans, out)?;
        } else {
            let mut places = out.chunks_exact_mut(self.element.size()?.max(1));
            self.read_elements(spans, None, |element| {
                if let Some(place) = places.next() {
                    place.copy_from_slice(element);
                }
                Ok(())
            })?;
        }
        match self.element.encoding {
            Encoding::Bool => out
                .iter_mut()
                .for_each(|value| *value = u8::from(*value != 0)),
            Encoding::Number { big_endian: true } => swap_bytes(value_size, out),
            _ => {}
        }
        Ok(())
    }

    fn text(
        &self,
        heaps: &Heaps,
        stored: &[u8],
        left: &mut Remaining,
        strings: &mut Strings,
    ) -> Result<()> {
        match self.element.encoding {
            Encoding::FixedString(padding) => strings.push(fixed_text(stored, padding)?),
            Encoding::VariableString(padding) => {
                let text = heaps.text(stored, padding)?;
                left.spend(text.len() as u64)?;
                strings.push(&text);
            }
            _ => return Err(Error::invalid_input("the elements are not strings")),
        }
        Ok(())
    }
}

impl Array for Hdf5Array {
    fn info(&self) -> &ArrayInfo {
        &self.info
    }

    fn read_spans(&self, spans: &[Span], out: &mut [u8]) -> Result<()> {
        check_spans(&self.info, spans, Some(out.len()))
            .and_then(|_| self.read_numbers(spans, out))
            .map_err(|e| self.context(e))
    }

    fn read_ahead(&self, spans: &[Span]) -> Result<Option<Arc<dyn Array>>> {
        let read = check_spans(&self.info, spans, None).and_then(|_| self.raw.read_ahead(spans));
        let ahead = read.map_err(|e| self.context(e))?;
        Ok(ahead.map(|source| -> Arc<dyn Array> {
            Arc::new(Self {
                ahead: Some(source),
                ..self.clone()
            })
        }))
    }

    fn read_strings(&self, spans: &[Span]) -> Result<Strings> {
        let read = || {
            check_spans(&self.info, spans, None)?;
            if self.info.data_type != DataType::String {
                return Err(Error::invalid_input(format!(
                    "the elements are not strings but {}",
                    self.info.data_type
                )));
            }
            let heaps = self.heaps.open()?;
            let mut strings = Strings::new();
            // Heaps are stored as they are, and elements may refer to the same text.
            let mut left = self.raw.limits().text(self.raw.file_bytes());
            let value_size = self.element.value_size;
            let is_in_heaps = matches!(self.element.encoding, Encoding::VariableString(_));
            let behind = Some(&heaps).filter(|_| is_in_heaps && value_size > 0);
            self.read_elements(spans, behind, |element| {
                if value_size == 0 {
                    strings.push("");
                    return Ok(());
                }
                element
                    .chunks_exact(value_size)
                    .try_for_each(|value| self.text(&heaps, value, &mut left, &mut strings))
            })?;
            Ok(strings)
        };
        read().map_err(|e| self.context(e))
    }

    fn field(&self, name: &str) -> Result<Arc<dyn Array>> {
        let find = || {
            let Encoding::Struct(fields) = &self.element.encoding else {
                return Err(Error::invalid_input("the elements are not structs"));
            };
            if !self.element.shape.is_empty() {
                return Err(Error::unsupported(
                    "fields of arrays of structs can't be read",
                ));
            }
            fields
                .iter()
                .find(|field| field.name == name)
                .ok_or_else(|| Error::not_found(format!("the structs have no field `{name}`")))
        };
        let field = find().map_err(|e| self.context(e))?;
        Ok(Arc::new(Self::new(
            self.raw.clone(),
            self.heaps.clone(),
            self.location.clone(),
            format!("{}[{name}]", self.node),
            field.element.clone(),
            self.offset + field.offset,
        )))
    }
}

impl fmt::Debug for Hdf5Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hdf5Array")
            .field("location", &self.location)
            .field("node", &self.node)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Turns big-endian values of `size` bytes into little-endian ones.
fn swap_bytes(size: usize, values: &mut [u8]) {
    match size {
        2 => values
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .for_each(|v| v.reverse()),
        4 => values
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .for_each(|v| v.reverse()),
        8 => values
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .for_each(|v| v.reverse()),
        _ => {}
    }
}
