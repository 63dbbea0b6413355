//! Where the contents of large files are, so that not every range is asked of the Hub, which limits
//! how often it is asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anndex_store::storage::ObjectInfo;
use reqwest::Url;

/// After this the Hub is asked again, and so says whether the file changed. What is read meanwhile
/// is what was seen: a place belongs to a content.
const FRESH: Duration = Duration::from_secs(60);

/// How many are known at the same time.
const MOST: usize = 1024;

/// A place that the Hub sent to.
#[derive(Clone)]
pub(super) struct Location {
    /// It may be signed, so it is shown nowhere.
    pub(super) url: Url,
    /// The tag that the server there gave.
    pub(super) tag: Option<String>,
    since: Instant,
}

impl Location {
    pub(super) fn new(url: Url, tag: Option<String>) -> Self {
        Self {
            url,
            tag,
            since: Instant::now(),
        }
    }
}

/// The places that are known, by key and tag.
#[derive(Default)]
pub(super) struct Locations(Mutex<HashMap<(String, String), Location>>);

impl Locations {
    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Location>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, object: &ObjectInfo) -> Option<Location> {
        let known = self.known();
        let location = known.get(&name(object)?)?;
        (location.since.elapsed() < FRESH).then(|| location.clone())
    }

    pub(super) fn put(&self, object: &ObjectInfo, location: Location) {
        let Some(name) = name(object) else { return };
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name, location);
    }

    pub(super) fn forget(&self, object: &ObjectInfo) {
        if let Some(name) = name(object) {
            self.known().remove(&name);
        }
    }
}

fn name(object: &ObjectInfo) -> Option<(String, String)> {
    Some((object.key.clone(), object.etag.clone()?))
}
