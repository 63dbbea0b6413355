//! Tables: their columns, their index, and that all that is written is read.

use super::*;

#[test]
fn columns_get_the_type_that_holds_all() {
    let outer = joined(&[first(), second()], Join::Outer);
    let names: Vec<_> = outer
        .obs
        .columns()
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(names, ["type", "count", "flag", "name"]);
    let Some(Column::Categorical(types)) = outer.obs.column("type") else {
        panic!("categories are united")
    };
    assert_eq!(
        types.categories(),
        &Values::Strings(["B", "T9", "T10"].iter().collect())
    );
    assert_eq!(types.codes(), [1, -1, 0]);
    assert_eq!(labels(outer.obs.column("count")), ["1.0", "2.0", "nan"]);
    let Some(Column::Values {
        values: Values::Numeric(flags),
        missing,
    }) = outer.obs.column("flag")
    else {
        panic!("booleans stay such")
    };
    assert_eq!(flags.data_type(), &DataType::Bool);
    assert_eq!(missing.as_deref(), Some(&[false, false, true][..]));
    assert_eq!(labels(outer.obs.column("name")), ["nan", "nan", "x"]);
    let inner = joined(&[first(), second()], Join::Inner);
    assert_eq!(inner.obs.columns().len(), 1);
}

#[test]
fn ordered_categories_stay_if_all_have_the_same() {
    let part = |codes: &[i32], categories: &[&str], ordered| {
        let column = categorical(codes, categories, ordered);
        AnnData {
            obs: frame(&["c"]).with_column("o", column).unwrap(),
            ..AnnData::default()
        }
    };
    let same = [part(&[1], &["z", "a"], true), part(&[0], &["z", "a"], true)];
    let Some(Column::Categorical(kept)) = joined(&same, Join::Outer).obs.column("o").cloned()
    else {
        panic!("it stays categorical")
    };
    assert!(kept.ordered());
    assert_eq!(kept.codes(), [1, 0]);
    let other = [part(&[1], &["z", "a"], true), part(&[0], &["b"], false)];
    assert_eq!(
        joined(&other, Join::Outer).obs.column("o"),
        Some(&Column::strings(["a", "b"]))
    );
}

#[test]
fn label_and_index_say_where_an_observation_is_from() {
    let options = ConcatOptions::new(Join::Inner)
        .label("type")
        .keys(["one", "two"])
        .index_unique("-");
    let joined = concat(&backed(&[first(), second()]), &options).unwrap();
    assert_eq!(
        joined.obs.index(),
        &["c0-one", "c1-one", "c0-two"].iter().collect()
    );
    assert_eq!(labels(joined.obs.column("type")), ["one", "one", "two"]);
    let wrong = concat(&backed(&[first()]), &options).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    let nothing = concat(&[], &ConcatOptions::new(Join::Inner)).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
}

#[test]
fn tables_in_obsm_are_concatenated_as_obs_is() {
    let (mut a, mut b) = (first(), second());
    let table = |names: &[&str], column: &str, values: &[i32]| {
        InMemoryElement::DataFrame(frame(names).with_column(column, numbers(values)).unwrap())
    };
    a.obsm
        .insert("t".to_owned(), table(&["c0", "c1"], "q", &[1, 2]));
    let outer = joined(&[a.clone(), b.clone()], Join::Outer);
    let InMemoryElement::DataFrame(found) = &outer.obsm["t"] else {
        panic!("a table")
    };
    assert_eq!(labels(found.column("q")), ["1.0", "2.0", "nan"]);
    b.obsm.insert("t".to_owned(), dense([1, 1], &[1f32]).into());
    let mixed = concat(&backed(&[a, b]), &ConcatOptions::new(Join::Outer)).unwrap_err();
    assert_eq!(mixed.kind(), ErrorKind::InvalidInput);
}

#[test]
fn all_that_is_written_is_read() {
    let mut data = first();
    data.var = data.var.with_index_name("gene");
    data.obs = data
        .obs
        .with_column(
            "masked",
            Column::Values {
                values: Values::Strings(["", "y"].iter().collect()),
                missing: Some(Mask::nan(vec![true, false])),
            },
        )
        .unwrap();
    let csr = sparse(2, &[5], &[0], &[0, 0, 1]);
    data.layers
        .insert("s".to_owned(), InMemoryMatrix::Csr(csr.clone()));
    data.obsp.insert(
        "p".to_owned(),
        InMemoryMatrix::Csc(CscMatrix::from_transposed(csr)),
    );
    data.varp
        .insert("q".to_owned(), dense([2, 2], &[1f64, 0., 0., 1.]));
    data.varm
        .insert("v".to_owned(), InMemoryElement::DataFrame(data.var.clone()));
    let scalar = NumericArray::from_values([], &[2.5f64]).unwrap();
    data.uns = [
        ("none", Unstructured::Null),
        ("text", Unstructured::String("ä".to_owned())),
        (
            "scalar",
            Unstructured::Matrix(InMemoryMatrix::Dense(scalar)),
        ),
        (
            "texts",
            Unstructured::Strings {
                shape: vec![1, 2],
                values: ["a", "b"].iter().collect(),
            },
        ),
        (
            "codes",
            Unstructured::Column(categorical(&[0], &["x"], true)),
        ),
        ("table", Unstructured::DataFrame(data.obs.clone())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let nested = Unstructured::Dict(data.uns.clone());
    data.uns.insert("nested".to_owned(), nested);
    assert_eq!(backed(&[data.clone()])[0].read().unwrap(), data);
    let label = data.obs.column("masked").unwrap().label(0);
    assert_eq!(label, Label::Missing);
}
