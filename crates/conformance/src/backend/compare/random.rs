//! Random changes and queries that fit the model.

use std::collections::BTreeMap;

use chrono::DateTime;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::super::samples::empty;
use anndex_core::backend::{Comparison, Filter, OrderBy, Query, Relation, TextMatch};
use anndex_core::record::{Field, FieldInfo, Kind, LinkKind, Record, Value, ValueType};

const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "aB",
    "B",
    "ä",
    "Äß",
    "aKſİ",
    "AΣς",
    "a%",
    "a_",
    "\u{10ffff}",
    "\u{e000}",
];
const UIDS: usize = 20;

/// One change, by uids.
#[derive(Debug)]
pub(super) enum Step {
    Insert(Box<Record>, Vec<(FieldInfo, String)>),
    Update(Kind, String, Vec<(FieldInfo, Value)>),
    Delete(Kind, String),
    Link(LinkKind, String, String, i64, &'static str),
    Unlink(LinkKind, String, String),
}

/// What comes next.
pub(super) struct Random {
    generator: StdRng,
    /// The uids that there are.
    known: BTreeMap<Kind, Vec<String>>,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            generator: StdRng::seed_from_u64(seed),
            known: BTreeMap::new(),
        }
    }

    /// Forgets the uids known before.
    pub(super) fn know<'a>(&mut self, uids: impl IntoIterator<Item = &'a (Kind, String)>) {
        self.known.clear();
        for (kind, uid) in uids {
            self.known.entry(*kind).or_default().push(uid.clone());
        }
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.generator.random_range(0..n)
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        *items.choose(&mut self.generator).unwrap()
    }

    fn uid(&mut self) -> String {
        format!("{}{}", self.one_of(&["a", "A", "B"]), self.below(UIDS))
    }

    /// The uid of a record, mostly of one that there is.
    fn uid_of(&mut self, kind: Kind) -> String {
        let known = self.known.get(&kind).filter(|known| !known.is_empty());
        match known.cloned() {
            Some(known) if self.below(8) > 0 => known[self.below(known.len())].clone(),
            _ => self.uid(),
        }
    }

    /// A value of a field; of a reference (and of an id) the uid of the record.
    fn value(&mut self, info: &FieldInfo) -> Value {
        if let Some(kind) = info.references {
            return self.uid_of(kind).into();
        }
        match info.value_type {
            _ if matches!(info.field, Field::Id | Field::Uid) => self.uid().into(),
            ValueType::Boolean => (self.below(2) == 0).into(),
            ValueType::Integer => i64::try_from(self.below(3)).unwrap().into(),
            ValueType::Text => self.one_of(TEXTS).into(),
            ValueType::Time => {
                DateTime::from_timestamp_micros(i64::try_from(self.below(4)).unwrap()).into()
            }
            ValueType::Json => Value::Json(serde_json::json!([])),
        }
    }

    fn nullable(&mut self, info: &FieldInfo) -> Value {
        match info.nullable && self.below(3) > 0 {
            true => Value::Null,
            false => self.value(info),
        }
    }

    pub(super) fn insert(&mut self) -> Step {
        let kind = self.one_of(&Kind::ALL);
        let mut record = empty(kind);
        let mut references = Vec::new();
        for info in kind.fields().iter().skip(1) {
            match (info.references, self.nullable(info)) {
                (Some(_), Value::Text(uid)) => references.push((*info, uid)),
                (_, value) => record.set(info.field, value).unwrap(),
            }
        }
        Step::Insert(Box::new(record), references)
    }

    pub(super) fn step(&mut self) -> Step {
        let kind = self.one_of(&Kind::ALL);
        let link = self.one_of(&LinkKind::ALL);
        match self.below(12) {
            0..=5 => self.insert(),
            6 => {
                let fields: Vec<_> = kind.fields().iter().skip(2).collect();
                let set = (0..self.below(3)).map(|_| {
                    let info = self.one_of(&fields);
                    (*info, self.nullable(info))
                });
                let set = set.collect();
                Step::Update(kind, self.uid_of(kind), set)
            }
            7 => Step::Delete(kind, self.uid_of(kind)),
            8 => {
                let (source, target) = (self.uid_of(link.source()), self.uid_of(link.target()));
                Step::Unlink(link, source, target)
            }
            _ => {
                let position = i64::try_from(self.below(3)).unwrap();
                let slot = self.one_of(&["var", "obs", "Var"]);
                let (source, target) = (self.uid_of(link.source()), self.uid_of(link.target()));
                Step::Link(link, source, target, position, slot)
            }
        }
    }

    fn filter(&mut self, kind: Kind, depth: usize) -> Filter {
        let comparable = |info: &&FieldInfo| info.value_type != ValueType::Json;
        let fields: Vec<_> = kind.fields().iter().filter(comparable).collect();
        let info = self.one_of(&fields);
        let many = self.below(4);
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 | 1 => {
                // Ids differ between backends, so only their equality means anything.
                let how = match info.field == Field::Id || info.references.is_some() {
                    true => Comparison::Eq,
                    false => self.one_of(&[
                        Comparison::Eq,
                        Comparison::Lt,
                        Comparison::Le,
                        Comparison::Gt,
                        Comparison::Ge,
                    ]),
                };
                Filter::Compare(info.field, how, self.value(info))
            }
            2 => Filter::In(info.field, (0..many).map(|_| self.value(info)).collect()),
            3 => Filter::IsNull(info.field),
            4 => {
                let texts = fields
                    .iter()
                    .filter(|info| info.value_type == ValueType::Text);
                let texts: Vec<_> = texts.map(|info| info.field).collect();
                let how = self.one_of(&[
                    TextMatch::Equals,
                    TextMatch::Contains,
                    TextMatch::StartsWith,
                    TextMatch::EndsWith,
                ]);
                let (field, text) = (self.one_of(&texts), self.one_of(TEXTS).to_owned());
                match self.below(2) {
                    0 => Filter::Text(field, how, text),
                    _ => Filter::Folded(field, how, text),
                }
            }
            5 => Filter::All((0..many).map(|_| self.filter(kind, depth - 1)).collect()),
            6 => Filter::Any((0..many).map(|_| self.filter(kind, depth - 1)).collect()),
            7 => Filter::Not(Box::new(self.filter(kind, depth - 1))),
            _ => {
                let relation = self.one_of(&relations(kind));
                let related = relation.related(kind).unwrap();
                Filter::related(relation, self.filter(related, depth - 1))
            }
        }
    }

    pub(super) fn query(&mut self) -> Query {
        let kind = self.one_of(&Kind::ALL);
        let mut query = Query::new(kind).filter(self.filter(kind, 3));
        let ordered =
            |info: &&FieldInfo| info.value_type != ValueType::Json && info.references.is_none();
        let fields: Vec<_> = kind.fields().iter().filter(ordered).collect();
        for _ in 0..self.below(3) {
            let links = LinkKind::ALL.into_iter();
            let links = links.filter(|link| link.is_ordered() && link.target() == kind);
            let by = match links.collect::<Vec<_>>().as_slice() {
                links if !links.is_empty() && self.below(2) == 0 => OrderBy::Position {
                    link: self.one_of(links),
                    source: i64::try_from(self.below(4)).unwrap(),
                },
                _ => OrderBy::Field(self.one_of(&fields).field),
            };
            query = query.order(by, self.below(2) == 0);
        }
        if self.below(3) == 0 {
            query.limit = Some(self.below(6) as u64);
        }
        if self.below(3) == 0 {
            query.offset = self.below(4) as u64;
        }
        query
    }
}

fn relations(kind: Kind) -> Vec<Relation> {
    let mut relations = Vec::new();
    for field in kind
        .fields()
        .iter()
        .filter(|info| info.references.is_some())
    {
        relations.push(Relation::Reference(field.field));
    }
    for other in Kind::ALL {
        for field in other.fields() {
            relations.push(Relation::ReferencedBy(other, field.field));
        }
    }
    relations.extend(LinkKind::ALL.map(Relation::Targets));
    relations.extend(LinkKind::ALL.map(Relation::Sources));
    relations.retain(|relation| relation.related(kind).is_ok());
    relations
}
