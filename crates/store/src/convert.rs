//! Conversion between numeric types, written once for all pairs.

use std::borrow::Cow;

use num_traits::AsPrimitive;

use super::{DataType, NumericArray};
use crate::error::{Error, Result};

/// Runs a block with `$T` bound to the Rust type of a numeric [`DataType`] (booleans are `u8`),
/// or gives `$fallback` for any other type.
#[macro_export]
macro_rules! with_element {
    ($data_type:expr, $T:ident => $body:expr, else $fallback:expr) => {
        match $data_type {
            $crate::DataType::Bool | $crate::DataType::UInt8 => {
                type $T = u8;
                $body
            }
            $crate::DataType::Int8 => {
                type $T = i8;
                $body
            }
            $crate::DataType::Int16 => {
                type $T = i16;
                $body
            }
            $crate::DataType::Int32 => {
                type $T = i32;
                $body
            }
            $crate::DataType::Int64 => {
                type $T = i64;
                $body
            }
            $crate::DataType::UInt16 => {
                type $T = u16;
                $body
            }
            $crate::DataType::UInt32 => {
                type $T = u32;
                $body
            }
            $crate::DataType::UInt64 => {
                type $T = u64;
                $body
            }
            $crate::DataType::Float16 => {
                type $T = half::f16;
                $body
            }
            $crate::DataType::Float32 => {
                type $T = f32;
                $body
            }
            $crate::DataType::Float64 => {
                type $T = f64;
                $body
            }
            _ => $fallback,
        }
    };
}

/// Converts all elements of `source` into `target`, which has the same number of them.
///
/// # Errors
/// `Unsupported` if one of the types is not numeric.
pub(crate) fn convert(source: &NumericArray, target: &mut NumericArray) -> Result<()> {
    let target_type = target.data_type().clone();
    with_element!(source.data_type(), S => {
        let values: &[S] = bytemuck::cast_slice(source.bytes());
        if target_type == DataType::Bool {
            for (out, &value) in target.bytes_mut().iter_mut().zip(values) {
                *out = u8::from(AsPrimitive::<f64>::as_(value) != 0.0);
            }
            return Ok(());
        }
        with_element!(&target_type, T => {
            let out: &mut [T] = bytemuck::cast_slice_mut(target.bytes_mut());
            for (out, &value) in out.iter_mut().zip(values) {
                *out = value.as_();
            }
            Ok(())
        }, else Err(not_numeric(&target_type)))
    }, else Err(not_numeric(source.data_type())))
}

/// The elements as [`NumericArray::cast`] converts them, without a copy if they are of the type.
///
/// # Errors
/// `Unsupported` if `data_type` is not numeric.
pub fn converted<'a>(
    source: &'a NumericArray,
    data_type: &DataType,
) -> Result<Cow<'a, NumericArray>> {
    if source.data_type() == data_type {
        return Ok(Cow::Borrowed(source));
    }
    let mut target = NumericArray::zeros(data_type.clone(), source.shape().to_vec())?;
    convert(source, &mut target)?;
    Ok(Cow::Owned(target))
}

fn not_numeric(data_type: &DataType) -> Error {
    Error::unsupported(format!(
        "elements of type {data_type} can't be converted to numbers"
    ))
}
