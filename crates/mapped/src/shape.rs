//! What rows have in common that are in one output.

use anndex_store::DataType;

/// What is the same in all rows of a matrix in a window.
#[derive(Debug, Clone)]
pub(super) struct MatrixShape {
    pub(super) data_type: DataType,
    /// Extent of one row along each of its axes.
    pub(super) row_shape: Vec<usize>,
}
