//! The parts that objects are written in: how they are read, and how many are in memory.

use std::ops::Range;
use std::sync::Arc;

use anndex_store::storage::{PerProcess, ReadAt};
use anndex_store::{Error, ErrorKind, Result};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The size of a part in bytes, unless there would be too many of them.
pub const PART_BYTES: u64 = 8 << 20;

/// How many parts and small objects are in memory at the same time, whatever they belong to.
const IN_MEMORY: usize = 16;

static MEMORY: PerProcess<Arc<Semaphore>> = PerProcess::new();

/// Waits until there is memory for one more part, which is given back with the permit.
///
/// # Errors
/// `Cancelled` if nobody gives permits any more.
pub async fn permit() -> Result<OwnedSemaphorePermit> {
    let memory = MEMORY.get_or_make(|| Ok(Arc::new(Semaphore::new(IN_MEMORY))))?;
    let permit = memory.acquire_owned().await;
    permit.map_err(|error| stopped().source_error(error))
}

/// Reads a part on a thread that may wait.
///
/// # Errors
/// As [`Error::io`] if it can't be read; `Cancelled` if the threads end first.
pub async fn read(source: &Arc<dyn ReadAt>, range: Range<u64>) -> Result<Bytes> {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || {
        let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
        let mut bytes = vec![0; length];
        source.read_exact_at(range.start, &mut bytes)?;
        Ok(Bytes::from(bytes))
    });
    let read = read.await.map_err(|error| match error.try_into_panic() {
        // As if it had run here: that is a bug.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => stopped().source_error(error),
    })?;
    read.map_err(|e| Error::io("the file that is uploaded", e))
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the upload was stopped")
}
