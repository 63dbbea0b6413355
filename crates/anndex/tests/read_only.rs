//! An instance on a file system that can only be read, and mounted elsewhere than it was made: all
//! of it is read, nothing is written, and whoever tries is told.
//!
//! A child process asks, in a mount of its own where the system lets it have one, and else as a
//! user whom the modes of files bind.

#![cfg(all(unix, feature = "sqlite", feature = "hdf5"))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anndex::anndata::{AnnData, DataFrame, InMemoryMatrix, WriteOptions, write};
use anndex::store::NumericArray;
use anndex::{ErrorKind, InstanceOptions};

/// Tells the child which instance to open.
const INSTANCE: &str = "ANNDEX_TEST_READ_ONLY";
const MOUNT: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";

fn options(handle: &str) -> InstanceOptions {
    InstanceOptions::new().user_handle(handle)
}

async fn make(cells: &Path) {
    let db = anndex::init_with(cells, options("ada")).await.unwrap();
    let file = cells.join("a.h5ad");
    let x = NumericArray::from_values([2, 2], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let data = AnnData {
        x: Some(InMemoryMatrix::Dense(x)),
        obs: DataFrame::new(["c1", "c2"].iter().collect()),
        var: DataFrame::new(["g1", "g2"].iter().collect()),
        ..AnnData::default()
    };
    let mut writer = anndex::formats().create(&file).unwrap();
    write(writer.as_mut(), &data, &WriteOptions::default()).unwrap();
    writer.finish().unwrap();
    let artifact = db.artifact(&file).save().await.unwrap();
    db.collection([&artifact]).name("c").save().await.unwrap();
    db.close().await.unwrap();
}

/// Modes of all that is in a directory.
fn set_modes(path: &Path, file: u32, directory: u32) {
    let mode = if path.is_dir() { directory } else { file };
    if path.is_dir() && mode == directory {
        for entry in path.read_dir().unwrap() {
            set_modes(&entry.unwrap().path(), file, directory);
        }
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn succeeded(mut command: Command, moved: &Path, test: &str) {
    let command = command.args(["--exact", test]).env(INSTANCE, moved);
    // Another user has another home, here one that can't be made.
    let command = command.env("HOME", moved.with_file_name("home"));
    let command = command.env_remove("XDG_CACHE_HOME");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{errors}"
    );
}

#[tokio::test]
async fn an_instance_that_can_only_be_read_is_read() {
    if let Some(instance) = std::env::var_os(INSTANCE) {
        return read(Path::new(&instance)).await;
    }
    let test = "an_instance_that_can_only_be_read_is_read";
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let made = place.path().join("made");
    make(&made).await;
    let moved = place.path().join("moved");
    fs::rename(&made, &moved).unwrap();
    // The other user may not be able to look into the directory of the tests.
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();

    let mut mounted = Command::new("unshare");
    mounted.args(["--map-root-user", "--mount", "sh", "-c", MOUNT]);
    mounted.arg(&moved);
    let mut asked = Command::new("unshare");
    asked.args(["--map-root-user", "--mount", "sh", "-c", MOUNT]);
    asked.arg(&moved).arg("true");
    if asked.output().is_ok_and(|output| output.status.success()) {
        mounted.arg(&program);
        succeeded(mounted, &moved, test);
    }
    set_modes(&moved, 0o444, 0o555);
    let bound = anndex_test_server::unprivileged(&program, place.path()).unwrap();
    succeeded(bound, &moved, test);
    set_modes(&moved, 0o644, 0o755);
}

async fn read(instance: &Path) {
    // One who has no record, either.
    for handle in ["ada", "grace"] {
        let db = anndex::connect_with(instance, options(handle))
            .await
            .unwrap();
        assert_eq!(db.user().handle, handle);
        assert!(!db.cache_dir().starts_with(instance));
        let collection = db.collections().get_by_name("c").await.unwrap();
        let artifacts = collection.artifacts().await.unwrap();
        let path = artifacts[0].path().await.unwrap();
        assert_eq!(path, instance.canonicalize().unwrap().join("a.h5ad"));
        assert_eq!(collection.cache().paths().await.unwrap(), [path]);
        let mapped = collection.mapped().open().await.unwrap();
        assert_eq!(mapped.len(), 2);
        let loaded = collection.load().read().await.unwrap();
        assert_eq!(loaded.obs.len(), 2);
        let report = db.check().deep(true).run().await.unwrap();
        assert_eq!(report.findings, []);
        assert!(!collection.describe().await.unwrap().is_empty());

        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = [
            db.ulabel("new").save().await.err(),
            db.artifact(file.path()).save().await.err(),
            db.transform("t").save().await.err(),
        ];
        for error in refused {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        }
        let mut collection = collection;
        collection.description = Some("new".to_owned());
        let error = collection.save().await.unwrap_err();
        assert!(error.message().contains("can only be read"), "{error}");
        let error = collection.delete(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        db.close().await.unwrap();
    }
}
