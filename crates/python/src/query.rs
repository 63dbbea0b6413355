//! Queries from Python: conditions, order and range, as the registry's sets of records.

use anndex::QuerySet;
use anndex_core::backend::{Filter, Relation};
use anndex_core::record::{Kind, LinkKind};
use anndex_core::registry::Registry;
use anndex_core::{Error, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{Borrowed, types::PyTuple};

use crate::field::{LookupArgument, field};
use crate::record::Record;

/// A condition: `("all", [...])`, `("same", [...])`, `("any", [...])`, `("not", ...)` or
/// `("lookup", name, value)`.
pub(crate) enum Condition {
    All(Vec<Condition>),
    /// All hold, and of the same related record what they say of one.
    Same(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Lookup(String, LookupArgument),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Condition {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let parts = object.cast::<PyTuple>()?;
        let name: String = parts.get_item(0)?.extract()?;
        let operand = parts.get_item(1)?;
        Ok(match name.as_str() {
            "all" => Self::All(operand.extract()?),
            "same" => Self::Same(operand.extract()?),
            "any" => Self::Any(operand.extract()?),
            "not" => Self::Not(Box::new(operand.extract()?)),
            "lookup" => Self::Lookup(operand.extract()?, parts.get_item(2)?.extract()?),
            other => return Err(PyTypeError::new_err(format!("{other} is not a condition"))),
        })
    }
}

impl Condition {
    fn into_filter(self, kind: Kind) -> Result<Filter> {
        let filters = |conditions: Vec<Self>| {
            let filters = conditions.into_iter().map(|one| one.into_filter(kind));
            filters.collect::<Result<Vec<_>>>()
        };
        Ok(match self {
            Self::All(conditions) => Filter::All(filters(conditions)?),
            Self::Same(conditions) => Filter::all_of_same(filters(conditions)?),
            Self::Any(conditions) => Filter::Any(filters(conditions)?),
            Self::Not(condition) => condition.into_filter(kind)?.negate(),
            Self::Lookup(lookup, value) => Filter::lookup(kind, &lookup, value)?,
        })
    }
}

/// A query, by the names that its parts have in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct QueryArgument {
    condition: Condition,
    /// Names of fields, and whether they descend.
    order: Vec<(String, bool)>,
    /// A relation with an order, such as `"artifacts"`, and the record whose order it is.
    position: Option<(String, Py<Record>)>,
    limit: Option<u64>,
    offset: u64,
    /// `"default"`, or `"everything"` for hidden records and those in the trash, too.
    shown: String,
}

impl QueryArgument {
    /// The records that are asked for.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` if a name or value does not fit the kind.
    pub(crate) fn into_set<R: Registry>(self, db: &anndex::Instance) -> Result<QuerySet<R>> {
        let mut set = db.records().filter(self.condition.into_filter(R::KIND)?);
        if let Some((relation, source)) = &self.position {
            let source = source.get().record();
            let link = ordered_link(source.kind(), relation)?;
            set = set.order_by_position(link, source.id().unwrap_or_default());
        }
        for (name, descending) in &self.order {
            let by = field(R::KIND, name)?;
            set = match descending {
                true => set.order_by_descending(by),
                false => set.order_by(by),
            };
        }
        if let Some(limit) = self.limit {
            set = set.limit(limit);
        }
        if self.shown == "everything" {
            set = set.with_trash();
        }
        Ok(set.offset(self.offset))
    }
}

fn ordered_link(kind: Kind, relation: &str) -> Result<LinkKind> {
    match Relation::named(kind, relation) {
        Some(Relation::Targets(link)) if link.is_ordered() => Ok(link),
        _ => Err(Error::invalid_input(format!(
            "the {relation} of {} have no order",
            kind.with_article()
        ))),
    }
}
