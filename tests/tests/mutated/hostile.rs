//! Stores and tables that claim to be large, which need no library to be written.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

use crate::input::Input;

/// All of them.
pub(crate) fn made() -> Vec<Input> {
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let short = |size: usize| format!(r#""|S{size}""#);
    vec![
        zarr(
            "elements_of_1_gib",
            &short((1 << 30) - 1),
            "[4]",
            "null",
            "[]",
        ),
        zarr("elements_of_64_mib", &short(64 << 20), "[4]", "null", "[]"),
        zarr("elements_of_15_mib", &short(15 << 20), "[4]", "\"\"", "[]"),
        zarr(
            "records_of_1_gib",
            r#"[["a", "|S1000000000"], ["b", "<i4"]]"#,
            "[4]",
            "null",
            "[]",
        ),
        zarr("filled_with_1_mib", "\"|O\"", "[4000]", &long, VLEN),
        zarr("many_texts", "\"|O\"", "[70368744177664]", "\"\"", VLEN),
        zarr("wide", "\"<f4\"", "[4, 1099511627776]", "0", "[]"),
        many_values(),
    ]
}

const VLEN: &str = r#"[{"id": "vlen-utf8"}]"#;

/// An AnnData of 4 observations with an array in `uns` and `obsm`, of which nothing is stored.
fn zarr(name: &str, dtype: &str, shape: &str, fill: &str, filters: &str) -> Input {
    let mut files = skeleton();
    let filters = if filters == "[]" { "null" } else { filters };
    let document = format!(
        r#"{{"zarr_format": 2, "shape": {shape}, "chunks": {}, "dtype": {dtype}, "order": "C",
            "compressor": null, "fill_value": {fill}, "filters": {filters}}}"#,
        if shape.contains(',') {
            "[1, 1024]"
        } else {
            "[1000]"
        },
    );
    for place in ["uns/a", "obsm/a"] {
        files.insert(format!("{place}/.zarray"), document.clone().into());
    }
    Input::directory(&format!("{name}.zarr"), files)
}

fn skeleton() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let frame = r#"{"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index",
                    "column-order": []}"#;
    let index = r#"{"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "|S4", "order": "C",
                    "compressor": null, "fill_value": "", "filters": null}"#;
    for group in ["", "obs/", "var/", "uns/", "obsm/"] {
        files.insert(format!("{group}.zgroup"), r#"{"zarr_format": 2}"#.into());
    }
    for group in ["obs/", "var/"] {
        files.insert(format!("{group}.zattrs"), frame.into());
        files.insert(format!("{group}_index/.zarray"), index.into());
        files.insert(
            format!("{group}_index/0"),
            b"c0\0\0c1\0\0c2\0\0c3\0\0".to_vec(),
        );
    }
    files
}

/// A zip with attributes of a hundred million values, which are a hundred kilobytes in it.
fn many_values() -> Input {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in skeleton() {
        zip.start_file(name, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.start_file("uns/.zattrs", options).unwrap();
    zip.write_all(b"{\"a\": [0").unwrap();
    let zeros = ",0".repeat(1 << 20);
    for _ in 0..100 {
        zip.write_all(zeros.as_bytes()).unwrap();
    }
    zip.write_all(b"]}").unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    Input::file("many_values.zarr.zip", bytes)
}
