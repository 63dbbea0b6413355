//! Tables of each format: types, missing values, joins, and files that are damaged. The Python
//! package's tests compare random ones with pandas.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_core::ErrorKind;
use anndex_core::anndata::Join;
use anndex_tables::{Table, concat, is_table, read, read_all};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int64Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

fn text(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn types(table: &Table) -> Vec<(String, DataType)> {
    let fields = table.schema().fields().iter();
    fields
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

/// 1,000 rows: a number, its text, and a category of numbers.
fn batch() -> RecordBatch {
    let numbers: Int64Array = (0..1000).collect();
    let texts: StringArray = (0..1000).map(|n| Some(format!("cell {n}"))).collect();
    let keys: Int8Array = (0..1000).map(|n| Some((n % 2) as i8)).collect();
    let values: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 2.0]));
    let categories: DictionaryArray<Int8Type> = DictionaryArray::try_new(keys, values).unwrap();
    RecordBatch::try_from_iter([
        ("number", Arc::new(numbers) as ArrayRef),
        ("text", Arc::new(texts) as ArrayRef),
        ("category", Arc::new(categories) as ArrayRef),
    ])
    .unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(130))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn row_groups_come_in_order_with_all_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    write_parquet(&path, &batch());
    let table = read(&path).unwrap();
    assert_eq!((table.batches().len(), table.n_rows()), (8, 1000));
    let whole = table.into_batch().unwrap();
    assert_eq!(whole.column(0), batch().column(0));
    assert_eq!(whole.column(1), batch().column(1));
    let categories = whole.column(2).as_primitive::<Float64Type>();
    assert_eq!((categories.value(0), categories.value(1)), (0.5, 2.0));
}

#[test]
fn text_tables_get_the_types_that_fit() {
    let directory = tempfile::tempdir().unwrap();
    let content = "\u{feff}int,float,gap,flag,text,large,empty,date\n\
                   1,0.5,3,True,NA,18446744073709551615,,2026-01-01\n\
                   -2,1e3,NaN,false,\"a, b\",1,null,2026-01-02\n";
    let table = read(&text(directory.path(), "a.csv", content)).unwrap();
    let expected = [
        ("int", DataType::Int64),
        ("float", DataType::Float64),
        ("gap", DataType::Int64),
        ("flag", DataType::Boolean),
        ("text", DataType::Utf8),
        ("large", DataType::UInt64),
        ("empty", DataType::Float64),
        ("date", DataType::Utf8),
    ];
    assert_eq!(
        types(&table),
        expected.map(|(name, data_type)| (name.to_owned(), data_type))
    );
    let batch = table.into_batch().unwrap();
    assert_eq!(
        batch.column(0).as_primitive::<Int64Type>().values(),
        &[1, -2]
    );
    let missing = [0, 0, 1, 0, 1, 0, 2, 0];
    let found: Vec<usize> = batch
        .columns()
        .iter()
        .map(|column| column.null_count())
        .collect();
    assert_eq!(found, missing);
    assert_eq!(batch.column(4).as_string::<i32>().value(1), "a, b");
}

#[test]
fn tables_are_joined_by_their_columns() {
    let directory = tempfile::tempdir().unwrap();
    let paths = [
        text(directory.path(), "a.csv", "n,t\n1,x\n"),
        text(directory.path(), "b.tsv", "other\tn\n5\t0.5\n"),
    ];
    let tables: Vec<_> = ["a", "b"]
        .map(str::to_owned)
        .into_iter()
        .zip(read_all(&paths).unwrap())
        .collect();
    let outer = concat(&tables, Join::Outer).unwrap();
    let names = [
        ("n", DataType::Float64),
        ("t", DataType::Utf8),
        ("other", DataType::Int64),
    ];
    assert_eq!(
        types(&outer),
        names.map(|(name, data_type)| (name.to_owned(), data_type))
    );
    let outer = outer.into_batch().unwrap();
    assert_eq!(
        outer.column(0).as_primitive::<Float64Type>().values(),
        &[1.0, 0.5]
    );
    assert!(outer.column(1).is_null(1) && outer.column(2).is_null(0));
    let inner = concat(&tables, Join::Inner).unwrap();
    assert_eq!((types(&inner).len(), inner.n_rows()), (1, 2));
    let text = read(&text(directory.path(), "c.csv", "n\nmany\n")).unwrap();
    let mixed = [tables[0].clone(), ("c".to_owned(), text)];
    let error = concat(&mixed, Join::Outer).unwrap_err();
    assert_eq!(
        (error.kind(), error.context("column")),
        (ErrorKind::InvalidInput, Some("n"))
    );
    assert_eq!(
        concat(&[], Join::Outer).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn what_is_no_table_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let cases = [
        ("a.txt", "a\n", ErrorKind::Unsupported),
        ("ragged.csv", "a,b\n1,2,3\n", ErrorKind::Corrupt),
        ("twice.csv", "a,a\n1,2\n", ErrorKind::InvalidInput),
        ("short.parquet", "PAR1", ErrorKind::Corrupt),
        ("other.ipc", "nothing of Arrow's", ErrorKind::Corrupt),
        ("old.feather", "FEA1 and more", ErrorKind::Unsupported),
    ];
    for (name, content, kind) in cases {
        let error = read(&text(at, name, content)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.context("path").unwrap().ends_with(name), "{error}");
    }
    assert_eq!(
        read(&at.join("none.csv")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(is_table(Path::new("A.Parquet")) && !is_table(Path::new("a.h5ad")));
}

#[test]
fn damaged_parquet_is_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    write_parquet(&path, &batch());
    let content = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (4..content.len()).step_by(97) {
        let mut broken = content.clone();
        broken[at] ^= 0xff;
        if at % 2 == 0 {
            broken.truncate(at);
        }
        fs::write(&path, broken).unwrap();
        refused += usize::from(read(&path).is_err());
    }
    assert!(refused > 10, "only {refused}");
}
