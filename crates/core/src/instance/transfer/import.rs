//! All that a registry of another program has, taken over page by page.
//!
//! Each page is one change set, so an import that ends early, for whatever reason, has taken whole
//! records only, and goes on when it is done again. What can't be taken is left out together with
//! what stands on it, and reported with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::hold::hold_copies;
use super::merge::{Merge, Targets};
use super::report::{ImportReport, LeftOut};
use super::source::{RecordSource, SourcePage};
use crate::backend::{Change, Target};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::instance::retry::retry;
use crate::record::{Field, FieldInfo, Id, Kind, Link, Record, Value};
use crate::registry::{key, uid};

type Progress = Box<dyn FnMut(&ImportReport) -> Result<()> + Send>;

/// An import that is about to be made.
#[must_use = "nothing is imported before run is called"]
pub struct ImportBuilder<S> {
    db: Instance,
    source: S,
    progress: Progress,
}

impl<S: RecordSource> fmt::Debug for ImportBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportBuilder")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts to copy all records of a registry of another program, by uid. What the instance has
    /// stays as it is, but for labels, inputs and parents that it lacks; so it can be done again
    /// and again. Bytes stay where they are.
    pub fn import<S: RecordSource>(&self, source: S) -> ImportBuilder<S> {
        ImportBuilder {
            db: self.clone(),
            source,
            progress: Box::new(|_| Ok(())),
        }
    }
}

impl<S: RecordSource> ImportBuilder<S> {
    /// Is told after each page what was done so far, and may stop it by an error.
    pub fn progress(
        mut self,
        progress: impl FnMut(&ImportReport) -> Result<()> + Send + 'static,
    ) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Imports. After an error the pages before it are in the instance, as whole records.
    ///
    /// # Errors
    /// As [`RecordSource::next_page`]; `Conflict` if others get in the way for too long; `Backend`
    /// if a database fails; what the progress returns. What can't be taken is not an error but
    /// [`ImportReport::left_out`].
    pub async fn run(mut self) -> Result<ImportReport> {
        let imported = self.run_paged().await;
        imported.map_err(|error| error.operation("import"))
    }

    async fn run_paged(&mut self) -> Result<ImportReport> {
        let mut report = ImportReport::default();
        let mut copied = Targets::new();
        let db = self.db.clone();
        while let Some(page) = self.source.next_page().await? {
            let page = Page::new(page, &mut report);
            let done: Done = retry!(async { page.take(&db, &copied).await })?;
            done.add_to(&page, &mut report);
            copied.extend(done.ids);
            (self.progress)(&report)?;
        }
        Ok(report)
    }
}

/// A page whose records fit the model.
struct Page {
    records: BTreeMap<Kind, BTreeMap<Id, Record>>,
    links: Vec<Link>,
}

/// What became of a page.
struct Done {
    ids: Targets<Id>,
    new: BTreeSet<(Kind, Id)>,
    links_added: u64,
    refused: Vec<(Kind, Id, Error)>,
}

impl Page {
    fn new(page: SourcePage, report: &mut ImportReport) -> Self {
        let mut records = BTreeMap::<_, BTreeMap<_, _>>::new();
        report.left_out.extend(page.left_out);
        for record in page.records {
            match check(&record) {
                Err(error) => report.left_out.push(LeftOut::new(&record, message(&error))),
                Ok(id) => {
                    records.entry(record.kind()).or_default().insert(id, record);
                }
            }
        }
        Self {
            records,
            links: page.links,
        }
    }

    async fn take(&self, db: &Instance, copied: &Targets<Id>) -> Result<Done> {
        let mut merge = Merge::new(db.backend().as_ref(), copied).with_transforms_by_uid();
        for (kind, records) in &self.records {
            merge.records(*kind, records, &self.links).await?;
        }
        let before = merge.changes.changes.len();
        merge.links(&self.links).await?;
        let added = |change: &&Change| {
            let source = match change {
                Change::Link { source, .. } => Some(source),
                _ => None,
            };
            matches!(source, Some(Target::Existing(_)))
        };
        let links = merge.changes.changes.iter().skip(before);
        let links_added = links.filter(added).count() as u64;
        let is_new = |(key, target): (&(Kind, Id), &Target)| match target {
            Target::New(_) => Some(*key),
            Target::Existing(_) => None,
        };
        let new = merge.targets.iter().filter_map(is_new).collect();
        let refused = std::mem::take(&mut merge.refused);
        hold_copies(db, &self.records, &merge).await?;
        let ids = merge.apply().await?;
        Ok(Done {
            ids,
            new,
            links_added,
            refused,
        })
    }
}

impl Done {
    fn add_to(&self, page: &Page, report: &mut ImportReport) {
        for (kind, id) in self.ids.keys() {
            let counts = match self.new.contains(&(*kind, *id)) {
                true => &mut report.created,
                false => &mut report.known,
            };
            *counts.entry(*kind).or_default() += 1;
        }
        report.links_added += self.links_added;
        for (kind, id, error) in &self.refused {
            let Some(record) = page.records.get(kind).and_then(|of_kind| of_kind.get(id)) else {
                continue;
            };
            let list = match self.ids.contains_key(&(*kind, *id)) {
                true => &mut report.different,
                false => &mut report.left_out,
            };
            list.push(LeftOut::new(record, message(error)));
        }
    }
}

/// Checks all that a record that is made here would be checked for; gives its id.
fn check(record: &Record) -> Result<Id> {
    for info in record.kind().fields() {
        if info.field != Field::Id {
            let value = record.get(info.field).unwrap_or(Value::Null);
            FieldInfo::check(info, &value)?;
        }
    }
    // Uids are also names of files.
    let is_base62 = record
        .uid()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric());
    if record.uid().is_empty() || !is_base62 {
        return Err(Error::invalid_input(
            "its uid has other characters than letters and digits, or none",
        ));
    }
    if record.get(Field::Version).is_some() {
        uid::sequence(record.uid())?;
    }
    for field in [Field::Key, Field::StorageKey] {
        if let (Kind::Artifact, Some(Value::Text(text))) = (record.kind(), record.get(field)) {
            key::check(&text)?;
        }
    }
    record
        .id()
        .ok_or_else(|| Error::invalid_input("it has no id"))
}

fn message(error: &Error) -> String {
    error.message().to_owned()
}
