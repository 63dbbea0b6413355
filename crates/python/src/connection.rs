//! An instance that is open in this process, and what a fork does to it.
//!
//! SQLite's locks belong to a process, and no connection of any database must cross a fork. So all
//! connections are closed before one, and opened again on the next use, in both processes. A fork
//! while another thread is using them can't close them; then the child refuses to use a registry.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anndex::{Instance, InstanceOptions, connect_with, shown_location};
use anndex_core::record::Run;
use anndex_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;

use crate::error::exception;
use crate::runtime::block_on;

/// The connections of this process, and those of its parents that could not be closed. Only locked
/// with the interpreter lock held, so that no fork finds it locked.
static ALL: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());

/// An instance, open while it is used.
pub(crate) struct Connection {
    location: PathBuf,
    options: InstanceOptions,
    /// Only locked with the interpreter lock held.
    state: Mutex<State>,
}

struct State {
    /// `None` while it is closed.
    db: Option<Instance>,
    /// The process in which it was opened.
    process: u32,
    /// Calls that are using it.
    users: usize,
    /// The run that was the current one when it was closed.
    run: Option<Run>,
    /// Whether somebody closed it for good.
    closed: bool,
}

/// Counts a user for as long as it lives.
struct User<'a>(&'a Connection);

impl Drop for User<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.users = state.users.saturating_sub(1);
    }
}

impl Connection {
    /// A connection to what was just opened.
    pub(crate) fn new(db: Instance, location: PathBuf) -> Arc<Self> {
        let options = InstanceOptions::new().user_handle(db.user().handle.clone());
        let connection = Arc::new(Self {
            location,
            options,
            state: Mutex::new(State {
                db: Some(db),
                process: std::process::id(),
                users: 0,
                run: None,
                closed: false,
            }),
        });
        let mut all = all();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&connection));
        connection
    }

    /// Where the instance is.
    pub(crate) fn location(&self) -> &PathBuf {
        &self.location
    }

    /// Where the instance is, without what is secret in a URL.
    pub(crate) fn shown_location(&self) -> String {
        shown_location(&self.location)
    }

    /// Does something with the instance.
    pub(crate) fn call<T, F>(&self, py: Python<'_>, work: impl FnOnce(Instance) -> F) -> PyResult<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let db = self.open(py)?;
        self.state().users += 1;
        let _user = User(self);
        block_on(py, work(db))
    }

    fn open(&self, py: Python<'_>) -> PyResult<Instance> {
        check_fork().map_err(|error| exception(py, &error))?;
        let run = {
            let state = self.state();
            if let Some(db) = &state.db {
                return Ok(db.clone());
            }
            if state.closed {
                let closed = Error::invalid_input("the instance was closed; connect to it again")
                    .with("path", self.shown_location());
                return Err(exception(py, &closed));
            }
            state.run.clone()
        };
        let opened = block_on(py, async {
            let db = connect_with(&self.location, self.options.clone()).await?;
            if let Some(run) = run {
                db.set_current_run(Some(&db.attach(run)?))?;
            }
            Ok(db)
        })?;
        let mut state = self.state();
        if let Some(first) = &state.db {
            // Another thread was faster.
            let first = first.clone();
            drop(state);
            block_on(py, async { opened.close().await })?;
            return Ok(first);
        }
        state.process = std::process::id();
        state.db = Some(opened.clone());
        Ok(opened)
    }

    /// Closes it for good.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        check_fork().map_err(|error| exception(py, &error))?;
        let db = {
            let mut state = self.state();
            state.closed = true;
            state.db.take()
        };
        match db {
            Some(db) => block_on(py, async { db.close().await }),
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the open instance if nobody uses it; the next call opens it again.
    fn take_unused(&self) -> Option<Instance> {
        let mut state = self.state();
        if state.users > 0 || state.process != std::process::id() {
            return None;
        }
        let db = state.db.take()?;
        state.run = db
            .current_run()
            .ok()
            .flatten()
            .map(|run| run.record().clone());
        Some(db)
    }

    /// Whether it was being used in the parent when this process was forked.
    fn is_harmed(&self) -> bool {
        let state = self.state();
        state.db.is_some() && state.process != std::process::id()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = state.db.take() else { return };
        if state.process != std::process::id() {
            // Its threads are not in this process.
            std::mem::forget(db);
            return;
        }
        // Without an interpreter the process ends, and the database with it.
        let _ = Python::try_attach(|py| block_on(py, async { db.close().await }));
    }
}

/// Closes what nobody uses at the moment. What is used later is opened again.
#[pyfunction]
pub(crate) fn close_unused(py: Python<'_>) -> PyResult<()> {
    for connection in connections() {
        if let Some(db) = connection.take_unused() {
            block_on(py, async { db.close().await })?;
        }
    }
    Ok(())
}

/// Refuses to go on in a process that was forked while the registry was in use.
///
/// # Errors
/// `Backend`, saying how to fork.
pub(crate) fn check_fork() -> Result<()> {
    if !connections().iter().any(|one| one.is_harmed()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Backend,
        "this process was forked while another thread was using the registry, so it can't use \
         the registry; fork when no thread does, or start processes by spawn or forkserver",
    ))
}

fn connections() -> Vec<Arc<Connection>> {
    all().iter().filter_map(Weak::upgrade).collect()
}

fn all() -> MutexGuard<'static, Vec<Weak<Connection>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}
