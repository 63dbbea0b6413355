//! All that an instance holds as lines of text that do not depend on ids.

use std::collections::{BTreeMap, BTreeSet};

use super::done;
use anndex_core::backend::{LinkQuery, Query};
use anndex_core::instance::Instance;
use anndex_core::record::{Field, Id, Kind, LinkKind, Record, Value};

/// Records and links, with uids for ids.
pub(super) async fn outline(db: &Instance) -> BTreeSet<String> {
    let backend = db.backend();
    let mut records: BTreeMap<(Kind, Id), Record> = BTreeMap::new();
    for kind in Kind::ALL {
        for record in done(backend.select(&Query::new(kind)).await) {
            records.insert((kind, record.id().unwrap_or_default()), record);
        }
    }
    let uid = |kind: Kind, id: Id| records.get(&(kind, id)).map_or("none", Record::uid);
    let mut lines = BTreeSet::new();
    for ((kind, _), record) in &records {
        let mut line = format!("{kind}");
        for info in kind.fields() {
            let value = match (info.references, record.get(info.field)) {
                (Some(kind), Some(Value::Integer(id))) => uid(kind, id).to_owned(),
                (_, value) => format!("{value:?}"),
            };
            if info.field != Field::Id {
                line += &format!(" {}={value}", info.field);
            }
        }
        lines.insert(line);
    }
    for kind in LinkKind::ALL {
        let all = LinkQuery {
            kind,
            sources: None,
            targets: None,
        };
        for link in done(backend.links(&all).await) {
            lines.insert(format!(
                "{} {} -> {} {:?} {:?}",
                kind.as_str(),
                uid(kind.source(), link.source),
                uid(kind.target(), link.target),
                link.position,
                link.slot,
            ));
        }
    }
    lines
}
