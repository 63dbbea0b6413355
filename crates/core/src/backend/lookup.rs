//! Conditions in words, as users of lamindb and Django write them: `name__startswith`,
//! `ulabels__name__in`, `run__transform__key`.

use super::filter::{Comparison, Filter, Relation, TextMatch};
use crate::error::{Error, Result};
use crate::record::{Field, Kind, LinkKind, Value};

/// What stands between the parts of a lookup.
const SEPARATOR: &str = "__";

const OPERATORS: [&str; 15] = [
    "exact",
    "iexact",
    "in",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "gt",
    "gte",
    "lt",
    "lte",
    "range",
    "isnull",
];

/// Operators of Django that no backend here has.
const UNSUPPORTED: [&str; 2] = ["regex", "iregex"];

/// What a lookup compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum LookupValue {
    /// One value; a null asks whether there is none.
    One(Value),
    /// Several values, for `in` and `range`.
    Many(Vec<Value>),
}

impl<V: Into<Value>> From<V> for LookupValue {
    fn from(value: V) -> Self {
        Self::One(value.into())
    }
}

impl Filter {
    /// The condition that a lookup means: relations and a field joined by `__`, then maybe an
    /// operator. Without one it is `exact`; a relation without a field means the id of the related
    /// record.
    ///
    /// Operators are `exact`, `in`, `contains`, `startswith`, `endswith`, `gt`, `gte`, `lt`, `lte`,
    /// `range` (both ends included) and `isnull`. Case counts, on every database; it does not for
    /// `iexact`, `icontains`, `istartswith` and `iendswith`.
    ///
    /// # Errors
    /// `InvalidInput` if the kind has no such field or relation, there is no such operator, or
    /// the value does not suit it; `Unsupported` for operators of Django that are missing here.
    ///
    /// ```
    /// use anndex_core::backend::Filter;
    /// use anndex_core::record::{Field, Kind};
    ///
    /// let lookup = Filter::lookup(Kind::Collection, "name__startswith", "Blood")?;
    /// assert_eq!(lookup, Filter::starts_with(Field::Name, "Blood"));
    /// assert!(Filter::lookup(Kind::Collection, "nme", "Blood").is_err());
    /// # Ok::<_, anndex_core::Error>(())
    /// ```
    pub fn lookup(kind: Kind, lookup: &str, value: impl Into<LookupValue>) -> Result<Self> {
        let parts: Vec<&str> = lookup.split(SEPARATOR).collect();
        condition(kind, &parts, value.into()).map_err(|e| e.with("lookup", lookup))
    }
}

impl Relation {
    /// The relation of a kind that has this name, such as `"artifacts"` of a collection.
    pub fn named(kind: Kind, name: &str) -> Option<Self> {
        let reference = kind.fields().iter().find(|info| {
            info.references.is_some() && info.field.name().strip_suffix("_id") == Some(name)
        });
        if let Some(info) = reference {
            return Some(Self::Reference(info.field));
        }
        let names = names(kind);
        let found = names.iter().find(|(known, _)| *known == name);
        found.map(|(_, relation)| *relation)
    }
}

/// The relations of a kind that are not fields of it.
fn names(kind: Kind) -> &'static [(&'static str, Relation)] {
    use LinkKind as Link;
    use Relation::{ReferencedBy, Sources, Targets};

    match kind {
        Kind::User => &[
            (
                "created_storages",
                ReferencedBy(Kind::Storage, Field::CreatedBy),
            ),
            (
                "created_transforms",
                ReferencedBy(Kind::Transform, Field::CreatedBy),
            ),
            ("created_runs", ReferencedBy(Kind::Run, Field::CreatedBy)),
            (
                "created_artifacts",
                ReferencedBy(Kind::Artifact, Field::CreatedBy),
            ),
            (
                "created_collections",
                ReferencedBy(Kind::Collection, Field::CreatedBy),
            ),
            (
                "created_ulabels",
                ReferencedBy(Kind::ULabel, Field::CreatedBy),
            ),
            (
                "created_feature_sets",
                ReferencedBy(Kind::FeatureSet, Field::CreatedBy),
            ),
        ],
        Kind::Storage => &[("artifacts", ReferencedBy(Kind::Artifact, Field::Storage))],
        Kind::Transform => &[
            ("runs", ReferencedBy(Kind::Run, Field::Transform)),
            ("parents", Targets(Link::TransformParent)),
            ("children", Sources(Link::TransformParent)),
        ],
        Kind::Run => &[
            ("input_artifacts", Targets(Link::RunInputArtifact)),
            ("input_collections", Targets(Link::RunInputCollection)),
            ("output_artifacts", ReferencedBy(Kind::Artifact, Field::Run)),
            (
                "output_collections",
                ReferencedBy(Kind::Collection, Field::Run),
            ),
            ("updated_artifacts", Sources(Link::ArtifactPreviousRun)),
            ("updated_collections", Sources(Link::CollectionPreviousRun)),
        ],
        Kind::Artifact => &[
            ("collections", Sources(Link::CollectionArtifact)),
            (
                "described_collection",
                ReferencedBy(Kind::Collection, Field::Artifact),
            ),
            ("ulabels", Targets(Link::ArtifactULabel)),
            ("feature_sets", Targets(Link::ArtifactFeatureSet)),
            ("input_of", Sources(Link::RunInputArtifact)),
            ("previous_runs", Targets(Link::ArtifactPreviousRun)),
        ],
        Kind::Collection => &[
            ("artifacts", Targets(Link::CollectionArtifact)),
            ("unordered_artifacts", Targets(Link::CollectionArtifact)),
            ("ulabels", Targets(Link::CollectionULabel)),
            ("feature_sets", Targets(Link::CollectionFeatureSet)),
            ("input_of", Sources(Link::RunInputCollection)),
            ("previous_runs", Targets(Link::CollectionPreviousRun)),
        ],
        Kind::ULabel => &[
            ("artifacts", Sources(Link::ArtifactULabel)),
            ("collections", Sources(Link::CollectionULabel)),
            ("parents", Targets(Link::ULabelParent)),
            ("children", Sources(Link::ULabelParent)),
        ],
        Kind::FeatureSet => &[
            ("artifacts", Sources(Link::ArtifactFeatureSet)),
            ("collections", Sources(Link::CollectionFeatureSet)),
        ],
    }
}

fn condition(kind: Kind, parts: &[&str], value: LookupValue) -> Result<Filter> {
    let Some((name, rest)) = parts.split_first() else {
        return Err(Error::invalid_input("the lookup is empty"));
    };
    if let Some(field) = field(kind, name) {
        return match rest {
            [] => compare(field, "exact", value),
            [operator] => compare(field, operator, value),
            [more, ..] => Err(Error::invalid_input(format!("{field} has no {more}"))),
        };
    }
    // What a run made has the transform of the run.
    if *name == "transform" && kind.field(Field::Run).is_some() {
        let through_run: Vec<&str> = ["run", "transform"].iter().chain(rest).copied().collect();
        return condition(kind, &through_run, value);
    }
    let Some(relation) = Relation::named(kind, name) else {
        return Err(unknown(kind, name));
    };
    let related = match rest {
        [] => compare(Field::Id, "exact", value)?,
        ["isnull"] => {
            let linked = Filter::related(relation, Filter::everything());
            return Ok(if flag(&value)? {
                linked.negate()
            } else {
                linked
            });
        }
        [operator] if is_operator(operator) => compare(Field::Id, operator, value)?,
        rest => condition(relation.related(kind)?, rest, value)?,
    };
    if related == Filter::is_null(Field::Id) {
        return Ok(Filter::related(relation, Filter::everything()).negate());
    }
    Ok(Filter::related(relation, related))
}

fn field(kind: Kind, name: &str) -> Option<Field> {
    let name = if name == "pk" { "id" } else { name };
    let mut fields = kind.fields().iter().map(|info| info.field);
    fields.find(|field| field.name() == name)
}

fn is_operator(name: &str) -> bool {
    OPERATORS.contains(&name) || UNSUPPORTED.contains(&name)
}

fn compare(field: Field, operator: &str, value: LookupValue) -> Result<Filter> {
    let comparison = match operator {
        "in" => {
            let values = many(operator, value)?;
            // As in SQL, null equals nothing.
            let values = values.into_iter().filter(|value| *value != Value::Null);
            return Ok(Filter::is_in(field, values));
        }
        "range" => {
            return match <[Value; 2]>::try_from(many(operator, value)?) {
                Ok([from, to]) => Ok(Filter::ge(field, from).and(Filter::le(field, to))),
                Err(_) => Err(Error::invalid_input("a range has two values, its ends")),
            };
        }
        "isnull" => {
            let null = Filter::is_null(field);
            return Ok(if flag(&value)? { null } else { null.negate() });
        }
        "exact" => return Ok(Filter::eq(field, one(operator, value)?)),
        "iexact" if value == LookupValue::One(Value::Null) => return Ok(Filter::is_null(field)),
        "contains" => return Ok(Filter::contains(field, text(operator, value)?)),
        "startswith" => return Ok(Filter::starts_with(field, text(operator, value)?)),
        "endswith" => return Ok(Filter::ends_with(field, text(operator, value)?)),
        "iexact" | "icontains" | "istartswith" | "iendswith" => {
            let how = match operator {
                "iexact" => TextMatch::Equals,
                "icontains" => TextMatch::Contains,
                "istartswith" => TextMatch::StartsWith,
                _ => TextMatch::EndsWith,
            };
            return Ok(Filter::folded(field, how, text(operator, value)?));
        }
        "gt" => Comparison::Gt,
        "gte" => Comparison::Ge,
        "lt" => Comparison::Lt,
        "lte" => Comparison::Le,
        _ => {
            let known = OPERATORS.join(", ");
            return Err(if UNSUPPORTED.contains(&operator) {
                Error::unsupported(format!("there is no {operator}; use one of {known}"))
            } else {
                Error::invalid_input(format!(
                    "{field} is not a relation, and {operator} none of the operators {known}"
                ))
            });
        }
    };
    Ok(Filter::Compare(field, comparison, one(operator, value)?))
}

fn one(operator: &str, value: LookupValue) -> Result<Value> {
    match value {
        LookupValue::One(value) => Ok(value),
        LookupValue::Many(_) => Err(Error::invalid_input(format!(
            "{operator} compares with one value; use in for a list"
        ))),
    }
}

fn many(operator: &str, value: LookupValue) -> Result<Vec<Value>> {
    match value {
        LookupValue::Many(values) => Ok(values),
        LookupValue::One(_) => Err(Error::invalid_input(format!("{operator} needs a list"))),
    }
}

fn text(operator: &str, value: LookupValue) -> Result<String> {
    match value {
        LookupValue::One(Value::Text(text)) => Ok(text),
        _ => Err(Error::invalid_input(format!("{operator} needs text"))),
    }
}

fn flag(value: &LookupValue) -> Result<bool> {
    match value {
        LookupValue::One(Value::Boolean(flag)) => Ok(*flag),
        _ => Err(Error::invalid_input("isnull needs true or false")),
    }
}

fn unknown(kind: Kind, name: &str) -> Error {
    let fields = kind.fields().iter().map(|info| info.field.name());
    let references = fields.clone().filter_map(|field| field.strip_suffix("_id"));
    let links = names(kind).iter().map(|(name, _)| *name);
    let all: Vec<&str> = fields.chain(references).chain(links).collect();
    Error::invalid_input(format!(
        "{} has no field or relation {name}; it has {}",
        kind.with_article(),
        all.join(", ")
    ))
}

mod parse;
#[cfg(test)]
mod tests;
