//! The tests of the Zarr store, in one program.

#[path = "suite/conformance.rs"]
mod conformance;
#[path = "suite/damage.rs"]
mod damage;
#[path = "suite/everything.rs"]
mod everything;
#[path = "suite/fixtures.rs"]
mod fixtures;
