//! Attribute values as HDF5 types: scalars, and lists of one type and regular shape.

use anndex_store::{Attribute, DataType};
use anndex_store::{Error, Result};

use super::file::OutputFile;
use super::message;

/// An attribute, encoded but for the addresses that references stand for.
pub(super) struct EncodedAttribute {
    name: String,
    datatype: Vec<u8>,
    dataspace: Vec<u8>,
    value: Value,
}

enum Value {
    Bytes(Vec<u8>),
    References(Vec<String>),
}

impl EncodedAttribute {
    /// Encodes a value; its text goes to the file at once.
    ///
    /// # Errors
    /// `Unsupported` for objects, for lists of mixed types or shapes, and for large values.
    pub(super) fn new(name: &str, value: &Attribute, file: &mut OutputFile) -> Result<Self> {
        if name.is_empty() || name.contains('\0') || name.len() > usize::from(u16::MAX) - 1 {
            return Err(Error::invalid_input("this is not a name for an attribute"));
        }
        let mut shape = Vec::new();
        let mut items = Vec::new();
        flatten(value, 0, &mut shape, &mut items)?;
        let (datatype, value, dataspace) = match value {
            Attribute::Null => {
                let (datatype, _) = message::datatype(&DataType::Float64)?;
                (
                    datatype,
                    Value::Bytes(Vec::new()),
                    message::null_dataspace(),
                )
            }
            _ => {
                let (datatype, value) = encode(&items, file)?;
                (datatype, value, message::dataspace(&shape))
            }
        };
        let attribute = Self {
            name: name.to_owned(),
            datatype,
            dataspace,
            value,
        };
        // Too large a value is refused now, not when headers are written.
        message::object_header(&[attribute.message(&|_| Ok(0))?])?;
        Ok(attribute)
    }

    /// The header message, with references as `address_of` gives them.
    pub(super) fn message(
        &self,
        address_of: &dyn Fn(&str) -> Result<u64>,
    ) -> Result<(message::Kind, Vec<u8>)> {
        let references;
        let value = match &self.value {
            Value::Bytes(bytes) => bytes,
            Value::References(paths) => {
                references = paths
                    .iter()
                    .map(|path| address_of(path).map(u64::to_le_bytes))
                    .collect::<Result<Vec<_>>>()?
                    .concat();
                &references
            }
        };
        let bytes = message::attribute(&self.name, &self.datatype, &self.dataspace, value);
        Ok((message::Kind::Attribute, bytes))
    }
}

/// Collects the items of nested lists and the extent of each level.
fn flatten<'a>(
    value: &'a Attribute,
    depth: usize,
    shape: &mut Vec<u64>,
    items: &mut Vec<&'a Attribute>,
) -> Result<()> {
    let irregular = || Error::unsupported("HDF5 can't hold nested lists of different lengths");
    let Attribute::List(list) = value else {
        if depth != shape.len() {
            return Err(irregular());
        }
        items.push(value);
        return Ok(());
    };
    let len = list.len() as u64;
    match shape.get(depth) {
        None if items.is_empty() => shape.push(len),
        Some(&extent) if extent == len => {}
        _ => return Err(irregular()),
    }
    list.iter()
        .try_for_each(|item| flatten(item, depth + 1, shape, items))
}

fn encode(items: &[&Attribute], file: &mut OutputFile) -> Result<(Vec<u8>, Value)> {
    let typed = |data_type, bytes| Ok((message::datatype(&data_type)?.0, Value::Bytes(bytes)));
    // An empty list has no type of its own; NumPy makes float64 of it.
    if let Some(bytes) = each(items, |item| match item {
        Attribute::Float(value) => Some(value.to_le_bytes()),
        _ => None,
    }) {
        return typed(DataType::Float64, bytes);
    }
    if let Some(bytes) = each(items, |item| match item {
        Attribute::Bool(value) => Some([u8::from(*value)]),
        _ => None,
    }) {
        return typed(DataType::Bool, bytes);
    }
    if let Some(bytes) = each(items, |item| match item {
        Attribute::Int(value) => Some(value.to_le_bytes()),
        _ => None,
    }) {
        return typed(DataType::Int64, bytes);
    }
    if let Some(bytes) = each(items, |item| match item {
        Attribute::Int(value) => u64::try_from(*value).ok().map(u64::to_le_bytes),
        Attribute::UInt(value) => Some(value.to_le_bytes()),
        _ => None,
    }) {
        return typed(DataType::UInt64, bytes);
    }
    if let Some(bytes) = each(items, |item| match item {
        Attribute::Int(value) => Some((*value as f64).to_le_bytes()),
        Attribute::UInt(value) => Some((*value as f64).to_le_bytes()),
        Attribute::Float(value) => Some(value.to_le_bytes()),
        _ => None,
    }) {
        return typed(DataType::Float64, bytes);
    }
    let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_str()).collect();
    if let Some(texts) = texts {
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend(file.store_text(text)?);
        }
        return typed(DataType::String, bytes);
    }
    let paths: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Attribute::Reference(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    if let Some(paths) = paths {
        return Ok((message::reference(), Value::References(paths)));
    }
    Err(Error::unsupported(
        "HDF5 attributes hold booleans, numbers, text and references, and lists of one of these",
    ))
}

fn each<const N: usize>(
    items: &[&Attribute],
    bytes: impl Fn(&Attribute) -> Option<[u8; N]>,
) -> Option<Vec<u8>> {
    let all: Option<Vec<[u8; N]>> = items.iter().map(|item| bytes(item)).collect();
    all.map(|all| all.concat())
}
