//! How batches are given.

/// How the layers of a batch are given. Matrices of obsm are always dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchFormat {
    /// Every value: observations × variables.
    #[default]
    Dense,
    /// A sparse matrix by rows.
    Csr,
}
