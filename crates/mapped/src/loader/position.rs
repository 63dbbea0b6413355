//! How far a loader is.

use std::sync::{Mutex, PoisonError};

/// An epoch, and how much of it the consumer has got. Whoever starts another pass gets a position
/// of its own, so that what is left of the pass before has no influence any more.
#[derive(Debug, Default)]
pub(super) struct Position(Mutex<Passed>);

#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    epoch: u64,
    batches: u64,
    /// Whether the next pass begins here, and not with a new epoch.
    resumes: bool,
}

impl Position {
    /// A position that the next pass begins at.
    pub(super) fn at(epoch: u64, batches: u64) -> Self {
        Self(Mutex::new(Passed {
            epoch,
            batches,
            resumes: true,
        }))
    }

    /// The position of the next pass: this one, or the next epoch if some of this one was had.
    pub(super) fn next(&self) -> Self {
        let passed = *self.passed();
        let (epoch, batches) = match passed {
            Passed { resumes: true, .. } | Passed { batches: 0, .. } => {
                (passed.epoch, passed.batches)
            }
            _ => (passed.epoch + 1, 0),
        };
        Self(Mutex::new(Passed {
            epoch,
            batches,
            resumes: false,
        }))
    }

    /// The epoch, and its batches that were handed out.
    pub(super) fn state(&self) -> (u64, u64) {
        let passed = self.passed();
        (passed.epoch, passed.batches)
    }

    pub(super) fn hand_out(&self, batches: u64) {
        self.passed().batches = batches;
    }

    /// Goes to the next epoch.
    pub(super) fn finish(&self) {
        let mut passed = self.passed();
        passed.epoch += 1;
        passed.batches = 0;
    }

    fn passed(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
