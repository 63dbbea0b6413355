//! Which files are held open. A collection may have more files than a process may have
//! descriptors, so those that were not read for the longest time make room for others.
//!
//! Descriptors belong to the whole process, so half of them are left to whatever else it does, and
//! their limit, which is the user's, stays as it is. Nothing is locked, so that a process that is
//! forked while files are being opened finds nothing half-way.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;

use super::local_file::Handle;

/// More files than this are never held open, whatever the limit is.
const MOST_FILES: usize = 16_384;
/// Where the limit is not known.
#[cfg(not(unix))]
const UNKNOWN_LIMIT: usize = 512;

/// The files that are held open, no more than there are places.
pub(super) struct OpenFiles {
    places: Box<[ArcSwapOption<Handle>]>,
    /// The place that is looked at next.
    next: AtomicUsize,
    /// How many files are open.
    open: AtomicUsize,
}

/// Those of this process and of those that it forks.
static FILES: ArcSwapOption<OpenFiles> = ArcSwapOption::const_empty();

impl OpenFiles {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: (0..capacity.max(1))
                .map(|_| ArcSwapOption::empty())
                .collect(),
            next: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// Those of this process.
    pub(super) fn of_this_process() -> Arc<Self> {
        if let Some(files) = FILES.load_full() {
            return files;
        }
        let files = Arc::new(Self::new((descriptors() / 2).min(MOST_FILES)));
        let before = FILES.compare_and_swap(&None::<Arc<Self>>, Some(files.clone()));
        before.as_ref().cloned().unwrap_or(files)
    }

    /// Opens a file for reading. If the process has no descriptor left, some of those that are
    /// held open here are closed.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        loop {
            match File::open(path) {
                Err(error) if is_limit(&error) && self.close_some() => {}
                opened => return opened,
            }
        }
    }

    /// Says that a file was opened, or closed.
    pub(super) fn count(&self, is_open: bool) {
        // Only a number is shared, which orders nothing else.
        match is_open {
            true => self.open.fetch_add(1, Ordering::Relaxed),
            false => self.open.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// Gives a file that was opened a place, which another one that was not read since it was
    /// looked at last may have to leave.
    pub(super) fn keep(&self, handle: &Arc<Handle>) {
        let count = self.places.len();
        let has_room = self.open.load(Ordering::Relaxed) <= count;
        // Twice around, and once more for a place that must be free.
        for step in 0..3 * count {
            let place = self.next_place();
            let there = place.load_full();
            let leaves = match &there {
                Some(other) if !other.is_open() => true,
                Some(_) if has_room && step < count => false,
                Some(other) => !other.take_used(),
                None => true,
            };
            if !leaves {
                continue;
            }
            let before = place.compare_and_swap(&there, Some(handle.clone()));
            if before.as_ref().map(Arc::as_ptr) == there.as_ref().map(Arc::as_ptr) {
                if let Some(other) = there {
                    other.close();
                }
                return;
            }
        }
        // All others are being read all the time.
        handle.close();
    }

    /// Closes some files, read or not; `false` if none is open.
    fn close_some(&self) -> bool {
        let wanted = self.places.len().div_ceil(4);
        let mut closed = 0;
        for _ in 0..self.places.len() {
            if let Some(handle) = self.next_place().swap(None) {
                closed += usize::from(handle.close());
            }
            if closed == wanted {
                break;
            }
        }
        closed > 0
    }

    fn next_place(&self) -> &ArcSwapOption<Handle> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        &self.places[number % self.places.len()]
    }
}

/// Opens a file of this machine for reading. If the process has no descriptor left, some of the
/// files that are held open, but are not being read, are closed.
///
/// # Errors
/// Those of the system.
pub fn open_file(path: &Path) -> io::Result<File> {
    OpenFiles::of_this_process().open(path)
}

/// Whether the process, or the system, has no descriptor left.
fn is_limit(error: &io::Error) -> bool {
    // ENFILE and EMFILE, or what Windows has for it.
    let numbers: &[i32] = if cfg!(windows) { &[4] } else { &[23, 24] };
    let number = error.raw_os_error();
    number.is_some_and(|number| numbers.contains(&number))
}

/// How many descriptors this process may have.
#[cfg(unix)]
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// How many descriptors this process may have.
#[cfg(not(unix))]
fn descriptors() -> usize {
    UNKNOWN_LIMIT
}
