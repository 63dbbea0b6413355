//! Tables of each format: types, missing values, joins, and files that are damaged. The Python
//! package's tests compare random ones with pandas.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anndex_anndata::Join;
use anndex_store::ErrorKind;
use anndex_tables::{Stacked, StackedReader, Table, concat, is_table, read, read_all};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int64Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
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
        ("gap", DataType::Float64),
        ("flag", DataType::Boolean),
        ("text", DataType::LargeUtf8),
        ("large", DataType::UInt64),
        ("empty", DataType::Float64),
        ("date", DataType::LargeUtf8),
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
    assert_eq!(batch.column(4).as_string::<i64>().value(1), "a, b");
}

/// Rows of a CSV file, and the values of its first and last column: longer than what is parsed at
/// once, with records at all positions to its end.
fn long_text(rows: usize, quote: &str, end: &str) -> (String, Vec<i64>, Vec<String>) {
    let numbers: Vec<i64> = (0..rows as i64).map(|row| row * row).collect();
    let texts: Vec<String> = (0..rows).map(|row| "x".repeat(row % 61 + 1)).collect();
    let lines = numbers.iter().zip(&texts);
    let lines = lines.map(|(number, text)| format!("{number},0.5,{quote}{text}{quote}"));
    let lines: Vec<String> = ["n,f,t".to_owned()].into_iter().chain(lines).collect();
    (lines.join(end), numbers, texts)
}

#[test]
fn long_texts_are_read_whole_however_their_lines_end() {
    let directory = tempfile::tempdir().unwrap();
    for (number, end) in ["\n", "\r\n", "\r"].into_iter().enumerate() {
        for quote in ["", "\"", "\"\"\""] {
            let (content, numbers, texts) = long_text(30_000, quote, end);
            let path = text(directory.path(), &format!("{number}.csv"), &content);
            let batch = read(&path).unwrap().into_batch().unwrap();
            let found = batch.column(0).as_primitive::<Int64Type>();
            assert_eq!(found.values(), &numbers[..], "{quote:?} {end:?}");
            let found: Vec<_> = batch
                .column(2)
                .as_string::<i64>()
                .iter()
                .flatten()
                .collect();
            let texts = texts.iter().map(|text| match quote.len() {
                3 => format!("\"{text}\""),
                _ => text.clone(),
            });
            assert!(texts.eq(found), "{quote:?} {end:?}");
        }
    }
}

fn read_stacked<P: AsRef<Path> + Sync>(paths: &[P]) -> Option<Stacked> {
    let reader = StackedReader::open(paths).unwrap()?;
    reader.read().unwrap()
}

#[test]
fn stacked_tables_are_those_one_below_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let paths = [
        text(at, "a.csv", "n,t,f\n1,x,1\n2,\"y, z\",2\n"),
        text(at, "b.csv", "n,t,f\n-3,NA,0.5\n4,w,1\n"),
    ];
    let stacked = read_stacked(&paths).unwrap();
    assert_eq!(
        (stacked.names.join(" "), stacked.rows),
        ("n t f".to_owned(), vec![2, 2])
    );
    let integers = &stacked.blocks[0];
    assert_eq!(integers.columns, [Some(0)]);
    assert_eq!(integers.values.as_slice::<i64>().unwrap(), [1, 2, -3, 4]);
    let floats = &stacked.blocks[1];
    assert_eq!(floats.columns, [Some(2)]);
    assert_eq!(
        floats.values.as_slice::<f64>().unwrap(),
        [1.0, 2.0, 0.5, 1.0]
    );
    let rest = stacked.rest.into_batch().unwrap();
    let texts: Vec<_> = rest.column(0).as_string::<i64>().iter().collect();
    assert_eq!(
        (stacked.others, texts),
        (vec![1], vec![Some("x"), Some("y, z"), None, Some("w")])
    );
    for (name, content) in [
        ("c.csv", "n,other,f\n1,x,1\n"),
        ("d.csv", "n,t,f\n1,x,True\n"),
    ] {
        let path = text(at, name, content);
        assert!(read_stacked(&[&paths[0], &path]).is_none(), "{name}");
    }
    let parquet = at.join("a.parquet");
    write_parquet(&parquet, &batch());
    let stacked = read_stacked(&[&parquet, &parquet]).unwrap();
    let numbers: Vec<i64> = (0..1000).chain(0..1000).collect();
    assert_eq!(
        stacked.blocks[0].values.as_slice::<i64>().unwrap(),
        &numbers[..]
    );
    assert_eq!(
        (stacked.rest.n_rows(), stacked.rows),
        (2000, vec![1000, 1000])
    );
    assert!(read_stacked(&[&parquet, &paths[0]]).is_none());
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
        ("t", DataType::LargeUtf8),
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
        ("few.csv", "a,b\n1,2\n3\n", ErrorKind::Corrupt),
        ("empty.csv", "", ErrorKind::Corrupt),
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

#[test]
fn lengths_that_compressed_buffers_claim_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let column: ArrayRef = Arc::new(Int64Array::from(vec![7; 1000]));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(codec));
        let options = options.unwrap();
        let schema = batch.schema();
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
        writer.write(&batch).unwrap();
        let content = writer.into_inner().unwrap();
        let length = 8000i64.to_le_bytes();
        let at = content
            .windows(8)
            .position(|window| window == length)
            .unwrap();
        // One bit: 8 TiB, then 512 MiB more than there are.
        for bit in [5 * 8 + 3, 3 * 8 + 5] {
            let mut broken = content.clone();
            broken[at + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, broken).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Corrupt,
                "{codec:?} {bit}: {error:#}"
            );
        }
        fs::write(&path, content).unwrap();
        assert_eq!(read(&path).unwrap().n_rows(), 1000);
    }
}
