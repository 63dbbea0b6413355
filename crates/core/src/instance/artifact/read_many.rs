//! Reading the contents of many artifacts before they are registered.

use futures_util::{FutureExt, StreamExt, stream};
use rayon::prelude::*;

use super::ArtifactBuilder;
use super::content::{self, Content};
use crate::error::Result;
use crate::instance::retry::blocking;
use crate::operation::carried;
use crate::record::Run;

/// How many artifacts at URLs are read at the same time, each in several pieces.
const REMOTE_AT_ONCE: usize = 4;

/// An artifact whose content was read.
pub(super) type Read = (ArtifactBuilder, Option<Run>, Content);

/// Reads local files on all cores, and what is at URLs a few at a time. The results are in the
/// order of the artifacts.
pub(super) async fn read_contents(batch: Vec<ArtifactBuilder>) -> Result<Vec<Result<Read>>> {
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for (index, builder) in batch.into_iter().enumerate() {
        match content::url(&builder.path) {
            Some(_) => remote.push((index, builder)),
            None => local.push((index, builder)),
        }
    }
    let mut read: Vec<_> = blocking(move || {
        let read = carried(|builder: ArtifactBuilder| {
            let run = builder.check()?;
            let content = Content::read_local(&builder.path, &builder.progress)?;
            Ok((builder, run, content))
        });
        let local = local.into_par_iter();
        Ok(local
            .map(|(index, builder)| (index, read(builder)))
            .collect())
    })
    .await?;
    let read_remote = |(index, builder): (usize, ArtifactBuilder)| {
        async move {
            let read = async {
                let run = builder.check()?;
                let content = Content::read(&builder.db, &builder.path, &builder.progress).await?;
                Ok((run, content))
            };
            let read = read.await;
            (index, read.map(|(run, content)| (builder, run, content)))
        }
        .boxed()
    };
    let remote = remote.into_iter().map(read_remote).collect::<Vec<_>>();
    let remote = stream::iter(remote).buffer_unordered(REMOTE_AT_ONCE);
    read.extend(remote.collect::<Vec<_>>().await);
    read.sort_unstable_by_key(|(index, _)| *index);
    Ok(read.into_iter().map(|(_, read)| read).collect())
}
