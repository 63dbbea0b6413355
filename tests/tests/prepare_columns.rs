//! Which type a column has in a prepared collection: what anndata's `concat` makes of the files'.

use std::path::PathBuf;

use anndex_core::anndata::{
    AnnData, BackedAnnData, Categorical, Column, DataFrame, InMemoryMatrix, Label, Values,
};
use anndex_core::mapped::{Join, Preparation, PrepareOptions, Shuffle};
use anndex_core::store::{Compression, DataType, NumericArray, Strings};
use anndex_core::{ErrorKind, Result};
use anndex_tests::{formats, write_file};
use tempfile::TempDir;

fn column<T: anndex_core::store::Element>(values: &[T]) -> Column {
    let values = NumericArray::from_values([values.len()], values).expect("values");
    Column::numeric(values).expect("one dimension")
}

fn categorical(codes: &[i32], categories: &[&str], ordered: bool) -> Column {
    let categories = Values::Strings(categories.iter().collect::<Strings>());
    let column = Categorical::new(codes.to_vec(), categories, ordered);
    Column::Categorical(column.expect("codes in range"))
}

fn masked(values: Column, missing: &[bool]) -> Column {
    let Column::Values { values, .. } = values else {
        panic!("values are masked");
    };
    Column::Values {
        values,
        missing: Some(missing.to_vec().into()),
    }
}

/// Two cells and genes with the given columns.
fn file(obs: Vec<(&str, Column)>, genes: [&str; 2], var: Vec<(&str, Column)>) -> AnnData {
    let frame = |names: [&str; 2], columns: Vec<(&str, Column)>| {
        let frame = DataFrame::new(names.iter().collect());
        columns.into_iter().fold(frame, |frame, (name, column)| {
            frame.with_column(name, column).expect("two values")
        })
    };
    let x = NumericArray::from_values([2, 2], &[1f32, 2.0, 3.0, 0.0]).expect("a matrix");
    AnnData {
        x: Some(InMemoryMatrix::Dense(x)),
        obs: frame(["a", "b"], obs),
        var: frame(genes, var),
        ..AnnData::default()
    }
}

struct Prepared {
    data: BackedAnnData,
    notices: Vec<String>,
    _directory: TempDir,
}

fn prepared(files: &[AnnData], options: &PrepareOptions) -> Result<Prepared> {
    let directory = TempDir::new().expect("a temporary directory");
    let write = |(index, data): (usize, &AnnData)| {
        let path = directory.path().join(format!("{index}.zarr"));
        write_file(&path, data, Compression::None, 8);
        path
    };
    let paths: Vec<PathBuf> = files.iter().enumerate().map(write).collect();
    let preparation = Preparation::open(&formats(), &paths, options, None)?;
    let out = directory.path().join("out");
    let made = preparation.write(&out, "", &mut |_| Ok(()))?;
    assert_eq!(made.files.len(), 1);
    Ok(Prepared {
        data: BackedAnnData::open(formats().open(&made.files[0])?)?,
        notices: preparation.notices().to_vec(),
        _directory: directory,
    })
}

/// What becomes of a column that the first file has and the second may have: its encoding, type
/// and labels.
fn obs(first: Column, second: Option<Column>) -> Result<(String, DataType, Vec<Label>)> {
    let second = second.map(|column| ("c", column)).into_iter().collect();
    let files = [
        file(vec![("c", first)], ["x", "y"], vec![]),
        file(second, ["x", "y"], vec![]),
    ];
    let options = PrepareOptions::default().shuffle(Shuffle::None);
    let made = prepared(&files, &options)?;
    let stored = made.data.obs().column("c")?;
    let labels = stored.read(None)?.labels().collect();
    let encoding = stored.encoding().to_owned();
    Ok((encoding, stored.data_type().clone(), labels))
}

#[test]
fn numbers_are_promoted_and_masked_where_there_are_none() {
    use Label::{Bool, Float, Int, Missing};
    let whole = obs(column(&[1i8, 2]), Some(column(&[3i32, 4]))).expect("prepared");
    let labels = vec![Int(1), Int(2), Int(3), Int(4)];
    assert_eq!(whole, ("array".to_owned(), DataType::Int32, labels));

    let lacking = obs(column(&[1i8, 2]), None).expect("prepared");
    let labels = vec![Int(1), Int(2), Missing, Missing];
    assert_eq!(
        lacking,
        ("nullable-integer".to_owned(), DataType::Int8, labels)
    );

    let nullable = masked(column(&[7i64, 0]), &[false, true]);
    let mixed = obs(nullable, Some(column(&[0.5f32, f32::NAN]))).expect("prepared");
    let labels = vec![Int(7), Missing, Float(0.5), Missing];
    assert_eq!(mixed, ("array".to_owned(), DataType::Float64, labels));

    let truth = Column::numeric(NumericArray::from_bools(&[true, false]).expect("booleans"));
    let lacking = obs(truth.expect("a column"), None).expect("prepared");
    let labels = vec![Bool(true), Bool(false), Missing, Missing];
    assert_eq!(
        lacking,
        ("nullable-boolean".to_owned(), DataType::Bool, labels)
    );
}

#[test]
fn text_stays_text() {
    let text = |label: &str| Label::from(label);
    let whole = obs(
        Column::strings(["p", ""]),
        Some(Column::strings(["q", "r"])),
    );
    let labels = ["p", "", "q", "r"].map(text).to_vec();
    let expected = ("string-array".to_owned(), DataType::String, labels);
    assert_eq!(whole.expect("prepared"), expected);

    let categories = categorical(&[1, -1], &["q", "r"], false);
    let mixed = obs(Column::strings(["p", "p"]), Some(categories)).expect("prepared");
    let labels = vec![text("p"), text("p"), text("r"), Label::Missing];
    let encoding = "nullable-string-array".to_owned();
    assert_eq!(mixed, (encoding, DataType::String, labels));
}

#[test]
fn categories_are_united() {
    let read = |first: Column, second: Column| {
        let files = [
            file(vec![("c", first)], ["x", "y"], vec![]),
            file(vec![("c", second)], ["x", "y"], vec![]),
        ];
        let options = PrepareOptions::default().shuffle(Shuffle::None);
        let made = prepared(&files, &options).expect("prepared");
        match made.data.obs().read_column("c").expect("the column") {
            Column::Categorical(categorical) => categorical,
            Column::Values { .. } => panic!("the column is categorical"),
        }
    };
    let names = |categorical: &Categorical| match categorical.categories() {
        Values::Strings(names) => names.iter().map(str::to_owned).collect::<Vec<_>>(),
        Values::Numeric(_) => panic!("the categories are text"),
    };
    let same = categorical(&[1, 0], &["low", "high", "a"], true);
    let kept = read(same.clone(), same.clone());
    assert_eq!(
        (names(&kept), kept.ordered()),
        (vec!["low".into(), "high".into(), "a".into()], true)
    );
    assert_eq!(kept.codes(), [1, 0, 1, 0]);

    let united = read(same, categorical(&[0, -1], &["mid"], true));
    let sorted: Vec<String> = ["a", "high", "low", "mid"].map(str::to_owned).to_vec();
    assert_eq!((names(&united), united.ordered()), (sorted, false));
    assert_eq!(united.codes(), [1, 2, 3, -1]);
}

#[test]
fn text_and_numbers_do_not_mix() {
    let numbers = || column(&[1i64, 2]);
    let text = || Column::strings(["p", "q"]);
    for (first, second) in [
        (numbers(), text()),
        (text(), numbers()),
        (numbers(), categorical(&[0, 0], &["p"], false)),
    ] {
        let error = obs(first, Some(second)).expect_err("they do not mix");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.context("key"), Some("c"));
    }
    // Without the column they can be prepared.
    let files = [
        file(vec![("c", numbers()), ("d", numbers())], ["x", "y"], vec![]),
        file(vec![("c", text())], ["x", "y"], vec![]),
    ];
    let made = prepared(&files, &PrepareOptions::default().obs_keys(["d"])).expect("prepared");
    assert_eq!(made.data.obs().columns(), ["d"]);
}

#[test]
fn annotations_of_variables_stay_where_files_agree() {
    let symbols = |names: [&str; 2]| Column::strings(names);
    let files = [
        file(
            vec![],
            ["x", "y"],
            vec![
                ("symbol", symbols(["X", "Y"])),
                ("mean", column(&[1.0, 2.0])),
            ],
        ),
        file(
            vec![],
            ["y", "x"],
            vec![
                ("mean", column(&[2.0, 3.0])),
                ("symbol", symbols(["Y", "X"])),
            ],
        ),
    ];
    for join in [Join::Inner, Join::Outer] {
        let made = prepared(&files, &PrepareOptions::default().join(join)).expect("prepared");
        let var = made.data.var().read().expect("variables");
        assert!(var.index().iter().eq(["x", "y"]));
        let columns: Vec<&str> = var.columns().map(|(name, _)| name).collect();
        assert_eq!(columns, ["symbol"]);
        assert_eq!(var.column("symbol"), Some(&symbols(["X", "Y"])));
        assert!(
            made.notices.iter().any(|notice| notice.contains("mean")),
            "{:?}",
            made.notices
        );
    }
}
