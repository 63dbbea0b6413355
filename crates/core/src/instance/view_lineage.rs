//! Reading the lineage of a dataset: the runs that made it and what they read, back to the
//! beginning, and what was made of it since.

use std::collections::{BTreeMap, BTreeSet};

use super::Instance;
use super::handle::Handle;
use crate::backend::{Filter, Query, Relation};
use crate::error::{Error, Result};
use crate::lineage::{LineageGraph, LineageNode};
use crate::record::{Field, FieldType, Id, Kind, LinkKind, Record, Value, Visibility};
use crate::registry::Data;

/// How many datasets and runs a graph has, unless told otherwise. More do not fit on a page.
const LIMIT: usize = 200;

/// Laying out takes the square of it.
const LARGEST_LIMIT: usize = 2_000;

/// How many inputs and outputs of one run, or readers of one dataset, are looked at.
const PER_NODE: u64 = 25;

const DATASETS: [Kind; 2] = [Kind::Artifact, Kind::Collection];

/// Reads the lineage of a dataset; see [`Handle::view_lineage`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `read` is called"]
pub struct LineageBuilder<D> {
    data: Handle<D>,
    with_children: bool,
    limit: usize,
}

impl<D: Data> Handle<D> {
    /// The lineage of the dataset, to be looked at: the run that made it, what this run read and
    /// else made, the run that made that, and so on; and the runs that read it, with what they
    /// made, and so on. Records in the trash are shown, and marked.
    pub fn view_lineage(&self) -> LineageBuilder<D> {
        LineageBuilder {
            data: self.clone(),
            with_children: true,
            limit: LIMIT,
        }
    }
}

impl<D: Data> LineageBuilder<D> {
    /// Whether what was made of the dataset is shown, too. Default: true.
    pub fn with_children(mut self, with_children: bool) -> Self {
        self.with_children = with_children;
        self
    }

    /// At most so many datasets and runs, those nearest to the dataset; of one run at most 25
    /// inputs and 25 outputs of a kind are among them. Nodes say how many of their neighbours were
    /// left out. Default: 200; at most 2,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the graph.
    ///
    /// # Errors
    /// `InvalidInput` if the limit is 0 or too large, `NotFound` if the dataset was deleted
    /// permanently, `Backend` if the database fails.
    pub async fn read(self) -> Result<LineageGraph> {
        if self.limit == 0 || self.limit > LARGEST_LIMIT {
            return Err(Error::invalid_input(format!(
                "a graph of lineage has 1 to {LARGEST_LIMIT} nodes"
            ))
            .with("limit", self.limit));
        }
        let mut walk = Walk::new(&self.data.db, self.limit);
        let read = async {
            let focus: Record = self.data.fresh().await?.into();
            walk.node(node(&focus)?, D::KIND, self.data.id());
            walk.back(focus).await?;
            if self.with_children {
                walk.forth((D::KIND, self.data.id())).await?;
            }
            Ok(())
        };
        let read: Result<()> = read.await;
        read.map_err(|e| e.operation("view lineage").with("uid", self.data.uid()))?;
        Ok(walk.into_graph())
    }
}

/// Walks from run to dataset and on, the nearest first.
struct Walk<'a> {
    db: &'a Instance,
    limit: usize,
    nodes: Vec<LineageNode>,
    places: BTreeMap<(Kind, Id), usize>,
    edges: BTreeSet<(usize, usize)>,
    /// How many neighbours nodes have before and after them, where that was asked.
    before: BTreeMap<usize, u64>,
    after: BTreeMap<usize, u64>,
}

impl<'a> Walk<'a> {
    fn new(db: &'a Instance, limit: usize) -> Self {
        Self {
            db,
            limit,
            nodes: Vec::new(),
            places: BTreeMap::new(),
            edges: BTreeSet::new(),
            before: BTreeMap::new(),
            after: BTreeMap::new(),
        }
    }

    /// The place of a node, which is new or known; `None` if there is no room for a new one.
    fn node(&mut self, node: LineageNode, kind: Kind, id: Id) -> Option<usize> {
        if let Some(place) = self.places.get(&(kind, id)) {
            return Some(*place);
        }
        if self.nodes.len() >= self.limit {
            return None;
        }
        self.nodes.push(node);
        self.places.insert((kind, id), self.nodes.len() - 1);
        Some(self.nodes.len() - 1)
    }

    /// From a dataset to the run that made it, what that read and else made, and on from what it
    /// read.
    async fn back(&mut self, focus: Record) -> Result<()> {
        let mut walked = BTreeSet::new();
        let mut datasets = vec![focus];
        while !datasets.is_empty() {
            let mut made_by = Vec::new();
            for dataset in &datasets {
                let key = dataset.id().map(|id| (dataset.kind(), id));
                let place = key.and_then(|key| self.places.get(&key));
                if let (Some(run), Some(place)) = (integer(dataset, Field::Run), place) {
                    self.before.insert(*place, 1);
                    made_by.push((run, *place));
                }
            }
            let ids: BTreeSet<Id> = made_by.iter().map(|(run, _)| *run).collect();
            let query = Query::new(Kind::Run).filter(Filter::is_in(Field::Id, ids));
            let mut new = Vec::new();
            for (run, place) in self.runs(&query).await? {
                let made = made_by.iter().filter(|(made_by, _)| *made_by == run);
                let made = made.map(|(_, dataset)| (place, *dataset));
                self.edges.extend(made);
                if walked.insert(run) {
                    new.push((run, place));
                }
            }
            datasets = Vec::new();
            for &(run, place) in &new {
                datasets.extend(self.inputs(run, place).await?);
            }
            // Later than all inputs, which say more.
            for (run, place) in new {
                self.outputs(run, place).await?;
            }
        }
        Ok(())
    }

    /// From a dataset to the runs that read it, what these made and else read, and on from what
    /// they made.
    async fn forth(&mut self, focus: (Kind, Id)) -> Result<()> {
        let mut walked = BTreeSet::new();
        let mut seen = BTreeSet::from([focus]);
        let mut datasets = vec![focus];
        while !datasets.is_empty() {
            let mut new = Vec::new();
            for (kind, id) in std::mem::take(&mut datasets) {
                let Some(&dataset) = self.places.get(&(kind, id)) else {
                    continue;
                };
                let reads = Relation::Targets(input_of(kind));
                let reads = Filter::related(reads, Filter::eq(Field::Id, id));
                let query = Query::new(Kind::Run).filter(reads);
                let total = self.db.backend().count(&query).await?;
                self.after.insert(dataset, total);
                for (run, place) in self.runs(&query.limit(PER_NODE)).await? {
                    self.edges.insert((dataset, place));
                    if walked.insert(run) {
                        new.push((run, place));
                    }
                }
            }
            for &(run, place) in &new {
                let outputs = self.outputs(run, place).await?;
                let outputs = outputs.iter();
                let outputs = outputs.filter_map(|one| Some((one.kind(), one.id()?)));
                datasets.extend(outputs.filter(|one| seen.insert(*one)));
            }
            for (run, place) in new {
                self.inputs(run, place).await?;
            }
        }
        Ok(())
    }

    /// The runs of a query that are in the graph, or get into it, with their places.
    async fn runs(&mut self, query: &Query) -> Result<Vec<(Id, usize)>> {
        let runs = self.db.backend().select(query).await?;
        let transforms: BTreeSet<Id> = runs
            .iter()
            .filter_map(|run| integer(run, Field::Transform))
            .collect();
        let query = Query::new(Kind::Transform).filter(Filter::is_in(Field::Id, transforms));
        let transforms = self.db.backend().select(&query).await?;
        let mut found = Vec::new();
        for run in &runs {
            let transform = integer(run, Field::Transform);
            let transform = transforms.iter().find(|one| one.id() == transform);
            let node = run_node(run, transform)?;
            let Some(id) = run.id() else { continue };
            found.extend(self.node(node, Kind::Run, id).map(|place| (id, place)));
        }
        Ok(found)
    }

    /// Joins a run with what it reads. Gives those that are in the graph.
    async fn inputs(&mut self, run: Id, place: usize) -> Result<Vec<Record>> {
        let read = |kind| {
            let by = Relation::Sources(input_of(kind));
            Filter::related(by, Filter::eq(Field::Id, run))
        };
        let (found, total) = self.datasets(read, |dataset| (dataset, place)).await?;
        self.before.insert(place, total);
        Ok(found)
    }

    /// Joins a run with what it made. Gives those that are in the graph.
    async fn outputs(&mut self, run: Id, place: usize) -> Result<Vec<Record>> {
        let made = |_| Filter::eq(Field::Run, run);
        let (found, total) = self.datasets(made, |dataset| (place, dataset)).await?;
        self.after.insert(place, total);
        Ok(found)
    }

    async fn datasets(
        &mut self,
        filter: impl Fn(Kind) -> Filter,
        edge: impl Fn(usize) -> (usize, usize),
    ) -> Result<(Vec<Record>, u64)> {
        let mut found = Vec::new();
        let mut total = 0;
        for kind in DATASETS {
            let query = Query::new(kind).filter(filter(kind));
            total += self.db.backend().count(&query).await?;
            for dataset in self.db.backend().select(&query.limit(PER_NODE)).await? {
                let Some(id) = dataset.id() else { continue };
                if let Some(place) = self.node(node(&dataset)?, kind, id) {
                    self.edges.insert(edge(place));
                    found.push(dataset);
                }
            }
        }
        Ok((found, total))
    }

    fn into_graph(mut self) -> LineageGraph {
        let mut shown = vec![(0, 0); self.nodes.len()];
        for (from, to) in &self.edges {
            shown[*from].1 += 1;
            shown[*to].0 += 1;
        }
        let nodes = self.nodes.iter_mut().zip(shown).enumerate();
        for (place, (node, (before, after))) in nodes {
            let left_out = |totals: &BTreeMap<usize, u64>, shown| {
                totals.get(&place).map_or(0, |t| t.saturating_sub(shown))
            };
            node.more_before = left_out(&self.before, before);
            node.more_after = left_out(&self.after, after);
        }
        LineageGraph {
            nodes: self.nodes,
            edges: self.edges.into_iter().collect(),
        }
    }
}

/// The link from runs to the datasets of a kind that they read.
fn input_of(kind: Kind) -> LinkKind {
    match kind {
        Kind::Collection => LinkKind::RunInputCollection,
        _ => LinkKind::RunInputArtifact,
    }
}

fn integer(record: &Record, field: Field) -> Option<Id> {
    match record.get(field) {
        Some(Value::Integer(id)) => Some(id),
        _ => None,
    }
}

fn text(record: &Record, field: Field) -> Option<String> {
    match record.get(field) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn node(dataset: &Record) -> Result<LineageNode> {
    let named = [Field::Key, Field::Name, Field::Description];
    let version = text(dataset, Field::Version);
    Ok(LineageNode {
        kind: dataset.kind(),
        uid: dataset.uid().to_owned(),
        title: named.into_iter().find_map(|field| text(dataset, field)),
        detail: version.map(|version| format!("version {version}")),
        in_trash: in_trash(dataset)?,
        more_before: 0,
        more_after: 0,
    })
}

fn run_node(run: &Record, transform: Option<&Record>) -> Result<LineageNode> {
    let of = |field| transform.and_then(|transform| text(transform, field));
    let started = match run.get(Field::StartedAt) {
        Some(Value::Time(time)) => Some(time.format("%Y-%m-%d %H:%M UTC").to_string()),
        _ => None,
    };
    let details: Vec<String> = of(Field::Type).into_iter().chain(started).collect();
    Ok(LineageNode {
        kind: Kind::Run,
        uid: run.uid().to_owned(),
        title: of(Field::Key).or_else(|| of(Field::Name)),
        detail: Some(details.join(", ")).filter(|details| !details.is_empty()),
        in_trash: in_trash(run)?,
        more_before: 0,
        more_after: 0,
    })
}

fn in_trash(record: &Record) -> Result<bool> {
    let visibility = record.get(Field::Visibility);
    let visibility = visibility.map(Visibility::from_value).transpose()?;
    Ok(visibility == Some(Visibility::Trash))
}
