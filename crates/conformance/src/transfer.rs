//! Copying between two instances, and from a source that is none, tried on any backends:
//! everything arrives as it was, a second time changes nothing, and what can't be copied leaves
//! the other instance as it is.

mod import;
mod outline;
mod refused;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use self::outline::outline;
use anndex_core::backend::Backend;
use anndex_core::error::Result;
use anndex_core::instance::{Handle, Instance, Settings};
use anndex_core::record::{Artifact, Collection, Feature};
use anndex_core::storage::StorageDrivers;
use anndex_core::store::StoreFormats;

/// Runs the whole suite. The two functions give empty backends, the directory is empty and the
/// suite's own. Must be called inside a tokio runtime with several threads.
///
/// # Panics
/// If something is not copied as it was.
pub async fn run<M, F, N, G>(from: M, into: N, directory: &Path)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
    N: Fn() -> G,
    G: Future<Output = Arc<dyn Backend>>,
{
    let mut pairs = Vec::new();
    for number in 0..10 {
        let at = |side: &str| directory.join(format!("{side}-{number}"));
        let here = instance(from().await, &at("from"), "ada").await;
        let there = instance(into().await, &at("into"), "bob").await;
        pairs.push((here, there));
    }
    let mut pairs = pairs.into_iter();
    let mut next = || pairs.next().unwrap_or_else(|| panic!("a pair is missing"));
    everything_arrives_once(next()).await;
    what_is_missing_is_added(next()).await;
    several_writers_copy_at_once(next()).await;
    refused::trash(next()).await;
    refused::versions_of_both(next()).await;
    refused::taken_meta_artifacts(next()).await;
    import::everything_arrives_once(next()).await;
    import::what_does_not_fit_is_left_out(next()).await;
    import::what_is_here_stays(next()).await;
    import::it_goes_on_after_an_end(next()).await;
}

type Pair = (Instance, Instance);

pub(super) async fn instance(backend: Arc<dyn Backend>, directory: &Path, user: &str) -> Instance {
    let settings = Settings {
        storage_root: directory.to_owned(),
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: directory.join("cache"),
        user_handle: user.to_owned(),
        user_name: None,
        formats: StoreFormats::new(),
        drivers: StorageDrivers::new(),
    };
    done(Instance::new(backend, settings).await)
}

pub(super) fn done<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

/// Registers a file in the storage with this name and content.
pub(super) async fn artifact(db: &Instance, content: &str) -> Handle<Artifact> {
    let path = db.storage_root().join(format!("{content}.txt"));
    std::fs::write(&path, content).unwrap_or_else(|error| panic!("{error}"));
    done(db.artifact(path).save().await)
}

async fn collection(db: &Instance, artifacts: &[&Handle<Artifact>]) -> Handle<Collection> {
    let artifacts = artifacts.iter().copied();
    done(db.collection(artifacts).name("cells").save().await)
}

/// A collection that has everything that a collection can have, and all records stand under it.
async fn full(db: &Instance) -> Handle<Collection> {
    let ingest = done(db.transform("ingest").source_code("1").save().await);
    done(db.track(&ingest).await);
    let (a, b, c) = (
        artifact(db, "a").await,
        artifact(db, "b").await,
        artifact(db, "c").await,
    );
    // Made again by a later run.
    done(db.track(&ingest).await);
    artifact(db, "a").await;
    let curate = done(db.transform("curate").save().await);
    done(db.track(&curate).await);
    let general = done(db.ulabel("cell").is_type(true).save().await);
    let label = done(db.ulabel("T cell").parent(&general).save().await);
    done(b.add_ulabels([&label]).await);
    let feature = |name: &str| Feature {
        name: name.to_owned(),
        dtype: Some("int".to_owned()),
    };
    done(b.set_features("var", vec![feature("CD3E")]).await);
    let meta = artifact(db, "meta").await;
    let first = collection(db, &[&b]).await;
    let artifacts = [&c, &a, &b];
    let second = db.collection(artifacts).is_new_version_of(&first);
    let second = done(second.meta(&meta).ulabels([&label]).save().await);
    done(second.set_features("obs", vec![feature("donor")]).await);
    done(db.finish().await);
    done(first.save_using(db).await);
    second
}

async fn everything_arrives_once((here, there): Pair) {
    let collection = full(&here).await;
    let before = outline(&here).await;
    let copied = done(collection.save_using(&there).await);
    let after = outline(&there).await;
    // All but the first version, which the second does not stand on.
    let missing: Vec<&String> = before.difference(&after).collect();
    // Its record, and the link to its artifact.
    assert_eq!(missing.len(), 2, "{missing:#?}");
    for line in missing {
        let first = line.contains(&format!("{}0000", &collection.uid[..16]));
        assert!(first, "not copied: {line}");
    }
    assert_eq!(copied.uid, collection.uid);
    assert_eq!(copied.version.as_deref(), Some("2"));
    assert_eq!(
        done(copied.paths().await),
        done(collection.paths().await),
        "where the files are, in their order"
    );
    let meta = done(copied.artifact().await);
    assert!(meta.is_some(), "the meta artifact");
    for _ in 0..2 {
        assert_eq!(done(collection.save_using(&there).await), copied);
        assert_eq!(outline(&there).await, after, "copied twice");
    }
    assert_eq!(outline(&here).await, before, "copying changes nothing here");
    // And back: what is there already stays.
    assert_eq!(done(copied.save_using(&here).await), collection);
    assert_eq!(outline(&here).await, before, "copied back");
}

async fn what_is_missing_is_added((here, there): Pair) {
    let mut a = artifact(&here, "a").await;
    let copied = done(a.save_using(&there).await);
    let label = done(here.ulabel("new").save().await);
    done(a.add_ulabels([&label]).await);
    a.description = Some("changed".to_owned());
    done(a.save().await);
    let collection = collection(&here, &[&a]).await;
    done(collection.save_using(&there).await);
    assert_eq!(
        done(there.artifacts().one().await),
        copied,
        "is not changed there"
    );
    let labels = done(copied.ulabels().await);
    assert_eq!(labels.len(), 1, "a label is added");
    assert_eq!(labels[0].uid, label.uid);
    let other = artifact(&there, "a").await;
    assert_eq!(other.uid, copied.uid, "content that was copied is known");
}

async fn several_writers_copy_at_once((here, there): Pair) {
    let collection = full(&here).await;
    let work = (0..6).map(|_| {
        let (collection, there) = (collection.clone(), there.clone());
        tokio::spawn(async move { collection.save_using(&there).await.map(|c| c.id()) })
    });
    let work: Vec<_> = work.collect();
    let mut ids = Vec::new();
    for copying in work {
        let copied = copying.await.unwrap_or_else(|error| panic!("{error}"));
        ids.push(done(copied));
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one record, whoever was first");
    let collections = done(there.collections().count().await);
    assert_eq!(collections, 1);
    let artifacts = done(there.records::<Artifact>().count().await);
    assert_eq!(artifacts, 4, "a, b, c and meta");
}
