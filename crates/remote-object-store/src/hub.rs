//! A repository of the Hugging Face Hub as [`ObjectStorage`], for reading.
//!
//! It speaks the Hub's own protocol and not Xet's, whose client has threads of its own unless it is
//! made in a runtime, and compiles a second cryptography. Files are read in ranges from where the Hub
//! says that their contents are, which for large ones is another server.

mod access;
mod answer;
mod client;
mod failure;
mod locations;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use anndex_remote_requests::{Environment, Listing, RequestLimits, runtime};
use anndex_store::key;
use anndex_store::storage::{
    ObjectInfo, ObjectStorage, PerProcess, ReadAt, StorageCapabilities, StorageUrl, changed,
    check_range,
};
use anndex_store::{Error, Limits, Result};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};

use access::Access;
use answer::{next_page, page};
use client::Client;
use failure::Failure;

const READ_ONLY: &str = "repositories of the Hub are for reading; nothing can be written there";

/// A repository at a revision, whose root may be a directory in it.
pub(crate) struct Hub {
    location: String,
    /// The path of the root in the repository, with a slash at its end, or nothing.
    prefix: String,
    /// Where files are, without the path.
    files: Url,
    /// Where directories are listed, without the path.
    tree: Url,
    access: Access,
    limits: RequestLimits,
    client: PerProcess<Client>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hub").field(&self.location).finish()
    }
}

impl Hub {
    /// Opens the repository of a URL. Nothing is asked of the Hub.
    ///
    /// # Errors
    /// `InvalidInput` if what the environment says of the Hub can't be used; as [`Error::io`] if
    /// the file with the token can't be read.
    pub(crate) fn open(
        root: &StorageUrl,
        environment: &Environment,
        limits: RequestLimits,
    ) -> Result<Self> {
        let access = Access::new(root.endpoint(), environment)?;
        let named = root.host().split_once('@');
        let (repository, revision) = named.unwrap_or((root.host(), "main"));
        let has_kind = repository.matches('/').count() > 1;
        let kind = if has_kind { "" } else { "models/" };
        let endpoint = access.endpoint();
        Ok(Self {
            location: root.to_string(),
            prefix: match root.key() {
                "" => String::new(),
                key => format!("{key}/"),
            },
            files: access::url(&format!("{endpoint}/{repository}/resolve/{revision}"))?,
            tree: access::url(&format!(
                "{endpoint}/api/{kind}{repository}/tree/{revision}"
            ))?,
            access,
            limits,
            client: PerProcess::new(),
        })
    }

    /// The URL of a file.
    fn file(&self, key: &str) -> Result<Url> {
        key::check(key)?;
        below(&self.files, &format!("{}{key}", self.prefix))
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
        let locate = |e: Error| e.with("storage", &self.location).with("object", key);
        let handle = runtime::handle().map_err(locate)?;
        let client = self.client.get_or_make(|| {
            let _inside = handle.enter();
            Client::new(self.access.clone(), self.limits)
        });
        let asked = ask(client.map_err(locate)?);
        runtime::run(&handle, asked).await.map_err(locate)
    }
}

/// The URL of a path below another.
fn below(url: &Url, path: &str) -> Result<Url> {
    let mut url = url.clone();
    url.path_segments_mut()
        .map_err(|()| Error::invalid_input("the URL of the Hub has no path"))?
        .extend(path.split('/'));
    Ok(url)
}

#[async_trait]
impl ObjectStorage for Hub {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities {
            list: true,
            write: false,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let url = self.file(key)?;
        let seen = self.call(key, move |client| async move {
            let look = || async {
                let answer = client.send(Method::HEAD, &url, None).await?;
                answer.refused_unless(&[StatusCode::OK])?.facts()
            };
            client.again(look).await
        });
        let seen = seen.await?;
        Ok(ObjectInfo {
            key: key.to_owned(),
            size: seen.size,
            etag: Some(seen.tag),
            modified: None,
        })
    }

    async fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<Bytes> {
        check_range(object, &range)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let url = self.file(&object.key)?;
        let (wanted, location) = (object.clone(), self.location.clone());
        self.call(&object.key, move |client| async move {
            let read = client.again(|| async {
                if let Some(bytes) = client.read_known(&wanted, &range).await? {
                    return Ok(Some(bytes));
                }
                read_by_hub(&client, &url, &wanted, &range).await
            });
            let read = read.await?;
            read.ok_or_else(|| changed(&location, &wanted.key))
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        let directory = match prefix {
            "" => self.prefix.trim_end_matches('/').to_owned(),
            prefix => {
                key::check(prefix)?;
                format!("{}{prefix}", self.prefix)
            }
        };
        let mut first = match directory.as_str() {
            "" => self.tree.clone(),
            directory => below(&self.tree, directory)?,
        };
        first.set_query(Some("recursive=true"));
        let files = self.call(prefix, move |client| async move {
            let mut files = Listing::new(Limits::DEFAULT, |file: &ObjectInfo| &file.key);
            let mut next = Some(first);
            for _ in 0..Limits::DEFAULT.pages {
                let Some(url) = next else {
                    return Ok(files.into_found());
                };
                let (found, following) = client.again(|| list_page(&client, &url)).await?;
                found.into_iter().try_for_each(|file| files.add(file))?;
                next = following;
            }
            Err(Error::corrupt("the list of files has no end"))
        });
        let below = match directory.as_str() {
            "" => String::new(),
            directory => format!("{directory}/"),
        };
        let inside = files.await?.into_iter().filter_map(|mut file| {
            file.key.starts_with(&below).then_some(())?;
            file.key = file.key.strip_prefix(&self.prefix)?.to_owned();
            Some(file)
        });
        let mut objects: Vec<_> = inside.collect();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn write(&self, _: &str, _: Arc<dyn ReadAt>) -> Result<ObjectInfo> {
        Err(Error::unsupported(READ_ONLY).with("storage", &self.location))
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::unsupported(READ_ONLY).with("storage", &self.location))
    }
}

/// Reads a range of a file from where the Hub says that it is; `None` if it is another file now.
async fn read_by_hub(
    client: &Client,
    url: &Url,
    wanted: &ObjectInfo,
    range: &Range<u64>,
) -> Result<Option<Bytes>, Failure> {
    let answer = client.send(Method::GET, url, Some(range)).await?;
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(None);
    }
    let answer = answer.refused_unless(&[StatusCode::OK, StatusCode::PARTIAL_CONTENT])?;
    if !answer.facts()?.is_of(wanted) {
        return Ok(None);
    }
    client.remember(wanted, &answer);
    answer.bytes(range, wanted.size).await.map(Some)
}

/// The files of a page of a list, and where the next one is; nothing for a directory that is not
/// there.
async fn list_page(client: &Client, url: &Url) -> Result<(Vec<ObjectInfo>, Option<Url>), Failure> {
    let answer = client.send(Method::GET, url, None).await?;
    if answer.is_missing_entry() {
        return Ok((Vec::new(), None));
    }
    let answer = answer.refused_unless(&[StatusCode::OK])?;
    let next = next_page(&answer)?;
    Ok((page(answer).await?, next))
}
