//! A bucket, container or host as [`ObjectStorage`].

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anndex_remote_requests::{Listing, RequestLimits, runtime, too_slow, unquoted};
use anndex_store::storage::{
    ObjectInfo, ObjectStorage, PerProcess, ReadAt, StorageCapabilities, StorageUrl, UploadNotes,
    changed, check_range,
};
use anndex_store::{Error, ErrorKind, Limits, Result, key};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error;
use crate::service::Service;
use crate::upload::{Writer, limited};

type Client = Arc<dyn ObjectStore>;
type Make = Box<dyn Fn() -> Result<Service> + Send + Sync>;

/// How often a read is tried whose answer broke off, or a delete that got none, where `object_store`
/// does not go on by itself.
const ATTEMPTS: u32 = 5;

/// A storage whose root may be below that of its bucket.
pub(crate) struct Storage {
    location: String,
    /// The key of the root in its bucket, with a slash, or nothing.
    prefix: String,
    is_web_server: bool,
    limits: RequestLimits,
    make: Make,
    client: PerProcess<Service>,
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

    /// Does something on the threads for requests.
    async fn call<T: Send + 'static, F>(
        &self,
        key: &str,
        ask: impl FnOnce(Client) -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.call_service(key, |service| ask(service.store)).await
    }

    /// As [`Storage::call`], with all that the service can do.
    async fn call_service<T: Send + 'static, F>(
        &self,
        key: &str,
        ask: impl FnOnce(Service) -> F + Send,
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
        let client = client.map_err(locate)?;
        let is_nobody = client.is_nobody;
        let asked = runtime::run(&handle, ask(client)).await;
        asked.map_err(|refused| match (is_nobody, self.is_web_server) {
            (true, _) => locate(error::of_nobody(refused)),
            (_, true) => locate(error::of_web_server(refused)),
            _ => locate(refused),
        })
    }

    async fn write_with(
        &self,
        key: &str,
        source: Arc<dyn ReadAt>,
        notes: Option<Arc<dyn UploadNotes>>,
    ) -> Result<ObjectInfo> {
        self.check_no_web_server("web servers are for reading; write into a bucket")?;
        let (path, total, size) = (self.path(key)?, self.limits.total, source.len());
        let written = self.call_service(key, move |service| async move {
            Writer::new(service, total)?
                .write(&path, source, notes)
                .await
        });
        written.await?;
        let written = self.head(key).await?;
        match written.size == size {
            true => Ok(written),
            false => Err(changed(&self.location, key)),
        }
    }

    /// Refuses what web servers can't do.
    fn check_no_web_server(&self, what: &str) -> Result<()> {
        match self.is_web_server {
            false => Ok(()),
            true => Err(Error::unsupported(what).with("storage", &self.location)),
        }
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
            write: !self.is_web_server,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let path = self.path(key)?;
        let total = self.limits.total;
        let meta = self.call(key, move |client| async move {
            look(&client, &path, total).await
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
        let (object, location) = (object.clone(), self.location.clone());
        let key = object.key.clone();
        let total = self.limits.total;
        self.call(&key, move |client| async move {
            let read = read_again(&client, &path, &object, &range);
            let read = tokio::time::timeout(total, read).await;
            let Read { bytes, mut seen } = read.map_err(|_| too_slow(total))??;
            seen.key = object.key.clone();
            let is_whole = bytes.len() as u64 == range.end - range.start;
            match seen.is_same_content(&object) && is_whole {
                true => Ok(bytes),
                false => Err(changed(&location, &object.key)),
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        self.check_no_web_server(
            "web servers can't list files, so there are no directories on them; name a file",
        )?;
        let path = match (prefix, self.prefix.trim_end_matches('/')) {
            ("", "") => None,
            ("", root) => Some(Path::parse(root)),
            (prefix, _) => Some(Ok(self.path(prefix)?)),
        };
        let path = path
            .transpose()
            .map_err(|_| Error::invalid_input("the prefix is not fit"))?;
        let total = self.limits.total;
        let found = self.call(prefix, move |client| async move {
            let mut found =
                Listing::new(Limits::DEFAULT, |meta: &ObjectMeta| meta.location.as_ref());
            let mut listed = client.list(path.as_ref());
            // Each page has the limit, since there may be any number of them.
            while let Some(meta) = limited(total, listed.try_next()).await? {
                found.add(meta)?;
            }
            Ok(found.into_found())
        });
        let found = found.await?;
        let below = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let infos = found.into_iter().filter_map(|meta| self.info(meta));
        let mut objects: Vec<_> = infos.filter(|info| info.key.starts_with(&below)).collect();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(without_markers(objects))
    }

    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        self.write_with(key, source, None).await
    }

    async fn write_on(
        &self,
        key: &str,
        source: Arc<dyn ReadAt>,
        notes: Arc<dyn UploadNotes>,
    ) -> Result<ObjectInfo> {
        self.write_with(key, source, Some(notes)).await
    }

    async fn abandon(&self, key: &str, upload_id: &str) -> Result<()> {
        let (path, total) = (self.path(key)?, self.limits.total);
        let id = upload_id.to_owned();
        let abandoned = self.call_service(key, move |service| async move {
            Writer::new(service, total)?.abandon(&path, &id).await
        });
        abandoned.await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.check_no_web_server("web servers are for reading; nothing can be deleted")?;
        let (path, total) = (self.path(key)?, self.limits.total);
        let deleted = self.call(key, move |client| async move {
            let mut attempt = 1;
            // `object_store` does not do this again after a timeout; it may be done twice.
            loop {
                match tokio::time::timeout(total, client.delete(&path)).await {
                    Ok(Err(failed)) if attempt < ATTEMPTS && error::is_transient(&failed) => {
                        attempt += 1;
                    }
                    Ok(deleted) => return deleted.map_err(|failed| error::request(&failed)),
                    Err(_) => return Err(too_slow(total)),
                }
            }
        });
        match deleted.await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }
}

/// What is known of an object. The answer to a look has no body, so one that refuses does not say
/// why (that credentials expired, say). Then the first byte is asked for, too.
async fn look(client: &Client, path: &Path, total: Duration) -> Result<ObjectMeta> {
    let looked = tokio::time::timeout(total, client.head(path)).await;
    let refused = match looked.map_err(|_| too_slow(total))? {
        Err(refused) if error::is_unexplained(&refused) => refused,
        looked => return looked.map_err(|failed| error::request(&failed)),
    };
    let options = GetOptions {
        range: Some((0..1).into()),
        ..GetOptions::default()
    };
    match limited(total, client.get_opts(path, options)).await {
        Ok(first) => Ok(first.meta),
        Err(explained) if explained.context("code").is_some() => Err(explained),
        Err(_) => Err(error::request(&refused)),
    }
}

/// [`get`], once more where the answer broke off and `object_store` does not go on by itself.
async fn read_again(
    client: &Client,
    path: &Path,
    object: &ObjectInfo,
    range: &Range<u64>,
) -> Result<Read> {
    let mut pause = Duration::from_millis(100);
    for attempt in 1..ATTEMPTS {
        match get(client, path, object, range).await {
            Ok(read) => return Ok(read),
            Err(failed) if error::is_transient(&failed) => {
                tracing::debug!(
                    key = object.key,
                    attempt,
                    "a read broke off and is made again"
                );
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(failed) => return Err(error::request(&failed)),
        }
    }
    let last = get(client, path, object, range).await;
    last.map_err(|failed| error::request(&failed))
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
