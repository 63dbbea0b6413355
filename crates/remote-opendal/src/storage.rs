//! A host as [`ObjectStorage`].

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use anndex_remote_requests::{Listing, RequestLimits, runtime, unquoted};
use anndex_store::key;
use anndex_store::storage::{
    ObjectInfo, ObjectStorage, PerProcess, ReadAt, StorageCapabilities, StorageUrl, changed,
    check_range,
};
use anndex_store::{Error, ErrorKind, Limits, Result};
use async_trait::async_trait;
use bytes::Bytes;
use opendal_core::options::ReaderOptions;
use opendal_core::{Metadata, Operator};

use crate::attempts::again;
use crate::write;

type Make = Box<dyn Fn() -> Result<Operator> + Send + Sync>;

const READ_ONLY: &str = "this storage is for reading only";

/// A storage whose root may be a directory of its host.
pub(crate) struct Storage {
    location: String,
    /// The path of the root on its host, with a slash at its end, or nothing.
    prefix: String,
    capabilities: StorageCapabilities,
    limits: RequestLimits,
    make: Make,
    operator: PerProcess<Operator>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storage").field(&self.location).finish()
    }
}

impl Storage {
    /// A storage whose operator `make` makes in each process.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn new(root: &StorageUrl, make: Make, limits: RequestLimits) -> Result<Self> {
        let capability = make()?.info().capability();
        Ok(Self {
            location: root.to_string(),
            prefix: match root.key() {
                "" => String::new(),
                key => format!("{key}/"),
            },
            capabilities: StorageCapabilities {
                list: capability.list,
                // What is written is moved to its place.
                write: capability.write && capability.rename,
            },
            limits,
            make,
            operator: PerProcess::new(),
        })
    }

    fn check_can(&self, is_possible: bool, what: &str) -> Result<()> {
        match is_possible {
            true => Ok(()),
            false => Err(Error::unsupported(what).with("storage", &self.location)),
        }
    }

    /// The path of a key on the host.
    fn path(&self, key: &str) -> Result<String> {
        key::check(key)?;
        let path = format!("{}{key}", self.prefix);
        // OpenDAL would leave it out, and mean another object.
        match path.trim() == path {
            true => Ok(path),
            false => Err(Error::invalid_input(
                "the key begins or ends with a space; rename it",
            )),
        }
    }

    /// Does something on the threads for requests, and again while it may succeed then.
    async fn call<T: Send + 'static, F>(
        &self,
        key: &str,
        ask: impl Fn(Operator) -> F + Send + Sync + 'static,
    ) -> Result<T>
    where
        F: Future<Output = opendal_core::Result<T>> + Send + 'static,
    {
        let limits = self.limits;
        self.run(key, move |operator| async move {
            again(&limits, || ask(operator.clone())).await
        })
        .await
    }

    /// Does something that has limits of its own on the threads for requests.
    async fn run<T: Send + 'static, F>(
        &self,
        key: &str,
        work: impl FnOnce(Operator) -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let locate = |e: Error| e.with("storage", &self.location).with("object", key);
        let handle = runtime::handle().map_err(locate)?;
        let operator = self.operator.get_or_make(|| {
            let _inside = handle.enter();
            (self.make)()
        });
        let work = work(operator.map_err(locate)?);
        runtime::run(&handle, work).await.map_err(locate)
    }
}

#[async_trait]
impl ObjectStorage for Storage {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> StorageCapabilities {
        self.capabilities
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let path = self.path(key)?;
        let seen = self.call(key, move |operator| {
            let path = path.clone();
            async move { operator.stat(&path).await }
        });
        let seen = seen.await?;
        match seen.is_file() {
            true => Ok(info(key, &seen)),
            false => Err(Error::not_found("this is not a file, but a directory")
                .with("storage", &self.location)
                .with("object", key)),
        }
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        check_range(object, &range)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let path = self.path(&object.key)?;
        let length = range.end - range.start;
        let tag = object.etag.clone();
        let read = self.call(&object.key, move |operator| {
            read(operator, path.clone(), tag.clone(), range.clone())
        });
        let (bytes, seen) = read.await?;
        let is_whole = bytes.len() as u64 == length;
        match is_whole && info(&object.key, &seen).is_same_content(object) {
            true => Ok(bytes),
            false => Err(changed(&self.location, &object.key)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        self.check_can(self.capabilities.list, "this storage can't list files")?;
        let (directory, below) = match prefix {
            "" if self.prefix.is_empty() => ("/".to_owned(), String::new()),
            "" => (self.prefix.clone(), String::new()),
            prefix => (format!("{}/", self.path(prefix)?), format!("{prefix}/")),
        };
        let limits = self.limits;
        let found = self.run(prefix, move |operator| async move {
            files_below(&operator, directory, &limits).await
        });
        let mut objects = Vec::new();
        for (path, seen) in found.await? {
            let key = path.strip_prefix(&self.prefix);
            let Some(key) = key.filter(|key| key.starts_with(&below) && !key.is_empty()) else {
                continue;
            };
            if !seen.is_file() {
                return Err(Error::invalid_input(
                    "this is neither a file nor a directory; links are not followed",
                )
                .with("storage", &self.location)
                .with("object", key.escape_debug()));
            }
            objects.push(info(key, &seen));
        }
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn write(&self, key: &str, source: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        self.check_can(self.capabilities.write, READ_ONLY)?;
        let (path, size, limits) = (self.path(key)?, source.len(), self.limits);
        let written = self.run(key, move |operator| async move {
            write::write(&operator, &path, source, &limits).await
        });
        written.await?;
        let written = self.head(key).await?;
        match written.size == size {
            true => Ok(written),
            false => Err(changed(&self.location, key)),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.check_can(self.capabilities.write, READ_ONLY)?;
        let path = self.path(key)?;
        self.call(key, move |operator| {
            let path = path.clone();
            async move { operator.delete(&path).await }
        })
        .await
    }
}

/// A range of an object, and what is known of the object that it is of.
async fn read(
    operator: Operator,
    path: String,
    tag: Option<String>,
    range: Range<u64>,
) -> opendal_core::Result<(Bytes, Metadata)> {
    let mut options = ReaderOptions::default();
    // Weak tags never match here.
    if operator.info().capability().read_with_if_match {
        let strong = tag.filter(|tag| !tag.starts_with("W/"));
        options.if_match = strong.map(|tag| format!("\"{tag}\""));
    }
    let reader = operator.reader_options(&path, options).await?;
    let bytes = reader.read(range).await?.to_bytes();
    // Not all servers heed the condition, and some give neither a tag nor a time. Looking after
    // reading shows all that changed before.
    let told = reader.metadata().filter(|seen| {
        let has_time = seen.last_modified().is_some();
        seen.etag().is_some() || has_time
    });
    let seen = match told {
        Some(seen) => seen.clone(),
        None => operator.stat(&path).await?,
    };
    Ok((bytes, seen))
}

/// All that is below a directory but directories; nothing if there is none. Each directory is
/// listed as a whole, and once more as a whole if that fails: OpenDAL, told to go on after a
/// failure, would leave out what it did not get.
async fn files_below(
    operator: &Operator,
    directory: String,
    limits: &RequestLimits,
) -> Result<Vec<(String, Metadata)>> {
    // Servers differ in what they say of a file as a directory.
    match again(limits, || operator.stat(&directory)).await {
        Ok(seen) if !seen.is_dir() => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        seen => seen?,
    };
    let mut found = Listing::new(Limits::DEFAULT, |found: &(String, Metadata)| &found.0);
    let mut directories = vec![directory];
    let mut left = Limits::DEFAULT.entries();
    while let Some(directory) = directories.pop() {
        found.check_time()?;
        for entry in again(limits, || operator.list(&directory)).await? {
            let (path, seen) = entry.into_parts();
            let is_below = path.starts_with(directory.trim_start_matches('/'));
            if path == directory {
                continue;
            } else if !is_below || path.len() <= directory.trim_start_matches('/').len() {
                let error = Error::corrupt("the storage lists what is elsewhere");
                return Err(error.with("object", path.escape_debug()));
            } else if seen.is_dir() {
                left.spend(1)
                    .map_err(|_| Error::corrupt("there are more directories than can be listed"))?;
                directories.push(path);
            } else {
                found.add((path, seen))?;
            }
        }
    }
    Ok(found.into_found())
}

fn info(key: &str, seen: &Metadata) -> ObjectInfo {
    let modified = seen.last_modified();
    ObjectInfo {
        key: key.to_owned(),
        size: seen.content_length(),
        etag: seen.etag().map(|tag| unquoted(tag.to_owned())),
        modified: modified.map(|time| time.into_inner().as_second()),
    }
}
