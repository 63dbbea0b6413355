//! Artifacts at URLs, and the local cache of them.

use std::process::{Command, Output};

use anndex_test_server::{ACCESS_KEY, Rclone, SECRET_KEY};
use serde_json::Value;

use crate::support::Workplace;

/// A directory with an instance, and a bucket with a file.
pub(crate) struct Bucket {
    pub(crate) workplace: Workplace,
    server: Rclone,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        let workplace = Workplace::new();
        let bucket = workplace.path("buckets/cells");
        std::fs::create_dir_all(&bucket).unwrap();
        std::fs::write(bucket.join("a.txt"), "content").unwrap();
        let server = Rclone::s3_that_is_written(&workplace.path("buckets")).unwrap();
        Self { workplace, server }
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("s3://cells/{key}?endpoint_url={}", self.server.url())
    }

    /// Calls the command with a secret key.
    fn call(&self, secret: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anndex"));
        command
            .args(arguments)
            .current_dir(self.workplace.path("."));
        command.env_remove("ANNDEX_DB").env_remove("AWS_PROFILE");
        command.env("XDG_CACHE_HOME", self.workplace.path("cache"));
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
        command.env("AWS_SECRET_ACCESS_KEY", secret);
        command.env("AWS_ENDPOINT_URL", self.server.url());
        command.output().unwrap()
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.call(SECRET_KEY, arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert_eq!(errors, "", "progress is for terminals");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }
}

#[test]
fn what_is_in_a_bucket_is_registered_cached_and_cleared() {
    let bucket = Bucket::new();
    let added = bucket.json(&["artifact", "add", &bucket.url("a.txt")]);
    assert_eq!(
        (&added[0]["key"], &added[0]["size"]),
        (&"a.txt".into(), &7.into())
    );
    let uid = added[0]["uid"].as_str().unwrap();
    let shown = bucket.json(&["artifact", "show", "a.txt"]);
    assert_eq!(shown["url"], bucket.url("a.txt"));
    assert_eq!(
        (&shown["path"], &shown["problem"]),
        (&Value::Null, &Value::Null)
    );
    bucket.ok(&["collection", "create", "C", uid]);
    let path = bucket.ok(&["collection", "cache", "C"]);
    assert_eq!(std::fs::read_to_string(path.trim()).unwrap(), "content");
    assert_eq!(bucket.ok(&["artifact", "cache", uid]), path);
    let listed = bucket.json(&["cache", "list"]);
    assert_eq!(
        (&listed["bytes"], &listed["limit"]),
        (&7.into(), &Value::Null)
    );
    let copy = &listed["copies"][0];
    assert_eq!(
        (copy["uid"].as_str(), &copy["is_complete"]),
        (Some(uid), &true.into())
    );
    assert_eq!(copy["is_used"], false);
    assert!(bucket.ok(&["cache", "list"]).contains("a.txt"));
    assert_eq!(
        bucket.ok(&["cache", "limit", "6B"]),
        "6 B\nremoved: 1, 7 B\n"
    );
    assert!(!std::path::Path::new(path.trim()).exists());
    let refused = bucket.call(SECRET_KEY, &["artifact", "cache", uid]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(bucket.ok(&["cache", "limit", "none"]), "none\n");
    bucket.ok(&["artifact", "cache", uid]);
    assert_eq!(bucket.json(&["cache", "clear"])["copies"], 1);
    bucket.ok(&["check", "--deep"]);
}

#[test]
fn a_file_is_copied_into_a_bucket() {
    let bucket = Bucket::new();
    std::fs::write(bucket.workplace.path("b.txt"), "other").unwrap();
    let storage = bucket.url("lab").replace("lab?", "lab/?");
    let added = bucket.json(&["artifact", "add", "b.txt", "--storage", &storage]);
    let key = added[0]["storage_key"].as_str().unwrap();
    let there = bucket.workplace.path("buckets/cells/lab").join(key);
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "other");
    let path = bucket.ok(&["artifact", "cache", "b.txt"]);
    assert_eq!(std::fs::read_to_string(path.trim()).unwrap(), "other");
    bucket.ok(&["check", "--deep"]);
    bucket.ok(&[
        "artifact",
        "delete",
        "b.txt",
        "--permanent",
        "--yes",
        "--json",
    ]);
    assert!(!there.exists());
}

#[test]
fn a_bucket_is_the_default_storage() {
    let bucket = Bucket::new();
    std::fs::write(bucket.workplace.path("b.txt"), "other").unwrap();
    let storage = bucket.url("lab");
    let missing = storage.replace("cells", "no-such-bucket");
    let refused = bucket.call(SECRET_KEY, &["init", "new", "--storage", &missing]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(!bucket.workplace.path("new").exists());
    let made = bucket.json(&["init", "new", "--storage", &storage]);
    assert_eq!(
        (&made["storage_root"], &made["is_new"]),
        (&storage.as_str().into(), &true.into())
    );
    let again = bucket.json(&["init", "new", "--storage", &storage]);
    assert_eq!(again["is_new"], false);
    let other = bucket.call(
        SECRET_KEY,
        &["init", "new", "--storage", &bucket.url("other")],
    );
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    let added = bucket.json(&["artifact", "add", "b.txt", "--db", "new"]);
    let key = added[0]["storage_key"].as_str().unwrap();
    let there = bucket.workplace.path("buckets/cells/lab").join(key);
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "other");
    let path = bucket.ok(&["artifact", "cache", "b.txt", "--db", "new"]);
    assert!(path.contains("new/.anndex/cache"), "{path}");
    bucket.ok(&["check", "--deep", "--db", "new"]);
}

#[test]
fn a_prefix_with_meta_data_is_a_collection() {
    let bucket = Bucket::new();
    for name in ["a", "b"] {
        let image = bucket
            .workplace
            .path(&format!("buckets/cells/images/plate/{name}.png"));
        std::fs::create_dir_all(image.parent().unwrap()).unwrap();
        std::fs::write(image, name).unwrap();
    }
    std::fs::write(
        bucket.workplace.path("meta.csv"),
        "path,well\nplate/a.png,A1\n",
    )
    .unwrap();
    let added = bucket.json(&["artifact", "add", &bucket.url("images/"), "meta.csv"]);
    assert_eq!(added[0]["n_objects"], 2);
    let uid = added[0]["uid"].as_str().unwrap();
    let made = bucket.json(&["collection", "create", "C", uid, "--meta", "meta.csv"]);
    assert_eq!(made["artifact_id"], added[1]["id"]);
    let listed = bucket.json(&["artifact", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "no record per file");
    let path = bucket.ok(&["collection", "cache", "C"]);
    let image = std::path::Path::new(path.trim()).join("plate/b.png");
    assert_eq!(std::fs::read_to_string(image).unwrap(), "b");
}

#[test]
fn a_wrong_secret_is_refused_and_not_shown() {
    let bucket = Bucket::new();
    for verbose in ["-q", "-vv"] {
        let url = bucket.url("a.txt");
        let output = bucket.call("wrong-secret", &["artifact", "add", &url, verbose]);
        assert_eq!(output.status.code(), Some(1));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("check the credentials"), "{said}");
        assert!(
            !said.contains("wrong-secret") && !said.contains("Signature="),
            "{said}"
        );
    }
}

#[test]
fn urls_that_can_not_be_used_are_refused() {
    let workplace = Workplace::new();
    for (url, code) in [
        ("s3://cells/../a", 2),
        ("https://host/a?X-Amz-Signature=SECRET", 2),
        ("ftp://me:SECRET@host/a", 2),
        ("ftp://host/a", 5),
    ] {
        let (exit, error) = workplace.fails(&["artifact", "add", url]);
        assert_eq!(exit, code, "{url}: {error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
