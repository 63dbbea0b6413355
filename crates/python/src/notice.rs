//! What the engine warns of while it does something, as Python warnings.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anndex_core::shown;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, subscriber};

/// The warnings of one call.
#[derive(Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    /// Does `work` and keeps what it warns of in this thread.
    pub(crate) fn collect<T>(&self, work: impl FnOnce() -> T) -> T {
        subscriber::with_default(self.clone(), work)
    }

    /// Gives the warnings.
    ///
    /// # Errors
    /// The warning itself where Python is told to raise it.
    pub(crate) fn warn(&self, py: Python<'_>) -> PyResult<()> {
        let notices = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for notice in notices {
            py.import("anndex._warning")?
                .call_method1("warn", (notice,))?;
        }
        Ok(())
    }
}

impl Subscriber for Notices {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && metadata.target().starts_with("anndex")
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        // Spans are not enabled.
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(text.finish());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// An event as a sentence with its context behind it, as errors have it.
#[derive(Default)]
struct Text {
    message: String,
    context: Vec<String>,
}

impl Text {
    fn finish(self) -> String {
        if self.context.is_empty() {
            return shown::sentence(&self.message).into_owned();
        }
        let text = format!("{} ({})", self.message, self.context.join(", "));
        shown::sentence(&text).into_owned()
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a String does not fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.context.push(format!("{}: {value:?}", field.name()));
        }
    }
}
