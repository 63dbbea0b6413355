//! All records and links of a lamindb instance, in an order in which each leads to those before.

use std::collections::{HashMap, HashSet, VecDeque};

use anndex_backend_sql::{Reader, Rows};
use anndex_core::Result;
use anndex_core::instance::{RecordSource, SourcePage};
use anndex_core::record::{Id, Link, LinkKind, Record, Value, ValueType};
use async_trait::async_trait;

use crate::table::{
    ARTIFACTS, COLLECTIONS, Columns, RUNS, STORAGES, TRANSFORMS, Table, ULABELS, USERS,
};
use crate::{artifact, runs};

/// Links in a page of their own.
const LINKS: u64 = 10_000;

/// The kinds so that each refers only to those before it.
const TABLES: [&Table; 7] = [
    &USERS,
    &STORAGES,
    &TRANSFORMS,
    &RUNS,
    &ULABELS,
    &ARTIFACTS,
    &COLLECTIONS,
];

/// A table of links: its name, and the columns of both ends.
#[derive(Debug, Clone, Copy)]
struct LinkTable {
    kind: LinkKind,
    name: &'static str,
    source: &'static str,
    target: &'static str,
}

const fn link_table(
    kind: LinkKind,
    name: &'static str,
    source: &'static str,
    target: &'static str,
) -> LinkTable {
    LinkTable {
        kind,
        name,
        source,
        target,
    }
}

/// Links that may lead to records that come later.
const LATER: [LinkTable; 5] = [
    link_table(
        LinkKind::TransformParent,
        "lamindb_transformtransform",
        "successor_id",
        "predecessor_id",
    ),
    link_table(
        LinkKind::ULabelParent,
        "lamindb_ulabel_parents",
        "from_ulabel_id",
        "to_ulabel_id",
    ),
    // A label's type.
    link_table(LinkKind::ULabelParent, "lamindb_ulabel", "id", "type_id"),
    link_table(
        LinkKind::RunInputArtifact,
        "lamindb_artifact_input_of_runs",
        "run_id",
        "artifact_id",
    ),
    link_table(
        LinkKind::RunInputCollection,
        "lamindb_collection_input_of_runs",
        "run_id",
        "collection_id",
    ),
];

/// The table that holds links of records of a kind, by the record.
fn held(kind: LinkKind) -> Option<LinkTable> {
    let (name, source, target) = match kind {
        LinkKind::ArtifactULabel => ("lamindb_artifactulabel", "artifact_id", "ulabel_id"),
        LinkKind::CollectionULabel => ("lamindb_collectionulabel", "collection_id", "ulabel_id"),
        LinkKind::CollectionArtifact => {
            ("lamindb_collectionartifact", "collection_id", "artifact_id")
        }
        LinkKind::ArtifactPreviousRun => {
            ("lamindb_artifact_recreating_runs", "artifact_id", "run_id")
        }
        LinkKind::CollectionPreviousRun => (
            "lamindb_collection_recreating_runs",
            "collection_id",
            "run_id",
        ),
        _ => return None,
    };
    Some(link_table(kind, name, source, target))
}

#[derive(Debug)]
enum Step {
    Records(Columns),
    Links(LinkTable),
}

/// The registry of a lamindb instance; made by [`open`](crate::open()).
#[derive(Debug)]
pub struct LamindbSource {
    reader: Option<Reader>,
    steps: VecDeque<Step>,
    after: Option<Id>,
}

impl LamindbSource {
    /// # Errors
    /// `InvalidInput` if the database is not a lamindb instance; `Unsupported` if it is too old.
    pub(crate) async fn new(reader: Reader) -> Result<Self> {
        let mut steps = VecDeque::new();
        for table in TABLES {
            steps.push_back(Step::Records(Columns::find(&reader, table).await?));
        }
        for table in LATER {
            // What precedes a transform is in a table that not all versions have.
            let columns = reader.columns(table.name).await?;
            if columns.contains(table.source) && columns.contains(table.target) {
                steps.push_back(Step::Links(table));
            }
        }
        Ok(Self {
            reader: Some(reader),
            steps,
            after: None,
        })
    }
}

#[async_trait]
impl RecordSource for LamindbSource {
    async fn next_page(&mut self) -> Result<Option<SourcePage>> {
        while let (Some(reader), Some(step)) = (&self.reader, self.steps.front()) {
            let page = match step {
                Step::Records(columns) => records(reader, columns, self.after).await?,
                Step::Links(table) => later(reader, table, self.after).await?,
            };
            if let Some((page, last)) = page {
                self.after = Some(last);
                return Ok(Some(page));
            }
            self.steps.pop_front();
            self.after = None;
        }
        if let Some(reader) = self.reader.take() {
            reader.close().await?;
        }
        Ok(None)
    }
}

/// The records after one, with what they hold; `None` if there are no more.
async fn records(
    reader: &Reader,
    columns: &Columns,
    after: Option<Id>,
) -> Result<Option<(SourcePage, Id)>> {
    let rows = columns.read(reader, after).await?;
    let Some(last) = rows.last().and_then(|row| row.record.id()) else {
        return Ok(None);
    };
    let mut page = SourcePage::default();
    for row in rows {
        match artifact::placed(row) {
            Ok(Record::Storage(storage)) => page.records.push(at_its_place(storage).into()),
            Ok(record) => page.records.push(record),
            Err(left_out) => page.left_out.push(left_out),
        }
    }
    let ids: Vec<Id> = page.records.iter().filter_map(Record::id).collect();
    for kind in LinkKind::ALL {
        let Some(table) = held(kind).filter(|_| kind.source() == columns.table.kind) else {
            continue;
        };
        let targets = targets(reader, &table, &ids).await?;
        for record in &mut page.records {
            let Some((id, targets)) = record.id().and_then(|id| Some((id, targets.get(&id)?)))
            else {
                continue;
            };
            page.links.extend(match kind {
                LinkKind::ArtifactPreviousRun | LinkKind::CollectionPreviousRun => {
                    runs::settle(record, kind, id, targets)?
                }
                kind => links(kind, id, targets),
            });
        }
    }
    Ok(Some((page, last)))
}

/// The directory by the path that it has here, under which an instance knows it.
fn at_its_place(mut storage: anndex_core::record::Storage) -> anndex_core::record::Storage {
    if !storage.root.contains("://")
        && let Ok(real) = std::fs::canonicalize(&storage.root)
        && let Some(real) = real.to_str()
    {
        storage.root = real.to_owned();
    }
    storage
}

/// What these records are linked to, in the order of the links, each once.
async fn targets(
    reader: &Reader,
    table: &LinkTable,
    sources: &[Id],
) -> Result<HashMap<Id, Vec<Id>>> {
    let columns = [
        (table.source, ValueType::Integer),
        (table.target, ValueType::Integer),
    ];
    let rows = Rows {
        table: table.name,
        columns: &columns,
        key: table.source,
        after: None,
        among: Some(sources),
        limit: None,
    };
    let mut targets = HashMap::<Id, Vec<Id>>::new();
    let mut seen = HashSet::new();
    for row in reader.rows(&rows).await? {
        if let [Value::Integer(source), Value::Integer(target)] = row[..]
            && seen.insert((source, target))
        {
            targets.entry(source).or_default().push(target);
        }
    }
    Ok(targets)
}

fn links(kind: LinkKind, source: Id, targets: &[Id]) -> Vec<Link> {
    let link = |(target, position): (&Id, i64)| Link {
        kind,
        source,
        target: *target,
        position: kind.is_ordered().then_some(position),
        slot: None,
    };
    targets.iter().zip(0..).map(link).collect()
}

/// A page of nothing but links; `None` if there are no more.
async fn later(
    reader: &Reader,
    table: &LinkTable,
    after: Option<Id>,
) -> Result<Option<(SourcePage, Id)>> {
    let columns = [
        ("id", ValueType::Integer),
        (table.source, ValueType::Integer),
        (table.target, ValueType::Integer),
    ];
    let rows = Rows {
        table: table.name,
        columns: &columns,
        key: "id",
        after,
        among: None,
        limit: Some(LINKS),
    };
    let mut page = SourcePage::default();
    let mut last = None;
    let mut seen = HashSet::new();
    for row in reader.rows(&rows).await? {
        if let [Value::Integer(id), ..] = row[..] {
            last = Some(id);
        }
        // A label without a type has none here.
        if let [_, Value::Integer(source), Value::Integer(target)] = row[..]
            && seen.insert((source, target))
        {
            page.links.extend(links(table.kind, source, &[target]));
        }
    }
    Ok(last.map(|last| (page, last)))
}
