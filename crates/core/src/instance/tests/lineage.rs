//! Runs: outputs, inputs, parents, previous runs.

use super::*;

#[tokio::test]
async fn runs_link_inputs_and_outputs() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let ingest = db
        .transform("ingest")
        .source_code("print()")
        .save()
        .await
        .unwrap();
    assert_eq!(ingest.uid.len(), 16);
    let first = db.track(&ingest).await.unwrap();
    let a = fixture.artifact("a").await;
    // What the run made is not an input of it, asked or not.
    a.track_input(true).await.unwrap();
    db.finish().await.unwrap();
    assert!(db.current_run().unwrap().is_none());
    assert!(db.runs().one().await.unwrap().finished_at.is_some());

    let curate = db
        .transform("curate")
        .type_("notebook")
        .save()
        .await
        .unwrap();
    let second = db.track(&curate).await.unwrap();
    let c = db.collection([&a]).name("n").save().await.unwrap();
    assert_eq!(c.transform().await.unwrap().unwrap(), curate);
    assert_eq!(
        second.input_artifacts().await.unwrap(),
        std::slice::from_ref(&a)
    );
    assert_eq!(
        second.output_collections().await.unwrap(),
        std::slice::from_ref(&c)
    );
    assert_eq!(
        first.output_artifacts().await.unwrap(),
        std::slice::from_ref(&a)
    );
    assert_eq!(
        curate.parents().await.unwrap(),
        std::slice::from_ref(&ingest)
    );
    c.track_input(None).await.unwrap();
    assert_eq!(c.input_of().await.unwrap(), []);

    let train = db.transform("train").save().await.unwrap();
    let mut third = db.track(&train).await.unwrap();
    c.track_input(false).await.unwrap();
    assert_eq!(c.input_of().await.unwrap(), []);
    c.track_input(None).await.unwrap();
    c.track_input(&third).await.unwrap();
    assert_eq!(c.input_of().await.unwrap(), std::slice::from_ref(&third));
    assert_eq!(train.parents().await.unwrap(), [curate]);
    db.set_current_run(None).unwrap();
    a.track_input(None).await.unwrap();
    failure(a.track_input(true).await, ErrorKind::InvalidInput);

    // A run that made something can't vanish; one that only read can.
    let mut first = first;
    let error = failure(first.delete(Some(true)).await, ErrorKind::InvalidInput);
    assert!(error.message().contains(&a.uid), "{error}");
    db.set_current_run(Some(&third)).unwrap();
    third.delete(Some(true)).await.unwrap();
    assert!(db.current_run().unwrap().is_none());
    assert_eq!(c.input_of().await.unwrap(), []);
}

#[tokio::test]
async fn is_run_input_of_a_collection() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let a = fixture.artifact("a").await;
    let new = || db.collection([&a]).name("n").skip_hash_lookup(true);
    failure(
        new().is_run_input(true).save().await,
        ErrorKind::InvalidInput,
    );
    let transform = db.transform("t").save().await.unwrap();
    let run = db.track(&transform).await.unwrap();
    let c = new().is_run_input(false).save().await.unwrap();
    assert_eq!(c.run().await.unwrap(), Some(run.clone()));
    let without = new().run(false).save().await.unwrap();
    assert_eq!(without.run_id, None);
    assert_eq!(run.input_artifacts().await.unwrap(), []);
    let b = fixture.artifact("b").await;
    let next = db
        .collection([&a, &b])
        .is_new_version_of(&without)
        .save()
        .await
        .unwrap();
    assert_eq!(run.input_artifacts().await.unwrap(), [a]);
    assert_eq!(run.input_collections().await.unwrap().len(), 1);
    assert_eq!(next.version.as_deref(), Some("2"));
}

#[tokio::test]
async fn known_content_moves_the_run() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let transform = db.transform("t").save().await.unwrap();
    let a = fixture.artifact("a").await;
    assert_eq!(a.run_id, None);
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(db.track(&transform).await.unwrap());
        fixture.artifact("a").await;
    }
    let again = fixture.artifact("a").await;
    assert_eq!(again.run().await.unwrap().as_ref(), runs.last());
    assert_eq!(again.previous_runs().await.unwrap(), runs[..2]);
    // Making it again in an earlier run brings that one back to the front.
    db.set_current_run(Some(&runs[0])).unwrap();
    let again = fixture.artifact("a").await;
    assert_eq!(again.run().await.unwrap().as_ref(), runs.first());
    assert_eq!(again.previous_runs().await.unwrap(), runs[1..]);
    // What a run reads it did not make.
    let reader = db.track(&transform).await.unwrap();
    again.track_input(true).await.unwrap();
    assert_eq!(fixture.artifact("a").await.run_id, again.run_id);
    assert_eq!(again.input_of().await.unwrap(), [reader]);
    let error = failure(
        runs[1].clone().delete(Some(true)).await,
        ErrorKind::InvalidInput,
    );
    assert!(error.message().contains("previous run"), "{error}");
}

#[tokio::test]
async fn equal_transforms_and_labels_are_one() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let new = || db.transform("t").key("t.py").source_code("1");
    let first = new().save().await.unwrap();
    assert_eq!(new().save().await.unwrap(), first);
    let second = db.transform("t").source_code("2").is_new_version_of(&first);
    let second = second.save().await.unwrap();
    assert_eq!(
        (second.version.as_deref(), second.key.as_deref()),
        (Some("2"), Some("t.py"))
    );
    assert_eq!(second.uid[..12], first.uid[..12]);
    // Other code, or another name, is not a second transform of a key and version.
    let other = || db.transform("t").key("t.py").source_code("3");
    let named = db.transform("u").key("t.py").source_code("2").version("2");
    for taken in [other(), other().version("1"), named] {
        let error = failure(taken.save().await, ErrorKind::AlreadyExists);
        let message = error.message();
        assert!(message.contains(&first.uid[..12]), "{error}");
        assert!(message.contains("is_new_version_of"), "{error}");
    }
    let edited = db.transform("v").key("v.py").version("2");
    let mut edited = edited.save().await.unwrap();
    edited.key = Some("t.py".to_owned());
    failure(edited.save().await, ErrorKind::AlreadyExists);
    edited.version = Some("3".to_owned());
    edited.save().await.unwrap();
    let parent = db.ulabel("cell").is_type(true).save().await.unwrap();
    let label = db.ulabel("T cell").parent(&parent).save().await.unwrap();
    assert_eq!(db.ulabel("T cell").save().await.unwrap(), label);
    assert_eq!(
        label.parents().await.unwrap(),
        std::slice::from_ref(&parent)
    );
    assert_eq!(parent.children().await.unwrap(), [label]);
    failure(db.ulabel(" ").save().await, ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_run_can_be_made_without_being_the_current_one() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let transform = db.transform("align").save().await.unwrap();
    let run = db.run_of(&transform).name("job 7").save().await.unwrap();
    assert_eq!(run.name.as_deref(), Some("job 7"));
    assert!(db.current_run().unwrap().is_none());
    assert_eq!(db.runs().one().await.unwrap(), run);
    let again = db.attach(run.record().clone()).unwrap();
    assert_eq!(again.transform().await.unwrap(), transform);
    failure(db.attach(Run::default()), ErrorKind::InvalidInput);
    db.set_current_run(Some(&again)).unwrap();
    assert_eq!(db.current_run().unwrap(), Some(run));
}
