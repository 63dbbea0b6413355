//! Memory of batches that NumPy arrays use, and a loader uses again once Python lets go of them.
//!
//! Handing memory over for good costs the loader new pages for every batch: sparse batches of 4096
//! cells then come at 0.7 times the speed.

use std::sync::Arc;

use anndex_core::mapped::Buffers;
use numpy::PyArray1;
use numpy::ndarray::ArrayView1;
use pyo3::prelude::*;

/// The owner of an array's memory. Nothing but the array reads or writes it until this is dropped.
#[pyclass(frozen, module = "anndex._anndex")]
struct Lent {
    words: Vec<u64>,
    buffers: Arc<Buffers>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.words));
    }
}

/// An array over `words`, which go to `buffers` when the array and all its views are gone.
pub(crate) fn lend<'py>(
    py: Python<'py>,
    mut words: Vec<u64>,
    buffers: &Arc<Buffers>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let (pointer, length) = (words.as_mut_ptr(), words.len());
    let lent = Lent {
        words,
        buffers: buffers.clone(),
    };
    let lent = Bound::new(py, lent)?.into_any();
    // SAFETY: `pointer` is the start of `length` initialised words on the heap, which moving the
    // vector into `lent` does not move. The array holds a reference to `lent`, so they live as long
    // as it does, and views refer to it in turn. `lent` is frozen and private, and its vector is
    // touched by its `drop` alone, so the array is the only one to access them.
    Ok(unsafe {
        let view = ArrayView1::from_shape_ptr(length, pointer);
        PyArray1::borrow_from_array(&view, lent)
    })
}
