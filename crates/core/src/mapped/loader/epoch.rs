//! The batches of one epoch, made by threads that end with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::Loader;
use super::budget::Budget;
use super::plan::Plan;
use super::position::Position;
use super::reader::{Reader, Ready};
use crate::error::{Error, ErrorKind, Result};
use crate::mapped::buffer::Buffers;
use crate::mapped::selection::{Selection, Slot};
use crate::mapped::{Batch, BatchFormat, MappedCollection};

/// An iterator over the batches of one epoch.
///
/// After an error there are no more. Dropping it stops and joins its threads, and frees what was
/// read ahead.
#[derive(Debug)]
pub struct Epoch {
    /// `None` once the epoch is over.
    receiver: Option<Receiver<Result<Batch>>>,
    threads: Vec<JoinHandle<()>>,
    cancelled: Arc<AtomicBool>,
    position: Arc<Position>,
    next: u64,
    n_batches: u64,
    failure: Option<Error>,
}

impl Epoch {
    pub(super) fn start(loader: &Loader, plan: Plan, position: Arc<Position>) -> Result<Self> {
        let options = &loader.options;
        let first = position.state().1;
        let mut epoch = Self {
            receiver: None,
            threads: Vec::new(),
            cancelled: Arc::default(),
            position,
            next: first,
            n_batches: plan.n_batches(),
            failure: None,
        };
        let plan = Arc::new(plan);
        let reader = Reader {
            mapped: loader.mapped.clone(),
            plan: plan.clone(),
            format: options.format,
            budget: Budget::new(&loader.mapped, options)?,
            cancelled: epoch.cancelled.clone(),
            resident: loader.resident.clone(),
            tries_all: true,
            threads: threads(options.threads)?,
        };
        let assembler = Assembler {
            mapped: loader.mapped.clone(),
            plan,
            format: options.format,
            buffers: loader.buffers.clone(),
            cancelled: epoch.cancelled.clone(),
            threads: threads(options.threads)?,
        };
        // A window is handed over when the one before is used up, so there are never three. Pools
        // apart let the system share cores fairly: in one pool, batches would wait until a whole
        // window was read.
        let (window_sender, windows) = sync_channel(0);
        let (batch_sender, batches) = sync_channel(1);
        epoch.receiver = Some(batches);
        epoch.spawn("anndex-reader", move || {
            reader.run(first, &window_sender);
        })?;
        epoch.spawn("anndex-assembler", move || {
            assembler.run(&windows, &batch_sender);
        })?;
        Ok(epoch)
    }

    /// An epoch that has nothing but an error.
    pub(super) fn failed(error: Error) -> Self {
        Self {
            receiver: None,
            threads: Vec::new(),
            cancelled: Arc::default(),
            position: Arc::default(),
            next: 0,
            n_batches: 0,
            failure: Some(error),
        }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(thread.spawn(work).map_err(no_threads)?);
        Ok(())
    }

    /// The number of batches that are left.
    pub fn n_batches(&self) -> u64 {
        self.n_batches.saturating_sub(self.next)
    }

    fn stop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // Whoever waits to send finds that nobody listens.
        self.receiver = None;
        for thread in self.threads.drain(..) {
            // A panic was said when it happened, and is an error of the epoch.
            let _ = thread.join();
        }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        let receiver = self.receiver.as_ref()?;
        let received = if self.next < self.n_batches {
            Some(receiver.recv().unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Storage,
                    "the threads of the loader ended before the epoch did; this is a bug",
                ))
            }))
        } else {
            None
        };
        match &received {
            Some(Ok(_)) => {
                self.next += 1;
                self.position.hand_out(self.next);
            }
            Some(Err(_)) => self.stop(),
            None => {
                self.stop();
                self.position.finish();
            }
        }
        received
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.n_batches()).ok();
        (0, left.and_then(|left| left.checked_add(1)))
    }
}

impl std::iter::FusedIterator for Epoch {}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What makes batches from windows.
struct Assembler {
    mapped: MappedCollection,
    plan: Arc<Plan>,
    format: BatchFormat,
    buffers: Arc<Buffers>,
    cancelled: Arc<AtomicBool>,
    threads: ThreadPool,
}

impl Assembler {
    fn run(&self, windows: &Receiver<Result<Ready>>, sender: &SyncSender<Result<Batch>>) {
        while let Ok(ready) = windows.recv() {
            let ready = match ready {
                Ok(ready) => ready,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            let mut done = 0;
            for batch in ready.batches.clone() {
                if self.cancelled.load(Ordering::Relaxed) {
                    return;
                }
                let end = done + self.plan.n_obs(batch..batch + 1) as usize;
                let made = self.threads.install(|| self.batch(&ready, done..end));
                let failed = made.is_err();
                if sender.send(made).is_err() || failed {
                    return;
                }
                done = end;
            }
        }
    }

    /// The batch of some of the observations of a window.
    fn batch(&self, ready: &Ready, positions: std::ops::Range<usize>) -> Result<Batch> {
        let indices = &ready.indices[positions.clone()];
        let all = ready.window.selection().slots();
        let picked: Vec<Slot>;
        let slots = if ready.resident {
            picked = indices.iter().map(|&index| all[index as usize]).collect();
            &picked
        } else {
            &all[positions]
        };
        let obs = if self.mapped.obs_keys().is_empty() {
            Vec::new()
        } else {
            self.mapped
                .batch_obs(&Selection::new(&self.mapped, indices)?)?
        };
        let window = &ready.window;
        Ok(Batch {
            store_index: window.store_index(slots),
            matrices: window.matrices(&self.mapped, slots, self.format, &self.buffers)?,
            obs,
        })
    }
}

/// Threads that belong to one epoch, so that none is left after it, and none is missing in a
/// process that was forked before it.
fn threads(count: usize) -> Result<ThreadPool> {
    let builder = ThreadPoolBuilder::new().num_threads(count);
    builder.build().map_err(no_threads)
}

fn no_threads(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Storage, "can't start threads").source_error(error)
}
