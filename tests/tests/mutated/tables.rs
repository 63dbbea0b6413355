//! A small table in each format and compression.

use std::sync::Arc;

use anndex_tables::arrow_array::types::Int32Type;
use anndex_tables::arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::input::Input;

const ROWS: usize = 300;

fn batch() -> RecordBatch {
    let names: Vec<String> = (0..ROWS).map(|row| format!("gene, {row}")).collect();
    let kinds: DictionaryArray<Int32Type> = (0..ROWS)
        .map(|row| ["T", "B"].get(row % 3).copied())
        .collect();
    let shares = (0..ROWS).map(|row| (row % 7 != 0).then_some(row as f64 / 7.0));
    let columns: [(&str, ArrayRef); 5] = [
        ("name", Arc::new(StringArray::from(names))),
        ("kind", Arc::new(kinds)),
        (
            "count",
            Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
        ),
        ("share", Arc::new(shares.collect::<Float64Array>())),
        (
            "flag",
            Arc::new(
                (0..ROWS)
                    .map(|row| Some(row % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// All of them.
pub(crate) fn tables() -> Vec<Input> {
    let batch = batch();
    let mut tables = Vec::new();
    let ipc = [
        ("plain", None),
        ("lz4", Some(CompressionType::LZ4_FRAME)),
        ("zstd", Some(CompressionType::ZSTD)),
    ];
    for (name, compression) in ipc {
        let options = IpcWriteOptions::default()
            .try_with_compression(compression)
            .unwrap();
        let schema = batch.schema();
        let mut file =
            FileWriter::try_new_with_options(Vec::new(), &schema, options.clone()).unwrap();
        file.write(&batch).unwrap();
        tables.push(Input::file(
            &format!("{name}.feather"),
            file.into_inner().unwrap(),
        ));
        let mut stream = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
        stream.write(&batch).unwrap();
        tables.push(Input::file(
            &format!("{name}.ipc"),
            stream.into_inner().unwrap(),
        ));
    }
    let parquet = [
        ("plain", Compression::UNCOMPRESSED),
        ("snappy", Compression::SNAPPY),
        ("lz4", Compression::LZ4_RAW),
        ("brotli", Compression::BROTLI(Default::default())),
        ("gzip", Compression::GZIP(Default::default())),
        ("zstd", Compression::ZSTD(ZstdLevel::default())),
    ];
    for (name, compression) in parquet {
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        tables.push(Input::file(
            &format!("{name}.parquet"),
            writer.into_inner().unwrap(),
        ));
    }
    let mut text = String::from("name,count,share\n");
    for row in 0..ROWS {
        text += &format!("\"gene, {row}\",{row},{}\n", row as f64 / 7.0);
    }
    tables.push(Input::file("table.tsv", text.replace(',', "\t")));
    tables.push(Input::file("table.csv", text));
    tables
}
