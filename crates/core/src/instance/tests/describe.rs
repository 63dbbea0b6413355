//! The page that describes a dataset.

use super::*;
use crate::record::Visibility;

/// The text after a name, if the page has such a line.
fn value<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = page.lines();
    lines.find_map(|line| {
        let rest = line.strip_prefix("  ")?.strip_prefix(name)?;
        rest.starts_with(' ').then(|| rest.trim_start())
    })
}

#[tokio::test]
async fn a_page_says_all_about_a_dataset() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let raw = fixture.artifact("raw").await;
    let clean = db.transform("clean").type_("script").save().await.unwrap();
    let run = db.track(&clean).await.unwrap();
    raw.track_input(None).await.unwrap();
    let path = fixture.file("big.txt", &"x".repeat(1_234_567));
    let new = db.artifact(path).key("big.txt").version("7");
    let new = new.description("a\nb\u{1b}[2J");
    let artifact = new.save().await.unwrap();
    let (first, second) = ("first.txt", "second.txt");
    let (first, second) = (fixture.file(first, "1"), fixture.file(second, "2"));
    let old = db.artifact(first).save().await.unwrap();
    let new = db.artifact(second).is_new_version_of(&old);
    let mut new = new.save().await.unwrap();
    db.finish().await.unwrap();
    let train = db.transform("train").save().await.unwrap();
    let reader = db.track(&train).await.unwrap();
    artifact.track_input(None).await.unwrap();
    db.finish().await.unwrap();
    let label = db.ulabel("blood").save().await.unwrap();
    let collection = db.collection([&artifact, &raw]).name("C").meta(&new);
    let collection = collection.ulabels([&label]).save().await.unwrap();

    let page = artifact.describe().await.unwrap();
    assert!(
        page.starts_with(&format!("{}\n", artifact.label())),
        "{page}"
    );
    assert!(!page.contains('\u{1b}'), "{page:?}");
    let root = db.storage_root().display().to_string();
    let at = format!("{root}/{}", artifact.storage_key);
    for (name, expected) in [
        ("description", "a\u{fffd}b\u{fffd}[2J"),
        ("size", "1.2 MB (1234567 bytes)"),
        ("hash", artifact.hash.as_deref().unwrap()),
        ("hash_type", "md5"),
        ("suffix", ".txt"),
        ("version", "7"),
        ("path", &at),
        ("created_by", "ada (Ada Lovelace)"),
        ("run", run.uid.as_str()),
        ("transform", &clean.label()),
        ("input artifacts", "raw.txt"),
        ("input_of", reader.uid.as_str()),
        ("collections", "C"),
    ] {
        assert_eq!(value(&page, name), Some(expected), "{name}: {page}");
    }
    for name in ["visibility", "storage_completed", "versions", "ulabels"] {
        assert_eq!(value(&page, name), None, "{page}");
    }

    new.visibility = Visibility::Hidden;
    new.save().await.unwrap();
    let page = new.describe().await.unwrap();
    assert_eq!(value(&page, "versions"), Some("2 (this), 1"), "{page}");
    assert_eq!(value(&page, "visibility"), Some("hidden"), "{page}");
    assert_eq!(value(&page, "size"), Some("1 byte"), "{page}");

    let page = collection.describe().await.unwrap();
    for (name, expected) in [
        ("artifacts", "2: big.txt, raw.txt"),
        ("artifact", &new.label()),
        ("ulabels", "blood"),
    ] {
        assert_eq!(value(&page, name), Some(expected), "{name}: {page}");
    }
}

#[tokio::test]
async fn long_lists_end_in_how_many_more() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let mut artifacts = Vec::new();
    for number in 0..12 {
        artifacts.push(fixture.artifact(&number.to_string()).await);
        let held = db.collection(&artifacts).name(format!("C{number}"));
        held.save().await.unwrap();
    }
    let all = db.collections().get_by_name("C11").await.unwrap();
    let page = all.describe().await.unwrap();
    let listed = value(&page, "artifacts").unwrap();
    assert!(
        listed.starts_with("12: 0.txt, 1.txt, ") && listed.ends_with("9.txt and 2 more"),
        "{page}"
    );
    let page = artifacts[0].describe().await.unwrap();
    let held = value(&page, "collections").unwrap();
    assert!(held.ends_with("C9 and 2 more"), "{page}");
}
