//! What a read may take: memory, and time until someone stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Bounds one read that many threads work on.
#[derive(Debug)]
pub(super) struct Allowance {
    spent: AtomicUsize,
    limit: usize,
    cancelled: Arc<AtomicBool>,
}

impl Allowance {
    /// At most `bytes` bytes, and only until `cancelled` is set.
    pub(super) fn new(bytes: usize, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            spent: AtomicUsize::new(0),
            limit: bytes,
            cancelled,
        }
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// `Cancelled` if there are not so many left, or the read is to stop.
    pub(super) fn spend(&self, bytes: usize) -> Result<()> {
        // Nothing else is published through these.
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "reading was stopped"));
        }
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
