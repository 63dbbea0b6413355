//! Element types that the stores have in common.

use std::fmt;

use crate::error::{Error, Result};

/// The type of one element after decoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// One byte, 0 or 1. HDF5 enums of `FALSE` and `TRUE` are this, too.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    UInt8,
    /// Unsigned, 16 bits.
    UInt16,
    /// Unsigned, 32 bits.
    UInt32,
    /// Unsigned, 64 bits.
    UInt64,
    /// IEEE 754 half precision.
    Float16,
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 double precision.
    Float64,
    /// UTF-8 text of any length, read with [`crate::Array::read_strings`].
    String,
    /// A record of named fields (HDF5 compound, NumPy structured type).
    Struct(Vec<StructField>),
    /// A type that anndex does not decode, in the store's own words.
    Other(String),
}

/// One field of a [`DataType::Struct`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StructField {
    /// The field's name.
    pub name: String,
    /// The field's type.
    pub data_type: DataType,
    /// Extent of an array-valued field along each of its axes; empty for one value per element.
    pub shape: Vec<u64>,
}

impl DataType {
    /// Every type whose elements are booleans or numbers.
    pub const NUMERIC: [Self; 12] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::UInt64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
    ];

    /// Bytes per element.
    ///
    /// # Errors
    /// `Unsupported` for strings, structs and undecodable types, which have no fixed size.
    pub fn fixed_size(&self) -> Result<usize> {
        Ok(match self {
            Self::Bool | Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 | Self::Float16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
            Self::String | Self::Struct(_) | Self::Other(_) => {
                return Err(Error::unsupported(format!(
                    "elements of type {self} can't be read as numbers"
                )));
            }
        })
    }

    /// The memory that an element takes at least, in bytes; 0 if it can't be decoded.
    pub fn memory_bytes(&self) -> u64 {
        match self {
            Self::String => 8,
            Self::Struct(fields) => fields.iter().fold(0, |sum: u64, field| {
                sum.saturating_add(field.data_type.memory_bytes())
            }),
            _ => self.fixed_size().unwrap_or(0) as u64,
        }
    }

    /// Whether elements are booleans or numbers.
    pub fn is_numeric(&self) -> bool {
        self.fixed_size().is_ok()
    }

    /// Whether elements are signed or unsigned integers (booleans are not).
    pub fn is_integer(&self) -> bool {
        matches!(
            self,
            Self::Int8
                | Self::Int16
                | Self::Int32
                | Self::Int64
                | Self::UInt8
                | Self::UInt16
                | Self::UInt32
                | Self::UInt64
        )
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float16 | Self::Float32 | Self::Float64)
    }

    /// The numeric type with this NumPy name (`"float32"`, `"bool"`, …); `None` for any other.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NUMERIC
            .into_iter()
            .find(|data_type| data_type.to_string() == name)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Struct(fields) => {
                f.write_str("struct{")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", field.name, field.data_type)?;
                    if !field.shape.is_empty() {
                        write!(f, "{:?}", field.shape)?;
                    }
                }
                return f.write_str("}");
            }
            Self::Other(name) => name,
        })
    }
}
