//! Writing an object: beside its place, and moved there when all of it is written, so that it is
//! there whole or not at all.

use std::sync::Arc;

use anndex_remote_requests::RequestLimits;
use anndex_remote_requests::parts::{PART_BYTES, permit, read};
use anndex_store::storage::{PerProcess, ReadAt};
use anndex_store::{Error, ErrorKind, Result};
use opendal_core::Operator;
use tokio::sync::Semaphore;

use crate::attempts::{again, once};

/// How much of what is written in one piece is in memory at the same time, in units of
/// [`PART_BYTES`]: 1 GiB.
const IN_MEMORY: u32 = 128;

static MEMORY: PerProcess<Arc<Semaphore>> = PerProcess::new();

/// Writes what `source` has. What is written in parts is not tried again after a part failed.
///
/// # Errors
/// `Unsupported` if it would not fit the memory, where the service takes objects in one piece only;
/// those of `source` and of the requests.
pub(crate) async fn write(
    operator: &Operator,
    path: &str,
    source: Arc<dyn ReadAt>,
    limits: &RequestLimits,
) -> Result<()> {
    let (directory, name) = match path.rsplit_once('/') {
        Some((directory, name)) => (format!("{directory}/"), name),
        None => (String::new(), path),
    };
    let partial = format!("{directory}.partial-{name}");
    let written = match operator.info().capability().write_can_multi {
        true => in_parts(operator, &partial, source, limits).await,
        false => in_one_piece(operator, &partial, source, limits).await,
    };
    let moved = match written {
        Ok(()) => move_to(operator, &partial, path, limits).await,
        failed => failed,
    };
    if moved.is_err()
        && let Err(error) = again(limits, || operator.delete(&partial)).await
    {
        tracing::warn!(path = partial, %error, "what was written of an object could not be removed");
    }
    moved
}

async fn in_parts(
    operator: &Operator,
    path: &str,
    source: Arc<dyn ReadAt>,
    limits: &RequestLimits,
) -> Result<()> {
    let mut writer = once(limits, operator.writer(path)).await?;
    let mut position = 0;
    while position < source.len() {
        let permit = permit().await?;
        let end = source.len().min(position + PART_BYTES);
        let bytes = read(&source, position..end).await?;
        once(limits, writer.write(bytes)).await?;
        drop(permit);
        position = end;
    }
    once(limits, writer.close()).await?;
    Ok(())
}

async fn in_one_piece(
    operator: &Operator,
    path: &str,
    source: Arc<dyn ReadAt>,
    limits: &RequestLimits,
) -> Result<()> {
    let units = source.len().div_ceil(PART_BYTES).max(1);
    let units = u32::try_from(units)
        .ok()
        .filter(|units| *units <= IN_MEMORY);
    let Some(units) = units else {
        return Err(Error::unsupported(
            "files of more than 1 GiB can't be written to this storage, since they are sent in one \
             piece from memory; use another one, or a directory of smaller files (.zarr)",
        ));
    };
    let memory = MEMORY.get_or_make(|| Ok(Arc::new(Semaphore::new(IN_MEMORY as usize))))?;
    let permit = memory.acquire_many_owned(units).await.map_err(|error| {
        Error::new(ErrorKind::Cancelled, "the upload was stopped").source_error(error)
    })?;
    let bytes = read(&source, 0..source.len()).await?;
    again(limits, || operator.write(path, bytes.clone())).await?;
    drop(permit);
    Ok(())
}

/// Moves what was written to its place. Some servers do not replace what is there.
async fn move_to(
    operator: &Operator,
    partial: &str,
    path: &str,
    limits: &RequestLimits,
) -> Result<()> {
    let Err(error) = again(limits, || operator.rename(partial, path)).await else {
        return Ok(());
    };
    let there = again(limits, || operator.stat(path)).await;
    if !there.is_ok_and(|there| there.is_file()) {
        return Err(error);
    }
    if again(limits, || operator.exists(partial)).await? {
        again(limits, || operator.delete(path)).await?;
        return again(limits, || operator.rename(partial, path)).await;
    }
    // It was moved, and the answer was lost. Whether it is whole is looked at next.
    Ok(())
}
