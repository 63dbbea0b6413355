//! The native module `anndex._anndex`: the mapped engine for the Python package around it.
//!
//! It only converts: arguments into the engine's options, results into NumPy arrays that take over
//! the engine's memory, errors into the exceptions of `anndex.errors`. What Python users see is
//! written in Python, in `python/anndex`. The interpreter lock is released while anything is
//! opened, read or decoded, and no thread is started by importing this.

mod argument;
mod error;
mod loader;
mod mapped;
mod opened;
mod process;
mod value;

use pyo3::prelude::*;

/// The module's contents; its Python side is `_anndex.pyi`.
#[pymodule]
fn _anndex(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<loader::Epoch>()?;
    module.add_class::<loader::Loader>()?;
    module.add_class::<mapped::Mapped>()
}
