//! Values that are long, odd or hostile.

use chrono::DateTime;

use super::change;
use super::samples::{World, empty, user};
use anndex_core::backend::{Backend, ChangeSet, Filter, LinkQuery, OrderBy, Query};
use anndex_core::error::ErrorKind;
use anndex_core::record::{
    Feature, FeatureSet, Field, Id, Kind, LinkKind, Record, RecordData, ULabel, Value, ValueType,
    Visibility,
};

const HOSTILE: &[&str] = &[
    "",
    " ",
    "'",
    "\"; DROP TABLE \"user\"; --",
    "'); DELETE FROM artifact; --",
    "100%_\\%",
    "?1 :name @x $1",
    "\r\n\t\u{1}\u{7f}",
    "\u{feff}ß\u{301}İ\u{10ffff}\u{d7ff}\u{e000}",
    "[null, {\"a\": 1}]",
];

/// Every text of the record is this one; references lead to the first record.
fn fill(record: &mut Record, text: &str) {
    for info in record.kind().fields() {
        let value = match (info.value_type, info.references) {
            _ if info.field == Field::Id => continue,
            (ValueType::Text, _) if info.field == Field::Uid => format!("u{text}").into(),
            (ValueType::Text, _) => match info.field.max_chars() {
                Some(most) => text.chars().take(most).collect::<String>().into(),
                None => text.into(),
            },
            (ValueType::Json, _) => Value::Json(serde_json::json!([{"name": text, "dtype": null}])),
            (ValueType::Boolean, _) => Value::Boolean(true),
            (_, Some(_)) if info.unique => Value::Null,
            (_, Some(_)) => Value::Integer(1),
            (ValueType::Integer, _) if info.field == Field::Visibility => Value::Integer(2),
            (ValueType::Integer, _) => Value::Integer(i64::MIN),
            (ValueType::Time, _) => DateTime::from_timestamp_micros(-1).into(),
        };
        record.set(info.field, value).unwrap();
    }
}

pub(super) async fn every_field_keeps_any_text(backend: &dyn Backend) {
    for text in HOSTILE {
        for kind in Kind::ALL {
            let mut record = empty(kind);
            fill(&mut record, text);
            let applied = backend.apply(&change(record.clone())).await.unwrap();
            record
                .set(Field::Id, Value::Integer(applied.inserted[0]))
                .unwrap();
            for info in kind.fields() {
                let filter = match (info.value_type, record.get(info.field).unwrap()) {
                    (ValueType::Json, _) => continue,
                    (_, value) => Filter::eq(info.field, value),
                };
                let query = Query::new(kind).filter(filter);
                let found = backend.select(&query).await.unwrap();
                assert!(found.contains(&record), "{kind}.{}: {text:?}", info.field);
            }
        }
        let labels = |filter| Query::new(Kind::ULabel).filter(filter);
        for filter in [
            Filter::contains(Field::Name, *text),
            Filter::starts_with(Field::Name, *text),
            Filter::is_in(Field::Name, [*text]),
        ] {
            let found = backend.select(&labels(filter.clone())).await.unwrap();
            let found: Vec<_> = found
                .into_iter()
                .map(|r| ULabel::from_record(r).unwrap())
                .collect();
            assert!(found.iter().any(|label| label.name == *text), "{filter:?}");
            assert!(
                found.iter().all(|label| label.name.contains(*text)),
                "{filter:?}"
            );
        }
    }
    let count = backend.count(&Query::new(Kind::User)).await.unwrap();
    assert_eq!(usize::try_from(count).unwrap(), HOSTILE.len());
}

pub(super) async fn long_text_is_kept_where_it_is_allowed_and_refused_elsewhere(
    backend: &dyn Backend,
) {
    let mut label = ULabel {
        uid: "label".to_owned(),
        description: Some("ü".repeat(10_000)),
        ..ULabel::default()
    };
    backend.apply(&change(label.clone())).await.unwrap();
    let found = backend.select(&Query::new(Kind::ULabel)).await.unwrap();
    assert_eq!(
        found[0].get(Field::Description),
        Some(label.description.clone().into())
    );
    label.name = "n".repeat(10_000);
    for text in ["n".repeat(10_000), "a\0b".to_owned()] {
        label.name = text;
        let error = backend.apply(&change(label.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
}

pub(super) async fn slots_have_the_limits_of_names(backend: &dyn Backend) {
    let World {
        artifact,
        feature_set: features,
        ..
    } = World::new(backend).await;
    let kind = LinkKind::ArtifactFeatureSet;
    for slot in ["", "a\0b", &"n".repeat(256)] {
        let mut changes = ChangeSet::new();
        changes.link_in(kind, artifact, features, slot);
        let error = backend.apply(&changes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
    let links = LinkQuery::of_source(kind, artifact);
    assert!(backend.links(&links).await.unwrap().is_empty());
    let mut changes = ChangeSet::new();
    changes.link_in(kind, artifact, features, "ü".repeat(255));
    backend.apply(&changes).await.unwrap();
    let found = backend.links(&links).await.unwrap();
    assert_eq!(found[0].slot, Some("ü".repeat(255)));
}

pub(super) async fn extreme_numbers_and_times_come_back(backend: &dyn Backend) {
    let mut feature_set = FeatureSet {
        members: vec![Feature {
            name: "é\"\\\u{1}".to_owned(),
            dtype: Some(String::new()),
        }],
        ..FeatureSet::default()
    };
    let times = [
        DateTime::from_timestamp_micros(-62_135_596_800_000_001).unwrap(),
        DateTime::from_timestamp_micros(253_402_300_800_999_999).unwrap(),
        DateTime::from_timestamp_micros(999_999).unwrap(),
    ];
    for (number, n) in [(0, i64::MIN), (1, i64::MAX), (2, -1)] {
        feature_set.uid = format!("{number}");
        feature_set.hash = format!("{number}");
        feature_set.n = n;
        feature_set.created_at = times[number];
        let applied = backend.apply(&change(feature_set.clone())).await.unwrap();
        let query = Query::new(Kind::FeatureSet).filter(Filter::eq(Field::N, n));
        let found = FeatureSet::from_record(backend.select(&query).await.unwrap().remove(0));
        let expected = FeatureSet {
            id: Some(applied.inserted[0]),
            ..feature_set.clone()
        };
        assert_eq!(found.unwrap(), expected);
    }
    let by_time = Query::new(Kind::FeatureSet).order(OrderBy::Field(Field::CreatedAt), false);
    let found = backend.select(&by_time).await.unwrap();
    let order: Vec<_> = found.iter().map(Record::uid).collect();
    assert_eq!(order, ["0", "2", "1"]);
}

pub(super) async fn queries_may_be_large(backend: &dyn Backend) {
    let mut changes = ChangeSet::new();
    for number in 0..3_000 {
        changes.insert(user(&format!("{number}")));
    }
    backend.apply(&changes).await.unwrap();

    let count = async |filter| {
        let query = Query::new(Kind::User).filter(filter);
        assert_eq!(
            backend.count(&query).await.unwrap(),
            backend.select(&query).await.unwrap().len() as u64
        );
        backend.count(&query).await.unwrap()
    };
    let handles = || (0..100_000).map(|number| number.to_string());
    assert_eq!(count(Filter::is_in(Field::Handle, handles())).await, 3_000);
    assert_eq!(
        count(Filter::is_in(Field::Handle, handles()).negate()).await,
        0
    );
    assert_eq!(
        count(Filter::is_in(Field::Id, [-1_i64, 1, i64::MAX])).await,
        1
    );
    assert_eq!(count(Filter::is_in(Field::Handle, ["1\0", "2"])).await, 1);
    let each = |n| (0..n).map(|number: i64| Filter::eq(Field::Handle, number.to_string()));
    assert_eq!(count(Filter::Any(each(5_000).collect())).await, 3_000);
    assert_eq!(
        count(Filter::All(each(5_000).map(Filter::negate).collect())).await,
        0
    );
    let ids: Vec<Id> = (0..100_000).collect();
    let links = LinkQuery {
        kind: LinkKind::ULabelParent,
        sources: Some(ids.clone()),
        targets: Some(ids),
    };
    assert!(backend.links(&links).await.unwrap().is_empty());

    let window = async |limit, offset| {
        let query = Query {
            limit,
            offset,
            ..Query::new(Kind::User)
        };
        backend.select(&query).await.unwrap().len()
    };
    assert_eq!(window(Some(u64::MAX), 0).await, 3_000);
    assert_eq!(window(None, 2_990).await, 10);
    assert_eq!(window(Some(0), 0).await, 0);
    assert_eq!(window(Some(u64::MAX), u64::MAX).await, 0);
}

pub(super) async fn updates_that_a_record_refuses_change_nothing(backend: &dyn Backend) {
    let label = ULabel {
        uid: "label".to_owned(),
        visibility: Visibility::Hidden,
        ..ULabel::default()
    };
    let id = backend.apply(&change(label)).await.unwrap().inserted[0];
    let mut changes = ChangeSet::new();
    changes.insert(user("ada"));
    changes.update(
        Kind::ULabel,
        id,
        vec![(Field::Visibility, Value::Integer(7))],
    );
    let error = backend.apply(&changes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(backend.count(&Query::new(Kind::User)).await.unwrap(), 0);
}
