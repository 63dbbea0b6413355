//! Writing an AnnData into any store, in the encodings of anndata 0.8 and later.

use std::collections::BTreeMap;

use super::backed_data_frame::frame_attributes;
use super::categorical::Categorical;
use super::child_path;
use super::column::{Column, Values};
use super::compressed::{CsrMatrix, index_data_type, sparse_data_type};
use super::data_frame::DataFrame;
use super::in_memory::{AnnData, InMemoryElement, InMemoryMatrix};
use super::mask::Mask;
use anndex_store::error::{Error, Result};
use anndex_store::{
    ArrayData, ArraySpec, Attributes, Compression, DataType, NumericArray, StoreWriter, converted,
};

/// How matrices are laid out; annotations are small and stored in one piece.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WriteOptions {
    /// How the chunks of matrices are compressed; `None` stores them in one piece.
    pub compression: Compression,
    /// Elements per chunk of a matrix, at least; the default is 65,536.
    pub chunk_elements: Option<u64>,
}

/// Writes an AnnData. The caller finishes the writer. Sparse matrices of float16, which SciPy has
/// not, are written as float32.
///
/// # Errors
/// `InvalidInput` if the parts of `data` do not fit together or a name holds a slash; else as
/// [`StoreWriter::write_array`].
pub fn write(writer: &mut dyn StoreWriter, data: &AnnData, options: &WriteOptions) -> Result<()> {
    data.check()?;
    let mut writer = Writer {
        writer,
        options,
        annotations: None,
    };
    writer.group("", "anndata", "0.1.0", [])?;
    writer.frame("obs", &data.obs)?;
    writer.frame("var", &data.var)?;
    if let Some(x) = &data.x {
        writer.matrix("X", x)?;
    }
    writer.mapping("layers", &data.layers, Writer::matrix)?;
    writer.mapping("obsm", &data.obsm, Writer::element)?;
    writer.mapping("varm", &data.varm, Writer::element)?;
    writer.mapping("obsp", &data.obsp, Writer::matrix)?;
    writer.mapping("varp", &data.varp, Writer::matrix)?;
    writer.mapping("uns", &data.uns, Writer::unstructured)?;
    if let Some(raw) = &data.raw {
        writer.group("raw", "raw", "0.1.0", [])?;
        writer.matrix("raw/X", &raw.x)?;
        writer.frame("raw/var", &raw.var)?;
        writer.mapping("raw/varm", &raw.varm, Writer::element)?;
    }
    Ok(())
}

/// Writes the parts of an AnnData, each in its encoding.
pub struct Writer<'a> {
    /// Where to.
    pub writer: &'a mut dyn StoreWriter,
    /// How.
    pub options: &'a WriteOptions,
    /// Rows of a chunk of annotations and its compression; in one piece if `None`.
    pub annotations: Option<(u64, Compression)>,
}

impl Writer<'_> {
    /// A group of an encoding and its version, with more attributes.
    pub fn group<const N: usize>(
        &mut self,
        path: &str,
        encoding: &str,
        version: &str,
        more: [(&str, anndex_store::Attribute); N],
    ) -> Result<()> {
        let mut attributes = encoding_attributes(encoding, version);
        attributes.extend(more.map(|(name, value)| (name.to_owned(), value)));
        self.writer.write_group(path, &attributes)
    }

    /// A group with what stands under each key.
    pub(super) fn mapping<T>(
        &mut self,
        path: &str,
        items: &BTreeMap<String, T>,
        write: impl Fn(&mut Self, &str, &T) -> Result<()>,
    ) -> Result<()> {
        self.group(path, "dict", "0.1.0", [])?;
        items
            .iter()
            .try_for_each(|(name, item)| write(self, &named_child(path, name)?, item))
    }

    fn element(&mut self, path: &str, element: &InMemoryElement) -> Result<()> {
        match element {
            InMemoryElement::Matrix(matrix) => self.matrix(path, matrix),
            InMemoryElement::DataFrame(frame) => self.frame(path, frame),
            InMemoryElement::Other(array) => self.unstructured(path, array),
        }
    }

    /// A whole table.
    pub fn frame(&mut self, path: &str, frame: &DataFrame) -> Result<()> {
        let names = frame.columns().map(|(name, _)| name);
        let index = match frame.numeric_index() {
            Some(numbers) => Values::Numeric(numbers.clone()),
            None => Values::Strings(frame.index().clone()),
        };
        self.start_frame(path, names, index, frame.index_name())?;
        frame
            .columns()
            .try_for_each(|(name, column)| self.frame_column(path, name, column))
    }

    /// A table with its index, whose columns of these names are to follow.
    pub fn start_frame<'n>(
        &mut self,
        path: &str,
        columns: impl Iterator<Item = &'n str>,
        index: Values,
        index_name: Option<&str>,
    ) -> Result<()> {
        let (name, place) = match index_name {
            None => ("_index", child_path(path, "_index")),
            Some(name) => (name, named_child(path, name)?),
        };
        self.writer
            .write_group(path, &frame_attributes(name, columns))?;
        self.values(&place, &index)
    }

    /// One column of a table.
    pub fn frame_column(&mut self, frame: &str, name: &str, column: &Column) -> Result<()> {
        self.column(&named_child(frame, name)?, column)
    }

    pub(super) fn column(&mut self, path: &str, column: &Column) -> Result<()> {
        match column {
            Column::Values {
                values,
                missing: None,
            } => self.values(path, values),
            Column::Values {
                values,
                missing: Some(missing),
            } => self.nullable(path, values, missing),
            Column::Categorical(categorical) => self.categorical(path, categorical),
        }
    }

    fn nullable(&mut self, path: &str, values: &Values, missing: &Mask) -> Result<()> {
        let encoding = match values {
            Values::Strings(_) => "nullable-string-array",
            Values::Numeric(values) if *values.data_type() == DataType::Bool => "nullable-boolean",
            Values::Numeric(values) if values.data_type().is_integer() => "nullable-integer",
            Values::Numeric(values) => {
                return Err(Error::unsupported(format!(
                    "a masked column of {} has no encoding; use NaN for missing values",
                    values.data_type()
                ))
                .with("node", format!("/{path}")));
            }
        };
        match values {
            Values::Numeric(_) => self.group(path, encoding, "0.1.0", [])?,
            Values::Strings(_) => {
                let na_value = if missing.is_nan() { "NaN" } else { "NA" };
                self.group(path, encoding, "0.1.0", [("na-value", na_value.into())])?;
            }
        }
        self.values(&child_path(path, "values"), values)?;
        let mask = Values::Numeric(NumericArray::from_bools(missing)?);
        self.values(&child_path(path, "mask"), &mask)
    }

    fn categorical(&mut self, path: &str, categorical: &Categorical) -> Result<()> {
        let ordered = categorical.ordered().into();
        self.group(path, "categorical", "0.2.0", [("ordered", ordered)])?;
        self.values(&child_path(path, "categories"), categorical.categories())?;
        let codes = NumericArray::from_values([categorical.codes().len()], categorical.codes())?;
        // pandas takes the narrowest signed type that holds all codes.
        let narrowest = match categorical.categories().len() {
            0..=0x7f => DataType::Int8,
            0x80..=0x7fff => DataType::Int16,
            _ => DataType::Int32,
        };
        self.values(
            &child_path(path, "codes"),
            &Values::Numeric(codes.cast(&narrowest)?),
        )
    }

    fn values(&mut self, path: &str, values: &Values) -> Result<()> {
        let (data_type, data, encoding) = match values {
            Values::Strings(strings) => (
                DataType::String,
                ArrayData::Strings(strings),
                "string-array",
            ),
            Values::Numeric(numbers) => (
                numbers.data_type().clone(),
                ArrayData::Bytes(numbers.bytes()),
                "array",
            ),
        };
        let mut spec = ArraySpec::new(data_type, [values.len() as u64]);
        if let Some((rows, compression)) = self.annotations {
            let chunk = rows.min(values.len() as u64).max(1);
            spec = spec.chunked([chunk]).compressed(compression);
        }
        self.writer
            .write_array(path, &spec, data, &encoding_attributes(encoding, "0.2.0"))
    }

    pub(super) fn matrix(&mut self, path: &str, matrix: &InMemoryMatrix) -> Result<()> {
        match matrix {
            InMemoryMatrix::Dense(values) => {
                let attributes = encoding_attributes("array", "0.2.0");
                self.chunked(path, values, &attributes)
            }
            InMemoryMatrix::Csr(csr) => {
                self.compressed(path, "csr_matrix", [csr.n_rows(), csr.n_columns()], csr)
            }
            InMemoryMatrix::Csc(csc) => {
                let shape = [csc.n_rows(), csc.n_columns()];
                self.compressed(path, "csc_matrix", shape, csc.transposed())
            }
        }
    }

    /// A sparse matrix of this shape, by the rows of `csr`.
    fn compressed(
        &mut self,
        path: &str,
        encoding: &str,
        [n_rows, n_columns]: [usize; 2],
        csr: &CsrMatrix,
    ) -> Result<()> {
        let shape = vec![n_rows as u64, n_columns as u64].into();
        self.group(path, encoding, "0.1.0", [("shape", shape)])?;
        let none = Attributes::new();
        let data_type = sparse_data_type(csr.data().data_type());
        if data_type != *csr.data().data_type() {
            tracing::warn!(
                node = path,
                "float16 is written as float32, since SciPy has no sparse matrices of it"
            );
        }
        let data = converted(csr.data(), &data_type)?;
        self.chunked(&child_path(path, "data"), &data, &none)?;
        let index_type = index_data_type(csr.data().len(), [n_rows, n_columns]);
        let indices = csr.indices_as(&index_type)?;
        self.chunked(&child_path(path, "indices"), &indices, &none)?;
        let indptr = NumericArray::from_values([csr.indptr().len()], csr.indptr())?;
        let indptr = indptr.cast(&index_type)?;
        self.chunked(&child_path(path, "indptr"), &indptr, &none)
    }

    fn chunked(&mut self, path: &str, values: &NumericArray, more: &Attributes) -> Result<()> {
        const DEFAULT_CHUNK_ELEMENTS: u64 = 1 << 16;
        let shape: Vec<u64> = values.shape().iter().map(|&n| n as u64).collect();
        let mut spec = ArraySpec::new(values.data_type().clone(), shape.clone());
        if self.options.compression != Compression::None && !values.is_empty() {
            let wanted = self
                .options
                .chunk_elements
                .unwrap_or(DEFAULT_CHUNK_ELEMENTS);
            let row: u64 = shape.iter().skip(1).product();
            let mut chunk = shape;
            if let Some(rows) = chunk.first_mut() {
                *rows = wanted.div_ceil(row).clamp(1, *rows);
            }
            spec = spec.chunked(chunk).compressed(self.options.compression);
        }
        self.writer
            .write_array(path, &spec, ArrayData::Bytes(values.bytes()), more)
    }
}

pub(super) fn encoding_attributes(encoding: &str, version: &str) -> Attributes {
    Attributes::from([
        ("encoding-type".to_owned(), encoding.into()),
        ("encoding-version".to_owned(), version.into()),
    ])
}

/// The path of a key's element, which must be fit to be one.
pub(super) fn named_child(parent: &str, name: &str) -> Result<String> {
    if name.is_empty() || name.contains('/') || name == "_index" {
        return Err(Error::invalid_input(
            "a key must not be empty or `_index`, and must not hold a slash",
        )
        .with("key", name));
    }
    Ok(child_path(parent, name))
}
