//! Links: order, slots, repetition, and what they protect.

use super::samples::{World, artifact, collection, smallest};
use super::{apply, insert, refused};
use anndex_core::backend::{Backend, ChangeSet, LinkQuery};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Id, Kind, Link, LinkKind, OnDelete};

async fn of_source(backend: &dyn Backend, kind: LinkKind, source: Id) -> Vec<Link> {
    let found = backend.links(&LinkQuery::of_source(kind, source)).await;
    found.unwrap_or_else(|e| panic!("links {kind:?}: {e:#}"))
}

fn add(changes: &mut ChangeSet, kind: LinkKind, source: Id, target: Id, number: i64) {
    if kind.is_ordered() {
        changes.link_at(kind, source, target, number);
    } else if kind.has_slot() {
        changes.link_in(kind, source, target, format!("slot {number}"));
    } else {
        changes.link(kind, source, target);
    }
}

pub(super) async fn every_kind(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for kind in LinkKind::ALL {
        let source = insert(backend, smallest(kind.source(), 100 + kind as usize, world)).await;
        let (first, second) = (world.id(kind.target()), {
            insert(backend, smallest(kind.target(), 200 + kind as usize, world)).await
        });
        let mut changes = ChangeSet::new();
        add(&mut changes, kind, source, first, 0);
        add(&mut changes, kind, source, second, 1);
        apply(backend, &changes).await;
        // Again, with other positions: what is linked stays as it is.
        let mut again = ChangeSet::new();
        if kind.is_ordered() {
            again.link_at(kind, source, first, 7);
        } else {
            add(&mut again, kind, source, first, 0);
        }
        apply(backend, &again).await;
        let link = |target, number: i64| Link {
            kind,
            source,
            target,
            position: kind.is_ordered().then_some(number),
            slot: kind.has_slot().then(|| format!("slot {number}")),
        };
        let mut expected = vec![link(first, 0), link(second, 1)];
        if !kind.is_ordered() && !kind.has_slot() {
            expected.sort_by_key(|link| link.target);
        }
        assert_eq!(of_source(backend, kind, source).await, expected, "{kind:?}");
        let of_target = backend.links(&LinkQuery::of_target(kind, second)).await;
        assert_eq!(
            of_target.ok(),
            Some(vec![link(second, 1)]),
            "{kind:?} from its target"
        );

        let mut changes = ChangeSet::new();
        changes.unlink(kind, source, first);
        changes.unlink(kind, source, first);
        apply(backend, &changes).await;
        assert_eq!(
            of_source(backend, kind, source).await,
            [link(second, 1)],
            "{kind:?} unlinked"
        );
        // With the source its links go.
        let mut changes = ChangeSet::new();
        changes.delete(kind.source(), source);
        apply(backend, &changes).await;
        assert_eq!(
            of_source(backend, kind, source).await,
            [],
            "{kind:?} of a deleted source"
        );
    }
}

pub(super) async fn order_and_slots(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let c = world.collection;
    let mut changes = ChangeSet::new();
    let mut expected = Vec::new();
    for (number, position) in [3, 1, 2, 0].into_iter().enumerate() {
        let id = insert(backend, artifact(&format!("a{number}"), world.storage)).await;
        changes.link_at(LinkKind::CollectionArtifact, c, id, position);
        expected.push((position, id));
    }
    let slotted = LinkKind::CollectionFeatureSet;
    for slot in ["var", "obs", "größe"] {
        changes.link_in(slotted, c, world.feature_set, slot);
    }
    apply(backend, &changes).await;
    expected.sort_unstable();
    let found = of_source(backend, LinkKind::CollectionArtifact, c).await;
    let found: Vec<_> = found
        .iter()
        .map(|l| (l.position.unwrap_or(-1), l.target))
        .collect();
    assert_eq!(found, expected, "links in the order of positions");
    let slots = of_source(backend, slotted, c).await;
    let slots: Vec<_> = slots
        .iter()
        .filter_map(|link| link.slot.as_deref())
        .collect();
    assert_eq!(
        slots,
        ["größe", "obs", "var"],
        "one record in several slots"
    );
    let mut changes = ChangeSet::new();
    changes.unlink(slotted, c, world.feature_set);
    apply(backend, &changes).await;
    assert_eq!(
        of_source(backend, slotted, c).await,
        [],
        "unlinked from every slot"
    );

    let mut wrong = ChangeSet::new();
    wrong.link(LinkKind::CollectionArtifact, c, world.artifact);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "an ordered link without position",
    )
    .await;
    let mut wrong = ChangeSet::new();
    wrong.link_at(LinkKind::CollectionULabel, c, world.ulabel, 0);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "an unordered link with position",
    )
    .await;
    let mut wrong = ChangeSet::new();
    wrong.link(slotted, c, world.feature_set);
    refused(
        backend,
        &wrong,
        ErrorKind::InvalidInput,
        "a link without its slot",
    )
    .await;
}

pub(super) async fn protection(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for kind in LinkKind::ALL {
        let target = insert(backend, smallest(kind.target(), 100 + kind as usize, world)).await;
        let source = world.id(kind.source());
        let mut changes = ChangeSet::new();
        add(&mut changes, kind, source, target, 0);
        apply(backend, &changes).await;
        let mut delete = ChangeSet::new();
        delete.delete(kind.target(), target);
        match kind.on_delete_target() {
            OnDelete::Protect => {
                let what = format!("deleting a target that {kind:?} protects");
                refused(backend, &delete, ErrorKind::Conflict, &what).await;
                let mut both = ChangeSet::new();
                both.unlink(kind, source, target);
                both.delete(kind.target(), target);
                apply(backend, &both).await;
            }
            OnDelete::Cascade => {
                apply(backend, &delete).await;
            }
        }
        assert_eq!(
            of_source(backend, kind, source).await,
            [],
            "{kind:?} of a deleted target"
        );
    }
    for kind in Kind::ALL {
        for info in kind.fields() {
            let Some(references) = info.references else {
                continue;
            };
            // Only what a fresh record refers to and nothing else holds can be tried alone.
            let target = insert(backend, smallest(references, 300, world)).await;
            let holder = insert(backend, smallest(kind, 301, world)).await;
            let mut changes = ChangeSet::new();
            changes.update(kind, holder, vec![(info.field, target.into())]);
            apply(backend, &changes).await;
            let mut delete = ChangeSet::new();
            delete.delete(references, target);
            let what = format!("deleting the {} of a {kind}", info.field);
            refused(backend, &delete, ErrorKind::Conflict, &what).await;
            let mut both = ChangeSet::new();
            both.delete(kind, holder);
            both.delete(references, target);
            apply(backend, &both).await;
        }
    }
    let gone = insert(backend, collection("gone")).await;
    let mut delete = ChangeSet::new();
    delete.delete(Kind::Collection, gone);
    apply(backend, &delete).await;
    let mut link = ChangeSet::new();
    link.link_at(LinkKind::CollectionArtifact, gone, world.artifact, 0);
    refused(backend, &link, ErrorKind::Conflict, "linking what is gone").await;
}
