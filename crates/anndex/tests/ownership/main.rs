//! Whose bytes are whose: several instances save, copy records to each other, import rows, are copied
//! as a whole, delete and repair in random order. No byte that a record needs is ever removed, and nothing
//! outside the storages is changed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![cfg(feature = "sqlite")]

#[cfg(unix)]
mod imported;

use std::fs;
use std::path::{Path, PathBuf};

use anndex::{Artifact, Handle, Instance, InstanceOptions, connect, init, init_with};
use tempfile::TempDir;

/// How many random sequences are tried.
const SEQUENCES: u64 = 12;
const STEPS: usize = 40;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

fn write(path: &Path, content: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    path.to_owned()
}

/// Copies a directory with all that is in it, as `cp -a` does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

async fn outside(root: &Path, name: &str) -> Instance {
    let storage = root.join(format!("{name}-storage"));
    fs::create_dir_all(&storage).unwrap();
    let options = InstanceOptions::new().storage_root(storage);
    init_with(root.join(name), options).await.unwrap()
}

async fn all(db: &Instance) -> Vec<Handle<Artifact>> {
    db.artifacts().with_trash().all().await.unwrap()
}

/// That all records whose bytes were there still have them.
async fn check(instances: &[Instance], trace: &[String]) {
    for db in instances {
        for artifact in all(db).await {
            let path = artifact.path().await;
            let content = path.as_ref().ok().and_then(|path| fs::read(path).ok());
            let expected = artifact.description.clone().unwrap();
            assert_eq!(
                content.as_deref(),
                Some(expected.as_bytes()),
                "{} in {} lost its bytes: {path:?}\n{}",
                artifact.uid,
                db.storage_root().display(),
                trace.join("\n")
            );
        }
    }
}

#[test]
fn no_byte_that_a_record_needs_is_removed() {
    for seed in 1..=SEQUENCES {
        runtime().block_on(sequence(seed));
    }
}

async fn sequence(seed: u64) {
    let root = TempDir::new().unwrap();
    let bystander = write(&root.path().join("bystander/file"), "of somebody else");
    #[cfg(unix)]
    let base = root.path().canonicalize().unwrap();
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut instances = vec![
        init(root.path().join("inside")).await.unwrap(),
        outside(root.path(), "outside").await,
    ];
    let mut homes = vec![root.path().join("inside"), root.path().join("outside")];
    let mut trace = Vec::new();
    for step in 0..STEPS {
        let index = random.below(instances.len());
        let db = instances[index].clone();
        let artifacts = all(&db).await;
        let picked = match artifacts.len() {
            0 => None,
            count => Some(artifacts[random.below(count)].clone()),
        };
        let action = random.below(if cfg!(unix) { 12 } else { 10 });
        trace.push(format!("{step}: {action} in {}", homes[index].display()));
        match (action, picked) {
            (0..=3, _) => {
                let content = format!("content {seed} {step}");
                let path = write(&root.path().join(format!("files/{step}.txt")), &content);
                db.artifact(path).description(content).save().await.unwrap();
            }
            (4..=5, Some(artifact)) => {
                let to = &instances[random.below(instances.len())];
                // One in the trash there, or with the same version, is refused.
                let _ = artifact.save_using(to).await;
            }
            (6..=7, Some(mut artifact)) => artifact.delete(Some(true)).await.unwrap(),
            (8, _) if instances.len() < 4 => {
                // Closed, so that its database is one file; others have it open all the same.
                db.close().await.unwrap();
                let home = root.path().join(format!("copy-{step}"));
                copy(&homes[index], &home);
                instances[index] = connect(&homes[index]).await.unwrap();
                instances.push(connect(&home).await.unwrap());
                homes.push(home);
            }
            #[cfg(unix)]
            (10..=11, Some(artifact)) => {
                let copy = artifact.path().await.unwrap().canonicalize().unwrap();
                let way = imported::way(random.below(imported::WAYS), &copy, &base);
                let to = &instances[random.below(instances.len())];
                let place = (way.0.as_path(), way.1.as_str());
                let report = imported::import(to, &artifact, place, step).await;
                trace.push(format!("{report:?}"));
            }
            _ => {
                let report = db.check().repair(true).run().await.unwrap();
                trace.push(format!("{report:?}"));
            }
        }
        check(&instances, &trace).await;
    }
    assert_eq!(fs::read_to_string(bystander).unwrap(), "of somebody else");
    for db in instances {
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_record_saved_to_another_instance_leaves_the_bytes_to_the_first() {
    let root = TempDir::new().unwrap();
    let first = init(root.path().join("first")).await.unwrap();
    let second = init(root.path().join("second")).await.unwrap();
    let path = write(&root.path().join("a.txt"), "a");
    let mut a = first.artifact(path).save().await.unwrap();
    let mut there = a.save_using(&second).await.unwrap();
    let copy = a.path().await.unwrap();
    there.delete(Some(true)).await.unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), "a");
    // The other way round, the first one waits for the second.
    let mut there = a.save_using(&second).await.unwrap();
    a.delete(Some(true)).await.unwrap();
    assert_eq!(
        fs::read_to_string(there.path().await.unwrap()).unwrap(),
        "a"
    );
    let report = first.check().repair(true).run().await.unwrap();
    assert!(!report.is_consistent(), "{report:?}");
    assert!(copy.is_file());
    there.delete(Some(true)).await.unwrap();
    assert!(copy.is_file());
    let report = first.check().repair(true).run().await.unwrap();
    assert!(report.is_consistent() && !copy.exists(), "{report:?}");
}

#[tokio::test]
async fn what_an_instance_alone_has_is_removed() {
    let root = TempDir::new().unwrap();
    for db in [
        init(root.path().join("x")).await.unwrap(),
        outside(root.path(), "y").await,
    ] {
        let path = write(&root.path().join("b.txt"), "b");
        let mut b = db.artifact(path).save().await.unwrap();
        let copy = b.path().await.unwrap();
        b.delete(Some(true)).await.unwrap();
        let left = fs::read_dir(copy.parent().unwrap()).unwrap().count();
        assert_eq!((copy.exists(), left), (false, 0));
    }
}

#[tokio::test]
async fn a_copied_registry_and_its_original_remove_nothing_of_each_other() {
    let root = TempDir::new().unwrap();
    let home = root.path().join("original");
    let original = outside(root.path(), "original").await;
    let save = async |db: &Instance, name: &str| {
        let path = write(&root.path().join(name), name);
        db.artifact(path).save().await.unwrap()
    };
    let mut before = save(&original, "before").await;
    original.close().await.unwrap();
    let backup = root.path().join("backup");
    copy(&home, &backup);
    let original = connect(&home).await.unwrap();
    let after = save(&original, "after").await;
    let backup = connect(&backup).await.unwrap();
    assert_ne!(backup.registry_id(), original.registry_id());
    let report = backup.check().repair(true).run().await.unwrap();
    assert_eq!(report.findings, []);
    let mut known = backup.artifacts().get(&before.uid).await.unwrap();
    known.delete(Some(true)).await.unwrap();
    before = original.artifacts().get(&before.uid).await.unwrap();
    for artifact in [&before, &after] {
        assert!(artifact.path().await.unwrap().is_file());
    }
    // Nor the other way round, as the backup may be what is needed one day.
    let copy = before.path().await.unwrap();
    before.delete(Some(true)).await.unwrap();
    assert!(copy.is_file());
}

#[tokio::test]
async fn an_older_database_that_is_put_back_loses_no_copy() {
    let root = TempDir::new().unwrap();
    let home = root.path().join("home");
    let db = outside(root.path(), "home").await;
    db.close().await.unwrap();
    let database = home.join(".anndex/registry.sqlite");
    let older = fs::read(&database).unwrap();
    let db = connect(&home).await.unwrap();
    let path = write(&root.path().join("a.txt"), "a");
    let copy = db
        .artifact(path)
        .save()
        .await
        .unwrap()
        .path()
        .await
        .unwrap();
    db.close().await.unwrap();
    // Into the same file, so that it is the same registry.
    fs::write(&database, older).unwrap();
    let db = connect(&home).await.unwrap();
    assert_eq!(db.artifacts().count().await.unwrap(), 0);
    let report = db.check().repair(true).run().await.unwrap();
    assert!(!report.is_consistent());
    assert!(
        report.findings[0]
            .message
            .contains("another copy of the database")
    );
    assert!(copy.is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn no_link_leads_a_save_or_a_delete_out_of_the_storage() {
    use std::os::unix::fs::symlink;

    let root = TempDir::new().unwrap();
    let db = init(root.path().join("db")).await.unwrap();
    let victim = write(&root.path().join("victim/file"), "of somebody else");
    let artifacts = root.path().join("db/.anndex/artifacts");
    let path = write(&root.path().join("a.txt"), "a");
    let mut a = db.artifact(&path).save().await.unwrap();
    let own = artifacts.join(db.registry_id());
    fs::rename(&own, root.path().join("moved")).unwrap();
    symlink(root.path().join("victim"), &own).unwrap();
    let name = a.storage_key.rsplit_once('/').unwrap().1.to_owned();
    write(&root.path().join("victim").join(&name), "of somebody else");
    let error = a.delete(Some(true)).await.unwrap_err();
    assert!(error.to_string().contains("link"), "{error}");
    let other = write(&root.path().join("b.txt"), "b");
    let error = db.artifact(&other).save().await.unwrap_err();
    assert!(error.to_string().contains("link"), "{error}");
    assert!(db.check().repair(true).run().await.is_err());
    let left = fs::read_dir(victim.parent().unwrap()).unwrap().count();
    assert_eq!(
        (left, fs::read_to_string(&victim).unwrap().as_str()),
        (2, "of somebody else")
    );
}
