//! Starting over after a conflict, and work that blocks.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Conflicts end when the other writers do; this many in a row mean that something else is wrong.
const ATTEMPTS: u32 = 200;
const LONGEST_PAUSE_MS: u64 = 50;

/// Does something again as long as other writers get in its way. The argument is a future that is
/// made anew each time; this is a macro because closures that give futures which borrow can't be
/// sent to other threads yet.
macro_rules! retry {
    ($attempt:expr) => {{
        let mut attempts = $crate::instance::retry::Attempts::default();
        loop {
            let result: $crate::error::Result<_> = $attempt.await;
            match result {
                Err(error) => match attempts.pause_after(error).await {
                    Err(error) => break Err(error),
                    Ok(()) => continue,
                },
                done => break done,
            }
        }
    }};
}

pub(super) use crate::storage::wait::blocking;
pub(super) use retry;

/// How often something was tried.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// Waits before the next attempt, if there is to be one after this error.
    pub(super) async fn pause_after(&mut self, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::Conflict || self.0 >= ATTEMPTS {
            return Err(error);
        }
        self.0 += 1;
        // A random pause, so that writers that collided do not collide again.
        let longest = LONGEST_PAUSE_MS.min(1 << self.0.min(6));
        let pause = Duration::from_millis(rand::random_range(0..=longest));
        blocking(move || {
            std::thread::sleep(pause);
            Ok(())
        })
        .await
    }
}
