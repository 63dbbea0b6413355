//! SQL in names, filters and searches is text like any other.

use anndex_core::ErrorKind::InvalidInput;
use anndex_core::backend::{Filter, TextMatch};
use anndex_core::instance::{Instance, QuerySet};
use anndex_core::record::{Feature, Field, RecordData, ULabel, Value, ValueType};
use anndex_core::registry::Registry;
use anndex_tests::registry::{DatabaseKind, everything};

use crate::{SQL, World};

on_each_database!();

async fn check(kind: DatabaseKind) {
    let world = World::new(kind).await;
    let db = &world.db;
    for (number, sql) in SQL.into_iter().enumerate() {
        save(&world, number, sql).await;
    }
    let saved = everything(db).await;
    for sql in SQL {
        ask(db.users(), sql, 0).await;
        ask(db.storages(), sql, 0).await;
        ask(db.transforms(), sql, 1).await;
        ask(db.runs(), sql, 1).await;
        ask(db.artifacts(), sql, 1).await;
        ask(db.collections(), sql, 1).await;
        ask(db.ulabels(), sql, 1).await;
        ask(db.feature_sets(), sql, 0).await;
        let label = db.ulabels().get_by_name(sql).await.unwrap();
        assert_eq!(label.name, sql);
        let described = db.collections().get_by_name(sql).await.unwrap();
        let page = described.describe().await.unwrap();
        assert!(page.contains(sql), "{page}");
    }
    // What is too long is nobody's name, and what no database can hold is asked for in vain.
    let long = "x".repeat(10_000);
    ask(db.ulabels(), &long, 0).await;
    ask(db.artifacts(), &long, 0).await;
    for nothing in [long.as_str(), "a\0b", "\0"] {
        let found = db.ulabels().get_by_name(nothing).await;
        assert!(found.is_err(), "{nothing:?}");
        assert!(db.ulabels().get(nothing).await.is_err(), "{nothing:?}");
    }
    for filter in [
        Filter::eq(Field::Name, "a\0b"),
        Filter::gt(Field::Name, "a\0b"),
        Filter::contains(Field::Name, "a\0b"),
        Filter::folded(Field::Name, TextMatch::Contains, "a\0b"),
        Filter::parse(ULabel::KIND, "name__startswith=a\0b").unwrap(),
    ] {
        let error = db.ulabels().filter(filter).count().await.unwrap_err();
        assert_eq!(error.kind(), InvalidInput, "{error:?}");
    }
    let error = db.ulabels().search("a\0b").await.unwrap_err();
    assert_eq!(error.kind(), InvalidInput, "{error:?}");
    assert_eq!(everything(db).await, saved, "asking changes nothing");
    let report = db.check().deep(true).run().await.unwrap();
    assert!(report.is_consistent(), "{report:?}");
    names(db).await;
    db.close().await.unwrap();
}

/// Records of all kinds that have the text in all places that take it.
async fn save(world: &World, number: usize, sql: &str) {
    let db = &world.db;
    let short: String = sql.chars().take(30).collect();
    let transform = db.transform(sql).type_(sql).version(&short);
    let transform = transform.description(sql).source_code(sql);
    let transform = transform.reference(sql).reference_type(sql);
    let transform = transform.save().await.unwrap();
    let run = db.run_of(&transform).name(sql);
    run.reference(sql).reference_type(sql).save().await.unwrap();
    let label = db.ulabel(sql).description(sql);
    let label = label.reference(sql).reference_type(sql);
    let label = label.save().await.unwrap();
    let path = world.file(&format!("{number}.csv"), sql);
    let artifact = db.artifact(path).description(sql).version(&short);
    let artifact = match sql.contains('\\') {
        true => artifact,
        false => artifact.key(sql),
    };
    let artifact = artifact.save().await.unwrap();
    artifact.add_ulabels([&label]).await.unwrap();
    let collection = db.collection([&artifact]).name(sql).description(sql);
    let collection = collection.reference(sql).reference_type(sql).version(short);
    let collection = collection.save().await.unwrap();
    collection.add_ulabels([&label]).await.unwrap();
    let feature = Feature {
        name: sql.to_owned(),
        dtype: Some(sql.to_owned()),
    };
    collection.set_features(sql, vec![feature]).await.unwrap();
    let sets = collection.feature_sets().await.unwrap();
    assert_eq!(sets[sql].members[0].name, sql);
}

/// Asks for the text in all fields and all ways; `named` records have it as their name.
async fn ask<R: Registry>(records: QuerySet<R>, text: &str, named: u64) {
    let count = async |filter: Filter| records.clone().filter(filter).count().await.unwrap();
    for info in R::FIELDS {
        let field = info.field;
        if info.value_type == ValueType::Json {
            continue;
        }
        let ordered = records.clone().order_by(field).order_by_descending(field);
        ordered.all().await.unwrap();
        if info.value_type != ValueType::Text {
            continue;
        }
        let equal = count(Filter::eq(field, text)).await;
        assert_eq!(count(Filter::is_in(field, [text])).await, equal);
        let all = count(Filter::everything()).await;
        assert_eq!(count(Filter::ne(field, text)).await, all - equal);
        for how in [
            TextMatch::Equals,
            TextMatch::Contains,
            TextMatch::StartsWith,
            TextMatch::EndsWith,
        ] {
            assert!(count(Filter::Text(field, how, text.to_owned())).await >= equal);
            assert!(count(Filter::folded(field, how, text)).await >= equal);
        }
        for comparison in [Filter::lt, Filter::le, Filter::gt, Filter::ge] {
            count(comparison(field, Value::from(text))).await;
        }
        for operator in ["exact", "contains", "startswith", "iexact", "gte"] {
            let lookup = format!("{field}__{operator}");
            count(Filter::lookup(R::KIND, &lookup, text).unwrap()).await;
            count(Filter::parse(R::KIND, &format!("{lookup}={text}")).unwrap()).await;
        }
    }
    if let Some(field) = R::NAME_FIELD
        && R::KIND.field(Field::Key).is_none()
    {
        assert_eq!(count(Filter::eq(field, text)).await, named, "{text}");
    }
    // A storage, which has only its place, is not searched by name.
    if let Ok(found) = records.search(text).await {
        assert!(found.len() as u64 >= named, "{text}");
    }
}

/// Fields and lookups are looked up, and never part of a statement.
async fn names(db: &Instance) {
    for sql in SQL {
        for lookup in [
            sql.to_owned(),
            format!("name__{sql}"),
            format!("artifacts__{sql}"),
            format!("artifacts__key__{sql}"),
        ] {
            let kind = anndex_core::record::Kind::Collection;
            let error = Filter::lookup(kind, &lookup, sql).unwrap_err();
            assert_eq!(error.kind(), InvalidInput, "{lookup}: {error:?}");
            let text = format!("{lookup}={sql}");
            let error = Filter::parse(kind, &text).unwrap_err();
            assert_eq!(error.kind(), InvalidInput, "{lookup}: {error:?}");
        }
    }
    assert_eq!(db.collections().count().await.unwrap(), SQL.len() as u64);
}
