//! A collection whose content is known: its version, and many who save it at once.

use super::*;

#[tokio::test]
async fn known_content_is_the_version_that_is_asked_for_or_refused() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    let first = db.collection([&a]).name("n").save().await.unwrap();
    let again = || db.collection([&a]).name("n");
    let refused = |error: Error, part: &str| {
        let message = error.message();
        assert!(
            message.contains(&first.uid) && message.contains(part),
            "{error}"
        );
    };
    // Under another name the version is not meant for it.
    let other = db.collection([&a]).name("m").version("1").save().await;
    refused(failure(other, ErrorKind::AlreadyExists), "\"1\"");
    let versioned = again().version("0.1").save().await.unwrap();
    assert_eq!(
        (versioned.uid.as_str(), versioned.version.as_deref()),
        (first.uid.as_str(), Some("0.1"))
    );
    assert!(!again().version("0.1").save().await.unwrap().is_new());
    let other = again().version("0.2").save().await;
    refused(failure(other, ErrorKind::AlreadyExists), "\"0.1\"");

    let second = db.collection([&b]).is_new_version_of(&first).version("2");
    let second = second.save().await.unwrap();
    let again = db.collection([&b]).is_new_version_of(&first).save().await;
    assert_eq!(again.unwrap().uid, second.uid);
    let unchanged = db.collection([&a]).is_new_version_of(&second).save().await;
    assert_eq!(unchanged.unwrap().uid, first.uid);
    let unchanged = db.collection([&a]).is_new_version_of(&second).version("3");
    refused(
        failure(unchanged.save().await, ErrorKind::AlreadyExists),
        "\"3\"",
    );
    let unrelated = db.collection([&a, &b]).name("both").save().await.unwrap();
    let foreign = db
        .collection([&a])
        .is_new_version_of(&unrelated)
        .save()
        .await;
    refused(failure(foreign, ErrorKind::AlreadyExists), &unrelated.uid);
    let all = db.collections().with_trash();
    assert_eq!(all.count().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_saves_of_one_content_make_one_collection() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let (a, b) = (fixture.artifact("a").await, fixture.artifact("b").await);
    // One of the same hash and another order is not a hindrance.
    let reversed = db.collection([&b, &a]).name("reversed");
    let reversed = reversed.save().await.unwrap();
    let writers: Vec<_> = (0..16)
        .map(|_| tokio::spawn(db.collection([&a, &b]).name("n").save()))
        .collect();
    let mut new = 0;
    for writer in writers {
        new += usize::from(writer.await.unwrap().unwrap().is_new());
    }
    assert_eq!(new, 1);
    let others = Filter::ne(Field::Uid, reversed.uid.as_str());
    let saved = db.collections().with_trash().filter(others);
    assert_eq!(saved.one().await.unwrap().hash, reversed.hash);
}
