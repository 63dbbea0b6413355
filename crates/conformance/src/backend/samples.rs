//! Records to try backends with.

use chrono::{DateTime, TimeDelta, Utc};

use super::{insert, select};
use anndex_core::backend::{Backend, LinkQuery, Query};
use anndex_core::record::{
    Artifact, Collection, FeatureSet, Field, Id, Kind, Link, LinkKind, Record, Run, Storage,
    Transform, ULabel, User, Value, ValueType,
};

/// A whole database: all records of all kinds, and all links.
pub(super) async fn everything(backend: &dyn Backend) -> (Vec<Record>, Vec<Link>) {
    let mut records = Vec::new();
    for kind in Kind::ALL {
        records.extend(select(backend, &Query::new(kind)).await);
    }
    let mut links = Vec::new();
    for kind in LinkKind::ALL {
        let query = LinkQuery {
            kind,
            sources: None,
            targets: None,
        };
        let found = backend.links(&query).await;
        links.extend(found.unwrap_or_else(|e| panic!("links {kind:?}: {e:#}")));
    }
    (records, links)
}

/// A time: so many microseconds after some instant.
pub(super) fn time(microseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000) + TimeDelta::microseconds(microseconds)
}

/// A user with a uid of their own.
pub(super) fn user(handle: &str) -> User {
    User {
        uid: format!("uid-{handle}"),
        handle: handle.to_owned(),
        ..User::default()
    }
}

/// A record with nothing in it.
pub(super) fn empty(kind: Kind) -> Record {
    match kind {
        Kind::User => User::default().into(),
        Kind::Storage => Storage::default().into(),
        Kind::Transform => Transform::default().into(),
        Kind::Run => Run::default().into(),
        Kind::Artifact => Artifact::default().into(),
        Kind::Collection => Collection::default().into(),
        Kind::ULabel => ULabel::default().into(),
        Kind::FeatureSet => FeatureSet::default().into(),
    }
}

/// The ids of one record of each kind, for others to refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub(super) user: Id,
    pub(super) storage: Id,
    pub(super) transform: Id,
    pub(super) run: Id,
    pub(super) artifact: Id,
    pub(super) collection: Id,
    pub(super) ulabel: Id,
    pub(super) feature_set: Id,
}

impl World {
    pub(super) async fn new(backend: &dyn Backend) -> Self {
        let user = User {
            uid: "user".to_owned(),
            handle: "ada".to_owned(),
            ..User::default()
        };
        let storage = Storage {
            uid: "storage".to_owned(),
            root: "/cells".to_owned(),
            type_: "local".to_owned(),
            ..Storage::default()
        };
        let transform = Transform {
            uid: "transform".to_owned(),
            type_: "script".to_owned(),
            ..Transform::default()
        };
        let user = insert(backend, user).await;
        let storage = insert(backend, storage).await;
        let transform = insert(backend, transform).await;
        let run = insert(backend, run("run", transform)).await;
        let ulabel = ULabel {
            uid: "ulabel".to_owned(),
            name: "label".to_owned(),
            ..ULabel::default()
        };
        let feature_set = FeatureSet {
            uid: "features".to_owned(),
            registry: "Feature".to_owned(),
            hash: "hash".to_owned(),
            ..FeatureSet::default()
        };
        Self {
            user,
            storage,
            transform,
            run,
            artifact: insert(backend, artifact("artifact", storage)).await,
            collection: insert(backend, collection("collection")).await,
            ulabel: insert(backend, ulabel).await,
            feature_set: insert(backend, feature_set).await,
        }
    }

    pub(super) fn id(self, kind: Kind) -> Id {
        match kind {
            Kind::User => self.user,
            Kind::Storage => self.storage,
            Kind::Transform => self.transform,
            Kind::Run => self.run,
            Kind::Artifact => self.artifact,
            Kind::Collection => self.collection,
            Kind::ULabel => self.ulabel,
            Kind::FeatureSet => self.feature_set,
        }
    }
}

pub(super) fn run(uid: &str, transform: Id) -> Run {
    Run {
        uid: uid.to_owned(),
        transform_id: transform,
        ..Run::default()
    }
}

pub(super) fn artifact(uid: &str, storage: Id) -> Artifact {
    Artifact {
        uid: uid.to_owned(),
        storage_id: storage,
        storage_key: uid.to_owned(),
        ..Artifact::default()
    }
}

pub(super) fn collection(uid: &str) -> Collection {
    Collection {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        ..Collection::default()
    }
}

/// A record with nothing but what it needs; `number` tells it from others of its kind.
pub(super) fn smallest(kind: Kind, number: usize, world: World) -> Record {
    let mut record = match kind {
        Kind::User => Record::from(User::default()),
        Kind::Storage => Storage::default().into(),
        Kind::Transform => Transform::default().into(),
        Kind::Run => run("", world.transform).into(),
        Kind::Artifact => artifact("", world.storage).into(),
        Kind::Collection => Collection::default().into(),
        Kind::ULabel => ULabel::default().into(),
        Kind::FeatureSet => FeatureSet::default().into(),
    };
    let name = format!("{kind} {number}");
    set(&mut record, Field::Uid, name.as_str().into());
    for info in kind.fields() {
        if info.unique && !info.nullable && info.value_type == ValueType::Text {
            set(&mut record, info.field, name.as_str().into());
        }
    }
    record
}

/// A record with something in every field.
pub(super) fn fullest(kind: Kind, number: usize, world: World) -> Record {
    let mut record = smallest(kind, number, world);
    for (offset, info) in (0..).zip(kind.fields()) {
        let value = match (info.field, info.references, info.value_type) {
            (Field::Id | Field::Uid, ..) => continue,
            (_, Some(kind), _) => Value::Integer(world.id(kind)),
            (Field::Visibility, ..) => Value::Integer(1),
            (_, _, ValueType::Boolean) => Value::Boolean(true),
            (_, _, ValueType::Integer) => Value::Integer(1_000_000_000_000 + offset),
            (_, _, ValueType::Text) => Value::Text(format!("{} {number}", info.field)),
            (_, _, ValueType::Time) => Value::Time(time(offset)),
            (_, _, ValueType::Json) => Value::Json(serde_json::json!([
                {"name": "größe \"1\"", "dtype": "float"},
                {"name": "🧬", "dtype": null},
            ])),
        };
        set(&mut record, info.field, value);
    }
    record
}

pub(super) fn set(record: &mut Record, field: Field, value: Value) {
    let result = record.set(field, value);
    result.unwrap_or_else(|e| panic!("set {field}: {e:#}"));
}
