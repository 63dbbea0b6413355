//! A bucket, container or host as [`ObjectStorage`].

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anndex_core::storage::{
    ObjectInfo, ObjectStorage, StorageCapabilities, StorageUrl, changed, check_range,
};
use anndex_core::{Error, ErrorKind, Result, registry::key};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::limits::RequestLimits;
use crate::process::PerProcess;
use crate::{error, runtime};

type Client = Arc<dyn ObjectStore>;
type Make = Box<dyn Fn() -> Result<Client> + Send + Sync>;

/// How often a read is made again whose answer broke off, where `object_store` does not go on by
/// itself.
const ATTEMPTS: u32 = 5;

/// A storage whose root may be below that of its bucket.
pub(crate) struct Storage {
    location: String,
    /// The key of the root in its bucket, with a slash, or nothing.
    prefix: String,
    is_web_server: bool,
    limits: RequestLimits,
    make: Make,
    client: PerProcess<Client>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storage").field(&self.location).finish()
    }
}

impl Storage {
    pub(crate) fn new(root: &StorageUrl, make: Make, limits: RequestLimits) -> Self {
        Self {
            location: root.to_string(),
            prefix: match root.key() {
                "" => String::new(),
                key => format!("{key}/"),
            },
            is_web_server: matches!(root.scheme(), "http" | "https"),
            limits,
            make,
            client: PerProcess::new(),
        }
    }

    /// The path of a key in the bucket.
    fn path(&self, key: &str) -> Result<Path> {
        key::check(key)?;
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|_| Error::invalid_input("the key is not fit for object storage; rename it"))
    }

    fn info(&self, meta: ObjectMeta) -> Option<ObjectInfo> {
        let modified = meta.last_modified.timestamp();
        Some(ObjectInfo {
            key: meta
                .location
                .as_ref()
                .strip_prefix(&self.prefix)?
                .to_owned(),
            size: meta.size,
            etag: meta.e_tag.map(unquoted),
            // Where a server does not say, `object_store` says 1970.
            modified: (modified != 0).then_some(modified),
        })
    }

    /// Does something on the threads for requests, within the total limit.
    async fn call<T: Send + 'static, F>(
        &self,
        key: &str,
        ask: impl FnOnce(Client) -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let locate = |e: Error| e.with("storage", &self.location).with("object", key);
        let handle = runtime::handle().map_err(locate)?;
        let client = self.client.get_or_make(|| {
            let _inside = handle.enter();
            (self.make)()
        });
        let asked = ask(client.map_err(locate)?);
        let total = self.limits.total;
        let done =
            AbortOnDrop(handle.spawn(async move { tokio::time::timeout(total, asked).await }));
        match done.await {
            Ok(Ok(result)) => result.map_err(locate),
            Ok(Err(_)) => Err(locate(Error::new(
                ErrorKind::Storage,
                format!(
                    "the storage did not answer within {} s; try again later",
                    total.as_secs()
                ),
            ))),
            Err(error) => Err(locate(
                Error::new(ErrorKind::Cancelled, "the request was stopped").source_error(error),
            )),
        }
    }
}

/// A request that nobody waits for any more is stopped.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl ObjectStorage for Storage {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities {
            list: !self.is_web_server,
            write: false,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let path = self.path(key)?;
        let meta = self.call(key, |client| async move {
            client.head(&path).await.map_err(|e| error::request(&e))
        });
        let info = self.info(meta.await?);
        info.ok_or_else(|| {
            Error::corrupt("the storage answered for another object").with("object", key)
        })
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        check_range(object, &range)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let path = self.path(&object.key)?;
        let (object, location, prefix) =
            (object.clone(), self.location.clone(), self.prefix.clone());
        let key = object.key.clone();
        self.call(&key, move |client| async move {
            let mut pause = Duration::from_millis(100);
            let mut attempt = 1;
            loop {
                match get(&client, &path, &object, &range).await {
                    Ok(Read { bytes, seen }) => {
                        let mut seen = seen;
                        seen.key = seen
                            .key
                            .strip_prefix(&prefix)
                            .unwrap_or_default()
                            .to_owned();
                        let is_whole = bytes.len() as u64 == range.end - range.start;
                        return match seen.is_same_content(&object) && is_whole {
                            true => Ok(bytes),
                            false => Err(changed(&location, &object.key)),
                        };
                    }
                    Err(failed) if attempt < ATTEMPTS && error::is_transient(&failed) => {
                        tracing::debug!(
                            key = object.key,
                            attempt,
                            "a read broke off and is made again"
                        );
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                        attempt += 1;
                    }
                    Err(failed) => return Err(error::request(&failed)),
                }
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        if self.is_web_server {
            return Err(Error::unsupported(
                "web servers can't list files, so there are no directories on them; name a file",
            )
            .with("storage", &self.location));
        }
        let path = match (prefix, self.prefix.trim_end_matches('/')) {
            ("", "") => None,
            ("", root) => Some(Path::parse(root)),
            (prefix, _) => Some(Ok(self.path(prefix)?)),
        };
        let path = path
            .transpose()
            .map_err(|_| Error::invalid_input("the prefix is not fit"))?;
        let handle = runtime::handle()?;
        let client = self.client.get_or_make(|| {
            let _inside = handle.enter();
            (self.make)()
        })?;
        let total = self.limits.total;
        let listed = AbortOnDrop(handle.spawn(async move {
            let mut found = Vec::new();
            let mut stream = client.list(path.as_ref());
            // Each page has the limit, since there may be any number of them.
            loop {
                match tokio::time::timeout(total, stream.next()).await {
                    Ok(Some(Ok(meta))) => found.push(meta),
                    Ok(Some(Err(failed))) => return Err(error::request(&failed)),
                    Ok(None) => return Ok(found),
                    Err(_) => {
                        return Err(Error::new(
                            ErrorKind::Storage,
                            format!("the storage did not answer within {} s", total.as_secs()),
                        ));
                    }
                }
            }
        }));
        let listed = listed.await.map_err(|error| {
            Error::new(ErrorKind::Cancelled, "the request was stopped").source_error(error)
        });
        let found = listed.and_then(|found| found);
        let found = found.map_err(|e| e.with("storage", &self.location).with("object", prefix))?;
        let below = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let infos = found.into_iter().filter_map(|meta| self.info(meta));
        let mut objects: Vec<_> = infos.filter(|info| info.key.starts_with(&below)).collect();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(without_markers(objects))
    }
}

struct Read {
    bytes: Bytes,
    seen: ObjectInfo,
}

async fn get(
    client: &Client,
    path: &Path,
    object: &ObjectInfo,
    range: &Range<u64>,
) -> Result<Read, object_store::Error> {
    let mut options = GetOptions::default();
    // Servers that know no ranges can still give whole files.
    if *range != (0..object.size) {
        options.range = Some(range.clone().into());
    }
    // Weak tags never match here. All are compared with what is answered, too, because not all
    // servers heed this.
    let strong = object.etag.as_ref().filter(|etag| !etag.starts_with("W/"));
    options.if_match = strong.map(|etag| format!("\"{etag}\""));
    let result = client.get_opts(path, options).await?;
    let seen = ObjectInfo {
        key: result.meta.location.to_string(),
        size: result.meta.size,
        etag: result.meta.e_tag.clone().map(unquoted),
        modified: Some(result.meta.last_modified.timestamp()).filter(|time| *time != 0),
    };
    Ok(Read {
        bytes: result.bytes().await?,
        seen,
    })
}

/// A tag without its quotes, which some servers leave out in lists.
fn unquoted(etag: String) -> String {
    let inner = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(etag.clone(), str::to_owned)
}

/// Without the empty objects that some programs make to show a directory.
fn without_markers(objects: Vec<ObjectInfo>) -> Vec<ObjectInfo> {
    let is_marker = |object: &ObjectInfo| {
        let below = format!("{}/", object.key);
        let next = objects.partition_point(|other| other.key < below);
        object.size == 0 && objects.get(next).is_some_and(|o| o.key.starts_with(&below))
    };
    let kept: Vec<bool> = objects.iter().map(|object| !is_marker(object)).collect();
    let mut kept = kept.into_iter();
    let mut objects = objects;
    objects.retain(|_| kept.next().unwrap_or(true));
    objects
}
