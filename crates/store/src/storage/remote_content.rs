//! A file or directory at a URL, to be read in place.

use std::sync::Arc;

use super::{ObjectInfo, ObjectReader, RemoteFile, StorageUrl};

/// What is at a URL, as it was seen: one object, or all objects of a directory.
#[derive(Debug, Clone)]
pub struct RemoteContent {
    reader: Arc<ObjectReader>,
    key: String,
    /// One, or those of the directory.
    objects: Vec<Arc<ObjectInfo>>,
    is_directory: bool,
}

impl RemoteContent {
    /// The object whose key is `key`, or all objects below it.
    pub fn new(
        reader: Arc<ObjectReader>,
        key: &str,
        objects: Vec<ObjectInfo>,
        is_directory: bool,
    ) -> Self {
        Self {
            reader,
            key: key.to_owned(),
            objects: objects.into_iter().map(Arc::new).collect(),
            is_directory,
        }
    }

    /// Where it is, relative to the root of its storage.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The URL, for messages.
    pub fn location(&self) -> String {
        let root = self.reader.location();
        match StorageUrl::parse(root) {
            Ok(url) => url.join(&self.key).to_string(),
            // A directory that stands for a bucket.
            Err(_) => format!("{}/{}", root.trim_end_matches('/'), self.key),
        }
    }

    /// The object; `None` if it is a directory.
    pub fn as_file(&self) -> Option<RemoteFile> {
        match (self.is_directory, self.objects.as_slice()) {
            (false, [object]) => Some(RemoteFile::new(self.reader.clone(), object.clone())),
            _ => None,
        }
    }

    /// The objects of a directory by their paths in it; none if it is a file.
    pub fn files(&self) -> impl Iterator<Item = (&str, RemoteFile)> {
        let objects = self.objects.iter().filter(|_| self.is_directory);
        objects.filter_map(|object| {
            let path = object.key.strip_prefix(&self.key)?.strip_prefix('/')?;
            Some((path, RemoteFile::new(self.reader.clone(), object.clone())))
        })
    }
}
