//! Everything in a database as text that is the same on all of them: ids and times are left out,
//! and uids, which are random, are numbered in the order in which records came.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anndex_core::backend::{Backend, LinkQuery, Query};
use anndex_core::record::{Field, Id, Kind, LinkKind, Record, Value, ValueType};

/// Where an instance keeps copies of files.
const COPIES: &str = ".anndex/artifacts/";

/// Names for what is random or differs from place to place.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// What stands for the first part of each uid, which its versions share, and for directories.
    names: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// Names a directory.
    pub(crate) fn directory(&mut self, path: String, name: &str) {
        self.names.insert(path, format!("<{name}>"));
    }

    /// Names the records that have no name yet, and the copies of their files.
    pub(crate) async fn learn(&mut self, backend: &dyn Backend) {
        for kind in Kind::ALL {
            for record in backend.select(&Query::new(kind)).await.unwrap() {
                self.name(stem(kind, record.uid()), kind.as_str());
                if let Some(Value::Text(key)) = record.get(Field::StorageKey)
                    && let Some((registry, copy)) = key
                        .strip_prefix(COPIES)
                        .and_then(|copy| copy.split_once('/'))
                {
                    self.name(registry, "registry");
                    let (name, _) = copy.split_once('.').unwrap_or((copy, ""));
                    // That of a first version is its uid, that of a later one is random.
                    if !name.starts_with(stem(kind, record.uid())) {
                        self.name(name, "copy");
                    }
                }
            }
        }
    }

    fn name(&mut self, random: &str, what: &'static str) {
        if !self.names.contains_key(random) {
            let count = self.counts.entry(what).or_default();
            *count += 1;
            self.names
                .insert(random.to_owned(), format!("<{what} {count}>"));
        }
    }

    /// The text with names in place of what they stand for.
    pub(crate) fn shown(&self, text: &str) -> String {
        // The longer first, as one may be part of another.
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(stem, _)| Reverse(stem.len()));
        let mut shown = text.to_owned();
        for (stem, name) in names {
            if shown.contains(stem.as_str()) {
                shown = shown.replace(stem.as_str(), name);
            }
        }
        shown
    }

    /// All records and links, one line each.
    pub(crate) async fn snapshot(&mut self, backend: &dyn Backend) -> Vec<String> {
        self.learn(backend).await;
        let mut uids = BTreeMap::new();
        let mut records = Vec::new();
        for kind in Kind::ALL {
            for record in backend.select(&Query::new(kind)).await.unwrap() {
                uids.insert((kind, record.id().unwrap()), self.shown(record.uid()));
                records.push(record);
            }
        }
        let mut lines: Vec<_> = records.iter().map(|one| self.line(one, &uids)).collect();
        for kind in LinkKind::ALL {
            let all = LinkQuery {
                kind,
                sources: None,
                targets: None,
            };
            for link in backend.links(&all).await.unwrap() {
                let source = &uids[&(kind.source(), link.source)];
                let target = &uids[&(kind.target(), link.target)];
                let (name, position, slot) = (kind.as_str(), link.position, link.slot);
                lines.push(format!("{name}: {source} {target} {position:?} {slot:?}"));
            }
        }
        lines.sort();
        lines
    }

    fn line(&self, record: &Record, uids: &BTreeMap<(Kind, Id), String>) -> String {
        let mut line = record.kind().to_string();
        for info in record.kind().fields() {
            // An etag says when a copy was made.
            if matches!(info.field, Field::Id | Field::Etag) || info.value_type == ValueType::Time {
                continue;
            }
            let value = match (record.get(info.field).unwrap(), info.references) {
                (Value::Null, _) => continue,
                (Value::Integer(id), Some(kind)) => uids[&(kind, id)].clone(),
                (value, _) => self.shown(&format!("{value:?}")),
            };
            line += &format!(" {}={value}", info.field);
        }
        line
    }
}

/// What the versions of a record have in common.
fn stem(kind: Kind, uid: &str) -> &str {
    match kind {
        Kind::Artifact | Kind::Collection | Kind::Transform => &uid[..uid.len() - 4],
        _ => uid,
    }
}
