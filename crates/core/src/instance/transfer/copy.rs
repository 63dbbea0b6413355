//! Writing gathered records into another instance in one change set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::gather::{Snapshot, references};
use crate::backend::{Backend, ChangeSet, Filter, LinkQuery, NewRecord, Query, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Link, LinkKind, Record, Value};
use crate::registry::uid;

/// The kinds so that each refers only to those before it.
const ORDER: [Kind; 8] = [
    Kind::User,
    Kind::Storage,
    Kind::Transform,
    Kind::Run,
    Kind::ULabel,
    Kind::FeatureSet,
    Kind::Artifact,
    Kind::Collection,
];

/// Conditions in one query: databases limit how deep an expression is.
const AT_ONCE: usize = 100;

/// What each record is in the other instance, by its kind and its id here.
type Targets = BTreeMap<(Kind, Id), Target>;

/// A record to insert: its id here, the record, and what refers to others that are inserted.
type Incoming = (Id, Record, Vec<(Field, NewRecord)>);

/// Copies what the other instance lacks; gives the id that the record `(kind, id)` has there.
///
/// # Errors
/// `AlreadyExists` if something else is in its place; `Conflict` if another writer was faster.
pub(super) async fn copy(
    snapshot: Snapshot,
    backend: &dyn Backend,
    kind: Kind,
    id: Id,
) -> Result<Id> {
    let mut changes = ChangeSet::new();
    let mut targets = Targets::new();
    for kind in ORDER {
        if let Some(records) = snapshot.records.get(&kind) {
            copy_kind(kind, records, backend, &mut changes, &mut targets).await?;
        }
    }
    for link_kind in LinkKind::ALL {
        let links = snapshot.links.iter().filter(|link| link.kind == link_kind);
        copy_links(link_kind, links, backend, &mut changes, &targets).await?;
    }
    let target = find(&targets, kind, id)?;
    if changes.is_empty() {
        changes.preconditions.clear();
    }
    match (target, changes.is_empty()) {
        (Target::Existing(id), true) => Ok(id),
        (Target::Existing(id), false) => backend.apply(&changes).await.map(|_| id),
        (Target::New(new), _) => backend.apply(&changes).await?.id(new),
    }
}

fn find(targets: &Targets, kind: Kind, id: Id) -> Result<Target> {
    targets.get(&(kind, id)).copied().ok_or_else(|| {
        Error::corrupt(format!(
            "something refers to {kind} {id}, which is not there"
        ))
    })
}

async fn copy_kind(
    kind: Kind,
    records: &BTreeMap<Id, Record>,
    backend: &dyn Backend,
    changes: &mut ChangeSet,
    targets: &mut Targets,
) -> Result<()> {
    let present = Present::read(kind, records, backend).await?;
    let mut new = Vec::new();
    for (id, record) in records {
        if let Some(there) = present.same(record) {
            check_content(record, there)?;
            let there = there.id().map(Target::Existing);
            targets.extend(there.map(|there| ((kind, *id), there)));
            continue;
        }
        let mut record = record.clone();
        if kind == Kind::Storage && present.by_uid.contains_key(record.uid()) {
            // The other instance knows the storage somewhere else, maybe because it was moved or
            // is a copy. The bytes of these artifacts are here.
            let uid = uid::random(kind.uid_length());
            record.set(Field::Uid, uid.into())?;
        }
        record.set(Field::Id, Value::Null)?;
        let mut to_new = Vec::new();
        for (field, kind, id) in references(&record) {
            match find(targets, kind, id)? {
                Target::Existing(id) => record.set(field, id.into())?,
                Target::New(new) => to_new.push((field, new)),
            }
        }
        new.push((*id, record, to_new));
    }
    check_free(kind, &new, backend, changes).await?;
    for (id, record, to_new) in new {
        let inserted = changes.insert_with(record, to_new);
        targets.insert((kind, id), inserted.into());
    }
    Ok(())
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

/// Refuses versions that the other instance has in the same family, and meta artifacts that it
/// uses otherwise.
async fn check_free(
    kind: Kind,
    new: &[Incoming],
    backend: &dyn Backend,
    changes: &mut ChangeSet,
) -> Result<()> {
    let mut taken = Vec::new();
    for (_, record, to_new) in new {
        if let Some(Value::Text(version)) = record.get(Field::Version) {
            let family = Filter::starts_with(Field::Uid, uid::stem(record.uid()));
            let same = family.and(Filter::eq(Field::Version, version.as_str()));
            changes.require_none(kind, same.clone());
            taken.push((same, record, "has a version that its family has already"));
        }
        let is_new = to_new.iter().any(|(field, _)| *field == Field::Artifact);
        if let (false, Some(Value::Integer(meta))) = (is_new, record.get(Field::Artifact)) {
            let same = Filter::eq(Field::Artifact, meta);
            taken.push((
                same,
                record,
                "has a meta artifact that another collection has",
            ));
        }
    }
    for some in taken.chunks(AT_ONCE) {
        let any = Filter::Any(some.iter().map(|(filter, ..)| filter.clone()).collect());
        if backend.count(&Query::new(kind).filter(any)).await? == 0 {
            continue;
        }
        for (filter, record, message) in some {
            let query = Query::new(kind).filter(filter.clone());
            if backend.count(&query).await? > 0 {
                return Err(exists(record, &format!("{message} in the other instance")));
            }
        }
    }
    Ok(())
}

fn exists(record: &Record, message: &str) -> Error {
    let message = format!("the {} {message}", record.kind());
    Error::new(ErrorKind::AlreadyExists, message).with("uid", record.uid())
}

/// Adds the links that are missing. What a collection holds, and which runs made a record, is
/// said when it is inserted and not added to later.
async fn copy_links<'a>(
    kind: LinkKind,
    links: impl Iterator<Item = &'a Link>,
    backend: &dyn Backend,
    changes: &mut ChangeSet,
    targets: &Targets,
) -> Result<()> {
    let mut ends = Vec::new();
    let mut sources = BTreeSet::new();
    for link in links {
        let source = find(targets, kind.source(), link.source)?;
        let target = find(targets, kind.target(), link.target)?;
        if let Target::Existing(id) = source {
            if kind.is_ordered() {
                continue;
            }
            sources.insert(id);
        }
        ends.push((link, source, target));
    }
    let mut there = Vec::new();
    if !sources.is_empty() {
        let query = LinkQuery {
            kind,
            sources: Some(sources.into_iter().collect()),
            targets: None,
        };
        there = backend.links(&query).await?;
    }
    let linked: BTreeSet<(Id, Id)> = there.iter().map(|l| (l.source, l.target)).collect();
    let filled: BTreeSet<(Id, &str)> = there
        .iter()
        .filter_map(|link| Some((link.source, link.slot.as_deref()?)))
        .collect();
    for (link, source, target) in ends {
        let present = match (source, target, link.slot.as_deref()) {
            (Target::Existing(source), _, Some(slot)) => filled.contains(&(source, slot)),
            (Target::Existing(source), Target::Existing(target), None) => {
                linked.contains(&(source, target))
            }
            _ => false,
        };
        if present {
            continue;
        }
        match (link.position, &link.slot) {
            (Some(position), _) => changes.link_at(kind, source, target, position),
            (None, Some(slot)) => changes.link_in(kind, source, target, slot),
            (None, None) => changes.link(kind, source, target),
        }
    }
    Ok(())
}
