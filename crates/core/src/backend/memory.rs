//! A backend held in memory: the reference for the conformance suite, the model for property
//! tests, and enough for instances that need not outlive the process.

mod evaluate;
mod state;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use self::state::State;
use super::{Applied, Backend, Capabilities, ChangeSet, LinkQuery, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Link, Record};
use crate::registry::uid;

/// So long that no two are the same.
const IDENTITY_LENGTH: usize = 22;

/// Records and links in memory.
#[derive(Debug)]
pub struct MemoryBackend {
    identity: String,
    state: RwLock<Slot>,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self {
            identity: uid::random(IDENTITY_LENGTH),
            state: RwLock::default(),
        }
    }
}

/// What the lock guards.
#[derive(Debug)]
enum Slot {
    Open(Box<State>),
    Closed,
}

impl Default for Slot {
    fn default() -> Self {
        Self::Open(Box::default())
    }
}

impl MemoryBackend {
    /// A backend without records.
    pub fn new() -> Self {
        Self::default()
    }

    // A panic while the lock is held can't leave a change half made: changes that fail are undone
    // before the lock is given back, and the code under it does not panic.
    fn read(&self) -> RwLockReadGuard<'_, Slot> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slot> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn state(&self) -> Result<&State> {
        match self {
            Self::Open(state) => Ok(state),
            Self::Closed => Err(closed()),
        }
    }

    fn state_mut(&mut self) -> Result<&mut State> {
        match self {
            Self::Open(state) => Ok(state),
            Self::Closed => Err(closed()),
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Backend, "this instance is closed; open it again")
}

#[async_trait]
impl Backend for MemoryBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            persistent: false,
            shared: false,
            read_only: false,
        }
    }

    async fn identity(&self) -> Result<String> {
        Ok(self.identity.clone())
    }

    async fn select(&self, query: &Query) -> Result<Vec<Record>> {
        query.check()?;
        evaluate::select(self.read().state()?, query)
    }

    async fn count(&self, query: &Query) -> Result<u64> {
        query.check()?;
        evaluate::count(self.read().state()?, query)
    }

    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        Ok(self.read().state()?.links(query))
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Applied> {
        changes.check()?;
        let mut slot = self.write();
        let state = slot.state_mut()?;
        for precondition in &changes.preconditions {
            evaluate::precondition(state, precondition)?;
        }
        state.apply(&changes.changes)
    }

    async fn close(&self) -> Result<()> {
        *self.write() = Slot::Closed;
        Ok(())
    }
}
