//! Links that somebody planted in a shared cache lead nowhere: nothing outside is read into a copy,
//! written or made, and a copy is right or refused.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anndex_store::ErrorKind;
use anndex_store::storage::{Cache, CacheRequest, LocalDirectory, ObjectStorage};

const CONTENT: &str = "the content of an object";
const SECRET: &str = "of somebody";

struct World {
    root: tempfile::TempDir,
    cache: PathBuf,
    request: CacheRequest,
    storage: LocalDirectory,
}

impl World {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["cache", "outside/inner", "objects"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("outside/file.txt"), SECRET).unwrap();
        fs::write(root.path().join("objects/file.txt"), CONTENT).unwrap();
        let storage = LocalDirectory::open(&root.path().join("objects")).unwrap();
        let request = CacheRequest {
            name: "entry".to_owned(),
            file_name: "file.txt".to_owned(),
            objects: vec![storage.head("file.txt").await.unwrap()],
            directory: None,
            hash: None,
        };
        Self {
            cache: root.path().join("cache"),
            request,
            storage,
            root,
        }
    }

    async fn fetch(&self) -> anndex_store::Result<PathBuf> {
        let cache = Cache::new(&self.cache);
        cache.fetch(&self.storage, &self.request, &|_| {}).await
    }

    fn outside(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    fn assert_untouched(&self, plant: &str) {
        let outside = self.outside();
        assert_eq!(
            fs::read_to_string(outside.join("file.txt")).unwrap(),
            SECRET,
            "{plant}"
        );
        let names: Vec<_> = fs::read_dir(&outside)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{plant}: {names:?}");
        assert_eq!(
            fs::read_dir(outside.join("inner")).unwrap().count(),
            0,
            "{plant}"
        );
    }
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    symlink(from, to).unwrap();
}

#[tokio::test]
async fn a_link_in_the_cache_is_never_followed() {
    let plants = [
        ("entry.partial", "inner"),
        ("entry.partial/file.txt", "file.txt"),
        ("entry.partial/file.txt", "not there"),
        ("entry.lock", "not there"),
        ("entry.json", "file.txt"),
        ("entry.partial.json", "file.txt"),
        ("entry", "inner"),
        ("entry/file.txt", "file.txt"),
        ("leases", "inner"),
        ("room.lock", "not there"),
        ("settings.json", "file.txt"),
    ];
    for (name, target) in plants {
        let world = World::new().await;
        link(&world.outside().join(target), &world.cache.join(name));
        match world.fetch().await {
            Ok(path) => assert_eq!(fs::read_to_string(path).unwrap(), CONTENT, "{name}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}"),
        }
        world.assert_untouched(name);
        let _ = Cache::new(&world.cache).clear();
        world.assert_untouched(name);
    }
}

#[tokio::test]
async fn a_copy_that_became_a_link_is_no_copy() {
    let world = World::new().await;
    let path = world.fetch().await.unwrap();
    fs::remove_file(&path).unwrap();
    link(&world.root.path().join("objects/file.txt"), &path);
    let error = world.fetch().await.unwrap_err();
    assert!(error.message().contains("link"), "{error}");
}

#[tokio::test]
async fn a_partial_copy_that_is_also_a_file_of_somebody_is_not_written() {
    let world = World::new().await;
    fs::create_dir(world.cache.join("entry.partial")).unwrap();
    let partial = world.cache.join("entry.partial/file.txt");
    fs::hard_link(world.outside().join("file.txt"), partial).unwrap();
    let fetched = world.fetch().await;
    world.assert_untouched("hard link");
    if let Ok(path) = fetched {
        assert_eq!(fs::read_to_string(path).unwrap(), CONTENT);
    }
}
