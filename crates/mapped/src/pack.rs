//! Values in the smallest type that keeps them exactly.
//!
//! Counts are small integers that are stored as float32. Held in a byte each, and their columns in
//! little more (see `columns`), a window of a shuffled epoch has three times the rows in the same
//! memory, and so decodes each chunk that many times less often.

use std::ops::Range;

use bytemuck::Zeroable;
use half::f16;
use num_traits::AsPrimitive;

use anndex_store::error::Result;
use anndex_store::{DataType, Element, NumericArray, with_element};

/// Elements checked at once, so that what can't be narrowed costs little to find out.
const SEGMENT: usize = 1024;
/// Elements among which a larger one is looked for.
const STRETCH: usize = 64;
/// One in so many values may be larger than a byte: each of those takes eight more bytes.
const LARGER_PART: usize = 16;

/// Values of one numeric type, which is known to whoever holds them.
#[derive(Debug)]
pub(super) enum Packed {
    /// All are integers from 0 to 65,535, and all but few fit a byte.
    U8(Bytes),
    /// All are integers from 0 to 65,535.
    U16(Vec<u16>),
    /// As they are.
    Wide(NumericArray),
}

/// Integers of which all but few fit a byte.
#[derive(Debug)]
pub(super) struct Bytes {
    /// The lowest byte of each.
    pub(super) lowest: Vec<u8>,
    /// The position of each that is larger than 255, sorted, with its value: the few genes that
    /// make up most of a cell.
    larger: Vec<(u32, u16)>,
    /// How many of them stand before each stretch of [`STRETCH`] values, and at the end. Looking
    /// for a position among all of them would wait for memory at every step.
    larger_before: Vec<u32>,
}

/// A numeric element that may be held as a small integer.
pub(super) trait Small: Element + PartialEq {
    /// The integer that it is, or any other if it is none from 0 to 65,535.
    fn to_small(self) -> u16;
    /// The element that is this integer.
    fn of_small(small: u16) -> Self;
    /// Whether both have the same bits: -0.0 is not 0.0.
    fn is(self, other: Self) -> bool;
    /// The sum as NumPy has it: an integer that does not fit begins again at the other end.
    fn plus(self, other: Self) -> Self;
}

/// How two values of one column become one.
pub(super) type Sum<T> = fn(T, T) -> T;

/// Adds elements of `data_type` as NumPy does, where the sum of two booleans is whether one of them
/// is true.
pub(super) fn sum_of<T: Small>(data_type: &DataType) -> Sum<T> {
    match data_type {
        DataType::Bool => |a, b| if a == Zeroable::zeroed() { b } else { a },
        _ => T::plus,
    }
}

macro_rules! small_integers {
    ($($element:ty),*) => {
        $(impl Small for $element {
            fn to_small(self) -> u16 {
                self as u16
            }
            fn of_small(small: u16) -> Self {
                small as Self
            }
            fn is(self, other: Self) -> bool {
                self == other
            }
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        })*
    };
}

small_integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl Small for f32 {
    fn to_small(self) -> u16 {
        // Adding 2^23 leaves a small integer in the lowest bits of the fraction, without the
        // range checks of a cast.
        (self + 8_388_608.0).to_bits() as u16
    }
    fn of_small(small: u16) -> Self {
        small.into()
    }
    fn is(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Small for f64 {
    fn to_small(self) -> u16 {
        (self + 4_503_599_627_370_496.0).to_bits() as u16
    }
    fn of_small(small: u16) -> Self {
        small.into()
    }
    fn is(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Small for f16 {
    fn to_small(self) -> u16 {
        self.as_()
    }
    fn of_small(small: u16) -> Self {
        Self::from_f32(small.into())
    }
    fn is(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Packed {
    /// Takes native little-endian values of `data_type`.
    pub(super) fn new(data_type: &DataType, bytes: &[u8]) -> Result<Self> {
        let packed = with_element!(data_type, T => {
            let values: &[T] = bytemuck::cast_slice(bytes);
            match size_of::<T>() {
                1 => None,
                2 => Bytes::new(values).map(Self::U8),
                _ => Bytes::new(values)
                    .map(Self::U8)
                    .or_else(|| narrow(values).map(Self::U16)),
            }
        }, else None);
        match packed {
            Some(packed) => Ok(packed),
            None => {
                let count = bytes.len() / data_type.fixed_size()?;
                NumericArray::from_bytes(data_type.clone(), [count], bytes).map(Self::Wide)
            }
        }
    }

    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::U8(values) => {
                values.lowest.len()
                    + size_of_val(values.larger.as_slice())
                    + size_of_val(values.larger_before.as_slice())
            }
            Self::U16(values) => size_of_val(values.as_slice()),
            Self::Wide(values) => values.bytes().len(),
        }
    }
}

impl Bytes {
    /// `None` if a value is not an integer from 0 to 65,535, or too many do not fit a byte.
    fn new<T: Small>(values: &[T]) -> Option<Self> {
        let mut lowest = Vec::with_capacity(values.len());
        let mut larger = Vec::new();
        let mut larger_before = Vec::with_capacity(values.len() / STRETCH + 2);
        let most = values.len() / LARGER_PART;
        for (number, segment) in values.chunks(STRETCH).enumerate() {
            larger_before.push(larger.len() as u32);
            // Twice over what is in the cache, so that both loops are vectorised.
            let fits = |all, &value: &T| all & T::of_small(value.to_small() & 0xff).is(value);
            if !segment.iter().fold(true, fits) {
                for (offset, value) in segment.iter().enumerate() {
                    let small = value.to_small();
                    if !T::of_small(small).is(*value) {
                        return None;
                    }
                    if small > 0xff {
                        larger.push((u32::try_from(number * STRETCH + offset).ok()?, small));
                    }
                }
                if larger.len() > most {
                    return None;
                }
            }
            lowest.extend(segment.iter().map(|value| value.to_small() as u8));
        }
        larger_before.push(larger.len() as u32);
        Some(Self {
            lowest,
            larger,
            larger_before,
        })
    }

    /// The larger values at positions in `range`.
    pub(super) fn larger_in(&self, range: &Range<usize>) -> &[(u32, u16)] {
        let before = |position: usize| {
            let stretch = position / STRETCH;
            let (first, next) = match self.larger_before.get(stretch..stretch + 2) {
                Some(&[first, next]) => (first as usize, next as usize),
                _ => (self.larger.len(), self.larger.len()),
            };
            let is_before = |entry: &&(u32, u16)| (entry.0 as usize) < position;
            first
                + self.larger[first..next]
                    .iter()
                    .take_while(is_before)
                    .count()
        };
        &self.larger[before(range.start)..before(range.end)]
    }
}

/// All values as small integers; `None` if one is none.
fn narrow<T: Small>(values: &[T]) -> Option<Vec<u16>> {
    let mut narrowed = Vec::with_capacity(values.len());
    for segment in values.chunks(SEGMENT) {
        let stays = |all, &value: &T| all & T::of_small(value.to_small()).is(value);
        if !segment.iter().fold(true, stays) {
            return None;
        }
        narrowed.extend(segment.iter().map(|value| value.to_small()));
    }
    Some(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack<T: Element>(values: &[T]) -> Packed {
        Packed::new(&T::DATA_TYPE, bytemuck::cast_slice(values)).unwrap()
    }

    #[test]
    fn only_what_stays_the_same_is_narrowed() {
        let bytes = |packed: Packed| match packed {
            Packed::U8(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        let small = bytes(pack(&[0.0f32, 3.0, 255.0]));
        assert_eq!(
            (&*small.lowest, &*small.larger),
            (&[0, 3, 255][..], &[][..])
        );
        assert!(matches!(pack(&[0.0f32, 256.0]), Packed::U16(v) if v == [0, 256]));
        assert!(matches!(pack(&[65_535.0f64]), Packed::U16(v) if v == [65_535]));
        assert_eq!(bytes(pack(&[7i64, 8])).lowest, [7, 8]);
        for wide in [-0.0f32, -1.0, 0.5, 65_536.0, f32::NAN, f32::INFINITY, 1e-40] {
            assert!(matches!(pack(&[1.0, wide]), Packed::Wide(_)), "{wide}");
        }
        for wide in [-0.0f64, -3.0, 0.1, 65_536.0, 9.0e15, f64::NAN] {
            assert!(matches!(pack(&[1.0, wide]), Packed::Wide(_)), "{wide}");
        }
        assert!(matches!(pack(&[-1i32]), Packed::Wide(_)));
        assert!(matches!(pack(&[-1i16]), Packed::Wide(_)));
        assert!(matches!(pack(&[u64::MAX]), Packed::Wide(_)));
        assert!(matches!(pack(&[f16::from_f32(-0.0)]), Packed::Wide(_)));
        assert_eq!(bytes(pack(&[f16::from_f32(200.0)])).lowest, [200]);
        assert!(matches!(pack(&[1i8]), Packed::Wide(_)));
    }

    #[test]
    fn sums_are_those_of_numpy() {
        assert_eq!(sum_of::<i8>(&DataType::Int8)(100, 100), -56);
        assert_eq!(sum_of::<u16>(&DataType::UInt16)(65_535, 2), 1);
        assert_eq!(sum_of::<u8>(&DataType::UInt8)(1, 1), 2);
        assert_eq!(sum_of::<u8>(&DataType::Bool)(1, 1), 1);
        assert_eq!(sum_of::<u8>(&DataType::Bool)(0, 1), 1);
        assert_eq!(sum_of::<f32>(&DataType::Float32)(0.5, 0.25), 0.75);
        let half = f16::from_f32;
        let sum = sum_of::<f16>(&DataType::Float16)(half(2048.0), half(1.0));
        assert_eq!(sum, half(2048.0), "it has eleven digits");
    }

    #[test]
    fn few_larger_values_stand_beside_the_bytes() {
        let mut values: Vec<f32> = (0..200u16).map(f32::from).collect();
        values[70] = 256.0;
        values[199] = 65_535.0;
        let Packed::U8(bytes) = pack(&values) else {
            panic!("two values of 200 are few");
        };
        assert_eq!(bytes.larger, [(70, 256), (199, 65_535)]);
        assert_eq!(bytes.larger_in(&(0..70)), []);
        assert_eq!(bytes.larger_in(&(70..199)), [(70, 256)]);
        assert_eq!(bytes.larger_in(&(71..200)), [(199, 65_535)]);
        let many: Vec<f32> = values.iter().map(|value| value * 7.0).collect();
        assert!(matches!(pack(&many[..70]), Packed::U16(_)));
        values[3] = 0.5;
        assert!(matches!(pack(&values), Packed::Wide(_)));
    }
}
