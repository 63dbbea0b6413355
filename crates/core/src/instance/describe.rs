//! A page of text about a dataset, short enough for a terminal however much there is to say: long
//! lists end in how many more there are, and only what is listed is read.

use std::fmt::Write;

use super::handle::Handle;
use crate::backend::{Filter, OrderBy, Query, Relation};
use crate::error::Result;
use crate::record::{
    Artifact, Field, FieldInfo, FieldType, Kind, LinkKind, Record, Storage, Value, Visibility,
};
use crate::registry::{Data, Registry};
use crate::shown::plain;

/// How many things a line lists.
const LISTED: usize = 10;

impl<D: Data> Handle<D> {
    /// A page of text about the dataset: its fields, where it is, where it comes from and where it
    /// went, its versions, labels and features, and what a collection holds or is held by.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn describe(&self) -> Result<String> {
        let mut page = Page::new(&self.label());
        for info in D::FIELDS {
            if let Some(text) = self.field_in_words(info)? {
                page.line(info.field.name(), &text);
            }
        }
        self.describe_place(&mut page).await?;
        self.describe_family(&mut page).await?;
        if let Some(user) = self.created_by().await? {
            let name = user.name.as_deref().map(|name| format!(" ({name})"));
            page.line(
                "created_by",
                &format!("{}{}", user.handle, name.unwrap_or_default()),
            );
        }
        self.describe_runs(&mut page).await?;
        let labels = Relation::Sources(D::ULABELS);
        self.linked(&mut page, "ulabels", Kind::ULabel, labels)
            .await?;
        for (slot, set) in self.feature_sets().await? {
            let names = set.members.iter().map(|feature| feature.name.clone());
            let names: Vec<String> = names.take(LISTED).collect();
            let dtype = set.dtype.as_deref().map(|dtype| format!(" {dtype}"));
            let dtype = dtype.unwrap_or_default();
            let total = u64::try_from(set.n).unwrap_or_default();
            let text = format!("{}{dtype}: {}", set.n, listed(&names, total));
            page.line(&format!("features of {slot}"), &text);
        }
        Ok(page.text)
    }

    /// A field that says something by itself; those that refer to other records are described
    /// with these.
    fn field_in_words(&self, info: &FieldInfo) -> Result<Option<String>> {
        let told = [Field::Id, Field::Uid, Field::StorageKey];
        if info.references.is_some()
            || told.contains(&info.field)
            || Some(info.field) == D::NAME_FIELD
        {
            return Ok(None);
        }
        Ok(match (info.field, self.get(info.field)) {
            (Field::Visibility, Some(value)) => match Visibility::from_value(value)? {
                Visibility::Default => None,
                Visibility::Hidden => Some("hidden".to_owned()),
                Visibility::Trash => Some("in the trash".to_owned()),
            },
            (Field::StorageCompleted, Some(Value::Boolean(true))) => None,
            (Field::Size, Some(Value::Integer(bytes))) => Some(size(bytes)),
            (_, Some(Value::Text(text))) => Some(text).filter(|text| !text.is_empty()),
            (_, Some(Value::Integer(number))) => Some(number.to_string()),
            (_, Some(Value::Boolean(flag))) => Some(flag.to_string()),
            (_, Some(Value::Time(time))) => Some(time.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
            _ => None,
        })
    }

    /// Where an artifact is and what holds it; what a collection holds.
    async fn describe_place(&self, page: &mut Page) -> Result<()> {
        let reference = |field| match self.get(field) {
            Some(Value::Integer(id)) => Some(id),
            _ => None,
        };
        let holds = LinkKind::CollectionArtifact;
        if D::KIND == Kind::Artifact {
            let storage = self.referenced::<Storage>(reference(Field::Storage));
            if let (Some(storage), Some(Value::Text(key))) =
                (storage.await?, self.get(Field::StorageKey))
            {
                let root = storage.root.trim_end_matches('/');
                page.line("path", &format!("{root}/{key}"));
            }
            let held = Relation::Targets(holds);
            return self
                .linked(page, "collections", Kind::Collection, held)
                .await;
        }
        let meta = self.referenced::<Artifact>(reference(Field::Artifact));
        if let Some(meta) = meta.await? {
            page.line("artifact", &meta.label());
        }
        let in_it = Filter::related(Relation::Sources(holds), Filter::eq(Field::Id, self.id()));
        let position = OrderBy::Position {
            link: holds,
            source: self.id(),
        };
        let query = Query::new(Kind::Artifact).filter(in_it);
        let total = self.db.backend().count(&query).await?;
        let names = self.names(query.order(position, false)).await?;
        page.line("artifacts", &format!("{total}: {}", listed(&names, total)));
        Ok(())
    }

    /// The versions of the family, if there are several.
    async fn describe_family(&self, page: &mut Page) -> Result<()> {
        let versions = self.versions().await?;
        if versions.len() > 1 {
            let names = versions.iter().map(|one| {
                let version = one.version().unwrap_or("none");
                let this = if one.id() == self.id() { " (this)" } else { "" };
                format!("{version}{this}")
            });
            // The newest ones say most.
            let names: Vec<String> = names.rev().take(LISTED).collect();
            page.line("versions", &listed(&names, versions.len() as u64));
        }
        Ok(())
    }

    /// The run that made it and what that read, earlier ones, and those that read it.
    async fn describe_runs(&self, page: &mut Page) -> Result<()> {
        if let Some(run) = self.run().await? {
            page.line("run", &run.uid);
            page.line("transform", &run.transform().await?.label());
            let inputs = [
                (Kind::Artifact, LinkKind::RunInputArtifact),
                (Kind::Collection, LinkKind::RunInputCollection),
            ];
            for (kind, link) in inputs {
                let read =
                    Filter::related(Relation::Sources(link), Filter::eq(Field::Id, run.id()));
                let query = Query::new(kind).filter(read);
                self.some(page, &format!("input {kind}s"), query).await?;
            }
        }
        let before = Relation::Sources(D::PREVIOUS_RUNS);
        self.linked(page, "previous_runs", Kind::Run, before)
            .await?;
        let read_by = Relation::Targets(D::INPUT_OF);
        self.linked(page, "input_of", Kind::Run, read_by).await
    }

    /// A line on the records that a relation leads back from to this one, if there are any.
    async fn linked(
        &self,
        page: &mut Page,
        name: &str,
        kind: Kind,
        relation: Relation,
    ) -> Result<()> {
        let filter = Filter::related(relation, Filter::eq(Field::Id, self.id()));
        self.some(page, name, Query::new(kind).filter(filter)).await
    }

    async fn some(&self, page: &mut Page, name: &str, query: Query) -> Result<()> {
        let total = self.db.backend().count(&query).await?;
        if total > 0 {
            page.line(name, &listed(&self.names(query).await?, total));
        }
        Ok(())
    }

    /// What people know the first records of a query by.
    async fn names(&self, query: Query) -> Result<Vec<String>> {
        let found = self
            .db
            .backend()
            .select(&query.limit(LISTED as u64))
            .await?;
        let name = |record: &Record| {
            let named = [Field::Key, Field::Name, Field::Description].into_iter();
            let mut named = named.filter_map(|field| match record.get(field) {
                Some(Value::Text(text)) if !text.is_empty() => Some(text),
                _ => None,
            });
            named.next().unwrap_or_else(|| record.uid().to_owned())
        };
        Ok(found.iter().map(name).collect())
    }
}

/// Lines under a heading.
struct Page {
    text: String,
}

impl Page {
    fn new(heading: &str) -> Self {
        Self {
            text: format!("{}\n", plain(heading)),
        }
    }

    fn line(&mut self, name: &str, text: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "  {:<18} {}", plain(name), plain(text));
    }
}

/// The first of some names, and how many more there are.
fn listed(names: &[String], total: u64) -> String {
    let shown = names.join(", ");
    match total.saturating_sub(names.len() as u64) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Bytes in decimal units, as disks are sold, and all digits.
fn size(bytes: i64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut largest = None;
    for unit in units {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        largest = Some(unit);
    }
    match largest {
        None if bytes == 1 => "1 byte".to_owned(),
        None => format!("{bytes} bytes"),
        Some(unit) => format!("{value:.1} {unit} ({bytes} bytes)"),
    }
}
