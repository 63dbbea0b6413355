//! The records and links themselves, with the rules that hold after every change: unique values,
//! references that lead somewhere, records that are protected.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::backend::{Applied, Change, LinkQuery, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Link, LinkKind, OnDelete, Record, Value};

type Linked = BTreeMap<(Id, Option<String>), Option<i64>>;

#[derive(Debug, Default)]
pub(super) struct State {
    records: BTreeMap<Kind, BTreeMap<Id, Record>>,
    last_ids: BTreeMap<Kind, Id>,
    /// Who has each value of a unique field.
    unique: HashMap<(Kind, Field, UniqueValue), Id>,
    /// From each source: target and slot, with the position.
    by_source: BTreeMap<(LinkKind, Id), Linked>,
    by_target: BTreeMap<(LinkKind, Id), BTreeSet<Id>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum UniqueValue {
    Integer(i64),
    Text(String),
}

/// How to take one step back.
enum Undo {
    Record(Kind, Id, Option<Box<Record>>),
    Linked(LinkKind, Id, Id, Option<String>),
    Unlinked(Link),
}

impl State {
    pub(super) fn records(&self, kind: Kind) -> impl Iterator<Item = (Id, &Record)> {
        let records = self.records.get(&kind).into_iter().flatten();
        records.map(|(id, record)| (*id, record))
    }

    pub(super) fn record(&self, kind: Kind, id: Id) -> Option<&Record> {
        self.records.get(&kind)?.get(&id)
    }

    pub(super) fn targets(&self, link: LinkKind, source: Id) -> Vec<Id> {
        let linked = self.by_source.get(&(link, source)).into_iter().flatten();
        linked.map(|((target, _), _)| *target).collect()
    }

    pub(super) fn sources(&self, link: LinkKind, target: Id) -> Vec<Id> {
        let sources = self.by_target.get(&(link, target)).into_iter().flatten();
        sources.copied().collect()
    }

    pub(super) fn position(&self, link: LinkKind, source: Id, target: Id) -> Option<i64> {
        *self.by_source.get(&(link, source))?.get(&(target, None))?
    }

    pub(super) fn links(&self, query: &LinkQuery) -> Vec<Link> {
        let wanted =
            |ids: &Option<Vec<Id>>| ids.as_ref().map(|ids| BTreeSet::from_iter(ids.clone()));
        let (sources, targets) = (wanted(&query.sources), wanted(&query.targets));
        let mut found: Vec<Link> = self
            .by_source
            .range((query.kind, Id::MIN)..=(query.kind, Id::MAX))
            .filter(|((_, source), _)| sources.as_ref().is_none_or(|ids| ids.contains(source)))
            .flat_map(|((_, source), linked)| {
                linked.iter().map(|((target, slot), position)| Link {
                    kind: query.kind,
                    source: *source,
                    target: *target,
                    position: *position,
                    slot: slot.clone(),
                })
            })
            .filter(|link| {
                targets
                    .as_ref()
                    .is_none_or(|ids| ids.contains(&link.target))
            })
            .collect();
        found.sort_by(|a, b| {
            (a.source, a.position, &a.slot, a.target)
                .cmp(&(b.source, b.position, &b.slot, b.target))
        });
        found
    }

    /// Makes all changes, or undoes those that it made.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<Applied> {
        let mut applied = Applied::default();
        let mut undo = Vec::new();
        for change in changes {
            if let Err(error) = self.step(change, &mut applied, &mut undo) {
                while let Some(step) = undo.pop() {
                    self.take_back(step);
                }
                return Err(error);
            }
        }
        Ok(applied)
    }

    fn step(&mut self, change: &Change, applied: &mut Applied, undo: &mut Vec<Undo>) -> Result<()> {
        match change {
            Change::Insert { record, references } => {
                let mut record = Record::clone(record);
                for (field, new) in references {
                    record.set(*field, Value::Integer(applied.id(*new)?))?;
                }
                let kind = record.kind();
                let last = self.last_ids.entry(kind).or_insert(0);
                *last += 1;
                let id = *last;
                record.set(Field::Id, Value::Integer(id))?;
                self.check_record(&record, id)?;
                self.put(kind, id, Some(record), undo);
                applied.inserted.push(id);
                Ok(())
            }
            Change::Update { kind, record, set } => {
                let id = resolve(*record, applied)?;
                let mut record = self.existing(*kind, id)?.clone();
                for (field, value) in set {
                    record.set(*field, value.clone())?;
                }
                self.check_record(&record, id)?;
                self.put(*kind, id, Some(record), undo);
                Ok(())
            }
            Change::Delete { kind, id } => {
                self.existing(*kind, *id)?;
                self.check_unreferenced(*kind, *id)?;
                self.unlink_all(*kind, *id, undo);
                self.put(*kind, *id, None, undo);
                Ok(())
            }
            Change::Link {
                kind,
                source,
                target,
                position,
                slot,
            } => {
                let (source, target) = (resolve(*source, applied)?, resolve(*target, applied)?);
                self.existing(kind.source(), source)?;
                self.existing(kind.target(), target)?;
                let linked = self.by_source.entry((*kind, source)).or_default();
                if let Entry::Vacant(entry) = linked.entry((target, slot.clone())) {
                    entry.insert(*position);
                    let sources = self.by_target.entry((*kind, target)).or_default();
                    sources.insert(source);
                    undo.push(Undo::Linked(*kind, source, target, slot.clone()));
                }
                Ok(())
            }
            Change::Unlink {
                kind,
                source,
                target,
            } => {
                self.unlink(*kind, *source, *target, undo);
                Ok(())
            }
        }
    }

    fn existing(&self, kind: Kind, id: Id) -> Result<&Record> {
        self.record(kind, id)
            .ok_or_else(|| conflict(format!("the {kind} with id {id} is gone")))
    }

    fn check_record(&self, record: &Record, id: Id) -> Result<()> {
        let kind = record.kind();
        for info in kind.fields() {
            let Some(value) = record.get(info.field) else {
                continue;
            };
            if let (Some(references), Value::Integer(target)) = (info.references, &value) {
                self.existing(references, *target)
                    .map_err(|e| e.with("field", info.field))?;
            }
            let taken = info
                .unique
                .then(|| unique_key(kind, info.field, value))
                .flatten()
                .and_then(|key| self.unique.get(&key));
            if taken.is_some_and(|owner| *owner != id) {
                return Err(conflict(format!(
                    "another {kind} has the same {}",
                    info.field
                )));
            }
        }
        Ok(())
    }

    fn check_unreferenced(&self, kind: Kind, id: Id) -> Result<()> {
        for other in Kind::ALL {
            let fields = other.fields().iter().filter(|f| f.references == Some(kind));
            for info in fields {
                let refers = |record: &Record| record.get(info.field) == Some(Value::Integer(id));
                if self.records(other).any(|(_, record)| refers(record)) {
                    return Err(conflict(format!(
                        "the {kind} is the {} of {}",
                        info.field,
                        other.with_article()
                    )));
                }
            }
        }
        for link in LinkKind::ALL {
            let protects = link.target() == kind && link.on_delete_target() == OnDelete::Protect;
            if protects && !self.sources(link, id).is_empty() {
                return Err(conflict(format!(
                    "{} is linked to the {kind}",
                    link.source().with_article()
                )));
            }
        }
        Ok(())
    }

    fn unlink_all(&mut self, kind: Kind, id: Id, undo: &mut Vec<Undo>) {
        for link in LinkKind::ALL {
            if link.source() == kind {
                for target in self.targets(link, id) {
                    self.unlink(link, id, target, undo);
                }
            }
            if link.target() == kind {
                for source in self.sources(link, id) {
                    self.unlink(link, source, id, undo);
                }
            }
        }
    }

    fn unlink(&mut self, kind: LinkKind, source: Id, target: Id, undo: &mut Vec<Undo>) {
        let linked = self.by_source.entry((kind, source)).or_default();
        let slots: Vec<_> = linked
            .range((target, None)..)
            .take_while(|((found, _), _)| *found == target)
            .map(|((_, slot), _)| slot.clone())
            .collect();
        for slot in slots {
            let position = linked.remove(&(target, slot.clone())).flatten();
            undo.push(Undo::Unlinked(Link {
                kind,
                source,
                target,
                position,
                slot,
            }));
        }
        self.forget_source(kind, source, target);
    }

    /// Takes the source from the index by target, if no slot links the two any more.
    fn forget_source(&mut self, kind: LinkKind, source: Id, target: Id) {
        if let Some(linked) = self.by_source.get(&(kind, source)) {
            let mut slots = linked.range((target, None)..);
            if slots.next().is_some_and(|((found, _), _)| *found == target) {
                return;
            }
            if linked.is_empty() {
                self.by_source.remove(&(kind, source));
            }
        }
        if let Some(sources) = self.by_target.get_mut(&(kind, target)) {
            sources.remove(&source);
            if sources.is_empty() {
                self.by_target.remove(&(kind, target));
            }
        }
    }

    fn put(&mut self, kind: Kind, id: Id, record: Option<Record>, undo: &mut Vec<Undo>) {
        let previous = self.replace(kind, id, record);
        undo.push(Undo::Record(kind, id, previous.map(Box::new)));
    }

    fn replace(&mut self, kind: Kind, id: Id, record: Option<Record>) -> Option<Record> {
        let table = self.records.entry(kind).or_default();
        let previous = table.remove(&id);
        for info in kind.fields().iter().filter(|info| info.unique) {
            let key = |record: &Record| unique_key(kind, info.field, record.get(info.field)?);
            if let Some(key) = previous.as_ref().and_then(key) {
                self.unique.remove(&key);
            }
            if let Some(key) = record.as_ref().and_then(key) {
                self.unique.insert(key, id);
            }
        }
        if let Some(record) = record {
            table.insert(id, record);
        }
        previous
    }

    fn take_back(&mut self, step: Undo) {
        match step {
            Undo::Record(kind, id, previous) => {
                self.replace(kind, id, previous.map(|record| *record));
            }
            Undo::Linked(kind, source, target, slot) => {
                if let Some(linked) = self.by_source.get_mut(&(kind, source)) {
                    linked.remove(&(target, slot));
                }
                self.forget_source(kind, source, target);
            }
            Undo::Unlinked(link) => {
                let linked = self.by_source.entry((link.kind, link.source)).or_default();
                linked.insert((link.target, link.slot), link.position);
                let sources = self.by_target.entry((link.kind, link.target)).or_default();
                sources.insert(link.source);
            }
        }
    }
}

fn resolve(target: Target, applied: &Applied) -> Result<Id> {
    match target {
        Target::Existing(id) => Ok(id),
        Target::New(new) => applied.id(new),
    }
}

fn unique_key(kind: Kind, field: Field, value: Value) -> Option<(Kind, Field, UniqueValue)> {
    let value = match value {
        Value::Integer(number) => UniqueValue::Integer(number),
        Value::Text(text) => UniqueValue::Text(text),
        _ => return None,
    };
    Some((kind, field, value))
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
