//! Ctrl-C: the first one stops between two steps, so that nothing stays half done, the second one
//! at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anndex::{Error, ErrorKind, Result};

use crate::failure;

/// Whether the user asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C from now on. Needs a tokio runtime.
    pub(crate) fn listen() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let listener = asked.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if listener.swap(true, Ordering::Relaxed) {
                    process::exit(failure::INTERRUPTED.into());
                }
                failure::print("stopping after this step; press Ctrl-C again to stop at once\n");
            }
        });
        Self(asked)
    }

    /// Called between steps.
    ///
    /// # Errors
    /// `Cancelled` if the user asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "stopped; the steps before are complete",
            ));
        }
        Ok(())
    }
}
