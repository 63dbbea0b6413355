//! Where the bytes of a hierarchy come from. Keys are paths relative to its root, joined by `/`.

mod directory;
mod remote;
mod value;
mod zip;

use std::fmt::Debug;

use anndex_store::Result;
use anndex_store::storage::Fetched;

pub(crate) use directory::Directory;
pub(crate) use remote::Remote;
pub(crate) use value::Value;
pub(crate) use zip::Zip;

/// The documents that mark a node, by which a root is found.
const DOCUMENTS: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];

/// A place of the values of a hierarchy, read by many threads at once.
pub(crate) trait Storage: Send + Sync + Debug {
    /// The value at `key`, ready to be read; `None` if there is none.
    fn open(&self, key: &str) -> Result<Option<Value>>;

    /// The length of a value in bytes; `None` if there is none.
    fn size(&self, key: &str) -> Result<Option<u64>>;

    /// The names of the directories directly below `key`, in any order.
    fn directories(&self, key: &str) -> Result<Vec<String>>;

    /// The whole value; `None` if there is none. A value of more than `limit` bytes is refused.
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let nothing = Fetched::default();
        let value = self.open(key)?;
        let value = value.map(|value| value.into_bytes(limit, &nothing));
        value.transpose().map_err(|e| e.with("file", key))
    }

    /// Whether each value takes a request, so that many are better read together.
    fn is_remote(&self) -> bool {
        false
    }
}
