//! A server that stalls: whoever stops waiting for it is free at once, and leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anndex_core::mapped::{BatchFormat, MappedOptions};
use anndex_core::operation::Operation;
use anndex_core::storage::{RemoteStorages, StreamOptions};
use anndex_core::{ErrorKind, Result};
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::servers::{BUCKET, drivers, drivers_with, short_limits};

use crate::stream_faults::World;

const SOON: Duration = Duration::from_secs(1);

/// A file on a server that stalls after so many more requests.
async fn world() -> (World, Arc<AtomicU64>) {
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let counted = left.clone();
    let options = MappedOptions::default().streaming(StreamOptions::default().gap(0));
    let world = World::new(("gzip.h5ad", 900), Duration::ZERO, options, move |_, _| {
        let before = counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(match left {
                u64::MAX => left,
                left => left.saturating_sub(1),
            })
        });
        match before {
            Ok(0) => Fault::Stall(10),
            _ => Fault::None,
        }
    });
    (world.await, left)
}

/// How many threads of the loader this process has, and how many descriptors.
#[cfg(target_os = "linux")]
fn held() -> (Vec<String>, usize) {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| {
        let name = task.unwrap().path().join("comm");
        Some(std::fs::read_to_string(name).ok()?.trim().to_owned())
    });
    // Those of the servers of the test, and of requests, come and go.
    let own = |name: &String| !name.starts_with("tokio") && !name.starts_with("anndex-storage");
    let mut names: Vec<_> = names.filter(own).collect();
    names.sort_unstable();
    (names, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// In a process of its own, since others have threads and descriptors, too.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_loaders_leave_nothing_behind() {
    const ALONE: &str = "ANNDEX_TEST_ALONE";
    const TEST: &str = "stalled::a_hundred_loaders_leave_nothing_behind";
    if std::env::var_os(ALONE).is_none() {
        let own = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(own);
        command
            .args(["--exact", TEST, "--nocapture"])
            .env(ALONE, "1");
        assert!(command.status().unwrap().success());
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // What a process has once.
    made_and_dropped(&runtime, 3);
    std::thread::sleep(SOON);
    let before = held();
    let slowest = made_and_dropped(&runtime, 100);
    println!("the slowest took {slowest:?}");
    assert!(slowest < SOON, "{slowest:?}");
    // Connections are closed by the threads for requests, soon after.
    let begin = Instant::now();
    while held() != before {
        assert!(begin.elapsed() < 10 * SOON, "{before:?} {:?}", held());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes loaders, drops each of them at another stage, and says how long the slowest drop took.
#[cfg(target_os = "linux")]
fn made_and_dropped(runtime: &tokio::runtime::Runtime, count: u64) -> Duration {
    let (world, left) = runtime.block_on(world());
    let make = |number: u64| {
        // Each stalls after one more request than the one before.
        left.store(number % 5, Ordering::Relaxed);
        let loader = world.mapped.loader().batch_size(8 + number % 3 * 100);
        let loader = loader.build().unwrap();
        let mut epoch = loader.epoch().unwrap();
        // Before, while and after it waits for its first requests, and for batches.
        std::thread::sleep(Duration::from_millis(number % 10 * 10));
        if number.is_multiple_of(4) {
            let operation = Operation::new();
            let stopping = operation.clone();
            let stopper = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                stopping.stop();
            });
            operation.within(|| while let Some(Ok(_)) = epoch.next() {});
            stopper.join().unwrap();
        }
        let begin = Instant::now();
        drop((epoch, loader));
        begin.elapsed()
    };
    (0..count).map(make).max().unwrap()
}

/// Does something that waits for ever, and stops it.
fn stops_soon<T: std::fmt::Debug>(what: &str, work: impl FnOnce() -> Result<T> + Send) {
    let operation = Operation::new();
    let stopping = operation.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stopping.stop();
        Instant::now()
    });
    let error = operation.within(work).unwrap_err();
    let ended = Instant::now();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error:#}");
    let waited = ended - stopper.join().unwrap();
    assert!(waited < SOON, "{what}: {waited:?}");
}

#[tokio::test]
async fn what_is_stopped_ends_soon() {
    let (world, left) = world().await;
    left.store(0, Ordering::Relaxed);
    let mapped = &world.mapped;
    stops_soon("sample", || mapped.get(5));
    stops_soon("batch", || mapped.batch(&[1, 800, 3], BatchFormat::Dense));
    stops_soon("epoch", || {
        let loader = mapped.loader().batch_size(8).build()?;
        loader.epoch()?.next().transpose()
    });
    // A list, since an answer without a body does not stall.
    let url = format!("s3://{BUCKET}/gzip/?endpoint_url={}", world.proxy.url());
    let remote = RemoteStorages::new(drivers(), StreamOptions::default());
    stops_soon("look", || remote.look(&url).map(|_| ()));
}

/// What is made of many requests waits for one that is not answered, and not for all of them.
#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_once() {
    let proxy = Proxy::start("127.0.0.1:1", Duration::ZERO, |_, _| Fault::Silence);
    let remote = RemoteStorages::new(drivers_with(short_limits()), StreamOptions::default());
    let operation = Operation::new();
    let begin = Instant::now();
    operation.within(|| {
        for name in ["a.h5ad", "b.h5ad", "c.zarr", "d/"] {
            let url = format!("s3://{BUCKET}/{name}?endpoint_url={}", proxy.url());
            let error = remote.look(&url).unwrap_err();
            assert!(error.is_unanswered(), "{error:#}");
        }
    });
    let most = short_limits().total + Duration::from_secs(1);
    assert!(begin.elapsed() < most, "{:?}", begin.elapsed());
}
