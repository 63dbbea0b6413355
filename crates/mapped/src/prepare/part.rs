//! One file of a prepared collection: annotations first, then the rows of its matrices as they
//! come.

use super::Preparation;
use super::columns;
use crate::batch::Batch;
use crate::selection::Selection;
use anndex_anndata::{RowWriter, Values, WriteOptions, Writer};
use anndex_store::error::Result;
use anndex_store::{Compression, StoreWriter};

/// Annotations are read as a whole; chunks make writing them parallel and keep them small.
const ANNOTATION_ROWS: u64 = 1 << 17;
/// They are read once, so that size matters more than speed.
const ANNOTATION_COMPRESSION: Compression = Compression::Zstd(3);

/// A part that is being written.
pub(super) struct Part {
    writer: Box<dyn StoreWriter>,
    /// One per matrix key.
    matrices: Vec<RowWriter>,
}

impl Part {
    /// Writes the annotations of some observations, and starts their matrices. `check` is called
    /// between steps.
    pub(super) fn start(
        mut writer: Box<dyn StoreWriter>,
        preparation: &Preparation,
        observations: &[u64],
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mapped = &preparation.mapped;
        let selection = Selection::new(mapped, observations)?;
        let options = WriteOptions::default();
        let mut annotations = Writer {
            writer: &mut *writer,
            options: &options,
            annotations: Some((ANNOTATION_ROWS, ANNOTATION_COMPRESSION)),
        };
        annotations.group("", "anndata", "0.1.0", [])?;
        annotations.frame("var", &preparation.variables)?;
        let names = preparation
            .columns
            .iter()
            .map(|column| column.name.as_str());
        let index = Values::Strings(columns::names(mapped, &selection)?);
        annotations.start_frame("obs", names, index, None)?;
        for column in &preparation.columns {
            check()?;
            let values = column.read(mapped, &selection)?;
            annotations.frame_column("obs", &column.name, &values)?;
        }
        for group in ["layers", "obsm", "obsp", "uns", "varm", "varp"] {
            annotations.group(group, "dict", "0.1.0", [])?;
        }
        let start = |matrix: &super::PreparedMatrix| {
            let n_rows = observations.len() as u64;
            let layout = preparation.options.layout();
            let index_type = &preparation.division.index_type;
            matrix.start(&mut *writer, n_rows, &layout, index_type)
        };
        let matrices: Result<Vec<_>> = preparation.matrices.iter().map(start).collect();
        Ok(Self {
            matrices: matrices?,
            writer,
        })
    }

    /// Appends the rows of the next observations.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<()> {
        for (rows, (_, matrix)) in self.matrices.iter_mut().zip(&batch.matrices) {
            rows.append(&mut *self.writer, matrix)?;
        }
        Ok(())
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<()> {
        for rows in self.matrices {
            rows.finish(&mut *self.writer)?;
        }
        self.writer.finish()
    }
}
