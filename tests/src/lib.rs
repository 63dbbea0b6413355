//! Tests across backends and stores.
