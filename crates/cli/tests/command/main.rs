//! The `anndex` command, called as people and programs call it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cache;
mod check;
mod delete;
mod demo;
mod errors;
mod fixtures;
mod import;
mod known;
mod lineage;
mod lists;
mod load;
mod main_job;
mod postgres;
mod prepare;
mod records;
mod support;
