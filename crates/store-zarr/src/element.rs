//! Element types: how one element lies in the bytes of a decoded chunk.

use anndex_store::{DataType, StructField};
use anndex_store::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// The layout of one element.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Element {
    /// A number or boolean.
    Number {
        data_type: DataType,
        big_endian: bool,
    },
    /// Text of any length.
    Text,
    /// Text in UTF-32, padded with NUL to `size` bytes.
    Utf32 { size: usize, big_endian: bool },
    /// Text in UTF-8, padded with NUL to `size` bytes.
    Utf8 { size: usize },
    /// Named fields, one after the other.
    Struct { fields: Vec<Field>, size: usize },
    /// A type that is not decoded, in the words of the metadata.
    Opaque(String),
}

/// One field of a structured type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) element: Element,
    /// Extents of an array-valued field; empty for one value.
    pub(crate) shape: Vec<u64>,
    /// The position in the element, in bytes.
    pub(crate) offset: usize,
}

/// Structured types do not nest deeper than this.
const DEPTH_LIMIT: usize = 8;
/// Elements of this size and more are not decoded: no writer makes any, and one alone, such as the
/// fill value, takes as much memory.
const SIZE_LIMIT: usize = 1 << 24;

impl Element {
    /// The type of a v2 `dtype`, such as `"<f4"` or `[["a", "<i4"], ["b", "<U8", [2]]]`.
    pub(crate) fn from_v2(dtype: &Value) -> Result<Self> {
        Self::v2(dtype, 0)
    }

    fn v2(dtype: &Value, depth: usize) -> Result<Self> {
        let unclear = || Error::corrupt(format!("{dtype} is not a data type"));
        let Value::Array(fields) = dtype else {
            return v2_simple(dtype.as_str().ok_or_else(unclear)?).ok_or_else(unclear);
        };
        if depth >= DEPTH_LIMIT {
            return Ok(Self::Opaque("a deeply nested structured type".to_owned()));
        }
        let mut parts = Vec::new();
        for field in fields {
            let (name, dtype, shape) = match field.as_array().map(Vec::as_slice) {
                Some([name, dtype]) => (name, dtype, Some(Vec::new())),
                Some([name, dtype, shape]) => (name, dtype, extents(shape)),
                _ => return Err(unclear()),
            };
            let name = name.as_str().ok_or_else(unclear)?;
            let shape = shape.ok_or_else(unclear)?;
            parts.push((name.to_owned(), Self::v2(dtype, depth + 1)?, shape));
        }
        Self::structure(parts).ok_or_else(unclear)
    }

    /// The type of a v3 `data_type`; `big_endian` is the byte order of the `bytes` codec, which
    /// counts for the types that zarrs does not know.
    pub(crate) fn from_v3(data_type: &Value, big_endian: bool) -> Result<Self> {
        Self::v3(data_type, big_endian, 0)
    }

    fn v3(data_type: &Value, big_endian: bool, depth: usize) -> Result<Self> {
        let unclear = || Error::corrupt(format!("{data_type} is not a data type"));
        let name = data_type
            .as_str()
            .or_else(|| data_type.get("name")?.as_str());
        let name = name.ok_or_else(unclear)?;
        let configuration = data_type.get("configuration");
        let length = || {
            let configured = |key: &str| configuration?.get(key)?.as_u64();
            let bytes = configured("length_bytes").or_else(|| Some(configured("length_bits")? / 8));
            usize::try_from(bytes?)
                .ok()
                .filter(|size| (1..SIZE_LIMIT).contains(size))
        };
        if let Some(data_type) = DataType::from_name(name) {
            return Ok(Self::Number {
                data_type,
                // A structure's fields are cut out of bytes that zarrs does not swap.
                big_endian: big_endian && depth > 0,
            });
        }
        Ok(match name {
            "string" | "variable_length_utf8" => Self::Text,
            "fixed_length_utf32" | "fixed_length_ucs4" => Self::Utf32 {
                size: length().ok_or_else(unclear)?,
                big_endian,
            },
            "null_terminated_bytes" | "fixed_length_ascii" => Self::Utf8 {
                size: length().ok_or_else(unclear)?,
            },
            "struct" | "structured" if depth < DEPTH_LIMIT => {
                let fields = configuration.and_then(|c| c.get("fields")?.as_array());
                let mut parts = Vec::new();
                for field in fields.ok_or_else(unclear)? {
                    let name = field.get("name").or_else(|| field.get(0));
                    let data_type = field.get("data_type").or_else(|| field.get(1));
                    let name = name.and_then(Value::as_str).ok_or_else(unclear)?;
                    let data_type = data_type.ok_or_else(unclear)?;
                    let element = Self::v3(data_type, big_endian, depth + 1)?;
                    parts.push((name.to_owned(), element, Vec::new()));
                }
                Self::structure(parts).ok_or_else(unclear)?
            }
            "complex64" | "complex_float32" => {
                Self::complex(DataType::Float32, big_endian).ok_or_else(unclear)?
            }
            "complex128" | "complex_float64" => {
                Self::complex(DataType::Float64, big_endian).ok_or_else(unclear)?
            }
            name => Self::Opaque(name.to_owned()),
        })
    }

    /// Complex numbers: records of a real part `r` and an imaginary one `i`, as HDF5 has them.
    fn complex(data_type: DataType, big_endian: bool) -> Option<Self> {
        let part = |name: &str| {
            let data_type = data_type.clone();
            let element = Self::Number {
                data_type,
                big_endian,
            };
            (name.to_owned(), element, Vec::new())
        };
        Self::structure(vec![part("r"), part("i")])
    }

    /// Fields laid one after the other; `None` if that is not a sensible type.
    fn structure(parts: Vec<(String, Self, Vec<u64>)>) -> Option<Self> {
        let mut size = 0usize;
        let mut fields = Vec::with_capacity(parts.len());
        for (name, element, shape) in parts {
            let Some(one) = element.size() else {
                let words = format!(
                    "a structured type with the field {name}: {}",
                    element.data_type()
                );
                return Some(Self::Opaque(words));
            };
            let count = shape
                .iter()
                .try_fold(1u64, |product, &n| product.checked_mul(n))?;
            let all = one.checked_mul(usize::try_from(count).ok()?)?;
            fields.push(Field {
                name,
                element,
                shape,
                offset: size,
            });
            size = size.checked_add(all)?;
        }
        if size >= SIZE_LIMIT {
            return Some(Self::Opaque(format!("a structured type of {size} bytes")));
        }
        (size > 0).then_some(Self::Struct { fields, size })
    }

    /// Bytes per element; `None` where they differ or are not known.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Number { data_type, .. } => data_type.fixed_size().ok(),
            Self::Utf32 { size, .. } | Self::Utf8 { size } | Self::Struct { size, .. } => {
                Some(*size)
            }
            Self::Text | Self::Opaque(_) => None,
        }
    }

    /// The type in core's words.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Number { data_type, .. } => data_type.clone(),
            Self::Text | Self::Utf32 { .. } | Self::Utf8 { .. } => DataType::String,
            Self::Struct { fields, .. } => DataType::Struct(
                fields
                    .iter()
                    .map(|field| StructField {
                        name: field.name.clone(),
                        data_type: field.element.data_type(),
                        shape: field.shape.clone(),
                    })
                    .collect(),
            ),
            Self::Opaque(name) => DataType::Other(name.clone()),
        }
    }

    /// Whether zarrs decodes chunks of this type as raw bytes, which are taken apart here.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(
            self,
            Self::Utf32 { .. } | Self::Utf8 { .. } | Self::Struct { .. }
        )
    }

    /// The bytes of a fill value of a raw type; `None` if the value is not understood.
    pub(crate) fn raw_fill(&self, value: &Value) -> Option<Vec<u8>> {
        let size = self.size()?;
        let padded = |mut bytes: Vec<u8>| {
            let fits = bytes.len() <= size;
            bytes.resize(size, 0);
            fits.then_some(bytes)
        };
        if value.is_null() || value.as_f64() == Some(0.0) || value.as_bool() == Some(false) {
            return Some(vec![0; size]);
        }
        match (self, value) {
            (_, Value::String(text)) if text.is_empty() => Some(vec![0; size]),
            (Self::Utf32 { big_endian, .. }, Value::String(text)) => {
                let code = |c: char| match big_endian {
                    true => u32::from(c).to_be_bytes(),
                    false => u32::from(c).to_le_bytes(),
                };
                padded(text.chars().flat_map(code).collect())
            }
            (Self::Utf8 { .. }, Value::String(text)) => padded(BASE64_STANDARD.decode(text).ok()?),
            (Self::Struct { .. }, Value::String(text)) => {
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                (bytes.len() == size).then_some(bytes)
            }
            (Self::Struct { fields, .. }, Value::Object(_) | Value::Array(_)) => {
                let mut bytes = vec![0; size];
                for (number, field) in fields.iter().enumerate() {
                    let one = value.get(&field.name).or_else(|| value.get(number))?;
                    let one = field.element.raw_fill(one)?;
                    bytes
                        .get_mut(field.offset..)?
                        .get_mut(..one.len())?
                        .copy_from_slice(&one);
                }
                Some(bytes)
            }
            _ => None,
        }
    }
}

/// `"<f4"`: byte order, kind and size.
fn v2_simple(dtype: &str) -> Option<Element> {
    let mut characters = dtype.chars();
    let order = characters.next()?;
    let kind = characters.next()?;
    let rest = characters.as_str();
    if !matches!(order, '<' | '>' | '|') {
        return None;
    }
    let big_endian = order == '>';
    let opaque = || Some(Element::Opaque(dtype.to_owned()));
    if kind == 'O' {
        return Some(Element::Text);
    }
    let Ok(size) = rest.parse::<usize>() else {
        return opaque();
    };
    let data_type = match (kind, size) {
        ('b', 1) => DataType::Bool,
        ('i', 1) => DataType::Int8,
        ('i', 2) => DataType::Int16,
        ('i', 4) => DataType::Int32,
        ('i', 8) => DataType::Int64,
        ('u', 1) => DataType::UInt8,
        ('u', 2) => DataType::UInt16,
        ('u', 4) => DataType::UInt32,
        ('u', 8) => DataType::UInt64,
        ('f', 2) => DataType::Float16,
        ('f', 4) => DataType::Float32,
        ('f', 8) => DataType::Float64,
        ('c', 8) => return Element::complex(DataType::Float32, big_endian),
        ('c', 16) => return Element::complex(DataType::Float64, big_endian),
        ('U', 1..) if size < SIZE_LIMIT / 4 => {
            let size = size * 4;
            return Some(Element::Utf32 { size, big_endian });
        }
        ('S', 1..) if size < SIZE_LIMIT => return Some(Element::Utf8 { size }),
        _ => return opaque(),
    };
    Some(Element::Number {
        data_type,
        big_endian,
    })
}

/// A list of extents.
pub(crate) fn extents(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn structured_types_know_where_their_fields_are() {
        let dtype = json!([["a", "<i4"], ["b", ">f8", [2]], ["c", "<U3"], ["d", "|S5"]]);
        let element = Element::from_v2(&dtype).expect("a data type");
        assert_eq!(element.size(), Some(4 + 16 + 12 + 5));
        let Element::Struct { fields, .. } = element else {
            panic!("a structured type");
        };
        let offsets: Vec<_> = fields.iter().map(|field| field.offset).collect();
        assert_eq!(offsets, [0, 4, 20, 32]);
        assert_eq!(fields[1].shape, [2]);
    }

    #[test]
    fn complex_numbers_are_records_of_their_parts() {
        let types = [json!("<c16"), json!("complex128")];
        let [v2, v3] = [
            Element::from_v2(&types[0]),
            Element::from_v3(&types[1], false),
        ];
        let element = v2.expect("a data type");
        assert_eq!(v3.expect("a data type"), element);
        let shown = element.data_type().to_string();
        assert_eq!(shown, "struct{r: float64, i: float64}");
        assert_eq!(element.raw_fill(&json!([0.0, 0.0])), Some(vec![0; 16]));
        assert_eq!(element.raw_fill(&json!([0.0])), None);
    }

    #[test]
    fn odd_types_are_opaque_or_corrupt() {
        for opaque in [
            json!("<c32"),
            json!("<M8[ns]"),
            json!("|V4"),
            json!([["a", "|O"]]),
        ] {
            let element = Element::from_v2(&opaque).expect("a data type");
            assert!(
                matches!(element, Element::Opaque(_) | Element::Text),
                "{opaque}"
            );
        }
        for corrupt in [
            json!(1),
            json!(""),
            json!("f"),
            json!([[]]),
            json!([["a", "<i4", [-1]]]),
        ] {
            assert!(Element::from_v2(&corrupt).is_err(), "{corrupt}");
        }
    }
}
