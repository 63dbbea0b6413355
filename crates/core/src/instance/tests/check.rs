//! Checks find what is wrong, repairs put right what is half-done, and neither touches more.

use std::path::Path;

use super::*;
use crate::backend::ChangeSet;
use crate::instance::place::registries;
use crate::instance::{CheckReport, Problem};

impl Fixture {
    async fn check(&self) -> CheckReport {
        self.db.check().run().await.unwrap()
    }

    async fn deep(&self) -> CheckReport {
        self.db.check().deep(true).run().await.unwrap()
    }

    async fn repair(&self) -> CheckReport {
        self.db.check().repair(true).run().await.unwrap()
    }

    fn copies(&self) -> PathBuf {
        let all = self.db.storage_root().join(".anndex/artifacts");
        all.join(self.db.registry_id())
    }

    /// Writes a file inside the storage.
    fn inside(&self, key: &str, content: &str) -> PathBuf {
        self.file(&format!("cells/{key}"), content)
    }
}

fn problems(report: &CheckReport) -> Vec<Problem> {
    report
        .findings
        .iter()
        .map(|finding| finding.problem)
        .collect()
}

/// All files below a directory with their content.
fn snapshot(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = crate::registry::hash::files_of(root).unwrap();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

#[tokio::test]
async fn nothing_is_wrong_with_what_was_saved() {
    let fixture = Fixture::new().await;
    fixture.artifact("a").await;
    fixture.file("folder/1", "one");
    fixture.file("folder/x/2", "two");
    let folder = fixture.directory.path().join("folder");
    fixture.db.artifact(folder).save().await.unwrap();
    let trashed = fixture.inside("b.txt", "b");
    let mut trashed = fixture.db.artifact(trashed).save().await.unwrap();
    trashed.delete(None).await.unwrap();
    fixture.inside("never registered.txt", "mine");
    for report in [
        fixture.check().await,
        fixture.deep().await,
        fixture.repair().await,
    ] {
        assert_eq!(report.findings, []);
        assert_eq!((report.artifacts, report.copies), (3, 2));
        assert_eq!((report.unreachable, report.without_hash), (0, 0));
    }
    assert!(
        fixture
            .db
            .storage_root()
            .join("never registered.txt")
            .is_file()
    );
}

#[tokio::test]
async fn content_that_is_missing_or_changed_is_found_and_left() {
    let fixture = Fixture::new().await;
    let add = async |key: &str, content: &str| {
        let path = fixture.inside(key, content);
        fixture.db.artifact(&path).save().await.unwrap();
        path
    };
    let gone = add("gone.txt", "gone").await;
    let longer = add("longer.txt", "longer").await;
    let same_size = add("same size.txt", "abc").await;
    let replaced = add("replaced.txt", "replaced").await;
    fixture.inside("folder/1", "1");
    let folder = fixture.inside("folder/2", "2").parent().unwrap().to_owned();
    fixture.db.artifact(&folder).save().await.unwrap();
    fs::remove_file(&gone).unwrap();
    fs::write(&longer, "much longer").unwrap();
    fs::write(&same_size, "abd").unwrap();
    fs::remove_file(&replaced).unwrap();
    fs::create_dir(&replaced).unwrap();
    fs::rename(folder.join("2"), folder.join("3")).unwrap();
    let before = snapshot(fixture.db.storage_root());
    for report in [fixture.check().await, fixture.repair().await] {
        let found = [Problem::Missing, Problem::Changed, Problem::Changed];
        assert_eq!(problems(&report), found);
        assert!(!report.is_consistent());
        let messages: Vec<_> = report.findings.iter().map(|f| f.message.as_str()).collect();
        assert!(messages[0].contains("put the file back"), "{messages:?}");
        assert!(messages[1].contains("11 bytes and not 6"), "{messages:?}");
        assert!(messages[2].contains("a directory now"), "{messages:?}");
    }
    let deep = fixture.deep().await;
    assert_eq!(problems(&deep).len(), 4, "{deep:?}");
    assert!(
        deep.findings
            .iter()
            .any(|f| f.key.as_deref() == Some("same size.txt"))
    );
    fs::remove_file(folder.join("3")).unwrap();
    assert_eq!(problems(&fixture.check().await).len(), 4);
    fixture.inside("folder/2", "2");
    assert_eq!(snapshot(fixture.db.storage_root()).len(), before.len());
    assert_eq!(fixture.db.artifacts().count().await.unwrap(), 5);
}

#[tokio::test]
async fn what_is_left_over_is_removed_and_nothing_else() {
    let fixture = Fixture::new().await;
    let kept = fixture.artifact("kept").await;
    let copies = fixture.copies();
    let uid = "0123456789abcdefghij";
    let make = |name: &str, content: &str| fs::write(copies.join(name), content).unwrap();
    fs::create_dir(copies.join(format!(".partial-{uid}.zarr"))).unwrap();
    make(&format!(".partial-{uid}.zarr/part"), "half");
    make(&format!("{uid}.txt"), "no record");
    make(&format!(".pending-{uid}.txt"), "");
    make("notes.txt", "of a user");
    make(".partial-download.txt", "of a user");
    make(
        "00000000000000000000.txt",
        "of another copy of the database",
    );
    fs::write(copies.parent().unwrap().join("stray.txt"), "of a user").unwrap();
    // What a save leaves that is killed after its record is there.
    let name = kept.path().await.unwrap().file_name().unwrap().to_owned();
    let mark = format!(".pending-{}", name.to_str().unwrap());
    make(&mark, "");
    let before = snapshot(fixture.db.storage_root());
    let report = fixture.check().await;
    let expected = [
        Problem::Partial,
        Problem::Unowned,
        Problem::Unowned,
        Problem::Unowned,
        Problem::Unowned,
        Problem::Unowned,
    ];
    assert_eq!(problems(&report), expected);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.repaired.is_none())
    );
    assert_eq!(
        snapshot(fixture.db.storage_root()),
        before,
        "a check changes nothing"
    );
    let report = fixture.repair().await;
    let removed = report
        .findings
        .iter()
        .filter(|f| f.repaired.as_deref() == Some("removed"));
    assert_eq!(removed.count(), 2);
    assert!(
        !report.is_consistent(),
        "files of users are still in the way"
    );
    assert!(!copies.join(mark).exists());
    assert_eq!(
        fs::read_to_string(kept.path().await.unwrap()).unwrap(),
        "kept"
    );
    for stays in [
        "notes.txt",
        ".partial-download.txt",
        "00000000000000000000.txt",
        "../stray.txt",
    ] {
        fs::remove_file(copies.join(stays)).unwrap();
    }
    assert_eq!(fixture.repair().await.findings, []);
}

#[tokio::test]
async fn copies_that_are_being_written_are_left_alone() {
    let fixture = Fixture::new().await;
    let storage = fixture.db.storage().clone();
    let writing = registries::begin(&storage, fixture.db.identity()).unwrap();
    fs::create_dir_all(fixture.copies()).unwrap();
    let partial = fixture.copies().join(".partial-0123456789abcdefghij.h5ad");
    fs::write(&partial, "half").unwrap();
    let report = fixture.repair().await;
    assert_eq!(problems(&report), [Problem::Partial]);
    assert!(
        report.findings[0].message.contains("being saved"),
        "{report:?}"
    );
    assert!(partial.is_file() && report.findings[0].repaired.is_none());
    drop(writing);
    assert!(fixture.repair().await.is_consistent());
    assert!(!partial.exists());
}

/// Two instances whose default storage is the same directory.
#[tokio::test]
async fn copies_of_another_instance_are_left_alone() {
    let first = Fixture::new().await;
    first.artifact("of the first").await;
    let settings = Settings {
        storage_root: first.db.storage_root().to_owned(),
        storage_uid: None,
        former_registry_ids: Vec::new(),
        cache_dir: first.db.cache_dir().to_owned(),
        user_handle: "bob".to_owned(),
        user_name: None,
        formats: StoreFormats::new(),
        drivers: StorageDrivers::new(),
    };
    let second = Instance::new(Arc::new(MemoryBackend::new()), settings)
        .await
        .unwrap();
    let path = first.file("x.txt", "of the second");
    let mut other = second.artifact(path).save().await.unwrap();
    for db in [&first.db, &second] {
        let report = db.check().repair(true).run().await.unwrap();
        assert_eq!((report.findings.as_slice(), report.copies), (&[][..], 1));
    }
    other.delete(Some(true)).await.unwrap();
    assert_eq!(first.repair().await.copies, 1);
}

#[tokio::test]
async fn records_that_were_never_completed_are_completed_or_removed() {
    let fixture = Fixture::new().await;
    let there = fixture.artifact("there").await;
    let gone = fixture.artifact("gone").await;
    let held = fixture.artifact("held").await;
    fixture
        .db
        .collection([&held])
        .name("c")
        .save()
        .await
        .unwrap();
    for artifact in [&there, &gone, &held] {
        let mut changes = ChangeSet::new();
        let set = vec![(Field::StorageCompleted, false.into())];
        changes.update(Kind::Artifact, artifact.id(), set);
        fixture.db.backend().apply(&changes).await.unwrap();
    }
    for artifact in [&gone, &held] {
        fs::remove_file(artifact.path().await.unwrap()).unwrap();
    }
    assert_eq!(problems(&fixture.check().await), [Problem::Incomplete; 3]);
    let report = fixture.repair().await;
    let done: Vec<_> = report
        .findings
        .iter()
        .filter_map(|f| f.repaired.as_deref())
        .collect();
    assert_eq!(done.len(), 2, "{report:?}");
    assert!(done.iter().any(|done| done.starts_with("completed")));
    assert!(
        done.iter()
            .any(|done| done.starts_with("removed the record"))
    );
    let left: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.repaired.is_none())
        .collect();
    assert_eq!(left.len(), 1);
    assert!(left[0].message.contains("held by"), "{report:?}");
    let there = fixture.db.artifacts().get(&there.uid).await.unwrap();
    assert!(there.storage_completed);
    failure(
        fixture.db.artifacts().get(&gone.uid).await,
        ErrorKind::NotFound,
    );
    assert_eq!(problems(&fixture.check().await), [Problem::Incomplete]);
}

#[tokio::test]
async fn a_storage_that_is_gone_is_one_finding() {
    let fixture = Fixture::new().await;
    let other = fixture.directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fixture.db.add_storage(&other).await.unwrap();
    for name in ["a", "b", "c"] {
        let path = fixture.file(&format!("other/{name}"), name);
        fixture.db.artifact(path).save().await.unwrap();
    }
    fs::rename(&other, fixture.directory.path().join("unmounted")).unwrap();
    let report = fixture.repair().await;
    assert_eq!(problems(&report), [Problem::StorageGone]);
    assert_eq!((report.artifacts, report.unreachable), (0, 3));
    assert_eq!(fixture.db.artifacts().count().await.unwrap(), 3);
}
