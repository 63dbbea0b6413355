//! What belongs to one process: a forked one finds neither the threads nor the connections of its
//! parent, and must not touch what stands for them.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::error::Result;

/// A value that each process makes for itself, on first use. No lock is held while it is looked
/// at, so that a fork never finds one taken.
pub struct PerProcess<T>(ArcSwapOption<(u32, T)>);

impl<T: Clone> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(ArcSwapOption::const_empty())
    }

    /// The value of this process.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or_make(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let process = std::process::id();
        let known = self.0.load_full();
        if let Some(known) = &known
            && known.0 == process
        {
            return Ok(known.1.clone());
        }
        let made = Arc::new((process, make()?));
        let before = self.0.compare_and_swap(&known, Some(made.clone()));
        match &*before {
            // Another thread was faster; what was made here is not needed.
            Some(other) if other.0 == process => Ok(other.1.clone()),
            _ => {
                // What the parent made is never dropped here: that would reach into what the two
                // processes share.
                std::mem::forget(known);
                Ok(made.1.clone())
            }
        }
    }
}

impl<T: Clone> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some(known) = self.0.swap(None)
            && known.0 != std::process::id()
        {
            std::mem::forget(known);
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}
