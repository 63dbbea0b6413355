//! Attribute values, decoded.

use std::collections::BTreeMap;

use anndex_store::{Attribute, DataType};
use anndex_store::{Error, Result};
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::messages::dataspace::DataspaceType;

use crate::data_type::{ElementType, Encoding, Field};
use crate::strings::{Heaps, fixed_text};

/// Variable-length values may point to the same bytes again and again; the attributes of a damaged or
/// hostile node can't make more of them than this.
const LARGEST_DECODED_BYTES: usize = 64 << 20;

/// Decodes the attributes of one node.
pub(crate) struct AttributeDecoder<'a> {
    offset_size: u8,
    heaps: &'a Heaps,
    /// The path of the object at an address.
    path_of: &'a dyn Fn(u64) -> Result<String>,
    /// What may still be made of them.
    budget: usize,
}

impl<'a> AttributeDecoder<'a> {
    pub(crate) fn new(
        offset_size: u8,
        heaps: &'a Heaps,
        path_of: &'a dyn Fn(u64) -> Result<String>,
    ) -> Self {
        Self {
            offset_size,
            heaps,
            path_of,
            budget: LARGEST_DECODED_BYTES,
        }
    }

    /// The value of an attribute: a scalar, or lists nested as deep as the array has axes.
    pub(crate) fn decode(&mut self, message: &AttributeMessage) -> Result<Attribute> {
        let element = ElementType::new(&message.datatype, self.offset_size)?;
        let shape = match message.dataspace.dataspace_type {
            DataspaceType::Null => return Ok(Attribute::Null),
            DataspaceType::Scalar => &[][..],
            DataspaceType::Simple => &message.dataspace.dims[..],
        };
        let mut budget = self.budget;
        let mut bytes = message.raw_data.as_slice();
        let value = self.nested(&element, shape, &mut bytes, &mut budget);
        self.budget = budget;
        value
    }

    /// Decodes `shape` elements from the front of `bytes`.
    fn nested(
        &self,
        element: &ElementType,
        shape: &[u64],
        bytes: &mut &[u8],
        budget: &mut usize,
    ) -> Result<Attribute> {
        match shape.split_first() {
            None if element.shape.is_empty() => {
                let (value, rest) = bytes
                    .split_at_checked(element.value_size)
                    .ok_or_else(|| Error::corrupt("an attribute is shorter than its shape"))?;
                *bytes = rest;
                self.value(element, value, budget)
            }
            None => {
                let value = ElementType {
                    shape: Vec::new(),
                    ..element.clone()
                };
                self.nested(&value, &element.shape, bytes, budget)
            }
            Some((&extent, inner)) => {
                let mut items = Vec::new();
                for _ in 0..extent {
                    spend(budget, size_of::<Attribute>())?;
                    items.push(self.nested(element, inner, bytes, budget)?);
                }
                Ok(Attribute::List(items))
            }
        }
    }

    fn value(&self, element: &ElementType, bytes: &[u8], budget: &mut usize) -> Result<Attribute> {
        spend(budget, bytes.len())?;
        Ok(match &element.encoding {
            Encoding::Number { big_endian } => number(&element.data_type, bytes, *big_endian)?,
            Encoding::Bool => Attribute::Bool(bytes.iter().any(|&b| b != 0)),
            Encoding::FixedString(padding) => {
                Attribute::String(fixed_text(bytes, *padding)?.to_owned())
            }
            Encoding::VariableString(padding) => {
                let text = self.heaps.text(bytes, *padding)?;
                spend(budget, text.len())?;
                Attribute::String(text)
            }
            Encoding::Struct(fields) => self.object(fields, bytes, budget)?,
            Encoding::Sequence(base) => {
                let size = base.size()?.max(1);
                let values = self.heaps.resolve(bytes, size)?;
                let count = (values.len() / size) as u64;
                self.nested(base, &[count], &mut values.as_slice(), budget)?
            }
            Encoding::ObjectReference => match address(bytes) {
                None => Attribute::Null,
                Some(address) => Attribute::Reference((self.path_of)(address)?),
            },
            Encoding::Other => Attribute::Other(element.data_type.to_string()),
        })
    }

    fn object(&self, fields: &[Field], bytes: &[u8], budget: &mut usize) -> Result<Attribute> {
        let mut object = BTreeMap::new();
        for field in fields {
            let mut value = bytes.get(field.offset..).unwrap_or_default();
            let value = self.nested(&field.element, &[], &mut value, budget)?;
            object.insert(field.name.clone(), value);
        }
        Ok(Attribute::Object(object))
    }
}

fn spend(budget: &mut usize, bytes: usize) -> Result<()> {
    *budget = budget
        .checked_sub(bytes)
        .ok_or_else(|| Error::corrupt("an attribute is impossibly large"))?;
    Ok(())
}

/// The address in an object reference; `None` if it refers to nothing.
fn address(bytes: &[u8]) -> Option<u64> {
    let mut padded = [0; 8];
    let len = bytes.len().min(8);
    padded[..len].copy_from_slice(&bytes[..len]);
    let undefined = bytes.iter().take(8).all(|&b| b == 0xff);
    Some(u64::from_le_bytes(padded)).filter(|&address| address != 0 && !undefined)
}

fn number(data_type: &DataType, bytes: &[u8], big_endian: bool) -> Result<Attribute> {
    let mut native = [0; 8];
    let (native, bytes) = native
        .get_mut(..bytes.len())
        .map(|native| (native, bytes))
        .ok_or_else(|| Error::corrupt("a number of more than 8 bytes"))?;
    native.copy_from_slice(bytes);
    if big_endian {
        native.reverse();
    }
    let native: &[u8] = native;
    let value = match data_type {
        DataType::Int8 => array(native).map(|b| Attribute::Int(i8::from_le_bytes(b).into())),
        DataType::Int16 => array(native).map(|b| Attribute::Int(i16::from_le_bytes(b).into())),
        DataType::Int32 => array(native).map(|b| Attribute::Int(i32::from_le_bytes(b).into())),
        DataType::Int64 => array(native).map(|b| Attribute::Int(i64::from_le_bytes(b))),
        DataType::UInt8 => array(native).map(|b| Attribute::Int(u8::from_le_bytes(b).into())),
        DataType::UInt16 => array(native).map(|b| Attribute::Int(u16::from_le_bytes(b).into())),
        DataType::UInt32 => array(native).map(|b| Attribute::Int(u32::from_le_bytes(b).into())),
        DataType::UInt64 => array(native).map(|b| Attribute::from(u64::from_le_bytes(b))),
        DataType::Float16 => {
            array(native).map(|b| Attribute::Float(half::f16::from_le_bytes(b).to_f64()))
        }
        DataType::Float32 => array(native).map(|b| Attribute::Float(f32::from_le_bytes(b).into())),
        DataType::Float64 => array(native).map(|b| Attribute::Float(f64::from_le_bytes(b))),
        _ => None,
    };
    Ok(value.unwrap_or_else(|| Attribute::Other(data_type.to_string())))
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
