//! Writing matrices row by row, where they are larger than memory.

use super::child_path;
use super::in_memory::InMemoryMatrix;
use super::write::encoding_attributes;
use anndex_store::error::{Error, Result};
use anndex_store::{
    ArrayData, ArraySpec, Attributes, Compression, DataType, NumericArray, StoreWriter, converted,
};

/// How a matrix is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixLayout {
    /// Elements per chunk; chunks of dense matrices hold whole rows, so they may have fewer.
    pub chunk_elements: u64,
    /// Chunks per shard.
    pub chunks_per_shard: u64,
    /// How chunks are compressed.
    pub compression: Compression,
}

impl MatrixLayout {
    /// The layout of an array that grows by rows of these extents.
    fn spec(&self, data_type: DataType, row: &[u64]) -> ArraySpec {
        let row_elements = row.iter().product::<u64>().max(1);
        let rows = (self.chunk_elements / row_elements).max(1);
        let shape = |rows: u64| [&[rows], row].concat();
        ArraySpec::new(data_type, shape(0))
            .chunked(shape(rows))
            .sharded(shape(rows.saturating_mul(self.chunks_per_shard)))
            .compressed(self.compression)
    }
}

/// A matrix that rows are appended to.
#[derive(Debug)]
pub struct RowWriter {
    path: String,
    kind: Kind,
    compression: Compression,
}

#[derive(Debug)]
enum Kind {
    Csr {
        data_type: DataType,
        index_type: DataType,
        /// Where each row begins, and the end of the last one.
        indptr: Vec<i64>,
    },
    Dense,
    /// Rows without elements have nothing to append; with the shape of all.
    Empty(Vec<u64>, DataType),
}

impl RowWriter {
    /// Starts a sparse matrix, of which as many rows must follow, with the types of its values and
    /// of columns and row pointers.
    ///
    /// # Errors
    /// As [`StoreWriter::start_array`].
    pub fn csr(
        writer: &mut dyn StoreWriter,
        path: &str,
        [n_rows, n_columns]: [u64; 2],
        [data_type, index_type]: [DataType; 2],
        layout: &MatrixLayout,
    ) -> Result<Self> {
        let mut attributes = encoding_attributes("csr_matrix", "0.1.0");
        attributes.insert("shape".to_owned(), vec![n_rows, n_columns].into());
        writer.write_group(path, &attributes)?;
        let none = Attributes::new();
        let mut start = |name: &str, data_type: DataType| {
            writer.start_array(&child_path(path, name), &layout.spec(data_type, &[]), &none)
        };
        start("data", data_type.clone())?;
        start("indices", index_type.clone())?;
        Ok(Self {
            path: path.to_owned(),
            kind: Kind::Csr {
                data_type,
                index_type,
                indptr: vec![0],
            },
            compression: layout.compression,
        })
    }

    /// Starts a dense matrix of `shape`, of which as many rows must follow.
    ///
    /// # Errors
    /// As [`StoreWriter::start_array`].
    pub fn dense(
        writer: &mut dyn StoreWriter,
        path: &str,
        shape: &[u64],
        data_type: DataType,
        layout: &MatrixLayout,
    ) -> Result<Self> {
        let row = shape.get(1..).unwrap_or_default();
        let kind = if row.contains(&0) {
            Kind::Empty(shape.to_vec(), data_type)
        } else {
            let attributes = encoding_attributes("array", "0.2.0");
            writer.start_array(path, &layout.spec(data_type, row), &attributes)?;
            Kind::Dense
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            compression: layout.compression,
        })
    }

    /// Appends the rows of a matrix of the same kind; values of a sparse one are converted.
    ///
    /// # Errors
    /// `InvalidInput` if its kind is another; as [`StoreWriter::append`].
    pub fn append(&mut self, writer: &mut dyn StoreWriter, rows: &InMemoryMatrix) -> Result<()> {
        match (&mut self.kind, rows) {
            (
                Kind::Csr {
                    data_type,
                    index_type,
                    indptr,
                },
                InMemoryMatrix::Csr(csr),
            ) => {
                let end = indptr.last().copied().unwrap_or_default();
                indptr.extend(csr.indptr().iter().skip(1).map(|&pointer| end + pointer));
                let data = converted(csr.data(), data_type)?;
                writer.append(&child_path(&self.path, "data"), data.bytes())?;
                let indices = csr.indices_as(index_type)?;
                writer.append(&child_path(&self.path, "indices"), indices.bytes())
            }
            (Kind::Dense, InMemoryMatrix::Dense(values)) => {
                writer.append(&self.path, values.bytes())
            }
            (Kind::Empty(..), InMemoryMatrix::Dense(_)) => Ok(()),
            _ => Err(Error::invalid_input("these rows are of another kind")
                .with("node", format!("/{}", self.path))),
        }
    }

    /// Writes what is known only after the last row.
    ///
    /// # Errors
    /// As [`StoreWriter::write_array`].
    pub fn finish(self, writer: &mut dyn StoreWriter) -> Result<()> {
        match self.kind {
            Kind::Csr {
                index_type, indptr, ..
            } => {
                // Readers want all of it at once.
                const CHUNK: u64 = 1 << 20;
                let values = NumericArray::from_values([indptr.len()], &indptr)?;
                let values = values.cast(&index_type)?;
                let count = indptr.len() as u64;
                let spec = ArraySpec::new(index_type, [count])
                    .chunked([count.min(CHUNK)])
                    .compressed(self.compression);
                let path = child_path(&self.path, "indptr");
                let data = ArrayData::Bytes(values.bytes());
                writer.write_array(&path, &spec, data, &Attributes::new())
            }
            Kind::Dense => Ok(()),
            Kind::Empty(shape, data_type) => writer.write_array(
                &self.path,
                &ArraySpec::new(data_type, shape),
                ArrayData::Bytes(&[]),
                &encoding_attributes("array", "0.2.0"),
            ),
        }
    }
}
