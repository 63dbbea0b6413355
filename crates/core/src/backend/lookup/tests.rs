//! Lookups become the conditions they mean, and say what is wrong otherwise.

use super::*;
use crate::error::ErrorKind;

#[test]
fn operators_become_conditions() {
    let lookup = |lookup, value: LookupValue| Filter::lookup(Kind::Artifact, lookup, value);
    let both = LookupValue::Many(vec![1.into(), 5.into()]);
    for (name, value, expected) in [
        ("key", "a".into(), Filter::eq(Field::Key, "a")),
        ("pk", 3.into(), Filter::eq(Field::Id, 3)),
        ("key", Value::Null.into(), Filter::is_null(Field::Key)),
        (
            "key__contains",
            "a".into(),
            Filter::contains(Field::Key, "a"),
        ),
        (
            "key__iendswith",
            "a".into(),
            Filter::folded(Field::Key, TextMatch::EndsWith, "a"),
        ),
        (
            "key__iexact",
            Value::Null.into(),
            Filter::is_null(Field::Key),
        ),
        ("size__gte", 3.into(), Filter::ge(Field::Size, 3)),
        ("size__lt", 3.into(), Filter::lt(Field::Size, 3)),
        ("size__in", both.clone(), Filter::is_in(Field::Size, [1, 5])),
        (
            "size__range",
            both,
            Filter::ge(Field::Size, 1).and(Filter::le(Field::Size, 5)),
        ),
        (
            "run_id__isnull",
            false.into(),
            Filter::is_null(Field::Run).negate(),
        ),
    ] {
        assert_eq!(lookup(name, value).unwrap(), expected, "{name}");
    }
}

#[test]
fn relations_are_followed() {
    let ulabels = Relation::Targets(LinkKind::CollectionULabel);
    let run = Relation::Reference(Field::Run);
    let transform = Relation::Reference(Field::Transform);
    let lookup = |lookup, value: LookupValue| Filter::lookup(Kind::Collection, lookup, value);
    assert_eq!(
        lookup("ulabels__name__startswith", "a".into()).unwrap(),
        Filter::related(ulabels, Filter::starts_with(Field::Name, "a"))
    );
    assert_eq!(
        lookup("ulabels__isnull", true.into()).unwrap(),
        Filter::related(ulabels, Filter::everything()).negate()
    );
    assert_eq!(
        lookup("ulabels", 7.into()).unwrap(),
        Filter::related(ulabels, Filter::eq(Field::Id, 7))
    );
    assert_eq!(
        lookup("transform__key", "a.py".into()).unwrap(),
        Filter::related(
            run,
            Filter::related(transform, Filter::eq(Field::Key, "a.py"))
        )
    );
    for kind in Kind::ALL {
        for (name, relation) in names(kind) {
            assert!(relation.related(kind).is_ok(), "{kind} {name}");
        }
    }
}

#[test]
fn several_lookups_may_be_about_one_record() {
    let artifacts = Relation::Targets(LinkKind::CollectionArtifact);
    let lookup = |name, value: LookupValue| {
        let filter = Filter::lookup(Kind::Collection, name, value);
        filter.unwrap()
    };
    let filters = [
        lookup("artifacts__key", "a".into()),
        lookup("name", "x".into()),
        lookup(
            "artifacts__size__range",
            LookupValue::Many(vec![1.into(), 2.into()]),
        ),
        lookup("artifacts__run__name", "r".into()),
        lookup("artifacts__run__uid", "u".into()),
        lookup("ulabels__name", "l".into()),
        lookup("artifacts__isnull", true.into()),
    ];
    let run = Relation::Reference(Field::Run);
    let ulabels = Relation::Targets(LinkKind::CollectionULabel);
    let of_run = Filter::All(vec![
        Filter::eq(Field::Name, "r"),
        Filter::eq(Field::Uid, "u"),
    ]);
    let of_artifact = Filter::All(vec![
        Filter::eq(Field::Key, "a"),
        Filter::ge(Field::Size, 1),
        Filter::le(Field::Size, 2),
        Filter::related(run, of_run),
    ]);
    let expected = Filter::All(vec![
        Filter::eq(Field::Name, "x"),
        Filter::related(artifacts, Filter::everything()).negate(),
        Filter::related(artifacts, of_artifact),
        Filter::related(ulabels, Filter::eq(Field::Name, "l")),
    ]);
    assert_eq!(Filter::all_of_same(filters), expected);
    assert_eq!(Filter::all_of_same([]), Filter::everything());
    let one = Filter::eq(Field::Name, "x");
    assert_eq!(Filter::all_of_same([one.clone()]), one);
}

#[test]
fn what_is_no_lookup_says_what_is() {
    let failed = |lookup, value: LookupValue| {
        let error = Filter::lookup(Kind::Collection, lookup, value).unwrap_err();
        assert_eq!(error.context("lookup"), Some(lookup));
        error
    };
    let error = failed("nme", "a".into());
    assert!(error.message().contains("name"), "{error}");
    let error = failed("name__iregex", "a".into());
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    for (lookup, value) in [
        ("name__like", "a".into()),
        ("name__uid", "a".into()),
        ("name__exact__in", "a".into()),
        ("", "a".into()),
        ("run__", "a".into()),
        ("name__in", "a".into()),
        ("name__isnull", "a".into()),
        ("name__contains", 1.into()),
        ("id__range", LookupValue::Many(vec![1.into()])),
        ("id", LookupValue::Many(vec![1.into()])),
    ] {
        assert_eq!(failed(lookup, value).kind(), ErrorKind::InvalidInput);
    }
}
