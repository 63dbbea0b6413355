//! Making batches from windows.
//!
//! Every batch is a task of its own, so that threads wait for each other at the end of a window and
//! not at the end of each batch; where there are fewer batches than threads, they share its rows.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::ThreadPool;

use super::plan::Plan;
use super::reader::Ready;
use crate::batch::Batch;
use crate::buffer::Buffers;
use crate::collection::MappedCollection;
use crate::format::BatchFormat;
use crate::selection::{Selection, Slot};
use anndex_store::error::Result;
use anndex_store::operation::Operation;

/// A batch that is being made.
pub(super) type Promise = Receiver<Result<Batch>>;

/// What makes batches.
pub(super) struct Assembler {
    pub(super) mapped: MappedCollection,
    pub(super) plan: Arc<Plan>,
    pub(super) format: BatchFormat,
    pub(super) buffers: Arc<Buffers>,
    pub(super) operation: Operation,
    pub(super) threads: ThreadPool,
}

impl Assembler {
    /// Promises the batches of windows in their order, as many at once as `promises` takes, until
    /// there are no windows or nobody listens.
    pub(super) fn run(&self, windows: &Receiver<Result<Ready>>, promises: &SyncSender<Promise>) {
        while let Ok(ready) = windows.recv() {
            match ready {
                // All batches are made before the next window is taken, and this one let go of.
                Ok(ready) => self.window(&ready, promises),
                Err(error) => {
                    let (sender, promise) = sync_channel(1);
                    // It has room for one.
                    let _ = sender.send(Err(error));
                    let _ = promises.send(promise);
                    return;
                }
            }
        }
    }

    fn window(&self, ready: &Ready, promises: &SyncSender<Promise>) {
        self.threads.in_place_scope(|scope| {
            let mut done = 0;
            for batch in ready.batches.clone() {
                let end = done + self.plan.n_obs(batch..batch + 1) as usize;
                let positions = done..end;
                let (sender, promise) = sync_channel(1);
                if self.operation.is_stopped() || promises.send(promise).is_err() {
                    return;
                }
                scope.spawn(move |_| {
                    if !self.operation.is_stopped() {
                        // Nobody may listen any more.
                        let _ = sender.send(self.batch(ready, batch, positions));
                    }
                });
                done = end;
            }
        });
    }

    /// A batch, whose observations are at some positions of a window that was read for it.
    fn batch(&self, ready: &Ready, number: u64, positions: Range<usize>) -> Result<Batch> {
        let all = ready.window.selection().slots();
        let (own, picked): (Vec<u64>, Vec<Slot>);
        let (indices, slots) = match &ready.indices {
            Some(indices) => (&indices[positions.clone()], &all[positions]),
            None => {
                own = self.plan.indices(number..number + 1);
                picked = own.iter().map(|&index| all[index as usize]).collect();
                (own.as_slice(), picked.as_slice())
            }
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
