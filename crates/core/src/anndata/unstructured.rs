//! What `uns` holds: dicts of anything that has an encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::column::{BackedColumn, Column, Values};
use super::data_frame::DataFrame;
use super::in_memory::{InMemoryElement, InMemoryMatrix};
use super::matrix::Element;
use super::write::{Writer, encoding_attributes};
use super::{child_path, encoding_type, locate};
use crate::error::{Error, Result};
use crate::store::{
    ArrayData, ArraySpec, DataType, NodeKind, NumericArray, Store, Strings, read_all_strings,
};

/// Groups in groups are followed so far: a damaged file may hold one that is in itself.
const DEEPEST: usize = 64;

/// A value of `uns`.
#[derive(Debug, Clone, PartialEq)]
pub enum Unstructured {
    /// Python's `None`.
    Null,
    /// One text.
    String(String),
    /// Texts in an array of any shape, in C order.
    Strings {
        /// Extent along each axis.
        shape: Vec<usize>,
        /// As many texts.
        values: Strings,
    },
    /// Numbers or booleans: a scalar (of no dimensions), an array, or a sparse matrix.
    Matrix(InMemoryMatrix),
    /// A categorical or nullable array.
    Column(Column),
    /// A table.
    DataFrame(DataFrame),
    /// A one-dimensional array of records (NumPy's structured arrays): each field's name and
    /// values.
    Records(Vec<(String, Values)>),
    /// Values by name.
    Dict(BTreeMap<String, Unstructured>),
}

impl Unstructured {
    fn read_below(store: &Arc<dyn Store>, path: &str, depth: usize) -> Result<Self> {
        let located = locate(store, path);
        if depth > DEEPEST {
            let deep = format!("more than {DEEPEST} groups are in each other");
            return Err(located(Error::corrupt(deep)));
        }
        let attributes = store.attributes(path).map_err(&located)?;
        match (
            store.node(path).map_err(&located)?,
            encoding_type(&attributes),
        ) {
            (None, _) | (_, "null") => Ok(Self::Null),
            (Some(NodeKind::Array), _) => Self::read_array(store, path).map_err(located),
            (Some(NodeKind::Group), "dict") => Self::read_dict(store, path, depth).map(Self::Dict),
            // Before 0.7 only sparse matrices said what they are.
            (Some(NodeKind::Group), "") if !attributes.contains_key("h5sparse_format") => {
                Self::read_dict(store, path, depth).map(Self::Dict)
            }
            (
                Some(NodeKind::Group),
                "categorical" | "nullable-integer" | "nullable-boolean" | "nullable-string-array",
            ) => {
                let column = BackedColumn::open(store, path)?.read(None);
                column.map(Self::Column).map_err(located)
            }
            (Some(NodeKind::Group), _) => match Element::open(store, path)? {
                None => Ok(Self::Null),
                Some(element) => Ok(match element.read().map_err(located)? {
                    InMemoryElement::Matrix(matrix) => Self::Matrix(matrix),
                    InMemoryElement::DataFrame(frame) => Self::DataFrame(frame),
                }),
            },
        }
    }

    /// Reads all that is in the group at `path`; nothing if there is none.
    ///
    /// # Errors
    /// `Unsupported` if an encoding can't be read, naming its path; `Corrupt` or `Storage` if the
    /// bytes can't be had.
    pub(super) fn read_mapping(
        store: &Arc<dyn Store>,
        path: &str,
    ) -> Result<BTreeMap<String, Self>> {
        match store.node(path).map_err(locate(store, path))? {
            Some(NodeKind::Group) => Self::read_dict(store, path, 0),
            _ => Ok(BTreeMap::new()),
        }
    }

    fn read_dict(
        store: &Arc<dyn Store>,
        path: &str,
        depth: usize,
    ) -> Result<BTreeMap<String, Self>> {
        let children = store.children(path).map_err(locate(store, path))?;
        let children = children.into_iter().map(|(name, _)| {
            let value = Self::read_below(store, &child_path(path, &name), depth + 1)?;
            Ok((name, value))
        });
        children.collect()
    }

    fn read_array(store: &Arc<dyn Store>, path: &str) -> Result<Self> {
        let array = store.array(path)?;
        let info = array.info();
        match &info.data_type {
            DataType::Struct(fields) => {
                let fields = fields.iter().map(|field| {
                    let values = Values::read_all(&*array.field(&field.name)?)?;
                    Ok((field.name.clone(), values))
                });
                fields.collect::<Result<_>>().map(Self::Records)
            }
            DataType::String => {
                let values = read_all_strings(&*array)?;
                let extents = info.shape.iter().map(|&extent| extent as usize);
                Ok(match (info.shape.is_empty(), values.get(0)) {
                    (true, Some(text)) => Self::String(text.to_owned()),
                    _ => Self::Strings {
                        shape: extents.collect(),
                        values,
                    },
                })
            }
            _ => crate::store::read_all(&*array)
                .map(|values| Self::Matrix(InMemoryMatrix::Dense(values))),
        }
    }
}

impl Writer<'_> {
    /// A value of `uns`.
    pub(super) fn unstructured(&mut self, path: &str, value: &Unstructured) -> Result<()> {
        match value {
            // Readers look at the encoding alone; not every format has arrays without a value.
            Unstructured::Null => self.scalar(
                path,
                "null",
                "0.1.0",
                &NumericArray::from_values([], &[0f32])?,
            ),
            Unstructured::String(text) => {
                let text = [text].into_iter().collect();
                self.strings(path, "string", Vec::new(), &text)
            }
            Unstructured::Strings { shape, values } => {
                let shape = shape.iter().map(|&extent| extent as u64).collect();
                self.strings(path, "string-array", shape, values)
            }
            Unstructured::Matrix(InMemoryMatrix::Dense(values)) if values.shape().is_empty() => {
                self.scalar(path, "numeric-scalar", "0.2.0", values)
            }
            Unstructured::Matrix(matrix) => self.matrix(path, matrix),
            Unstructured::Column(column) => self.column(path, column),
            Unstructured::DataFrame(frame) => self.frame(path, frame),
            Unstructured::Records(_) => Err(Error::unsupported(
                "records can't be written; make a table of them, or leave them out",
            )
            .with("node", format!("/{path}"))),
            Unstructured::Dict(items) => self.mapping(path, items, Self::unstructured),
        }
    }

    fn scalar(
        &mut self,
        path: &str,
        encoding: &str,
        version: &str,
        value: &NumericArray,
    ) -> Result<()> {
        let spec = ArraySpec::new(value.data_type().clone(), []);
        let data = ArrayData::Bytes(value.bytes());
        self.writer
            .write_array(path, &spec, data, &encoding_attributes(encoding, version))
    }

    fn strings(
        &mut self,
        path: &str,
        encoding: &str,
        shape: Vec<u64>,
        values: &Strings,
    ) -> Result<()> {
        let spec = ArraySpec::new(DataType::String, shape);
        let attributes = encoding_attributes(encoding, "0.2.0");
        self.writer
            .write_array(path, &spec, ArrayData::Strings(values), &attributes)
    }
}
