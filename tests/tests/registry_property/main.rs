//! Random operations on instances with each database, and on one in memory beside it, which is the
//! model: the same results, the same errors, the same records and links afterwards.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod operation;
mod snapshot;
mod world;

use anndex_tests::registry::DatabaseKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::{Builder, Runtime};

use operation::{Operation, operation};
use world::World;

/// After so many operations everything is compared, not only what they gave.
const COMPARE_EVERY: usize = 5;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn check(kind: DatabaseKind, cases: u32) {
    let runtime = runtime();
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&vec(operation(), 40..60), |operations| {
        runtime.block_on(compare(kind, &operations))
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

async fn compare(kind: DatabaseKind, operations: &[Operation]) -> Result<(), TestCaseError> {
    let mut model = World::new(DatabaseKind::Memory).await;
    let mut world = World::new(kind).await;
    for (number, operation) in operations.iter().enumerate() {
        let expected = model.apply(operation).await;
        let found = world.apply(operation).await;
        prop_assert_eq!(&found, &expected, "operation {}: {:?}", number, operation);
        if number % COMPARE_EVERY == 0 || number + 1 == operations.len() {
            let (found, expected) = (world.snapshot().await, model.snapshot().await);
            prop_assert_eq!(found, expected, "after {}: {:?}", number, operation);
        }
    }
    world.close().await;
    Ok(())
}

#[test]
fn random_operations_on_sqlite() {
    check(DatabaseKind::Sqlite, 16);
}

#[test]
fn random_operations_on_postgres() {
    check(DatabaseKind::Postgres, 12);
}

/// Otherwise little is compared.
#[test]
fn most_operations_succeed_and_some_fail() {
    let runtime = runtime();
    let mut runner = TestRunner::deterministic();
    let (mut succeeded, mut all) = (0, 0);
    for _ in 0..20 {
        let operations = vec(operation(), 50);
        let operations = operations.new_tree(&mut runner).unwrap().current();
        all += operations.len();
        runtime.block_on(async {
            let mut world = World::new(DatabaseKind::Memory).await;
            for operation in &operations {
                succeeded += usize::from(world.apply(operation).await.is_ok());
            }
        });
    }
    assert!(succeeded * 2 > all, "{succeeded} of {all}");
    assert!(succeeded * 20 < all * 19, "{succeeded} of {all}");
}
