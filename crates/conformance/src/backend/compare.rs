//! Random changes and queries, on a backend and on that in memory, which is the reference.
//!
//! Ids may differ between the two, so everything is named by uid here.

mod random;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use random::{Random, Step};

use anndex_core::backend::memory::MemoryBackend;
use anndex_core::backend::{
    Backend, ChangeSet, Filter, LinkQuery, NewRecord, Order, OrderBy, Query, Target,
};
use anndex_core::error::ErrorKind;
use anndex_core::record::{Field, FieldInfo, Id, Kind, Link, LinkKind, Record, Value};

/// A backend with the ids that it gave.
struct World {
    backend: Arc<dyn Backend>,
    ids: BTreeMap<(Kind, String), Id>,
}

impl World {
    fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            ids: BTreeMap::new(),
        }
    }

    fn id(&self, kind: Kind, uid: &str) -> Id {
        let key = (kind, uid.to_owned());
        self.ids.get(&key).copied().unwrap_or(i64::MAX)
    }

    fn uid(&self, kind: Kind, id: Id) -> String {
        let found = self
            .ids
            .iter()
            .find(|(key, found)| key.0 == kind && **found == id);
        found.map_or_else(|| format!("no {id}"), |(key, _)| key.1.clone())
    }

    /// Makes the changes; what went wrong, if it did.
    async fn apply(&mut self, steps: &[Step]) -> Option<ErrorKind> {
        let mut changes = ChangeSet::new();
        let mut new: BTreeMap<(Kind, String), NewRecord> = BTreeMap::new();
        let target = |new: &BTreeMap<_, NewRecord>, kind: Kind, uid: &str| match new
            .get(&(kind, uid.to_owned()))
        {
            Some(new) => Target::New(*new),
            None => Target::Existing(self.id(kind, uid)),
        };
        for step in steps {
            match step {
                Step::Insert(record, references) => {
                    let mut record = Record::clone(record);
                    let mut to_new = Vec::new();
                    for (info, uid) in references {
                        match target(&new, info.references.unwrap(), uid) {
                            Target::New(new) => to_new.push((info.field, new)),
                            Target::Existing(id) => {
                                record.set(info.field, Value::Integer(id)).unwrap();
                            }
                        }
                    }
                    let key = (record.kind(), record.uid().to_owned());
                    let inserted = changes.insert_with(record, to_new);
                    new.entry(key).or_insert(inserted);
                }
                Step::Update(kind, uid, set) => {
                    let set = set.iter().map(|(info, value)| {
                        let value = match (info.references, value) {
                            (Some(kind), Value::Text(uid)) => Value::Integer(self.id(kind, uid)),
                            (_, value) => value.clone(),
                        };
                        (info.field, value)
                    });
                    changes.update(*kind, target(&new, *kind, uid), set.collect());
                }
                Step::Delete(kind, uid) => changes.delete(*kind, self.id(*kind, uid)),
                Step::Link(kind, source, target_uid, position, slot) => {
                    let source = target(&new, kind.source(), source);
                    let target = target(&new, kind.target(), target_uid);
                    match (kind.is_ordered(), kind.has_slot()) {
                        (true, _) => changes.link_at(*kind, source, target, *position),
                        (_, true) => changes.link_in(*kind, source, target, *slot),
                        _ => changes.link(*kind, source, target),
                    }
                }
                Step::Unlink(kind, source, target) => changes.unlink(
                    *kind,
                    self.id(kind.source(), source),
                    self.id(kind.target(), target),
                ),
            }
        }
        let applied = match self.backend.apply(&changes).await {
            Ok(applied) => applied,
            Err(error) => return Some(error.kind()),
        };
        let mut inserted = applied.inserted.into_iter();
        for step in steps {
            match step {
                Step::Insert(record, _) => {
                    let key = (record.kind(), record.uid().to_owned());
                    self.ids.insert(key, inserted.next().unwrap());
                }
                Step::Delete(kind, uid) => {
                    self.ids.remove(&(*kind, uid.clone()));
                }
                _ => {}
            }
        }
        None
    }

    async fn select(&self, query: &Query) -> Vec<Vec<Value>> {
        let query = &Query {
            filter: self.filter(query.kind, &query.filter),
            order: query.order.iter().map(|order| self.order(order)).collect(),
            ..query.clone()
        };
        let records = self.backend.select(query).await.unwrap();
        if query.limit.is_none() && query.offset == 0 {
            let count = self.backend.count(query).await.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), records.len());
        }
        let named = |kind: Option<Kind>, value| match (kind, value) {
            (Some(kind), Value::Integer(id)) => Value::Text(self.uid(kind, id)),
            (_, value) => value,
        };
        let values = |record: &Record| {
            let fields = query.kind.fields().iter().skip(1);
            fields
                .map(|info| named(info.references, record.get(info.field).unwrap()))
                .collect()
        };
        records.iter().map(values).collect()
    }

    /// Positions are those of the n-th source here.
    fn order(&self, order: &Order) -> Order {
        let by = match order.by {
            OrderBy::Position { link, source } => {
                let sources = self.ids.iter().filter(|(key, _)| key.0 == link.source());
                let mut sources = sources.map(|(_, id)| *id);
                let source = sources.nth(usize::try_from(source).unwrap());
                OrderBy::Position {
                    link,
                    source: source.unwrap_or(i64::MAX),
                }
            }
            by => by,
        };
        Order { by, ..*order }
    }

    /// Filters name other records by uid.
    fn filter(&self, kind: Kind, filter: &Filter) -> Filter {
        let all = |filters: &[Filter]| filters.iter().map(|f| self.filter(kind, f)).collect();
        let id = |field: &Field, value: &Value| match (kind.field(*field).unwrap(), value) {
            (info, Value::Text(uid)) if info.field == Field::Id => self.id(kind, uid).into(),
            (
                FieldInfo {
                    references: Some(kind),
                    ..
                },
                Value::Text(uid),
            ) => self.id(*kind, uid).into(),
            (_, value) => value.clone(),
        };
        match filter {
            Filter::All(filters) => Filter::All(all(filters)),
            Filter::Any(filters) => Filter::Any(all(filters)),
            Filter::Not(filter) => Filter::Not(Box::new(self.filter(kind, filter))),
            Filter::Compare(field, how, value) => Filter::Compare(*field, *how, id(field, value)),
            Filter::In(field, values) => Filter::In(
                *field,
                values.iter().map(|value| id(field, value)).collect(),
            ),
            Filter::Related(relation, filter) => {
                let kind = relation.related(kind).unwrap();
                Filter::related(*relation, self.filter(kind, filter))
            }
            other => other.clone(),
        }
    }

    async fn links(&self, kind: LinkKind) -> Vec<(String, String, Option<i64>, Option<String>)> {
        let query = LinkQuery {
            kind,
            sources: None,
            targets: None,
        };
        let links = self.backend.links(&query).await.unwrap();
        let named = |link: Link| {
            (
                self.uid(kind.source(), link.source),
                self.uid(kind.target(), link.target),
                link.position,
                link.slot,
            )
        };
        links.into_iter().map(named).collect()
    }
}

pub(super) async fn random_changes_and_queries<M, F>(make: &M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Backend>>,
{
    let mut succeeded = 0;
    let mut found = 0;
    let mut linked = 0;
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let mut memory = World::new(Arc::new(MemoryBackend::new()));
        let mut other = World::new(make().await);
        for round in 0..250 {
            // Records to begin with; later most sets fail, which is a test of undoing them.
            let steps: Vec<_> = match round {
                0..80 => vec![random.insert()],
                _ => (0..1 + random.below(4)).map(|_| random.step()).collect(),
            };
            let expected = memory.apply(&steps).await;
            let place = format!("seed {seed}, round {round}, {steps:#?}");
            assert_eq!(other.apply(&steps).await, expected, "{place}");
            random.know(memory.ids.keys());
            succeeded += usize::from(expected.is_none());
            if round % 5 > 0 {
                continue;
            }
            for kind in LinkKind::ALL {
                let expected = memory.links(kind).await;
                assert_eq!(other.links(kind).await, expected, "{place}");
                linked += expected.len();
            }
            for _ in 0..10 {
                let query = random.query();
                let expected = memory.select(&query).await;
                assert_eq!(other.select(&query).await, expected, "{query:#?}");
                found += expected.len();
            }
        }
    }
    // Otherwise little was compared.
    assert!(succeeded > 1_000, "{succeeded}");
    assert!(found > 5_000, "{found}");
    assert!(linked > 5_000, "{linked}");
}
