//! Several processes in one instance, on each database: nothing is lost, doubled or seen in part.
//!
//! `ANNDEX_VERSIONS` says how many versions each process makes, `ANNDEX_SECONDS` for how long
//! readers look.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use anndex_conformance::backend::writers::{claim_all, insert_all};
use anndex_core::ErrorKind;
use anndex_core::backend::Query;
use anndex_core::instance::{Handle, Instance};
use anndex_core::record::{Artifact, Field, Kind};
use anndex_core::registry::IsVersioned;
use anndex_tests::registry::{
    DatabaseKind, Place, given_place, instance, open, processes, words_after,
};

const PROCESSES: usize = 8;
/// As many as save the same.
const SAVERS: usize = 16;
/// The artifacts of each collection that is looked at.
const MEMBERS: usize = 5;

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => default,
    }
}

fn versions() -> usize {
    number("ANNDEX_VERSIONS", 25)
}

fn seconds() -> Duration {
    Duration::from_secs(number("ANNDEX_SECONDS", 4) as u64)
}

/// A test for each database: what the parent does, and what each of its processes does.
macro_rules! on_each_database {
    ($($sqlite:ident, $postgres:ident: $parent:ident, $child:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $sqlite() {
            match given_place() {
                Some((location, storage)) => $child(&location, &storage).await,
                None => $parent(stringify!($sqlite), DatabaseKind::Sqlite).await,
            }
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $postgres() {
            match given_place() {
                Some((location, storage)) => $child(&location, &storage).await,
                None => $parent(stringify!($postgres), DatabaseKind::Postgres).await,
            }
        }
    )*};
}

on_each_database! {
    next_versions_on_sqlite, next_versions_on_postgres: count_versions, make_versions;
    one_content_on_sqlite, one_content_on_postgres: count_saved, save_the_same;
    new_databases_on_sqlite, new_databases_on_postgres: count_records, make_records;
    readers_on_sqlite, readers_on_postgres: count_looks, write_and_look;
}

fn numbers<'a>(printed: &'a [String], word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let words = printed.iter().flat_map(move |text| words_after(text, word));
    words.map(|number| number.parse().unwrap())
}

async fn artifact(db: &Instance, name: &str) -> Handle<Artifact> {
    let path = db.storage_root().join(format!("{name}.csv"));
    std::fs::write(&path, name).unwrap();
    db.artifact(path).save().await.unwrap()
}

async fn count_versions(test: &str, kind: DatabaseKind) {
    let place = Place::new(kind);
    let db = place.instance().await;
    let first = artifact(&db, "first").await;
    let first = db.collection([&first]).name("c").version("1");
    let first = first.save().await.unwrap();
    let start = Instant::now();
    let printed = processes(test, PROCESSES, &place);
    let elapsed = start.elapsed().as_secs_f64();

    let expected = PROCESSES * versions() + 1;
    let mut reported: Vec<_> = [1].into_iter().chain(numbers(&printed, "made")).collect();
    reported.sort_unstable();
    assert_eq!(reported, (1..=expected).collect::<Vec<_>>(), "as reported");
    let all = db.collections().order_by(Field::Uid).all().await.unwrap();
    assert!(all.iter().all(|one| one.stem_uid() == first.stem_uid()));
    let version = |one: &str| one.parse::<usize>().unwrap();
    let mut saved: Vec<_> = all
        .iter()
        .map(|one| version(one.version.as_ref().unwrap()))
        .collect();
    saved.sort_unstable();
    assert_eq!(saved, reported, "as saved");
    let per_second = (expected - 1) as f64 / elapsed;
    eprintln!(
        "{kind:?}: {expected} consecutive versions, {elapsed:.1} s, {per_second:.0} a second"
    );
}

async fn make_versions(location: &str, storage: &Path) {
    let db = instance(location, storage).await;
    let own = artifact(&db, &std::process::id().to_string()).await;
    for _ in 0..versions() {
        let old = db.collections().first().await.unwrap().unwrap();
        let new = db.collection([&own]).is_new_version_of(&old);
        let new = new.skip_hash_lookup(true).save().await.unwrap();
        println!("\nmade {} ", new.version.as_ref().unwrap());
    }
}

async fn count_saved(test: &str, kind: DatabaseKind) {
    let place = Place::new(kind);
    let db = place.instance().await;
    for name in ["a", "b"] {
        artifact(&db, name).await;
    }
    let printed = processes(test, SAVERS, &place);
    assert_eq!(numbers(&printed, "new").sum::<usize>(), 1, "as reported");
    assert_eq!(db.collections().with_trash().count().await.unwrap(), 1);
    let transforms = db.transforms().with_trash().all().await.unwrap();
    assert_eq!(transforms.len(), 1);
    let refused = numbers(&printed, "refused").sum::<usize>();
    assert_eq!(refused, SAVERS - 1, "one code per key and version");
}

/// Each has the same collection, and a code of its own for a transform of the same key.
async fn save_the_same(location: &str, storage: &Path) {
    let db = instance(location, storage).await;
    let members = db.artifacts().order_by(Field::Key).all().await.unwrap();
    let saved = db.collection(&members).name("c").save().await.unwrap();
    println!("\nnew {} ", usize::from(saved.is_new()));
    let code = std::process::id().to_string();
    let transform = db.transform("t").key("t.py").version("1").source_code(code);
    let refused = match transform.save().await {
        Ok(_) => 0,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => 1,
        Err(error) => panic!("{error}"),
    };
    println!("\nrefused {refused} ");
}

/// The processes also make the schema at once.
async fn count_records(test: &str, kind: DatabaseKind) {
    let place = Place::new(kind);
    let printed = processes(test, PROCESSES, &place);
    assert_eq!(numbers(&printed, "won").sum::<usize>(), 25);
    let backend = open(&place.location()).await;
    let users = backend.count(&Query::new(Kind::User)).await.unwrap();
    assert_eq!(users, PROCESSES as u64 * 50);
    let labels = backend.count(&Query::new(Kind::ULabel)).await.unwrap();
    assert_eq!(labels, 25);
}

async fn make_records(location: &str, _storage: &Path) {
    let backend = open(location).await;
    let name = std::process::id().to_string();
    let won = claim_all(backend.as_ref(), 25, &name).await;
    insert_all(backend.as_ref(), 50, &name).await;
    println!("\nwon {won} ");
}

async fn count_looks(test: &str, kind: DatabaseKind) {
    let place = Place::new(kind);
    place.instance().await.close().await.unwrap();
    let printed = processes(test, PROCESSES, &place);
    let total = |word| numbers(&printed, word).sum::<usize>();
    let (written, seen) = (total("written"), total("seen"));
    // On a busy machine, hardly more than one each.
    assert!(
        written >= PROCESSES && seen >= PROCESSES,
        "{written}, {seen}"
    );
    let db = place.instance().await;
    assert_eq!(db.collections().count().await.unwrap(), written as u64);
    eprintln!("{kind:?}: {written} collections written, {seen} seen, each whole");
}

/// In each process one writer and one reader.
async fn write_and_look(location: &str, storage: &Path) {
    let name = std::process::id().to_string();
    let db = instance(location, storage).await;
    let mut own = Vec::new();
    for number in 0..MEMBERS {
        own.push(artifact(&db, &format!("{name}-{number}")).await);
    }
    let end = Instant::now() + seconds();
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while written == 0 || Instant::now() < end {
            let new = db.collection(&own).name(format!("{name}-{written}"));
            new.skip_hash_lookup(true).save().await.unwrap();
            written += 1;
        }
        written
    });
    // The reader has connections of its own.
    let db = instance(location, storage).await;
    let mut seen = 0;
    while seen == 0 || Instant::now() < end {
        let newest = db.collections().order_by_descending(Field::Id).limit(5);
        for collection in newest.all().await.unwrap() {
            let held = collection.artifacts().await.unwrap();
            assert_eq!(
                held.len(),
                MEMBERS,
                "a collection with part of its artifacts"
            );
            seen += 1;
        }
    }
    println!("\nwritten {} \nseen {seen} ", writer.await.unwrap());
}
