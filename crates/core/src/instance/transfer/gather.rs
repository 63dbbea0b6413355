//! Which records a copy consists of: everything that references and links lead to.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::{Backend, Filter, LinkQuery, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Field, Id, Kind, Link, LinkKind, Record, Value};

/// Records with the links between them, by the ids that they have where they come from. What is
/// referred to or linked is in it too.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) records: BTreeMap<Kind, BTreeMap<Id, Record>>,
    pub(super) links: Vec<Link>,
}

/// Reads a record and all that it stands on, kind by kind, whatever their visibility.
///
/// # Errors
/// `Conflict` if something was deleted meanwhile; `Backend` if the database fails.
pub(super) async fn gather(backend: &dyn Backend, kind: Kind, id: Id) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let mut wanted = BTreeMap::from([(kind, BTreeSet::from([id]))]);
    while let Some((kind, ids)) = wanted.pop_first() {
        let known = snapshot.records.entry(kind).or_default();
        let ids: Vec<Id> = ids
            .into_iter()
            .filter(|id| !known.contains_key(id))
            .collect();
        if ids.is_empty() {
            continue;
        }
        let query = Query::new(kind).filter(Filter::is_in(Field::Id, ids.iter().copied()));
        let found = backend.select(&query).await?;
        if found.len() != ids.len() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} was deleted while it was copied; try again",
                    kind.with_article()
                ),
            ));
        }
        for record in found {
            for (_, referred, id) in references(&record) {
                wanted.entry(referred).or_default().insert(id);
            }
            known.extend(record.id().map(|id| (id, record)));
        }
        for link in LinkKind::ALL {
            if link.source() != kind {
                continue;
            }
            let query = LinkQuery {
                kind: link,
                sources: Some(ids.clone()),
                targets: None,
            };
            let links = backend.links(&query).await?;
            let targets = links.iter().map(|link| link.target);
            wanted.entry(link.target()).or_default().extend(targets);
            snapshot.links.extend(links);
        }
    }
    Ok(snapshot)
}

/// The fields of a record that hold ids, with the kinds and ids that they refer to.
pub(super) fn references(record: &Record) -> Vec<(Field, Kind, Id)> {
    let fields = record.kind().fields().iter();
    fields
        .filter_map(|info| match (info.references, record.get(info.field)) {
            (Some(kind), Some(Value::Integer(id))) => Some((info.field, kind, id)),
            _ => None,
        })
        .collect()
}
