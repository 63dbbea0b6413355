//! A disk that is full under the cache: a clear error, no copy that is not whole, and once there
//! is room it goes on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anndex_core::ErrorKind;
use anndex_core::instance::Instance;
use anndex_core::registry::hash::hash_path;
use anndex_tests::proxy::{Fault, Proxy};
use anndex_tests::registry::{DatabaseKind, Place, given_place, instance_on, open, tell_place};
use anndex_tests::servers::{BUCKET, S3};

/// What `ulimit -f` takes: 512 KiB or 1 MiB, as the shell counts them.
const LIMIT: &str = "1024";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_room_goes_on_when_there_is_some() {
    const TEST: &str = "full_disk::what_has_no_room_goes_on_when_there_is_some";
    if let Some((location, storage)) = given_place() {
        return cache(&instance_on(open(&location).await, &storage).await.unwrap()).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let (_, bucket, server) = S3::each(directory.path()).remove(1);
    let proxy = Proxy::start(&server.endpoint(), Duration::ZERO, |_, _| Fault::None);
    let content: Vec<u8> = (0..9u32 << 20).map(|i| ((i * 17) >> 4) as u8).collect();
    fs::create_dir_all(bucket.join("images")).unwrap();
    for (key, length) in [
        ("large.bin", content.len()),
        ("small.bin", 1000),
        ("images/a.tif", 1000),
        ("images/b.tif", 2 << 20),
        ("images/c.tif", 2000),
    ] {
        fs::write(bucket.join(key), &content[..length]).unwrap();
    }
    let place = Place::new(DatabaseKind::Sqlite);
    let db = place.instance().await;
    for key in ["large.bin", "images", "small.bin"] {
        let url = format!("s3://{BUCKET}/{key}?endpoint_url={}", proxy.url());
        db.artifact(url).save().await.unwrap();
    }
    // Writing past the limit is an error, and no signal, when that is ignored.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT}; exec \"$0\" --exact \"$1\" --nocapture");
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    command.arg(std::env::current_exe().unwrap()).arg(TEST);
    tell_place(&mut command, &place);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap());
    assert!(status.await.unwrap().success(), "{TEST}");

    // What was moved is not moved again.
    let there: u64 = db.cache().list().unwrap().iter().map(moved).sum();
    assert!(there > 1 << 20, "{there}");
    let bytes = proxy.bytes();
    let mut whole = 0;
    for artifact in db.artifacts().all().await.unwrap() {
        let path = artifact.cache().path().await.unwrap();
        let expected = hash_path(&bucket.join(&artifact.storage_key)).unwrap();
        assert_eq!(
            hash_path(&path).unwrap(),
            expected,
            "{}",
            artifact.storage_key
        );
        whole += expected.size;
    }
    // But for lists of objects.
    let moved = proxy.bytes() - bytes;
    assert!(moved < whole - there + 5_000, "{moved}");
    assert!(
        db.cache()
            .list()
            .unwrap()
            .iter()
            .all(|entry| entry.is_complete)
    );
}

/// How many bytes of an entry are there.
fn moved(entry: &anndex_core::storage::CacheEntry) -> u64 {
    let files = match entry.path.is_dir() {
        true => anndex_core::registry::hash::files_of(&entry.path).unwrap(),
        false => vec![entry.path.clone()],
    };
    let sizes = files.iter().map(|file| file.metadata().unwrap().len());
    sizes.sum()
}

async fn cache(db: &Instance) {
    for artifact in db.artifacts().all().await.unwrap() {
        let cached = artifact.cache().path().await;
        if artifact.storage_key == "small.bin" {
            assert_eq!(fs::read(cached.unwrap()).unwrap().len(), 1000);
            continue;
        }
        let error = cached.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
        assert!(error.message().contains("no room left"), "{error:#}");
        // No better once more.
        assert!(artifact.cache().path().await.is_err());
    }
    let complete: Vec<_> = db.cache().list().unwrap();
    let complete: Vec<_> = complete.iter().map(|entry| entry.is_complete).collect();
    assert_eq!(
        complete.iter().filter(|is_complete| **is_complete).count(),
        1
    );
    assert_eq!(complete.len(), 3);
}
