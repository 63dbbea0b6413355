//! Lookups with their values as one text, as people write them on a command line:
//! `size__gte=1000000`, `ulabels=blood`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::{LookupValue, field, is_operator, unknown};
use crate::backend::filter::{Filter, Relation};
use crate::error::{Error, Result};
use crate::record::{Field, Kind, Value, ValueType, Visibility};
use crate::registry::uid;

/// What a lookup is about in the end.
struct Subject<'a> {
    kind: Kind,
    /// `None` for the related record itself.
    field: Option<Field>,
    operator: &'a str,
}

impl Filter {
    /// The condition that the text `LOOKUP=VALUE` means, with a lookup as [`Filter::lookup`] takes
    /// it. The value is read as the field's type: a whole number, `true` or `false`, a time in UTC
    /// such as `2024-05-31` or `2024-05-31T12:30:00`, or text. `in` and `range` take values
    /// separated by commas. A visibility is `default`, `hidden` or `trash`. A relation without a
    /// field means the related record with this uid, this beginning of a uid, of four characters
    /// or more, or this name.
    ///
    /// # Errors
    /// As [`Filter::lookup`]; `InvalidInput` if there is no `=`, or the value is not of the type.
    ///
    /// ```
    /// use anndex_core::backend::Filter;
    /// use anndex_core::record::{Field, Kind};
    ///
    /// let large = Filter::parse(Kind::Artifact, "size__gte=1000000")?;
    /// assert_eq!(large, Filter::ge(Field::Size, 1_000_000));
    /// assert!(Filter::parse(Kind::Artifact, "size__gte=large").is_err());
    /// # Ok::<_, anndex_core::Error>(())
    /// ```
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let Some((lookup, value)) = text.split_once('=') else {
            return Err(Error::invalid_input(
                "a filter is LOOKUP=VALUE, such as key__contains=lung",
            )
            .with("filter", text.escape_debug()));
        };
        let parts: Vec<&str> = lookup.split(super::SEPARATOR).collect();
        condition(kind, lookup, &parts, value).map_err(|e| e.with("filter", text.escape_debug()))
    }
}

fn condition(kind: Kind, lookup: &str, parts: &[&str], text: &str) -> Result<Filter> {
    let subject = subject(kind, parts)?;
    let Some(field) = subject.field else {
        return related(kind, lookup, &subject, text);
    };
    let read = |text: &str| value(subject.kind, field, text);
    let value: LookupValue = match subject.operator {
        "isnull" => boolean(text)?.into(),
        "in" | "range" => {
            let values = text.split(',').map(|one| read(one.trim()));
            LookupValue::Many(values.collect::<Result<_>>()?)
        }
        _ => read(text)?.into(),
    };
    Filter::lookup(kind, lookup, value)
}

fn subject<'a>(kind: Kind, parts: &[&'a str]) -> Result<Subject<'a>> {
    let Some((name, rest)) = parts.split_first() else {
        return Err(Error::invalid_input("the lookup is empty"));
    };
    if let Some(field) = field(kind, name) {
        let operator = rest.first().copied().unwrap_or("exact");
        let field = Some(field);
        return Ok(Subject {
            kind,
            field,
            operator,
        });
    }
    if *name == "transform" && kind.field(Field::Run).is_some() {
        return subject(Kind::Run, parts);
    }
    let relation = Relation::named(kind, name).ok_or_else(|| unknown(kind, name))?;
    let kind = relation.related(kind)?;
    match rest {
        [] => Ok(Subject {
            kind,
            field: None,
            operator: "exact",
        }),
        [operator] if is_operator(operator) => Ok(Subject {
            kind,
            field: None,
            operator,
        }),
        rest => subject(kind, rest),
    }
}

/// A condition on a related record as a whole.
fn related(kind: Kind, lookup: &str, subject: &Subject<'_>, text: &str) -> Result<Filter> {
    let named = |relation: &str, text: &str| {
        if text.is_empty() {
            return Err(Error::invalid_input(format!(
                "name {}, by its uid or name",
                subject.kind.with_article()
            )));
        }
        let by_uid = match text.len() < uid::SHORTEST_ABBREVIATION {
            true => format!("{relation}__uid"),
            false => format!("{relation}__uid__startswith"),
        };
        let mut either = Filter::lookup(kind, &by_uid, text)?;
        if let Some(field) = subject.kind.name_field() {
            let by_name = format!("{relation}__{field}");
            either = either.or(Filter::lookup(kind, &by_name, text)?);
        }
        Ok(either)
    };
    match subject.operator {
        "exact" => named(lookup.strip_suffix("__exact").unwrap_or(lookup), text),
        "in" => {
            let relation = lookup.strip_suffix("__in").unwrap_or(lookup);
            let each = text.split(',').map(|one| named(relation, one.trim()));
            Ok(Filter::Any(each.collect::<Result<_>>()?))
        }
        "isnull" => Filter::lookup(kind, lookup, boolean(text)?),
        operator => Err(Error::invalid_input(format!(
            "{operator} compares fields, and this is {}; name one of its fields before it",
            subject.kind.with_article()
        ))),
    }
}

fn value(kind: Kind, field: Field, text: &str) -> Result<Value> {
    let wrong = |expected: &str| {
        Err(Error::invalid_input(format!(
            "{field} is compared with {expected}"
        )))
    };
    let value_type = kind.field(field).map(|info| info.value_type);
    match value_type {
        Some(ValueType::Boolean) => Ok(boolean(text)?),
        Some(ValueType::Integer) if field == Field::Visibility => match text {
            "default" => Ok(Visibility::Default.into()),
            "hidden" => Ok(Visibility::Hidden.into()),
            "trash" => Ok(Visibility::Trash.into()),
            _ => wrong("default, hidden or trash"),
        },
        Some(ValueType::Integer) => match text.parse::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => wrong("a whole number"),
        },
        Some(ValueType::Time) => match time(text) {
            Some(time) => Ok(time.into()),
            None => wrong("a time in UTC, such as 2024-05-31 or 2024-05-31T12:30:00"),
        },
        _ => Ok(text.into()),
    }
}

fn boolean(text: &str) -> Result<Value> {
    match text.to_lowercase().as_str() {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        _ => Err(Error::invalid_input("this is true or false")),
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let mut times = formats.iter();
    let time = times.find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let midnight = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_time(NaiveTime::MIN))
    };
    Some(time.or_else(midnight)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::record::LinkKind;

    #[test]
    fn values_have_the_type_of_the_field() {
        let noon = NaiveDate::from_ymd_opt(2024, 5, 31).unwrap();
        let noon = noon.and_hms_opt(12, 0, 0).unwrap().and_utc();
        for (text, expected) in [
            ("key=a=b", Filter::eq(Field::Key, "a=b")),
            ("description=", Filter::eq(Field::Description, "")),
            ("size__gt=-1", Filter::gt(Field::Size, -1)),
            ("size__in=1, 2", Filter::is_in(Field::Size, [1_i64, 2])),
            (
                "size__range=1,2",
                Filter::ge(Field::Size, 1).and(Filter::le(Field::Size, 2)),
            ),
            (
                "storage_completed=true",
                Filter::eq(Field::StorageCompleted, true),
            ),
            (
                "visibility=trash",
                Filter::eq(Field::Visibility, Visibility::Trash),
            ),
            ("run_id__isnull=false", Filter::is_null(Field::Run).negate()),
            (
                "created_at__lt=2024-05-31T14:00:00+02:00",
                Filter::lt(Field::CreatedAt, noon),
            ),
            (
                "created_at__lt=2024-05-31 12:00",
                Filter::lt(Field::CreatedAt, noon),
            ),
        ] {
            let found = Filter::parse(Kind::Artifact, text);
            assert_eq!(found.unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_relation_is_a_record_by_uid_or_name() {
        let held = Relation::Sources(LinkKind::CollectionArtifact);
        let named = |text: &str| {
            let of = |filter| Filter::related(held, filter);
            let uid = match text.len() {
                0..4 => Filter::eq(Field::Uid, text),
                _ => Filter::starts_with(Field::Uid, text),
            };
            of(uid).or(of(Filter::eq(Field::Name, text)))
        };
        for (text, expected) in [
            ("collections=a", named("a")),
            ("collections=abc", named("abc")),
            ("collections__exact=abcd", named("abcd")),
            (
                "collections__in=a,blood",
                Filter::Any(vec![named("a"), named("blood")]),
            ),
            (
                "collections__isnull=true",
                Filter::related(held, Filter::everything()).negate(),
            ),
            (
                "transform__version=2",
                Filter::lookup(Kind::Artifact, "run__transform__version", "2").unwrap(),
            ),
        ] {
            let found = Filter::parse(Kind::Artifact, text);
            assert_eq!(found.unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("key", "LOOKUP=VALUE"),
            ("=a", "has no field"),
            ("kye=a", "it has id, uid"),
            ("size=many", "whole number"),
            ("size__range=1", "two values"),
            ("created_at=yesterday", "2024-05-31"),
            ("visibility=gone", "trash"),
            ("storage_completed=1", "true or false"),
            ("key__isnull=", "true or false"),
            ("collections=", "by its uid or name"),
            ("collections__gt=1", "name one of its fields"),
            ("ulabels__nme=a", "a ulabel has no field"),
            ("key__like=a", "none of the operators"),
        ] {
            let error = Filter::parse(Kind::Artifact, text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert_eq!(error.context("filter"), Some(text));
        }
    }
}
