//! Rows of another program's registry that lead to copies of an instance, by roots and links that
//! the instance does not know.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anndex::instance::{RecordSource, SourcePage};
use anndex::record::{Kind, Record, Value};
use anndex::{Artifact, Field, Handle, ImportReport, Instance, Result, init};
use async_trait::async_trait;
use tempfile::TempDir;

use super::write;

/// Ways in which a storage can lead to the copies in another one.
pub(crate) const WAYS: usize = 4;

/// A registry with one artifact in one storage.
#[derive(Debug)]
struct OneArtifact(Option<SourcePage>);

#[async_trait]
impl RecordSource for OneArtifact {
    async fn next_page(&mut self) -> Result<Option<SourcePage>> {
        Ok(self.0.take())
    }
}

fn set(record: &mut Record, fields: impl IntoIterator<Item = (Field, Value)>) {
    for (field, value) in fields {
        record.set(field, value).unwrap();
    }
}

/// Imports a record like this one whose content is somewhere else. All of one number are one.
pub(crate) async fn import(
    db: &Instance,
    artifact: &Artifact,
    (root, key): (&Path, &str),
    number: usize,
) -> ImportReport {
    let root = root.to_str().unwrap();
    // The same for the same root, as in a registry.
    let sum = root.bytes().fold(7_u64, |sum, byte| {
        (sum * 31 + u64::from(byte)) % 1_000_000_007
    });
    let mut storage = Record::empty(Kind::Storage);
    let mut row = Record::from(artifact.clone());
    let (of_storage, of_row) = (format!("{sum:012}"), format!("row{number:013}0000"));
    set(
        &mut storage,
        [
            (Field::Id, 5.into()),
            (Field::Uid, of_storage.as_str().into()),
            (Field::Root, root.into()),
            (Field::Type, "local".into()),
        ],
    );
    set(
        &mut row,
        [
            (Field::Id, 11.into()),
            (Field::Uid, of_row.as_str().into()),
            (Field::Storage, 5.into()),
            (Field::StorageKey, key.into()),
            (Field::Hash, of_row.as_str().into()),
            (Field::Run, Value::Null),
            (Field::CreatedBy, Value::Null),
        ],
    );
    let page = SourcePage {
        records: vec![storage, row],
        ..SourcePage::default()
    };
    db.import(OneArtifact(Some(page))).run().await.unwrap()
}

/// A root and a key that lead to a copy in one of several ways; `beside` is a directory above it.
pub(crate) fn way(number: usize, copy: &Path, beside: &Path) -> (PathBuf, String) {
    let below = |root: &Path| {
        copy.strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let storage = copy.ancestors().nth(4).unwrap();
    match number {
        // A root above the storage.
        0 => (beside.to_owned(), below(beside)),
        // One inside it.
        1 => {
            let root = copy.ancestors().nth(2).unwrap();
            (root.to_owned(), below(root))
        }
        // Another name of it.
        2 => {
            let name = storage.file_name().unwrap().to_str().unwrap();
            let link = beside.join(format!("also-{name}"));
            if !link.exists() {
                symlink(storage, &link).unwrap();
            }
            (link, below(storage))
        }
        // A link inside a storage that has the other one in it.
        _ => {
            let name = copy.file_name().unwrap().to_str().unwrap();
            let link = beside.join(format!("link-to-{name}"));
            if !link.exists() {
                symlink(copy, &link).unwrap();
            }
            (beside.to_owned(), format!("link-to-{name}"))
        }
    }
}

async fn one(root: &Path) -> (Instance, Instance, Handle<Artifact>, PathBuf) {
    let first = init(root.join("first")).await.unwrap();
    let second = init(root.join("second")).await.unwrap();
    let path = write(&root.join("a.txt"), "a");
    let artifact = first.artifact(path).save().await.unwrap();
    let copy = artifact.path().await.unwrap();
    (first, second, artifact, copy)
}

#[tokio::test]
async fn a_row_that_leads_to_a_copy_by_another_way_holds_it_and_removes_nothing() {
    for number in 0..WAYS {
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (first, second, mut artifact, copy) = one(&root).await;
        let (of_row, key) = way(number, &copy, &root);
        let report = import(&second, &artifact, (&of_row, &key), number).await;
        assert_eq!(report.left_out.len(), 0, "{report:?}");
        let row = async || second.artifacts().one().await.unwrap();
        // Who made the copy waits for the other one.
        artifact.delete(Some(true)).await.unwrap();
        let content = fs::read_to_string(row().await.path().await.unwrap());
        assert_eq!(content.unwrap(), "a", "way {number}");
        let report = first.check().repair(true).run().await.unwrap();
        assert!(!report.is_consistent(), "{report:?}");
        assert!(copy.is_file(), "way {number}");
        // Who only has a row removes nothing, and says that it needs it no longer.
        row().await.delete(Some(true)).await.unwrap();
        assert!(copy.is_file(), "way {number}");
        let report = first.check().repair(true).run().await.unwrap();
        assert!(report.is_consistent(), "{report:?}");
        assert!(!copy.exists(), "way {number}");
    }
}

#[tokio::test]
async fn a_row_that_a_link_leads_out_of_its_storage_removes_nothing() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let (_first, second, artifact, copy) = one(&root).await;
    let victim = write(&root.join("victim/file"), "of somebody else");
    let elsewhere = root.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&copy, elsewhere.join("copy")).unwrap();
    symlink(root.join("victim"), elsewhere.join("directory")).unwrap();
    for (number, key) in ["copy", "directory"].into_iter().enumerate() {
        import(&second, &artifact, (&elsewhere, key), number).await;
        let mut row = second.artifacts().one().await.unwrap();
        let error = row.path().await.unwrap_err();
        assert!(error.to_string().contains("through a link"), "{error}");
        row.delete(Some(true)).await.unwrap();
    }
    assert_eq!(fs::read_to_string(&copy).unwrap(), "a");
    assert_eq!(fs::read_to_string(victim).unwrap(), "of somebody else");
    assert!(elsewhere.join("copy").is_symlink());
}
