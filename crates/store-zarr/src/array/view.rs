//! Copying elements, or one field of them, from a decoded chunk.

use anndex_store::{Error, Result};

use crate::element::{Element, Field};

/// The part of each stored element that is read.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The type of one value.
    pub(crate) element: Element,
    /// Values in each stored element: more than one in an array-valued field.
    pub(crate) count: usize,
    /// Where the values begin in a stored element, in bytes.
    offset: usize,
    /// Bytes of a stored element; 0 for text of any length.
    stride: usize,
}

impl View {
    /// Whole elements.
    pub(crate) fn whole(element: &Element) -> Self {
        Self {
            element: element.clone(),
            count: 1,
            offset: 0,
            stride: element.size().unwrap_or(0),
        }
    }

    /// One field of these elements.
    pub(crate) fn field(&self, field: &Field) -> Result<Self> {
        if self.count != 1 {
            return Err(Error::unsupported(
                "fields of array-valued fields can't be read",
            ));
        }
        let count = field.shape.iter().product::<u64>();
        Ok(Self {
            element: field.element.clone(),
            count: usize::try_from(count).map_err(|_| Error::corrupt("a field is too large"))?,
            offset: self.offset + field.offset,
            stride: self.stride,
        })
    }

    /// Whether stored elements are read as they are.
    pub(crate) fn is_plain(&self) -> bool {
        let native = matches!(
            self.element,
            Element::Number {
                big_endian: false,
                ..
            }
        );
        native && self.count == 1 && self.element.size() == Some(self.stride)
    }

    /// Copies numbers of `count` stored elements from element `from` of a chunk to element `to`
    /// of the output. `None` if either is too short, or these are not numbers.
    pub(crate) fn copy(
        &self,
        chunk: &[u8],
        from: usize,
        out: &mut [u8],
        to: usize,
        count: usize,
    ) -> Option<()> {
        let Element::Number { big_endian, .. } = self.element else {
            return None;
        };
        let size = self.element.size()?;
        let bytes = size * self.count;
        let source = chunk.get(from * self.stride..(from + count) * self.stride)?;
        let target = out.get_mut(to * bytes..(to + count) * bytes)?;
        if self.is_plain() {
            target.copy_from_slice(source);
            return Some(());
        }
        for (source, target) in source
            .chunks_exact(self.stride)
            .zip(target.chunks_exact_mut(bytes))
        {
            target.copy_from_slice(source.get(self.offset..self.offset + bytes)?);
            if big_endian {
                target.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
        }
        Some(())
    }

    /// Writes numbers of `count` elements that are not stored.
    pub(crate) fn fill(&self, fill: &[u8], out: &mut [u8], to: usize, count: usize) -> Option<()> {
        (to..to + count).try_for_each(|to| self.copy(fill, 0, out, to, 1))
    }

    /// The bytes of value `index`, counted over all stored elements of a chunk.
    pub(crate) fn value<'a>(&self, chunk: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let size = self.element.size()?;
        let at = index / self.count * self.stride + self.offset + index % self.count * size;
        chunk.get(at..at + size)
    }
}
