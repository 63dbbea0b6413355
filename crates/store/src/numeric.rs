//! Arrays of numbers in memory: what stores decode into and batches are made of.

use bytemuck::Pod;
use half::f16;

use super::convert::convert;
use super::{Array, DataType, Span};
use crate::error::{Error, Result};
use crate::with_element;

/// A Rust type that stands for a numeric [`DataType`].
pub trait Element: Pod + Send + Sync {
    /// The data type of this element.
    const DATA_TYPE: DataType;
}

macro_rules! elements {
    ($($element:ty => $name:ident),* $(,)?) => {
        $(impl Element for $element {
            const DATA_TYPE: DataType = DataType::$name;
        })*
    };
}

elements! {
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64,
    f16 => Float16, f32 => Float32, f64 => Float64,
}

/// An array of booleans or numbers in C order, with any number of dimensions (none for a scalar).
///
/// The memory is aligned to 8 bytes, so that it can be viewed as a slice of its element type.
#[derive(Clone)]
pub struct NumericArray {
    data_type: DataType,
    shape: Vec<usize>,
    /// Whole words, so that the start is aligned for every element type.
    words: Vec<u64>,
    bytes: usize,
}

impl NumericArray {
    /// An array of zeros (`false` for booleans).
    ///
    /// # Errors
    /// `Unsupported` if `data_type` is not numeric, `InvalidInput` if the array would not fit
    /// into memory.
    pub fn zeros(data_type: DataType, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::reusing(data_type, shape, |_| Vec::new())
    }

    /// An array of unspecified content (zeros where the memory is new) in memory that `take` may
    /// have from before. It is told how many 8-byte words there must be, and may give fewer.
    ///
    /// # Errors
    /// As [`NumericArray::zeros`].
    pub fn reusing(
        data_type: DataType,
        shape: impl Into<Vec<usize>>,
        take: impl FnOnce(usize) -> Vec<u64>,
    ) -> Result<Self> {
        let shape = shape.into();
        let bytes = shape
            .iter()
            .try_fold(data_type.fixed_size()?, |product, &n| {
                product.checked_mul(n)
            })
            .ok_or_else(|| too_large(&shape))?;
        let needed = bytes.div_ceil(8);
        let mut words = take(needed);
        words
            .try_reserve_exact(needed.saturating_sub(words.len()))
            .map_err(|_| too_large(&shape))?;
        if words.is_empty() {
            // There is room, as was just seen. The system gives zeros, page by page when they are
            // first touched, which many threads do at once where one alone would take long.
            drop(words);
            words = vec![0; needed];
        } else {
            words.resize(needed, 0);
        }
        Ok(Self {
            data_type,
            shape,
            words,
            bytes,
        })
    }

    /// An array from native little-endian bytes in C order.
    ///
    /// # Errors
    /// As [`NumericArray::zeros`]; `InvalidInput` if the number of bytes does not fit.
    pub fn from_bytes(
        data_type: DataType,
        shape: impl Into<Vec<usize>>,
        bytes: &[u8],
    ) -> Result<Self> {
        let mut array = Self::zeros(data_type, shape)?;
        if bytes.len() != array.bytes {
            return Err(Error::invalid_input(format!(
                "{} bytes do not fill shape {:?} of type {}",
                bytes.len(),
                array.shape,
                array.data_type
            )));
        }
        array.bytes_mut().copy_from_slice(bytes);
        Ok(array)
    }

    /// An array from values in C order.
    ///
    /// # Errors
    /// As [`NumericArray::from_bytes`].
    pub fn from_values<T: Element>(shape: impl Into<Vec<usize>>, values: &[T]) -> Result<Self> {
        Self::from_bytes(T::DATA_TYPE, shape, bytemuck::cast_slice(values))
    }

    /// A one-dimensional array of booleans.
    ///
    /// # Errors
    /// As [`NumericArray::zeros`].
    pub fn from_bools(values: &[bool]) -> Result<Self> {
        let bytes: Vec<u8> = values.iter().map(|&value| u8::from(value)).collect();
        Self::from_bytes(DataType::Bool, [values.len()], &bytes)
    }

    /// Reads rows of a stored array; the shape is the array's with the rows asked for along
    /// axis 0 (a scalar stays one).
    ///
    /// # Errors
    /// As [`Array::read_spans`].
    pub fn read(array: &dyn Array, spans: &[Span]) -> Result<Self> {
        let info = array.info();
        let rows = super::check_spans(info, spans, None)?;
        let mut shape = Vec::with_capacity(info.shape.len());
        for (axis, &extent) in info.shape.iter().enumerate() {
            let extent = if axis == 0 { rows } else { extent };
            shape.push(usize::try_from(extent).map_err(|_| too_large(&info.shape))?);
        }
        let mut values = Self::zeros(info.data_type.clone(), shape)?;
        array.read_spans(spans, values.bytes_mut())?;
        Ok(values)
    }

    /// The type of the elements.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Extent along each axis, in elements.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as native little-endian bytes in C order.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.bytes]
    }

    /// The elements as bytes, to be overwritten.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.bytes]
    }

    /// The memory itself, without a copy: the elements, then zeros up to a whole 8-byte word.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// The elements as a slice; `None` if they have another type (booleans always do).
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        (T::DATA_TYPE == self.data_type).then(|| bytemuck::cast_slice(self.bytes()))
    }

    /// The elements as a slice to be overwritten; `None` if they have another type.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        (T::DATA_TYPE == self.data_type).then(|| bytemuck::cast_slice_mut(self.bytes_mut()))
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// `InvalidInput` if the number of elements differs.
    pub fn reshape(mut self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        if shape.iter().product::<usize>() != self.len() {
            return Err(Error::invalid_input(format!(
                "shape {:?} can't be seen as {shape:?}",
                self.shape
            )));
        }
        self.shape = shape;
        Ok(self)
    }

    /// The first `len` elements in one dimension; the memory of the others is given back.
    pub fn truncate(mut self, len: usize) -> Self {
        let len = len.min(self.len());
        self.bytes = self.bytes / self.len().max(1) * len;
        self.words.truncate(self.bytes.div_ceil(8));
        self.words.shrink_to_fit();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        bytes[self.bytes..].fill(0);
        self.shape = vec![len];
        self
    }

    /// The elements converted to another type, as NumPy's `astype` does: integers wrap, floats
    /// are cut towards zero (and saturate, where NumPy leaves the result undefined), everything
    /// but zero is `true`.
    ///
    /// # Errors
    /// `Unsupported` if `data_type` is not numeric.
    pub fn cast(self, data_type: &DataType) -> Result<Self> {
        if *data_type == self.data_type {
            return Ok(self);
        }
        let mut out = Self::zeros(data_type.clone(), self.shape.clone())?;
        convert(&self, &mut out)?;
        Ok(out)
    }

    /// The element at `index` in C order as float64, which is exact for all but 64-bit integers
    /// above 2^53; `None` past the end.
    pub fn get_f64(&self, index: usize) -> Option<f64> {
        if index >= self.len() {
            return None;
        }
        with_element!(&self.data_type, T => {
            let values: &[T] = bytemuck::cast_slice(self.bytes());
            Some(num_traits::AsPrimitive::<f64>::as_(values[index]))
        }, else None)
    }

    /// The element at `index` in C order as an integer; `None` past the end, for floating-point
    /// numbers and for values above `i64::MAX`.
    pub fn get_i64(&self, index: usize) -> Option<i64> {
        if index >= self.len() || self.data_type.is_float() {
            return None;
        }
        if let Some(values) = self.as_slice::<u64>() {
            return i64::try_from(values[index]).ok();
        }
        with_element!(&self.data_type, T => {
            let values: &[T] = bytemuck::cast_slice(self.bytes());
            Some(num_traits::AsPrimitive::<i64>::as_(values[index]))
        }, else None)
    }

    /// The sum of all elements in float64, and the number of elements that are not zero.
    pub fn sum_and_nonzero(&self) -> (f64, u64) {
        with_element!(&self.data_type, T => {
            let values: &[T] = bytemuck::cast_slice(self.bytes());
            values.iter().fold((0.0, 0), |(sum, nonzero), &value| {
                let value: f64 = num_traits::AsPrimitive::<f64>::as_(value);
                (sum + value, nonzero + u64::from(value != 0.0))
            })
        }, else (0.0, 0))
    }
}

fn too_large(shape: &dyn std::fmt::Debug) -> Error {
    Error::invalid_input(format!(
        "an array of shape {shape:?} does not fit into memory"
    ))
}

impl PartialEq for NumericArray {
    /// Equal type, shape and bytes; NaN equals a NaN of the same bits.
    fn eq(&self, other: &Self) -> bool {
        self.data_type == other.data_type
            && self.shape == other.shape
            && self.bytes() == other.bytes()
    }
}

impl std::fmt::Debug for NumericArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 8;
        let values: Vec<_> = (0..self.len().min(SHOWN))
            .filter_map(|i| self.get_f64(i))
            .collect();
        write!(
            f,
            "NumericArray({} {:?} {values:?}",
            self.data_type, self.shape
        )?;
        f.write_str(if self.len() > SHOWN { ", …)" } else { ")" })
    }
}

/// The smallest type that holds the values of both, by NumPy's rules (`numpy.result_type`).
///
/// # Errors
/// `Unsupported` if one of them is not numeric.
pub fn promote(a: &DataType, b: &DataType) -> Result<DataType> {
    use DataType::{Bool, Float16, Float32, Float64, Int16, Int32, Int64, UInt64};
    let (size_a, size_b) = (a.fixed_size()?, b.fixed_size()?);
    if a == b || *b == Bool {
        return Ok(a.clone());
    }
    if *a == Bool {
        return Ok(b.clone());
    }
    let by_size = |types: [&DataType; 3], size: usize| match size {
        0..=2 => types[0].clone(),
        3..=4 => types[1].clone(),
        _ => types[2].clone(),
    };
    let signed = |t: &DataType| {
        matches!(
            t,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
        )
    };
    Ok(match (a.is_float(), b.is_float()) {
        (true, true) => if size_a >= size_b { a } else { b }.clone(),
        // A float takes an integer of half its size without loss; others need a larger float.
        (true, false) => by_size([&Float16, &Float32, &Float64], size_a.max(size_b * 2)),
        (false, true) => by_size([&Float16, &Float32, &Float64], size_b.max(size_a * 2)),
        (false, false) if signed(a) == signed(b) => if size_a >= size_b { a } else { b }.clone(),
        (false, false) => {
            let (signed, unsigned) = if signed(a) { (a, b) } else { (b, a) };
            let (size_signed, size_unsigned) = (signed.fixed_size()?, unsigned.fixed_size()?);
            if *unsigned == UInt64 {
                Float64
            } else if size_signed > size_unsigned {
                signed.clone()
            } else {
                by_size([&Int16, &Int32, &Int64], size_unsigned * 2)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_follows_numpy() {
        let check = |a: &str, b: &str, expected: &str| {
            let (a, b) = (
                DataType::from_name(a).unwrap(),
                DataType::from_name(b).unwrap(),
            );
            assert_eq!(
                promote(&a, &b).unwrap().to_string(),
                expected,
                "{a} and {b}"
            );
            assert_eq!(
                promote(&b, &a).unwrap().to_string(),
                expected,
                "{b} and {a}"
            );
        };
        // Taken from numpy.result_type of NumPy 2.
        check("bool", "int8", "int8");
        check("int8", "uint8", "int16");
        check("int8", "uint16", "int32");
        check("int16", "uint8", "int16");
        check("int32", "uint32", "int64");
        check("int64", "uint64", "float64");
        check("uint8", "uint64", "uint64");
        check("float16", "int8", "float16");
        check("float16", "int16", "float32");
        check("float16", "int32", "float64");
        check("float32", "uint16", "float32");
        check("float32", "int32", "float64");
        check("float32", "int64", "float64");
        check("float16", "float64", "float64");
    }

    #[test]
    fn casts_follow_numpy() {
        let floats = NumericArray::from_values([3], &[1.9f32, -1.9, 0.0]).unwrap();
        let ints = floats.clone().cast(&DataType::Int8).unwrap();
        assert_eq!(ints.as_slice::<i8>().unwrap(), [1, -1, 0]);
        let bools = floats.cast(&DataType::Bool).unwrap();
        assert_eq!(bools.bytes(), [1, 1, 0]);
        let wrapped = NumericArray::from_values([1], &[300i32]).unwrap();
        assert_eq!(wrapped.cast(&DataType::UInt8).unwrap().bytes(), [44]);
    }
}
