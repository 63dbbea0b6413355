//! The native module `anndex._anndex`: the mapped engine and the registry for the Python package
//! around it.
//!
//! It only converts: arguments into the engine's options, results into NumPy arrays that take over
//! the engine's memory, records into plain values, errors into the exceptions of `anndex.errors`.
//! What Python users see is written in Python, in `python/anndex`. The interpreter lock is released
//! while anything is opened, read, decoded or asked of a database, and no thread is started by
//! importing this.

mod anndata;
mod argument;
mod backed;
mod check;
mod connection;
mod error;
mod field;
mod instance;
mod lamindb;
mod lent;
mod lineage;
mod loader;
mod mapped;
mod new_record;
mod notice;
mod opened;
mod pages;
mod prepare;
mod process;
mod query;
mod record;
mod runtime;
mod signal;
mod table;
mod value;

use pyo3::prelude::*;

/// The module's contents; its Python side is `_anndex.pyi`.
#[pymodule]
fn _anndex(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<mapped::Mapped>()?;
    module.add_class::<loader::Loader>()?;
    module.add_class::<loader::Epoch>()?;
    module.add_class::<instance::Instance>()?;
    module.add_class::<record::Record>()?;
    module.add_class::<lineage::Lineage>()?;
    module.add_class::<pages::Pages>()?;
    module.add_class::<table::ArrowTable>()?;
    module.add_class::<backed::Backed>()?;
    module.add_function(wrap_pyfunction!(error::shown_message, module)?)?;
    module.add_function(wrap_pyfunction!(field::fields, module)?)?;
    module.add_function(wrap_pyfunction!(prepare::prepare, module)?)?;
    module.add_function(wrap_pyfunction!(anndata::read_anndata, module)?)?;
    module.add_function(wrap_pyfunction!(anndata::concat_anndata, module)?)?;
    module.add_function(wrap_pyfunction!(table::open_stacked, module)?)?;
    module.add_function(wrap_pyfunction!(table::read_tables, module)?)?;
    module.add_function(wrap_pyfunction!(connection::close_unused, module)?)
}
