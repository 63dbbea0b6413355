//! Cutting what is to be read into tasks of whole chunks.

use std::ops::Range;

use anndex_store::Span;

/// What one task decodes in bytes, unless one chunk is more.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskSize {
    /// Of small reads, so that all threads have something to do.
    least: u64,
    most: u64,
    /// How many tasks per thread are enough.
    per_thread: u64,
}

impl TaskSize {
    /// Enough to make the cost of a task small, and little enough to stay in the cache of a core
    /// until it is packed.
    pub(super) const LOCAL: Self = Self {
        least: 32 << 10,
        most: 256 << 10,
        per_thread: 4,
    };
    /// What a server sends in about the time that it takes to ask for it, as it is stored. Each
    /// thread waits most of the time, so that one task is enough.
    pub(super) const REMOTE: Self = Self {
        least: 128 << 10,
        most: 2 << 20,
        per_thread: 1,
    };
    /// A part of what a server has sent, which is decoded as if it were here.
    pub(super) const PART: Self = Self {
        least: Self::LOCAL.most,
        most: Self::LOCAL.most,
        per_thread: 1,
    };

    /// So much of what takes `part` of its decoded size where it is stored.
    pub(super) fn stored(self, part: f64) -> Self {
        let decoded = |bytes: u64| (bytes as f64 / part) as u64;
        Self {
            least: decoded(self.least),
            most: decoded(self.most),
            ..self
        }
    }

    /// The most bytes of a task of chunks of so many bytes: it is closed by the chunk that makes it
    /// large enough.
    pub(super) fn most_of(self, chunk_bytes: u64) -> u64 {
        match chunk_bytes >= self.most {
            true => chunk_bytes,
            false => self.most + chunk_bytes,
        }
    }
}

/// Spans cut where chunks end, in tasks that share no chunk.
#[derive(Debug)]
pub(super) struct Tasks {
    spans: Vec<Span>,
    tasks: Vec<Task>,
}

/// Some neighbouring spans.
#[derive(Debug)]
pub(super) struct Task {
    spans: Range<usize>,
    /// The number of rows in them.
    pub(super) rows: u64,
}

impl Tasks {
    /// Cuts `spans`, which are sorted and apart, at multiples of `chunk_rows`; anywhere without.
    pub(super) fn new(
        spans: &[Span],
        chunk_rows: Option<u64>,
        row_bytes: usize,
        task_size: TaskSize,
    ) -> Self {
        let row_bytes = (row_bytes as u64).max(1);
        let rows: u64 = spans.iter().map(Span::len).sum();
        let size = rows.saturating_mul(row_bytes)
            / (rayon::current_num_threads() as u64 * task_size.per_thread).max(1);
        let size = size.clamp(task_size.least, task_size.most);
        // What is not encoded may be cut anywhere, so it counts as chunks of one task each. Little of
        // it is one task, since waking another thread takes longer than copying it.
        let chunk_rows = match chunk_rows {
            Some(rows) => rows,
            None if rows.saturating_mul(row_bytes) <= 2 * task_size.least => u64::MAX,
            None => size / row_bytes,
        };
        let chunk_rows = chunk_rows.max(1);
        let chunk_bytes = chunk_rows.saturating_mul(row_bytes);
        let mut tasks = Self {
            spans: Vec::with_capacity(spans.len()),
            tasks: Vec::new(),
        };
        let mut open = Task {
            spans: 0..0,
            rows: 0,
        };
        let mut last_chunk = None;
        let mut open_bytes = 0u64;
        for part in cut(spans, chunk_rows) {
            let chunk = Some(part.start / chunk_rows);
            if last_chunk != chunk {
                if open_bytes >= size {
                    tasks.close(&mut open);
                    open_bytes = 0;
                }
                open_bytes = open_bytes.saturating_add(chunk_bytes);
                last_chunk = chunk;
            }
            tasks.add(&mut open, part);
        }
        tasks.close(&mut open);
        tasks
    }

    fn add(&mut self, open: &mut Task, part: Span) {
        open.rows += part.len();
        match self.spans.last_mut() {
            Some(last) if last.end == part.start && !open.spans.is_empty() => last.end = part.end,
            _ => {
                self.spans.push(part);
                open.spans.end += 1;
            }
        }
    }

    fn close(&mut self, open: &mut Task) {
        let next = Task {
            spans: open.spans.end..open.spans.end,
            rows: 0,
        };
        let closed = std::mem::replace(open, next);
        if !closed.spans.is_empty() {
            self.tasks.push(closed);
        }
    }

    pub(super) fn all(&self) -> &[Task] {
        &self.tasks
    }

    pub(super) fn spans(&self, task: &Task) -> &[Span] {
        &self.spans[task.spans.clone()]
    }
}

/// Cuts spans, which are sorted and apart, where chunks end.
pub(super) fn cut(spans: &[Span], chunk_rows: u64) -> impl Iterator<Item = Span> {
    spans.iter().flat_map(move |span| {
        let mut start = span.start;
        std::iter::from_fn(move || {
            let next = (start / chunk_rows + 1).saturating_mul(chunk_rows);
            let part = Span::new(start, next.min(span.end));
            start = part.end;
            (!part.is_empty()).then_some(part)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_compressed_is_asked_for_in_larger_tasks() {
        let spans = [Span::new(0, 64 << 20)];
        let most = |size: TaskSize| {
            let tasks = Tasks::new(&spans, Some(10_000), 4, size);
            let most = tasks.all().iter().map(|task| task.rows * 4).max();
            assert!(most.unwrap() <= size.most_of(40_000));
            tasks.all().len()
        };
        // So many that the number of threads is none that matters.
        let few = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        few.unwrap().install(|| {
            assert_eq!(most(TaskSize::REMOTE), 127);
            assert_eq!(most(TaskSize::REMOTE.stored(0.25)), 32);
        });
    }

    proptest! {
        #[test]
        fn tasks_hold_all_rows_once_and_share_no_chunk(
            lengths in prop::collection::vec((1u64..50, 0u64..50), 0..20),
            chunk_rows in prop::option::of(1u64..100),
            row_bytes in 1usize..100_000,
            task_size in prop::sample::select(vec![
                TaskSize::LOCAL,
                TaskSize::PART,
                TaskSize::REMOTE,
                TaskSize::REMOTE.stored(0.2),
            ]),
        ) {
            let mut spans = Vec::new();
            let mut at = 0;
            for (length, gap) in lengths {
                spans.push(Span::new(at, at + length));
                at += length + gap + 1;
            }
            let tasks = Tasks::new(&spans, chunk_rows, row_bytes, task_size);
            let mut seen = HashSet::new();
            let mut rows = Vec::new();
            for task in tasks.all() {
                let parts = tasks.spans(task);
                prop_assert_eq!(task.rows, parts.iter().map(Span::len).sum::<u64>());
                let own: HashSet<u64> = parts
                    .iter()
                    .flat_map(|part| part.start..part.end)
                    .filter_map(|row| Some(row / chunk_rows?))
                    .collect();
                prop_assert!(own.iter().all(|&chunk| seen.insert(chunk)));
                rows.extend(parts.iter().flat_map(|part| part.start..part.end));
            }
            let expected: Vec<u64> = spans.iter().flat_map(|span| span.start..span.end).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
