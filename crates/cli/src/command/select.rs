//! Which records a list or a search is about, and in which order, for all kinds alike.

use anndex::{Error, Field, Filter, Handle, QuerySet, Registry, Result};
use clap::Args;
use serde_json::json;

use crate::session::Session;

/// Conditions on records.
#[derive(Debug, Args)]
pub(crate) struct Conditions {
    /// Keep records for which this holds, as key__startswith=raw/, size__gt=1000000 or
    /// ulabels__name=blood; may be repeated
    ///
    /// A lookup is a field, or relations and a field joined by __, then maybe an operator: exact,
    /// iexact, in, contains, icontains, startswith, istartswith, endswith, iendswith, gt, gte, lt,
    /// lte, range, isnull. A relation alone means the related record by its uid, the beginning of
    /// it or its name, as in collections=blood, run=UID or ulabels__in=blood,lung. Several
    /// conditions on related records must hold for the same one.
    #[arg(long, short, value_name = "LOOKUP=VALUE")]
    filter: Vec<String>,
    /// Keep records for which at least one of these holds
    #[arg(long, value_name = "LOOKUP=VALUE")]
    any: Vec<String>,
    /// Leave out records for which this holds; may be repeated
    #[arg(long, value_name = "LOOKUP=VALUE")]
    exclude: Vec<String>,
    /// List the records in the trash instead
    #[arg(long, conflicts_with = "hidden")]
    trash: bool,
    /// List hidden records, too
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    conditions: Conditions,
    /// Order by this field, in descending order with a - before it; may be repeated
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    order_by: Vec<String>,
    /// List at most this many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Skip this many records first
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: u64,
    /// Print only the number of records
    #[arg(long, conflicts_with_all = ["order_by", "limit", "offset"])]
    count: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// All words must occur, in any order
    text: String,
    #[command(flatten)]
    conditions: Conditions,
    /// List at most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: u64,
}

impl Conditions {
    fn apply<R: Registry>(&self, mut records: QuerySet<R>) -> Result<QuerySet<R>> {
        let parse = |texts: &[String]| -> Result<Vec<Filter>> {
            let filters = texts.iter().map(|text| Filter::parse(R::KIND, text));
            filters.collect()
        };
        records = records.filter(Filter::all_of_same(parse(&self.filter)?));
        if !self.any.is_empty() {
            records = records.filter(Filter::Any(parse(&self.any)?));
        }
        for unwanted in parse(&self.exclude)? {
            records = records.filter(unwanted.negate());
        }
        if self.trash {
            records = records.only_trash();
        } else if self.hidden {
            records = records.with_hidden();
        }
        Ok(records)
    }
}

/// The records that a search finds, the best matches first.
pub(super) async fn search<R: Registry>(
    records: QuerySet<R>,
    arguments: &Search,
) -> Result<Vec<Handle<R>>> {
    let records = arguments.conditions.apply(records)?;
    records.limit(arguments.limit).search(&arguments.text).await
}

/// Prints the records that a list is about by `print`, the newest first unless an order is given;
/// or their number.
pub(super) async fn list<R: Registry>(
    session: &Session,
    records: QuerySet<R>,
    arguments: &List,
    print: impl FnOnce(&[Handle<R>]) -> Result<()>,
) -> Result<()> {
    let mut records = arguments.conditions.apply(records)?;
    if arguments.count {
        let count = records.count().await?;
        return match session.output.is_json() {
            true => session.output.json(&json!({"count": count})),
            false => session.output.line(count.to_string()),
        };
    }
    for order in &arguments.order_by {
        let field = field::<R>(order.strip_prefix('-').unwrap_or(order))?;
        records = match order.starts_with('-') {
            true => records.order_by_descending(field),
            false => records.order_by(field),
        };
    }
    records = records.order_by_descending(Field::Id);
    if let Some(limit) = arguments.limit {
        records = records.limit(limit);
    }
    print(&records.offset(arguments.offset).all().await?)
}

fn field<R: Registry>(name: &str) -> Result<Field> {
    let fields = || R::KIND.fields().iter().map(|info| info.field);
    fields().find(|field| field.name() == name).ok_or_else(|| {
        let names: Vec<_> = fields().map(Field::name).collect();
        Error::invalid_input(format!(
            "{} has no field {name:?} to order by; it has {}",
            R::KIND.with_article(),
            names.join(", ")
        ))
    })
}
