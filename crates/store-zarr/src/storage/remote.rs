//! A hierarchy whose values are objects on a server, which are read in place.

use std::collections::BTreeMap;

use anndex_store::storage::{Fetched, Ranges, ReadAt, RemoteContent, RemoteFile};
use anndex_store::{Error, Result};

use super::{DOCUMENTS, Storage, Value};

/// So many bytes of documents are read ahead.
const DOCUMENTS_LIMIT: u64 = 256 << 20;

/// The objects of a directory, as they were when it was opened.
#[derive(Debug)]
pub(crate) struct Remote {
    objects: BTreeMap<String, RemoteFile>,
    /// Metadata documents that were read ahead.
    documents: Fetched,
}

impl Remote {
    /// Reads nothing.
    pub(crate) fn new(content: &RemoteContent) -> Self {
        let objects = content.files().map(|(path, file)| (path.to_owned(), file));
        Self {
            objects: objects.collect(),
            documents: Fetched::default(),
        }
    }

    /// Reads all metadata documents at once, since one after the other takes a request's time each.
    pub(crate) fn read_documents(&mut self) -> Result<()> {
        let mut documents = Ranges::new();
        let mut total = 0u64;
        for (key, file) in &self.objects {
            let name = key.rsplit('/').next().unwrap_or_default();
            if DOCUMENTS.contains(&name) || name == ".zattrs" {
                total = total.saturating_add(file.len());
                documents.add(file, 0..file.len());
            }
        }
        if total <= DOCUMENTS_LIMIT {
            self.documents = documents.fetch()?;
        }
        Ok(())
    }
}

impl Storage for Remote {
    fn open(&self, key: &str) -> Result<Option<Value>> {
        let file = self.objects.get(key).cloned();
        Ok(file.map(Value::remote))
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.objects.get(key).map(ReadAt::len))
    }

    fn directories(&self, key: &str) -> Result<Vec<String>> {
        let prefix = match key {
            "" => String::new(),
            key => format!("{key}/"),
        };
        let mut names = Vec::new();
        let mut from = prefix.clone();
        // From one directory to the next, over whatever is in it.
        while let Some((found, _)) = self.objects.range(from.clone()..).next() {
            let Some(below) = found.strip_prefix(&prefix) else {
                break;
            };
            from = match below.split_once('/') {
                Some((name, _)) => {
                    names.push(name.to_owned());
                    // `0` is what follows `/`.
                    format!("{prefix}{name}0")
                }
                None => format!("{found}\0"),
            };
        }
        Ok(names)
    }

    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.objects.get(key) else {
            return Ok(None);
        };
        let value = Value::remote(file.clone()).into_bytes(limit, &self.documents);
        value.map(Some).map_err(|e: Error| e.with("file", key))
    }

    fn is_remote(&self) -> bool {
        true
    }
}
