//! What a read may take: memory, and time until someone stops it.

use std::sync::atomic::{AtomicUsize, Ordering};

use anndex_store::error::{Error, ErrorKind, Result};
use anndex_store::operation::Operation;

/// Bounds one read that many threads work on.
#[derive(Debug)]
pub(super) struct Allowance {
    spent: AtomicUsize,
    limit: usize,
    operation: Operation,
}

impl Allowance {
    /// At most `bytes` bytes, and only until the operation is stopped.
    pub(super) fn new(bytes: usize, operation: Operation) -> Self {
        Self {
            spent: AtomicUsize::new(0),
            limit: bytes,
            operation,
        }
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// `Cancelled` if there are not so many left, or the read is to stop.
    pub(super) fn spend(&self, bytes: usize) -> Result<()> {
        // Nothing else is published through this.
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.operation.check()?;
        if spent > self.limit {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "the rows take more memory than was set aside for them",
            ));
        }
        Ok(())
    }

    /// Whether more was asked for than there is.
    pub(super) fn is_exhausted(&self) -> bool {
        self.spent.load(Ordering::Relaxed) > self.limit
    }
}
