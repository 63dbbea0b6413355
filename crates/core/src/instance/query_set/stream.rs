//! Sets of any size, a record at a time.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::QuerySet;
use crate::backend::{Backend, Pages};
use crate::error::Result;
use crate::instance::Instance;
use crate::instance::handle::Handle;
use crate::record::Record;
use crate::registry::Registry;

/// How many records are read at once.
const PAGE: u64 = 2_000;

/// The pages that a stream goes on with, and the page that was read.
type Read = (Pages, Result<Option<Vec<Record>>>);

/// Records one after the other, of which a page is held; see [`QuerySet::stream`]. It is a
/// [`Stream`], and has a method [`RecordStream::next`] for those who need no more than that.
#[must_use = "nothing is read before it is polled"]
pub struct RecordStream<R> {
    db: Instance,
    read: VecDeque<Record>,
    /// `None` while a page is being read, and at the end.
    pages: Option<Pages>,
    reading: Option<Pin<Box<dyn Future<Output = Read> + Send>>>,
    kind: PhantomData<fn() -> R>,
}

impl<R: Registry> QuerySet<R> {
    /// The records one after the other, in the order of the set, for sets that are too large to be
    /// held. They are read by the thousand, each page after the last record of the one before:
    /// each record that is there all the time, and keeps its place in the order, comes exactly
    /// once, whatever others insert, change or delete meanwhile.
    ///
    /// # Errors
    /// `InvalidInput` if a filter or order does not fit the kind; `Unsupported` if positions are
    /// not the first order. Each record may be an error `Backend`, if the database fails; the next
    /// one is then asked for again.
    pub fn stream(&self) -> Result<RecordStream<R>> {
        Ok(RecordStream {
            db: self.db.clone(),
            read: VecDeque::new(),
            pages: Some(self.pages()?),
            reading: None,
            kind: PhantomData,
        })
    }

    /// The records a page at a time, for those who hold no instance between two pages.
    ///
    /// # Errors
    /// As [`QuerySet::stream`].
    pub fn pages(&self) -> Result<Pages> {
        Pages::new(self.visible(), PAGE)
    }
}

async fn page(mut pages: Pages, backend: Arc<dyn Backend>) -> Read {
    let page = pages.next(backend.as_ref()).await;
    (pages, page)
}

impl<R: Registry> RecordStream<R> {
    /// The next record; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Handle<R>>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<R: Registry> Stream for RecordStream<R> {
    type Item = Result<Handle<R>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.read.pop_front() {
                let handle = R::from_record(record);
                let handle = handle.and_then(|record| Handle::new(&self.db, record));
                return Poll::Ready(Some(handle));
            }
            if let Some(pages) = self.pages.take() {
                let backend = self.db.backend().clone();
                self.reading = Some(Box::pin(page(pages, backend)));
            }
            let Some(reading) = &mut self.reading else {
                return Poll::Ready(None);
            };
            let (pages, page) = ready!(reading.as_mut().poll(context));
            self.reading = None;
            match page {
                Ok(Some(records)) => {
                    self.pages = Some(pages);
                    self.read = records.into();
                }
                Ok(None) => return Poll::Ready(None),
                Err(error) => {
                    self.pages = Some(pages);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl<R> fmt::Debug for RecordStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStream")
            .field("read", &self.read.len())
            .finish_non_exhaustive()
    }
}
