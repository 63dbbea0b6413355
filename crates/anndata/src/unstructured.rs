//! What `uns` holds: dicts of anything that has an encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::awkward::Awkward;
use super::column::{BackedColumn, Column, Values};
use super::data_frame::DataFrame;
use super::in_memory::InMemoryMatrix;
use super::left_out::LeftOut;
use super::matrix::Element;
use super::write::{Writer, encoding_attributes};
use super::{child_path, encoding_type, locate};
use anndex_store::Walk;
use anndex_store::error::{Error, Result};
use anndex_store::{
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
    /// An array of records (NumPy's structured arrays), or one record. Complex numbers are records
    /// of `r` and `i`, as HDF5 has them.
    Records {
        /// Extent along each axis; empty for one record.
        shape: Vec<usize>,
        /// Each field's name and values, in C order. A field that is an array has further axes.
        fields: Vec<(String, Values)>,
    },
    /// An array of lists of any length and records of any depth, by the library Awkward Array.
    Awkward(Awkward),
    /// Values by name.
    Dict(BTreeMap<String, Unstructured>),
}

impl Unstructured {
    /// Reads the value at `path`. What can't be read below it is noted in `left_out`.
    fn read_below(
        store: &Arc<dyn Store>,
        path: &str,
        depth: usize,
        walk: &mut Walk,
        left_out: &mut LeftOut,
    ) -> Result<Self> {
        let located = locate(store, path);
        walk.visit().map_err(&located)?;
        if depth > DEEPEST {
            let deep = format!("more than {DEEPEST} groups are in each other");
            return Err(located(Error::corrupt(deep)));
        }
        let attributes = store.attributes(path).map_err(&located)?;
        let encoding = encoding_type(&attributes).map_err(&located)?;
        match (store.node(path).map_err(&located)?, encoding) {
            (None, _) | (_, "null") => Ok(Self::Null),
            (Some(NodeKind::Array), _) => Self::read_array(store, path, walk).map_err(located),
            (_, "dict") => Self::read_dict(store, path, depth, walk, left_out).map(Self::Dict),
            // Before 0.7 only sparse matrices said what they are.
            (_, "") if !attributes.contains_key("h5sparse_format") => {
                Self::read_dict(store, path, depth, walk, left_out).map(Self::Dict)
            }
            (
                _,
                "categorical" | "nullable-integer" | "nullable-boolean" | "nullable-string-array",
            ) => {
                let column = BackedColumn::open(store, path)?.read(None);
                column.map(Self::Column).map_err(located)
            }
            (_, "awkward-array") => {
                let array = Awkward::read(store, path, &attributes, walk);
                array.map(Self::Awkward).map_err(located)
            }
            _ => match Element::open(store, path)? {
                None => Ok(Self::Null),
                Some(Element::Matrix(matrix)) => matrix.read().map(Self::Matrix).map_err(located),
                Some(Element::DataFrame(frame)) => frame.read_noting(left_out).map(Self::DataFrame),
            },
        }
    }

    /// Reads what stands at `path` in the place of a matrix but is none: an array of text, of
    /// records or of lists, with as many rows; `None` if it is none of them.
    pub(super) fn read_rows_of(
        store: &Arc<dyn Store>,
        path: &str,
        rows: u64,
    ) -> Result<Option<Self>> {
        let is_array = store.node(path)? == Some(NodeKind::Array);
        let encoding = store.attributes(path)?;
        if !is_array && encoding_type(&encoding)? != "awkward-array" {
            return Ok(None);
        }
        let value = Self::read_below(
            store,
            path,
            0,
            &mut store.limits().walk(),
            &mut LeftOut::new(),
        )?;
        match value.rows() {
            None => Ok(None),
            Some(found) if found as u64 == rows => Ok(Some(value)),
            Some(found) => Err(locate(store, path)(Error::corrupt(format!(
                "there are {found} rows, but there must be {rows}"
            )))),
        }
    }

    /// The number of rows of an array of text, of records or of lists.
    pub(super) fn rows(&self) -> Option<usize> {
        match self {
            Self::Strings { shape, .. } | Self::Records { shape, .. } => shape.first().copied(),
            Self::Awkward(array) => Some(array.len()),
            _ => None,
        }
    }

    /// Reads all that is in the group at `path`; nothing if there is none. What can't be read is
    /// noted in `left_out`.
    ///
    /// # Errors
    /// `Corrupt` or `Storage` if the bytes can't be had.
    pub(super) fn read_mapping(
        store: &Arc<dyn Store>,
        path: &str,
        left_out: &mut LeftOut,
    ) -> Result<BTreeMap<String, Self>> {
        match store.node(path).map_err(locate(store, path))? {
            Some(NodeKind::Group) => {
                Self::read_dict(store, path, 0, &mut store.limits().walk(), left_out)
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    fn read_dict(
        store: &Arc<dyn Store>,
        path: &str,
        depth: usize,
        walk: &mut Walk,
        left_out: &mut LeftOut,
    ) -> Result<BTreeMap<String, Self>> {
        let mut items = BTreeMap::new();
        for (name, _) in store.children(path).map_err(locate(store, path))? {
            let path = child_path(path, &name);
            let value = Self::read_below(store, &path, depth + 1, walk, left_out);
            if let Some(value) = left_out.unless_unsupported(store.location(), &path, value)? {
                items.insert(name, value);
            }
        }
        Ok(items)
    }

    fn read_array(store: &Arc<dyn Store>, path: &str, walk: &mut Walk) -> Result<Self> {
        let array = store.array(path)?;
        let info = array.info();
        walk.decode(info.memory_bytes(), info.stored_bytes)?;
        match &info.data_type {
            DataType::Struct(fields) => {
                let fields = fields.iter().map(|field| {
                    let values = Values::read_all(&*array.field(&field.name)?)?;
                    Ok((field.name.clone(), values))
                });
                Ok(Self::Records {
                    shape: info.shape.iter().map(|&extent| extent as usize).collect(),
                    fields: fields.collect::<Result<_>>()?,
                })
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
            _ => anndex_store::read_all(&*array)
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
            Unstructured::Awkward(array) => self.awkward(path, array),
            Unstructured::Records { .. } => Err(Error::unsupported(
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
