//! Row ranges: the unit in which arrays are read.

/// A half-open range of rows (steps along axis 0): `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first row.
    pub start: u64,
    /// One past the last row.
    pub end: u64,
}

impl Span {
    /// The rows `start..end`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// The number of rows; 0 if `end` is not after `start`.
    pub const fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the span holds no rows.
    pub const fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}
