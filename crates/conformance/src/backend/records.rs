//! Inserting, updating and deleting single records.

use chrono::{DateTime, TimeDelta};

use super::samples::{World, artifact, fullest, set, smallest, time};
use super::{apply, insert, refused, select};
use anndex_core::backend::{Backend, ChangeSet, Filter, Query};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Artifact, Field, Kind, Record, RecordData, Value};

async fn by_id(backend: &dyn Backend, kind: Kind, id: i64) -> Option<Record> {
    select(backend, &Query::new(kind).filter(Filter::eq(Field::Id, id)))
        .await
        .pop()
}

pub(super) async fn every_field_comes_back(backend: &dyn Backend) {
    let world = World::new(backend).await;
    for kind in Kind::ALL {
        for (number, sample) in [smallest, fullest].into_iter().enumerate() {
            let mut record = sample(kind, number + 1, world);
            let id = insert(backend, record.clone()).await;
            assert!(id > 0, "the id of a {kind} is {id}");
            set(&mut record, Field::Id, id.into());
            assert_eq!(by_id(backend, kind, id).await, Some(record), "a {kind}");
        }
    }
}

pub(super) async fn text_times_and_numbers_come_back(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let texts = [
        "",
        " ",
        "'; DROP TABLE artifact; --",
        "\"quoted\"",
        "a\\b",
        "line\nbreak\ttab",
        "%_*?[",
        "größe",
        "日本語",
        "🧬👩‍🔬",
        "e\u{301}",
        "\u{fffd}",
        "NULL",
        "0",
        "2024-01-01",
    ];
    let times = [
        DateTime::UNIX_EPOCH,
        DateTime::UNIX_EPOCH - TimeDelta::microseconds(1),
        DateTime::UNIX_EPOCH - TimeDelta::days(100 * 365),
        DateTime::UNIX_EPOCH + TimeDelta::days(2_000 * 365),
        time(1),
        time(100_000),
    ];
    let numbers = [0, 1, -1, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN];
    for index in 0..texts.len() {
        let mut record = Artifact {
            description: Some(texts[index].to_owned()),
            key: Some(texts[index].to_owned()),
            size: Some(numbers[index % numbers.len()]),
            created_at: times[index % times.len()],
            ..artifact(&format!("a{index}"), world.storage)
        };
        record.id = Some(insert(backend, record.clone()).await);
        let same = Filter::eq(Field::Description, texts[index])
            .and(Filter::eq(Field::CreatedAt, record.created_at))
            .and(Filter::eq(Field::Size, record.size));
        let found = select(backend, &Query::new(Kind::Artifact).filter(same)).await;
        assert_eq!(found, [Record::from(record)], "{:?}", texts[index]);
    }
    let long = Artifact {
        description: Some("ä".repeat(1_000_000)),
        ..artifact("long", world.storage)
    };
    let id = insert(backend, long.clone()).await;
    let found = by_id(backend, Kind::Artifact, id).await;
    let found = found.and_then(|record| record.get(Field::Description));
    assert!(
        found == long.get(Field::Description),
        "a long description came back changed"
    );
}

pub(super) async fn updates_and_deletes(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let mut last = std::collections::BTreeMap::new();
    for kind in Kind::ALL {
        let mut record = smallest(kind, 1, world);
        let id = insert(backend, record.clone()).await;
        let bystander = insert(backend, smallest(kind, 2, world)).await;
        let full = fullest(kind, 3, world);
        let fields = kind.fields().iter().map(|info| info.field);
        let fields = fields.filter(|field| ![Field::Id, Field::Uid].contains(field));
        let new: Vec<(Field, Value)> = fields
            .filter_map(|field| Some((field, full.get(field)?)))
            .collect();
        let mut changes = ChangeSet::new();
        changes.update(kind, id, new.clone());
        apply(backend, &changes).await;
        set(&mut record, Field::Id, id.into());
        for (field, value) in new {
            set(&mut record, field, value);
        }
        assert_eq!(
            by_id(backend, kind, id).await,
            Some(record),
            "an updated {kind}"
        );
        let mut other = smallest(kind, 2, world);
        set(&mut other, Field::Id, bystander.into());
        assert_eq!(
            by_id(backend, kind, bystander).await,
            Some(other),
            "a {kind} beside it"
        );

        // Nulls can be set, too.
        let nullable = kind
            .fields()
            .iter()
            .filter(|f| f.nullable && f.field != Field::Id);
        let nulls: Vec<_> = nullable.map(|f| (f.field, Value::Null)).collect();
        let mut changes = ChangeSet::new();
        changes.update(kind, id, nulls.clone());
        apply(backend, &changes).await;
        let found = by_id(backend, kind, id).await;
        for (field, _) in nulls {
            let value = found.as_ref().and_then(|record| record.get(field));
            assert_eq!(value, Some(Value::Null), "{field} of a {kind}");
        }
        last.insert(kind, (id, bystander));
    }
    for (kind, (id, bystander)) in last {
        let mut changes = ChangeSet::new();
        changes.delete(kind, id);
        apply(backend, &changes).await;
        assert_eq!(by_id(backend, kind, id).await, None, "a deleted {kind}");
        refused(
            backend,
            &changes,
            ErrorKind::Conflict,
            "deleting what is gone",
        )
        .await;
        let mut update = ChangeSet::new();
        update.update(kind, id, vec![(Field::UpdatedAt, time(5).into())]);
        refused(
            backend,
            &update,
            ErrorKind::Conflict,
            "updating what is gone",
        )
        .await;
        assert!(
            by_id(backend, kind, bystander).await.is_some(),
            "a {kind} beside a deleted one"
        );
        // Ids are never given twice, not even that of the last record.
        let mut changes = ChangeSet::new();
        changes.delete(kind, bystander);
        apply(backend, &changes).await;
        let next = insert(backend, smallest(kind, 4, world)).await;
        assert!(
            next > bystander.max(id),
            "{kind}: the id {next} was given before"
        );
    }
}
