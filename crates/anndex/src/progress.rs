//! Bars that show how far a transfer is, for programs that talk to people.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use anndex_core::instance::CacheProgress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const STYLE: &str = "{msg:40!} {wide_bar} {decimal_bytes}/{decimal_total_bytes} \
                     {decimal_bytes_per_sec} {eta}";

/// The name of the bar for all, which no uid has.
const TOTAL: &str = "";

/// A bar for each artifact that is being moved, and one for all of them, with bytes, rate and the
/// time that is left, on standard error if that is a terminal.
pub struct TransferBars {
    visible: bool,
    all: MultiProgress,
    open: Mutex<HashMap<String, ProgressBar>>,
}

impl fmt::Debug for TransferBars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferBars")
            .field("visible", &self.visible)
            .finish_non_exhaustive()
    }
}

impl TransferBars {
    /// Bars that are shown, if standard error is a terminal and `wanted` is true.
    pub fn new(wanted: bool) -> Self {
        Self {
            visible: wanted && io::stderr().is_terminal(),
            all: MultiProgress::new(),
            open: Mutex::default(),
        }
    }

    /// Shows how far it is.
    pub fn show(&self, progress: &CacheProgress<'_>) {
        if !self.visible {
            return;
        }
        let artifact = progress.artifact;
        let label = artifact.key.as_deref().unwrap_or(&artifact.uid);
        self.bar(&artifact.uid, label, progress.bytes, progress.size);
        self.bar(TOTAL, "total", progress.total_bytes, progress.total_size);
    }

    fn bar(&self, name: &str, label: &str, bytes: u64, size: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = open.entry(name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template(STYLE);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = self.all.add(ProgressBar::new(size).with_style(style));
            // Names come from elsewhere, and must not play with the terminal.
            bar.set_message(anndex_core::shown::plain(label).into_owned());
            bar
        });
        bar.set_position(bytes);
        if bytes >= size {
            bar.finish_and_clear();
        }
    }
}
