//! Ctrl-C: the first one stops what is being done, which tidies up behind itself; what does not end
//! then within a moment, and the second one, end the process at once.

use std::process;
use std::time::Duration;

use anndex::operation::Operation;
use anndex::{Error, ErrorKind, Result};

use crate::failure;

/// How long what was stopped may take to end. No process that is killed leaves anything behind that
/// `check --repair` does not put right.
const PATIENCE: Duration = Duration::from_millis(800);

/// Whether the user asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Operation);

impl Interrupt {
    /// Listens for Ctrl-C from now on. Needs a tokio runtime.
    pub(crate) fn listen() -> Self {
        let operation = Operation::new();
        operation.set_of_process();
        let asked = operation.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if asked.is_stopped() {
                    process::exit(failure::INTERRUPTED.into());
                }
                asked.stop();
                tokio::spawn(async {
                    tokio::time::sleep(PATIENCE).await;
                    failure::print("error: stopped\n");
                    process::exit(failure::INTERRUPTED.into());
                });
            }
        });
        Self(operation)
    }

    /// Called between steps.
    ///
    /// # Errors
    /// `Cancelled` if the user asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.is_stopped() {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "stopped; the steps before are complete",
            ));
        }
        Ok(())
    }
}
