//! Taking over a registry of another program, from pages made by hand.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;

use super::outline::outline;
use super::{Pair, artifact as registered, done};
use anndex_core::backend::Filter;
use anndex_core::error::{Error, ErrorKind, Result};
use anndex_core::instance::{ImportReport, Instance, RecordSource, SourcePage};
use anndex_core::record::{Field, Id, Kind, Link, LinkKind, Record, Value, now};

/// Pages that were made by hand, after which the source may fail.
#[derive(Debug, Clone, Default)]
struct Pages {
    pages: VecDeque<(Vec<Record>, Vec<Link>)>,
    fails: bool,
}

#[async_trait]
impl RecordSource for Pages {
    async fn next_page(&mut self) -> Result<Option<SourcePage>> {
        let Some((records, links)) = self.pages.pop_front() else {
            return match self.fails {
                true => Err(Error::new(ErrorKind::Backend, "the source is gone")),
                false => Ok(None),
            };
        };
        Ok(Some(SourcePage {
            records,
            links,
            left_out: Vec::new(),
        }))
    }
}

fn record(kind: Kind, id: Id, uid: &str, fields: &[(Field, Value)]) -> Record {
    let mut record = Record::empty(kind);
    let own = [
        (Field::Id, id.into()),
        (Field::Uid, uid.into()),
        (Field::CreatedAt, now().into()),
        (Field::UpdatedAt, now().into()),
    ];
    for (field, value) in own.iter().chain(fields) {
        done(record.set(*field, value.clone()));
    }
    record
}

fn artifact(id: Id, uid: &str, key: &str, hash: &str) -> Record {
    let fields = [
        (Field::Key, key.into()),
        (Field::StorageKey, key.into()),
        (Field::Hash, hash.into()),
        (Field::Storage, 5.into()),
        (Field::StorageCompleted, true.into()),
        (Field::Run, 9.into()),
        (Field::CreatedBy, 3.into()),
    ];
    record(Kind::Artifact, id, uid, &fields)
}

fn collection(id: Id, uid: &str, version: &str) -> Record {
    let fields = [
        (Field::Name, "cells".into()),
        (Field::Version, version.into()),
    ];
    record(Kind::Collection, id, uid, &fields)
}

fn link(kind: LinkKind, source: Id, target: Id, position: Option<i64>) -> Link {
    Link {
        kind,
        source,
        target,
        position,
        slot: None,
    }
}

/// Two artifacts in a collection, in the other order than their ids, with all that is around them.
fn registry(root: &str) -> Pages {
    let transform = [(Field::Type, "script".into()), (Field::Hash, "code".into())];
    let run = [
        (Field::Transform, 7.into()),
        (Field::StartedAt, now().into()),
    ];
    let held = |target, position| link(LinkKind::CollectionArtifact, 1, target, Some(position));
    let pages = [
        (
            vec![record(
                Kind::User,
                3,
                "userABCD",
                &[(Field::Handle, "grace".into())],
            )],
            vec![],
        ),
        (
            vec![record(
                Kind::Storage,
                5,
                "storageABCDE",
                &[(Field::Root, root.into()), (Field::Type, "local".into())],
            )],
            vec![],
        ),
        (
            vec![record(Kind::Transform, 7, "transform0000000", &transform)],
            vec![],
        ),
        (
            vec![record(Kind::Run, 9, "run00000000000000000", &run)],
            vec![],
        ),
        (
            vec![record(
                Kind::ULabel,
                2,
                "labelABC",
                &[(Field::Name, "blood".into())],
            )],
            vec![],
        ),
        (
            vec![
                artifact(11, "artifactAAAAAAAA0000", "a.h5ad", "hash a"),
                artifact(12, "artifactBBBBBBBB0000", "b.h5ad", "hash b"),
            ],
            vec![link(LinkKind::ArtifactULabel, 12, 2, None)],
        ),
        (
            vec![collection(1, "collectionAAAAAA0000", "1")],
            vec![held(12, 0), held(11, 1)],
        ),
        (vec![], vec![link(LinkKind::RunInputArtifact, 9, 11, None)]),
    ];
    Pages {
        pages: pages.into(),
        fails: false,
    }
}

async fn import(db: &Instance, pages: &Pages) -> ImportReport {
    done(db.import(pages.clone()).run().await)
}

fn counts(report: &ImportReport) -> (u64, u64, usize) {
    let sum = |counts: &BTreeMap<Kind, u64>| counts.values().sum();
    (
        sum(&report.created),
        sum(&report.known),
        report.left_out.len(),
    )
}

pub(super) async fn everything_arrives_once((_, there): Pair) {
    let pages = registry("/data/of/others");
    let report = import(&there, &pages).await;
    assert_eq!(counts(&report), (8, 0, 0), "{report:#?}");
    let made = done(there.collections().one().await);
    let artifacts = done(made.artifacts().await);
    let keys: Vec<_> = artifacts.iter().map(|one| one.key.as_deref()).collect();
    assert_eq!(keys, [Some("b.h5ad"), Some("a.h5ad")], "in their order");
    let labels = done(artifacts[0].ulabels().await);
    assert_eq!(labels.len(), 1);
    assert_eq!(labels[0].name, "blood");
    let run = done(there.runs().one().await);
    let inputs = done(run.input_artifacts().await);
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].uid, "artifactAAAAAAAA0000");
    let grace = Filter::eq(Field::Handle, "grace");
    let grace = done(there.users().filter(grace).one().await);
    assert_eq!(artifacts[0].created_by_id, Some(grace.id()));
    let before = outline(&there).await;
    let again = import(&there, &pages).await;
    assert_eq!(counts(&again), (0, 8, 0), "{again:#?}");
    assert_eq!(again.links_added, 0);
    assert_eq!(outline(&there).await, before, "imported twice");
}

/// What can't be taken is left out with what stands on it, and everything else arrives.
pub(super) async fn what_does_not_fit_is_left_out((_, there): Pair) {
    let mut pages = registry("/data/of/others");
    let long = "k".repeat(256);
    let bad = [
        artifact(21, "artifactCCCCCCCC0000", "../c.h5ad", "hash c"),
        artifact(22, "artifactDDDDDDDD0000", &long, "hash d"),
        artifact(23, "../../artifactEEEEEE", "e.h5ad", "hash e"),
    ];
    pages.pages[5].0.extend(bad);
    let mut other = collection(2, "collectionBBBBBB0000", "1");
    done(other.set(Field::Artifact, 21.into()));
    // The same version twice in a family, a meta artifact and an artifact that are left out.
    pages.pages[6]
        .0
        .push(collection(3, "collectionAAAAAA0001", "1"));
    pages.pages[6].0.push(other);
    pages.pages[6]
        .0
        .push(collection(4, "collectionCCCCCC0000", "1"));
    let held = link(LinkKind::CollectionArtifact, 4, 22, Some(0));
    pages.pages[6].1.push(held);
    pages.pages[7]
        .1
        .push(link(LinkKind::RunInputArtifact, 9, 21, None));
    let report = import(&there, &pages).await;
    assert_eq!(counts(&report), (8, 0, 6), "{report:#?}");
    let reason = |uid: &str| {
        let mut left_out = report.left_out.iter();
        let found = left_out.find(|one| one.uid == uid);
        found.map_or("", |one| one.reason.as_str())
    };
    for (uid, part) in [
        ("artifactCCCCCCCC0000", "would leave the storage"),
        ("artifactDDDDDDDD0000", "256 characters"),
        ("../../artifactEEEEEE", "other characters than letters"),
        ("collectionAAAAAA0001", "a version that its family has"),
        ("collectionBBBBBB0000", "refers to artifact 21"),
        ("collectionCCCCCC0000", "it has artifact 22"),
    ] {
        assert!(reason(uid).contains(part), "{uid}: {report:#?}");
    }
    assert_eq!(done(there.collections().count().await), 1);
    let again = import(&there, &pages).await;
    assert_eq!(counts(&again), (0, 8, 6), "{again:#?}");
}

/// What is here stays as it is, and only labels, inputs and parents are added to it.
pub(super) async fn what_is_here_stays((_, there): Pair) {
    let mut pages = registry("/data/of/others");
    import(&there, &pages).await;
    let mine = registered(&there, "mine").await;
    let all = there.artifacts().filter(Filter::eq(Field::Key, "a.h5ad"));
    let mut changed = done(all.one().await);
    changed.description = Some("by hand".to_owned());
    done(changed.save().await);
    let set = |record: &mut Record, field, value: &str| done(record.set(field, value.into()));
    // Upstream: code, a description and the content of an artifact are others; a label is new.
    set(&mut pages.pages[2].0[0], Field::Hash, "other code");
    set(&mut pages.pages[5].0[0], Field::Description, "upstream");
    set(&mut pages.pages[5].0[1], Field::Hash, "replaced");
    pages.pages[5]
        .1
        .push(link(LinkKind::ArtifactULabel, 11, 2, None));
    pages.pages[6]
        .0
        .push(collection(2, "collectionAAAAAA0001", "2"));
    for (position, target) in [11, 12].into_iter().enumerate() {
        let position = i64::try_from(position).ok();
        let held = link(LinkKind::CollectionArtifact, 2, target, position);
        pages.pages[6].1.push(held);
    }
    let report = import(&there, &pages).await;
    assert_eq!(report.different.len(), 1, "{report:#?}");
    assert_eq!(report.different[0].kind, Kind::Transform);
    assert_eq!(counts(&report), (0, 7, 2), "{report:#?}");
    assert_eq!(report.links_added, 1);
    let kinds: Vec<Kind> = report.left_out.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::Artifact, Kind::Collection], "{report:#?}");
    done(changed.refresh().await);
    assert_eq!(changed.description.as_deref(), Some("by hand"));
    assert_eq!(done(changed.ulabels().await).len(), 1);
    let kept = done(there.artifacts().get(mine.uid.as_str()).await);
    assert_eq!(kept, mine);
}

/// An import that is cut off, or done by several at once, comes to the same end.
pub(super) async fn it_goes_on_after_an_end((_, there): Pair) {
    let pages = registry("/data/of/others");
    for length in [0, 3, 6] {
        let mut cut = pages.clone();
        cut.pages.truncate(length);
        cut.fails = true;
        let error = match there.import(cut).run().await {
            Err(error) => error,
            Ok(report) => panic!("a source that fails: {report:#?}"),
        };
        assert_eq!(error.kind(), ErrorKind::Backend);
        assert_eq!(error.operation_name(), Some("import"));
    }
    let stop = there.import(pages.clone()).progress(|report| {
        assert!(report.total() > 0);
        Err(Error::new(ErrorKind::Cancelled, "enough"))
    });
    let error = stop.run().await.err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Cancelled));
    let work = (0..4).map(|_| {
        let (there, pages) = (there.clone(), pages.clone());
        tokio::spawn(async move { there.import(pages).run().await })
    });
    let work: Vec<_> = work.collect();
    let mut created = 0;
    for importing in work {
        let report = importing.await.unwrap_or_else(|error| panic!("{error}"));
        let report = done(report);
        assert!(report.left_out.is_empty(), "{report:#?}");
        created += counts(&report).0;
    }
    assert_eq!(created, 1, "only the collection was missing");
    assert_eq!(done(there.artifacts().count().await), 2);
    let made = done(there.collections().one().await);
    assert_eq!(done(made.artifacts().await).len(), 2);
}
