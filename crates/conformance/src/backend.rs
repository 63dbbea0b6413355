//! The contract of [`Backend`], tried from outside: what is inserted comes back, every filter
//! means what it says, change sets happen as a whole, and two writers do not lose anything.
//!
//! Every backend runs [`run`], [`run_input`] and [`run_random`]; one that several processes may
//! open runs [`run_writers`], too.

mod atomicity;
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod compare;
mod concurrency;
mod filters;
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod input;
mod links;
mod pages;
mod records;
mod samples;
mod text;
pub mod writers;

use std::future::Future;
use std::sync::Arc;

use anndex_core::backend::{Applied, Backend, ChangeSet, Query};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Id, Record};

/// Runs the whole suite. `make` gives an empty backend each time it is called. Must be called
/// inside a tokio runtime, better one with several threads.
///
/// # Panics
/// If the backend breaks the contract.
pub async fn run<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
{
    records::every_field_comes_back(make().await.as_ref()).await;
    records::text_times_and_numbers_come_back(make().await.as_ref()).await;
    records::updates_and_deletes(make().await.as_ref()).await;
    filters::every_operator(make().await.as_ref()).await;
    text::every_match(make().await.as_ref()).await;
    filters::across_relations(make().await.as_ref()).await;
    filters::order_limit_and_count(make().await.as_ref()).await;
    filters::long_lists(make().await.as_ref()).await;
    filters::what_does_not_fit(make().await.as_ref()).await;
    pages::every_order(make().await.as_ref()).await;
    pages::others_write_meanwhile(make().await.as_ref()).await;
    pages::many(make().await.as_ref()).await;
    links::every_kind(make().await.as_ref()).await;
    links::order_and_slots(make().await.as_ref()).await;
    links::protection(make().await.as_ref()).await;
    atomicity::conflicts_change_nothing(make().await.as_ref()).await;
    atomicity::preconditions(make().await.as_ref()).await;
    atomicity::new_records_refer_to_each_other(make().await.as_ref()).await;
    concurrency::writers_take_turns(make().await).await;
    concurrency::readers_see_whole_change_sets(make().await).await;
    closed(make().await.as_ref()).await;
}

/// Tries values that are long, odd or hostile, and queries that are large. As [`run`] otherwise.
///
/// # Panics
/// If the backend breaks the contract.
pub async fn run_input<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
{
    input::every_field_keeps_any_text(make().await.as_ref()).await;
    input::long_text_is_kept_where_it_is_allowed_and_refused_elsewhere(make().await.as_ref()).await;
    input::slots_have_the_limits_of_names(make().await.as_ref()).await;
    input::extreme_numbers_and_times_come_back(make().await.as_ref()).await;
    input::queries_may_be_large(make().await.as_ref()).await;
    input::updates_that_a_record_refuses_change_nothing(make().await.as_ref()).await;
}

/// Makes random changes and asks random queries, and compares with the backend in memory. As
/// [`run`] otherwise.
///
/// # Panics
/// If the two differ.
pub async fn run_random<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
{
    compare::random_changes_and_queries(&make).await;
}

/// Has several backends on one database write at once. `make` opens as many as it is asked for on
/// a new database each time it is called.
///
/// # Panics
/// If a change is lost, or made in part.
pub async fn run_writers<M, F>(make: M)
where
    M: Fn(usize) -> F,
    F: Future<Output = Vec<Arc<dyn Backend>>>,
{
    writers::of_conflicting_changes_exactly_one_wins(make(4).await).await;
    writers::no_write_of_many_tasks_is_lost(make(2).await).await;
    writers::of_changes_to_one_record_all_are_made(make(3).await).await;
    for backend in make(1).await {
        writers::a_dropped_operation_leaves_all_or_nothing(backend.as_ref()).await;
    }
}

async fn closed(backend: &dyn Backend) {
    backend
        .close()
        .await
        .unwrap_or_else(|e| panic!("close: {e:#}"));
    let query = Query::new(anndex_core::record::Kind::User);
    let after = backend.select(&query).await.err().map(|e| e.kind());
    assert_eq!(after, Some(ErrorKind::Backend), "select after close");
}

async fn apply(backend: &dyn Backend, changes: &ChangeSet) -> Applied {
    backend
        .apply(changes)
        .await
        .unwrap_or_else(|e| panic!("apply: {e:#}"))
}

/// A change set that inserts a record.
fn change(record: impl Into<Record>) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.insert(record);
    changes
}

async fn insert(backend: &dyn Backend, record: impl Into<Record>) -> Id {
    apply(backend, &change(record)).await.inserted[0]
}

async fn select(backend: &dyn Backend, query: &Query) -> Vec<Record> {
    let found = backend.select(query).await;
    found.unwrap_or_else(|e| panic!("select {query:?}: {e:#}"))
}

async fn count(backend: &dyn Backend, query: &Query) -> u64 {
    let count = backend.count(query).await;
    count.unwrap_or_else(|e| panic!("count {query:?}: {e:#}"))
}

/// Applies a change set that must fail, and checks that it changed no record and no link.
async fn refused(backend: &dyn Backend, changes: &ChangeSet, kind: ErrorKind, what: &str) {
    let before = samples::everything(backend).await;
    match backend.apply(changes).await {
        Ok(_) => panic!("{what} was accepted"),
        Err(error) => assert_eq!(error.kind(), kind, "{what}: {error:#}"),
    }
    assert_eq!(
        samples::everything(backend).await,
        before,
        "{what} changed something"
    );
}
