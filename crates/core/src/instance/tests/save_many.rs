//! Many artifacts at once give what one after the other would.

use super::*;
use crate::backend::Filter;
use crate::record::Visibility;

#[tokio::test]
async fn many_are_saved_like_one_by_one() {
    let (many, single) = (Fixture::new().await, Fixture::new().await);
    for one in [&many, &single] {
        one.file("cells/in place.txt", "in place");
        one.file("outside.csv", "outside");
        one.file("folder/1", "1");
        one.file("twice.txt", "twice");
        one.file("again.txt", "twice");
        one.artifact("known").await;
        one.file("known again.txt", "known");
    }
    let names = [
        "cells/in place.txt",
        "outside.csv",
        "folder",
        "twice.txt",
        "again.txt",
        "known again.txt",
    ];
    let builders = |one: &Fixture| {
        let path = |name: &str| one.directory.path().join(name);
        let builder = |name: &&str| one.db.artifact(path(name)).description("d");
        names.iter().map(builder).collect::<Vec<_>>()
    };
    let batch = many.db.save_artifacts(builders(&many)).await;
    let batch: Vec<_> = batch.into_iter().map(Result::unwrap).collect();
    for (name, (builder, saved)) in names.iter().zip(builders(&single).into_iter().zip(&batch)) {
        let one = builder.save().await.unwrap();
        let fields = |a: &Artifact| {
            (
                a.key.clone(),
                a.suffix.clone(),
                a.otype.clone(),
                a.hash.clone(),
                a.hash_type.clone(),
            )
        };
        assert_eq!(fields(saved), fields(&one), "{name}");
        assert_eq!(
            (saved.size, saved.n_objects),
            (one.size, one.n_objects),
            "{name}"
        );
        assert_eq!(saved.description.as_deref(), Some("d"), "{name}");
        assert_eq!(saved.created_by_id, one.created_by_id);
        let content = saved.path().await.unwrap();
        assert_eq!(content.is_dir(), *name == "folder");
    }
    assert_eq!(
        batch[3].uid, batch[4].uid,
        "the same content is one artifact"
    );
    let new: Vec<_> = batch.iter().map(Handle::is_new).collect();
    assert_eq!(new, [true, true, true, true, false, false]);
    assert_eq!(many.db.artifacts().count().await.unwrap(), 5);
    assert_eq!(many.db.check().deep(true).run().await.unwrap().findings, []);
    let again = many.db.save_artifacts(builders(&many)).await;
    let again: Vec<_> = again
        .into_iter()
        .map(|one| one.unwrap().uid.clone())
        .collect();
    let first: Vec<_> = batch.iter().map(|one| one.uid.clone()).collect();
    assert_eq!(again, first, "what is known is given back");
    assert_eq!(many.db.check().run().await.unwrap().findings, []);
}

#[tokio::test]
async fn what_is_wrong_with_one_is_no_matter_of_the_others() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let place = fixture.file("cells/taken.txt", "old");
    db.artifact(&place).save().await.unwrap();
    fs::write(&place, "new").unwrap();
    fixture.file("cells/a.txt", "a");
    let path = |name: &str| fixture.directory.path().join(name);
    let good = fixture.file("good.txt", "good");
    let saved = db
        .save_artifacts([
            db.artifact(path("cells/a.txt")),
            db.artifact(path("missing.txt")),
            db.artifact(&good).key("../escape"),
            db.artifact(&place),
            db.artifact(fixture.file("text.txt", "text"))
                .description("a\0b"),
            db.artifact(&good),
        ])
        .await;
    let kinds: Vec<_> = saved
        .iter()
        .map(|one| one.as_ref().err().map(Error::kind))
        .collect();
    let (absent, invalid, exists) = (
        Some(ErrorKind::NotFound),
        Some(ErrorKind::InvalidInput),
        Some(ErrorKind::AlreadyExists),
    );
    assert_eq!(kinds, [None, absent, invalid, exists, invalid, None]);
    let error = saved[1].as_ref().unwrap_err();
    assert!(
        error.context("path").unwrap().ends_with("missing.txt"),
        "{error}"
    );
    assert_eq!(db.artifacts().count().await.unwrap(), 3);
    let report = db.check().deep(true).run().await.unwrap();
    assert_eq!(
        report.findings.len(),
        1,
        "only the overwritten file: {report:?}"
    );
}

#[tokio::test]
async fn versions_labels_runs_and_trash_are_kept_in_mind() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let old = fixture.artifact("old").await;
    let mut trashed = fixture.artifact("trashed").await;
    trashed.delete(None).await.unwrap();
    let label = db.ulabel("blood").save().await.unwrap();
    let transform = db.transform("ingest").save().await.unwrap();
    let run = db.track(&transform).await.unwrap();
    let saved = db
        .save_artifacts([
            db.artifact(fixture.file("new.txt", "new"))
                .is_new_version_of(&old),
            db.artifact(fixture.file("labelled.txt", "labelled"))
                .ulabels([&label]),
            db.artifact(fixture.file("back.txt", "trashed")),
        ])
        .await;
    let saved: Vec<_> = saved.into_iter().map(Result::unwrap).collect();
    assert_eq!(saved[0].version.as_deref(), Some("2"));
    assert_eq!(saved[1].ulabels().await.unwrap()[0].name, "blood");
    assert_ne!(saved[2].uid, trashed.uid, "the trash is not looked through");
    assert!(saved.iter().all(|one| one.run_id == Some(run.id())));
    let hidden = Filter::eq(Field::Visibility, Visibility::Trash);
    assert_eq!(db.artifacts().filter(hidden).count().await.unwrap(), 1);
}

/// More than one batch, by many writers at once: every content is registered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_the_same_files_do_not_double_them() {
    let fixture = Fixture::new().await;
    let files: Vec<_> = (0..1_100)
        .map(|i| fixture.file(&format!("cells/{i}.txt"), &i.to_string()))
        .collect();
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let (db, files) = (fixture.db.clone(), files.clone());
            tokio::spawn(async move {
                let builders: Vec<_> = files.iter().map(|file| db.artifact(file)).collect();
                let saved = db.save_artifacts(builders).await;
                saved
                    .into_iter()
                    .map(|one| one.unwrap().uid.clone())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        all.push(writer.await.unwrap());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fixture.db.artifacts().count().await.unwrap(), 1_100);
}
