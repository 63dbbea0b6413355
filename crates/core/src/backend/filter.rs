//! Conditions on records as data, also across relations.

use super::fold::{fold, unfolded};
use crate::error::{Error, Result};
use crate::record::{Field, FieldInfo, Kind, LinkKind, Value, ValueType};

/// How an ordering comparison compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

/// How text is searched; no character is special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    /// The text is this.
    Equals,
    /// The text has this in it.
    Contains,
    /// The text starts with this.
    StartsWith,
    /// The text ends with this.
    EndsWith,
}

impl TextMatch {
    /// Whether a text matches what is searched; case counts.
    pub fn matches(self, text: &str, searched: &str) -> bool {
        match self {
            Self::Equals => text == searched,
            Self::Contains => text.contains(searched),
            Self::StartsWith => text.starts_with(searched),
            Self::EndsWith => text.ends_with(searched),
        }
    }
}

/// How many letters a database can be told to replace for one comparison.
const MOST_REPLACED: usize = 500;

/// A way from a record to related records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// To the record whose id this field holds, such as the run of an artifact.
    Reference(Field),
    /// To the records of a kind whose field holds this record's id, such as the artifacts that a
    /// run made.
    ReferencedBy(Kind, Field),
    /// Along a link, from source to targets, such as the artifacts of a collection.
    Targets(LinkKind),
    /// Against a link, from target to sources, such as the collections of an artifact.
    Sources(LinkKind),
}

impl Relation {
    /// The kind of the related records, seen from records of kind `from`.
    ///
    /// # Errors
    /// `InvalidInput` if records of kind `from` have no such relation.
    pub fn related(self, from: Kind) -> Result<Kind> {
        let related = match self {
            Self::Reference(field) => from.field(field).and_then(|info| info.references),
            Self::ReferencedBy(kind, field) => kind
                .field(field)
                .and_then(|info| info.references)
                .filter(|references| *references == from)
                .map(|_| kind),
            Self::Targets(link) => (link.source() == from).then(|| link.target()),
            Self::Sources(link) => (link.target() == from).then(|| link.source()),
        };
        related.ok_or_else(|| {
            let record = from.with_article();
            Error::invalid_input(format!("{record} has no relation {self:?}"))
        })
    }
}

/// A condition on records.
///
/// Conditions are true or false, never unknown: one on a null field is false (except
/// [`Filter::IsNull`]), and `Not` turns it into true.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these hold; none at all means every record.
    All(Vec<Filter>),
    /// One of these holds; none at all means no record.
    Any(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// The field compares like this with a value, which is not null.
    Compare(Field, Comparison, Value),
    /// The field equals one of these values, none of them null. The list may be long.
    In(Field, Vec<Value>),
    /// The text of the field matches; case counts.
    Text(Field, TextMatch, String),
    /// The text of the field matches, whatever the case of its letters; see [`fold`].
    Folded(Field, TextMatch, String),
    /// The field has no value.
    IsNull(Field),
    /// At least one related record satisfies a condition.
    Related(Relation, Box<Filter>),
}

impl Filter {
    /// Every record.
    pub fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The field equals a value; a null asks for [`Filter::IsNull`].
    pub fn eq(field: Field, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => Self::IsNull(field),
            value => Self::Compare(field, Comparison::Eq, value),
        }
    }

    /// The field does not equal a value; a record without a value does not equal it either.
    pub fn ne(field: Field, value: impl Into<Value>) -> Self {
        Self::eq(field, value).negate()
    }

    /// The field is less than a value.
    pub fn lt(field: Field, value: impl Into<Value>) -> Self {
        Self::Compare(field, Comparison::Lt, value.into())
    }

    /// The field is less than or equal to a value.
    pub fn le(field: Field, value: impl Into<Value>) -> Self {
        Self::Compare(field, Comparison::Le, value.into())
    }

    /// The field is greater than a value.
    pub fn gt(field: Field, value: impl Into<Value>) -> Self {
        Self::Compare(field, Comparison::Gt, value.into())
    }

    /// The field is greater than or equal to a value.
    pub fn ge(field: Field, value: impl Into<Value>) -> Self {
        Self::Compare(field, Comparison::Ge, value.into())
    }

    /// The field equals one of the values.
    pub fn is_in<V: Into<Value>>(field: Field, values: impl IntoIterator<Item = V>) -> Self {
        Self::In(field, values.into_iter().map(Into::into).collect())
    }

    /// The text of the field has this in it.
    pub fn contains(field: Field, text: impl Into<String>) -> Self {
        Self::Text(field, TextMatch::Contains, text.into())
    }

    /// The text of the field starts with this.
    pub fn starts_with(field: Field, text: impl Into<String>) -> Self {
        Self::Text(field, TextMatch::StartsWith, text.into())
    }

    /// The text of the field ends with this.
    pub fn ends_with(field: Field, text: impl Into<String>) -> Self {
        Self::Text(field, TextMatch::EndsWith, text.into())
    }

    /// The text of the field matches, whatever the case of its letters.
    pub fn folded(field: Field, how: TextMatch, text: impl Into<String>) -> Self {
        Self::Folded(field, how, text.into())
    }

    /// The field has no value.
    pub fn is_null(field: Field) -> Self {
        Self::IsNull(field)
    }

    /// At least one related record satisfies a condition.
    pub fn related(relation: Relation, filter: Filter) -> Self {
        Self::Related(relation, Box::new(filter))
    }

    /// All of these hold, and what several of them say of one relation holds of the same related
    /// record: an artifact that has a key and a size, not one that has the key and another one
    /// that has the size.
    pub fn all_of_same(filters: impl IntoIterator<Item = Filter>) -> Self {
        let mut joined = Vec::new();
        let mut related: Vec<(Relation, Vec<Filter>)> = Vec::new();
        let mut left: Vec<Filter> = filters.into_iter().collect();
        left.reverse();
        while let Some(filter) = left.pop() {
            match filter {
                Self::All(filters) => left.extend(filters.into_iter().rev()),
                Self::Related(relation, filter) => {
                    match related.iter_mut().find(|(known, _)| *known == relation) {
                        Some((_, filters)) => filters.push(*filter),
                        None => related.push((relation, vec![*filter])),
                    }
                }
                other => joined.push(other),
            }
        }
        joined.extend(related.into_iter().map(|(relation, mut filters)| {
            let filter = match (filters.len(), filters.pop()) {
                (1, Some(only)) => only,
                (_, last) => Self::all_of_same(filters.into_iter().chain(last)),
            };
            Self::related(relation, filter)
        }));
        match (joined.len(), joined.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                joined.extend(last);
                Self::All(joined)
            }
        }
    }

    /// This and the other.
    pub fn and(self, other: Filter) -> Self {
        match self {
            Self::All(mut filters) => {
                filters.push(other);
                Self::All(filters)
            }
            first => Self::All(vec![first, other]),
        }
    }

    /// This or the other.
    pub fn or(self, other: Filter) -> Self {
        match self {
            Self::Any(mut filters) => {
                filters.push(other);
                Self::Any(filters)
            }
            first => Self::Any(vec![first, other]),
        }
    }

    /// Not this.
    pub fn negate(self) -> Self {
        match self {
            Self::Not(filter) => *filter,
            filter => Self::Not(Box::new(filter)),
        }
    }

    /// Checks that the condition fits records of a kind.
    ///
    /// # Errors
    /// `InvalidInput` if a field or relation does not exist, or a value can't be compared with its
    /// field.
    pub fn check(&self, kind: Kind) -> Result<()> {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().try_for_each(|filter| filter.check(kind))
            }
            Self::Not(filter) => filter.check(kind),
            Self::Compare(field, _, value) => {
                comparable(kind, *field, value)?;
                match value {
                    Value::Text(text) => without_nul(*field, text),
                    _ => Ok(()),
                }
            }
            Self::In(field, values) => {
                field_of(kind, *field)?;
                values.iter().try_for_each(|v| comparable(kind, *field, v))
            }
            Self::Text(field, _, text) | Self::Folded(field, _, text) => {
                let folds = matches!(self, Self::Folded(..));
                if folds && unfolded(&fold(text)).len() > MOST_REPLACED {
                    return Err(Error::invalid_input(format!(
                        "the text has too many different letters to be compared with the {field} \
                         regardless of their case; shorten it"
                    )));
                }
                without_nul(*field, text)?;
                match field_of(kind, *field)?.value_type {
                    ValueType::Text => Ok(()),
                    other => Err(Error::invalid_input(format!(
                        "{field} is {other} and can't be searched as text"
                    ))),
                }
            }
            Self::IsNull(field) => field_of(kind, *field).map(|_| ()),
            Self::Related(relation, filter) => filter.check(relation.related(kind)?),
        }
    }
}

pub(super) fn field_of(kind: Kind, field: Field) -> Result<&'static FieldInfo> {
    kind.field(field).ok_or_else(|| {
        let names: Vec<_> = kind.fields().iter().map(|info| info.field.name()).collect();
        Error::invalid_input(format!(
            "{} has no field {field}; it has {}",
            kind.with_article(),
            names.join(", ")
        ))
    })
}

/// Not every database can be asked for it.
fn without_nul(field: Field, text: &str) -> Result<()> {
    match text.contains('\0') {
        false => Ok(()),
        true => Err(Error::invalid_input(format!(
            "no {field} has a NUL character; remove it from the filter"
        ))),
    }
}

fn comparable(kind: Kind, field: Field, value: &Value) -> Result<()> {
    let expected = field_of(kind, field)?.value_type;
    match value.value_type() {
        Some(ValueType::Json) => Err(Error::invalid_input(format!(
            "{field} is JSON and can't be compared"
        ))),
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(Error::invalid_input(format!(
            "{field} is {expected} and can't be compared with {found}"
        ))),
        None => Err(Error::invalid_input(format!(
            "{field} can't be compared with null; ask whether it is null"
        ))),
    }
}
