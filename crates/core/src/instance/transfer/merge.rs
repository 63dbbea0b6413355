//! What records become in another instance: which are there already, which are new, and which
//! can't be taken.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::gather::references;
use crate::backend::{Backend, ChangeSet, Filter, NewRecord, Query, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Link, Record, Value};
use crate::registry::uid;

/// Conditions in one query: databases limit how deep an expression is.
const AT_ONCE: usize = 100;

/// What records are in the other instance, by their kind and their id here.
pub(super) type Targets<T> = BTreeMap<(Kind, Id), T>;

/// A record to insert: its id here, the record, and what refers to others that are inserted.
type Incoming = (Id, Record, Vec<(Field, NewRecord)>);

/// One change set that adds records and links to another instance, as it grows.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    pub(super) backend: &'a dyn Backend,
    /// What was copied before, by other change sets.
    copied: &'a Targets<Id>,
    pub(super) changes: ChangeSet,
    pub(super) targets: Targets<Target>,
    are_transforms_by_uid: bool,
    /// Records that can't be taken, or not as they are: their ids here, and why.
    pub(super) refused: Vec<(Kind, Id, Error)>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(backend: &'a dyn Backend, copied: &'a Targets<Id>) -> Self {
        Self {
            backend,
            copied,
            changes: ChangeSet::new(),
            targets: Targets::new(),
            are_transforms_by_uid: false,
            refused: Vec::new(),
        }
    }

    /// Takes transforms for the same by their uids, whatever their source code is. That they
    /// differ still stands among what is refused.
    pub(super) fn with_transforms_by_uid(self) -> Self {
        Self {
            are_transforms_by_uid: true,
            ..self
        }
    }

    /// What a record is there; `None` if it was not added, or refused.
    pub(super) fn target(&self, kind: Kind, id: Id) -> Option<Target> {
        let copied = || self.copied.get(&(kind, id)).copied().map(Target::Existing);
        self.targets.get(&(kind, id)).copied().or_else(copied)
    }

    /// Applies the changes, if there are any; gives the ids that records have there.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster; `Backend` if the database fails.
    pub(super) async fn apply(mut self) -> Result<Targets<Id>> {
        if self.changes.is_empty() {
            self.changes.preconditions.clear();
            return Ok(self.targets.into_iter().filter_map(existing).collect());
        }
        let applied = self.backend.apply(&self.changes).await?;
        let ids = self.targets.into_iter().map(|(key, target)| match target {
            Target::Existing(id) => Ok((key, id)),
            Target::New(new) => Ok((key, applied.id(new)?)),
        });
        ids.collect()
    }

    /// Adds records of one kind, whose references and ordered links lead to what was added before.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub(super) async fn records(
        &mut self,
        kind: Kind,
        records: &BTreeMap<Id, Record>,
        links: &[Link],
    ) -> Result<()> {
        let present = Present::read(kind, records, self.backend).await?;
        let incomplete = self.incomplete(kind, links);
        let mut new = Vec::new();
        for (id, record) in records {
            if let Some(there) = present.same(record) {
                self.add_existing((kind, *id), record, there);
                continue;
            }
            if let Some((held, missing)) = incomplete.get(id) {
                let error = Error::corrupt(format!("it has {held} {missing}, which is not copied"));
                self.refused.push((kind, *id, error));
                continue;
            }
            let mut record = record.clone();
            if kind == Kind::Storage && present.by_uid.contains_key(record.uid()) {
                // The other instance knows the storage somewhere else, maybe because it was moved
                // or is a copy. The bytes of these artifacts are here.
                let uid = uid::random(kind.uid_length());
                record.set(Field::Uid, uid.into())?;
            }
            record.set(Field::Id, Value::Null)?;
            match self.refer(&mut record) {
                Ok(to_new) => new.push((*id, record, to_new)),
                Err(error) => self.refused.push((kind, *id, error)),
            }
        }
        for (id, record, to_new) in self.free(kind, new).await? {
            let inserted = self.changes.insert_with(record, to_new);
            self.targets.insert((kind, id), inserted.into());
        }
        Ok(())
    }

    fn add_existing(&mut self, key: (Kind, Id), record: &Record, there: &Record) {
        let checked = check_content(record, there);
        let is_same = checked.is_ok() || self.are_transforms_by_uid && key.0 == Kind::Transform;
        if let (true, Some(there)) = (is_same, there.id()) {
            self.targets.insert(key, Target::Existing(there));
        }
        if let Err(error) = checked {
            self.refused.push((key.0, key.1, error));
        }
    }

    /// Records that would lose something of what they are inserted with, since it is not copied.
    fn incomplete(&self, kind: Kind, links: &[Link]) -> BTreeMap<Id, (Kind, Id)> {
        let held = |link: &&Link| link.kind.source() == kind && link.kind.is_ordered();
        let missing = links.iter().filter(held).filter_map(|link| {
            let held = link.kind.target();
            let is_missing = self.target(held, link.target).is_none();
            is_missing.then_some((link.source, (held, link.target)))
        });
        missing.collect()
    }

    /// Lets the references of a record lead to the ids of the other instance; gives those to
    /// records that are new.
    fn refer(&self, record: &mut Record) -> Result<Vec<(Field, NewRecord)>> {
        let mut to_new = Vec::new();
        for (field, kind, id) in references(record) {
            match self.target(kind, id) {
                Some(Target::Existing(id)) => record.set(field, id.into())?,
                Some(Target::New(new)) => to_new.push((field, new)),
                None => {
                    return Err(Error::corrupt(format!(
                        "it refers to {kind} {id}, which is not copied"
                    )));
                }
            }
        }
        Ok(to_new)
    }

    /// Those records whose versions and meta artifacts are free; the others are refused.
    async fn free(&mut self, kind: Kind, new: Vec<Incoming>) -> Result<Vec<Incoming>> {
        let mut asked = Vec::new();
        let mut refused = HashMap::new();
        let mut versions = HashSet::new();
        for (index, (_, record, to_new)) in new.iter().enumerate() {
            if let Some(Value::Text(version)) = record.get(Field::Version) {
                let message = "has a version that its family has already";
                let family = Filter::starts_with(Field::Uid, uid::stem(record.uid()));
                let same = family.and(Filter::eq(Field::Version, version.as_str()));
                if versions.insert((uid::stem(record.uid()), version)) {
                    asked.push((index, same, message));
                } else {
                    refused.insert(index, message);
                }
            }
            let is_new = to_new.iter().any(|(field, _)| *field == Field::Artifact);
            if let (false, Some(Value::Integer(meta))) = (is_new, record.get(Field::Artifact)) {
                let same = Filter::eq(Field::Artifact, meta);
                let message = "has a meta artifact that another collection has";
                asked.push((index, same, message));
            }
        }
        for some in asked.chunks(AT_ONCE) {
            let any = Filter::Any(some.iter().map(|(_, filter, _)| filter.clone()).collect());
            if self.backend.count(&Query::new(kind).filter(any)).await? == 0 {
                continue;
            }
            for (index, filter, message) in some {
                // Somebody else may have brought the record itself meanwhile, which the precondition
                // notices.
                let other = Filter::ne(Field::Uid, new[*index].1.uid());
                let query = Query::new(kind).filter(filter.clone().and(other));
                if self.backend.count(&query).await? > 0 {
                    refused.insert(*index, message);
                }
            }
        }
        for (index, filter, _) in asked {
            if !refused.contains_key(&index) {
                self.changes.require_none(kind, filter);
            }
        }
        let mut free = Vec::new();
        for (index, incoming) in new.into_iter().enumerate() {
            match refused.get(&index) {
                None => free.push(incoming),
                Some(message) => {
                    let message = format!("{message} in the other instance");
                    let error = exists(&incoming.1, &message);
                    self.refused.push((kind, incoming.0, error));
                }
            }
        }
        Ok(free)
    }
}

fn existing((key, target): ((Kind, Id), Target)) -> Option<((Kind, Id), Id)> {
    match target {
        Target::Existing(id) => Some((key, id)),
        Target::New(_) => None,
    }
}

/// Records of the other instance that may be the same as those that come.
struct Present {
    by_uid: HashMap<String, Record>,
    /// By what else is unique to a kind: the handle of a user, the root of a storage, the hash of
    /// a feature set.
    by_content: HashMap<String, Record>,
    content: Option<Field>,
    by_place: bool,
}

impl Present {
    async fn read(
        kind: Kind,
        records: &BTreeMap<Id, Record>,
        backend: &dyn Backend,
    ) -> Result<Self> {
        let content = match kind {
            Kind::User => Some(Field::Handle),
            Kind::Storage => Some(Field::Root),
            Kind::FeatureSet => Some(Field::Hash),
            _ => None,
        };
        let mut same = Filter::is_in(Field::Uid, records.values().map(Record::uid));
        if let Some(field) = content {
            let values = records.values().filter_map(|record| record.get(field));
            same = same.or(Filter::is_in(field, values));
        }
        let found = backend.select(&Query::new(kind).filter(same)).await?;
        let mut present = Self {
            by_uid: HashMap::new(),
            by_content: HashMap::new(),
            content,
            by_place: kind == Kind::Storage,
        };
        for record in found {
            if let Some(content) = present.content_of(&record) {
                present.by_content.insert(content, record.clone());
            }
            present.by_uid.insert(record.uid().to_owned(), record);
        }
        Ok(present)
    }

    fn content_of(&self, record: &Record) -> Option<String> {
        match record.get(self.content?) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The record that is the same. A storage is where it is, whatever its uid.
    fn same(&self, record: &Record) -> Option<&Record> {
        let by_content = || self.by_content.get(&self.content_of(record)?);
        if self.by_place {
            return by_content();
        }
        self.by_uid.get(record.uid()).or_else(by_content)
    }
}

/// Refuses to take two records for the same because each instance made a version of its own.
fn check_content(record: &Record, there: &Record) -> Result<()> {
    let hash = |record: &Record| match record.get(Field::Hash) {
        Some(Value::Text(hash)) => Some(hash),
        _ => None,
    };
    match (hash(record), hash(there)) {
        (Some(here), Some(there)) if here != there => Err(exists(
            record,
            "has other content under the same uid in the other instance: a version was made in \
             each; make the newer one again as a new version there",
        )),
        _ => Ok(()),
    }
}

fn exists(record: &Record, message: &str) -> Error {
    let message = format!("the {} {message}", record.kind());
    Error::new(ErrorKind::AlreadyExists, message).with("uid", record.uid())
}
