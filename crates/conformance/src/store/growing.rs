//! Arrays that are appended to are the same as those written as a whole.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::reading::info;
use super::{Capabilities, create, error_of, finish, open};
use anndex_core::error::ErrorKind;
use anndex_core::store::{
    ArrayData, ArraySpec, Attributes, DataType, StoreFormat, StoreWriter, read_all,
};

/// An array to append to, with what it holds in the end.
struct Sample {
    path: String,
    spec: ArraySpec,
    row_bytes: usize,
    elements: Vec<u8>,
    written: usize,
}

/// Many arrays at once, in pieces of any length.
pub(super) fn arrays(format: &dyn StoreFormat, path: &Path, capabilities: &Capabilities) {
    let none = Attributes::new();
    if !capabilities.growing_arrays {
        let mut writer = create(format, path);
        let spec = ArraySpec::new(DataType::Int32, [0]).chunked([8]);
        let kind = error_of("grow", writer.start_array("grows", &spec, &none));
        assert_eq!(kind, ErrorKind::Unsupported, "grow in a format that can't");
        return;
    }
    let mut random = StdRng::seed_from_u64(3);
    let mut samples = samples(capabilities, &mut random);
    let mark = Attributes::from([("mark".to_owned(), 1i64.into())]);
    let mut writer = create(format, path);
    for sample in &samples {
        let started = writer.start_array(&sample.path, &sample.spec, &mark);
        started.unwrap_or_else(|e| panic!("start {}: {e:#}", sample.path));
    }
    while samples.iter().any(|s| s.written < s.elements.len()) {
        for sample in &mut samples {
            let left = sample.elements.len() - sample.written;
            let rows = random.random_range(0..60) * sample.row_bytes;
            let end = sample.written + rows.min(left);
            let rows = &sample.elements[sample.written..end];
            let appended = writer.append(&sample.path, rows);
            appended.unwrap_or_else(|e| panic!("append to {}: {e:#}", sample.path));
            sample.written = end;
        }
    }
    finish(writer);

    let store = open(format, path);
    for sample in &samples {
        let array = store.array(&sample.path).expect("open an array");
        let mut spec = sample.spec.clone();
        spec.shape[0] = (sample.elements.len() / sample.row_bytes) as u64;
        info(&sample.path, &spec, &*array);
        let read = read_all(&*array).unwrap_or_else(|e| panic!("read {}: {e:#}", sample.path));
        assert!(
            read.bytes() == sample.elements,
            "elements of {}",
            sample.path
        );
        assert_eq!(store.attributes(&sample.path).expect("attributes"), mark);
    }
}

fn samples(capabilities: &Capabilities, random: &mut StdRng) -> Vec<Sample> {
    let mut specs = Vec::new();
    for data_type in [DataType::Bool, DataType::Int32, DataType::Float64] {
        let plain = |shape: &[u64]| ArraySpec::new(data_type.clone(), shape);
        for &compression in &capabilities.compressions {
            let mut layouts = vec![
                plain(&[0]).chunked([16]),
                plain(&[0, 3]).chunked([5, 3]),
                plain(&[0, 2, 3]).chunked([1, 2, 3]),
            ];
            if capabilities.shards {
                layouts.extend([
                    plain(&[0]).chunked([16]).sharded([64]),
                    plain(&[0, 3]).chunked([5, 3]).sharded([20, 3]),
                    plain(&[0]).chunked([1024]).sharded([2048]),
                ]);
            }
            specs.extend(layouts.into_iter().map(|spec| spec.compressed(compression)));
        }
    }
    let sample = |(index, spec): (usize, ArraySpec)| {
        let size = spec.data_type.fixed_size().expect("a numeric type");
        let row_bytes = spec.shape.iter().skip(1).product::<u64>() as usize * size;
        let n_rows = [0, 1, 64, 128, 397][index % 5];
        let mut elements: Vec<u8> = match spec.data_type {
            DataType::Bool => (0..n_rows * row_bytes)
                .map(|_| random.random_range(0..2))
                .collect(),
            _ => (0..n_rows * row_bytes).map(|_| random.random()).collect(),
        };
        // Chunks and whole shards of zeros, which formats may leave out.
        let zeros = n_rows / 4 * row_bytes..n_rows * 3 / 4 * row_bytes;
        elements[zeros].fill(0);
        Sample {
            path: format!("{index}-{}", spec.data_type),
            spec,
            row_bytes,
            elements,
            written: 0,
        }
    };
    specs.into_iter().enumerate().map(sample).collect()
}

/// Calls that must be refused, and that do no harm to the store being written.
pub(super) fn wrong_calls(format: &dyn StoreFormat, path: &Path, capabilities: &Capabilities) {
    let none = Attributes::new();
    let mut writer = create(format, path);
    let whole = ArraySpec::new(DataType::UInt8, [4]);
    let written = writer.write_array("whole", &whole, ArrayData::Bytes(&[1, 2, 3, 4]), &none);
    written.expect("write an array");
    let refused = |what: &str, writer: &mut dyn StoreWriter, path: &str, rows: &[u8]| {
        let kind = error_of(what, writer.append(path, rows));
        assert_eq!(kind, ErrorKind::InvalidInput, "{what}");
    };
    refused("append to nothing", &mut *writer, "none", &[1]);
    refused("append to a group", &mut *writer, "", &[1]);
    refused("append to a whole array", &mut *writer, "whole", &[1]);
    if !capabilities.growing_arrays {
        return;
    }
    let grows = |shape: &[u64]| ArraySpec::new(DataType::UInt16, shape);
    let misfits = [
        ("rows from the start", grows(&[1]).chunked([4])),
        ("a scalar", grows(&[])),
        ("no chunks", grows(&[0])),
        ("chunks of part of a row", grows(&[0, 4]).chunked([4, 2])),
        ("chunks wider than a row", grows(&[0, 4]).chunked([4, 8])),
        ("rows without elements", grows(&[0, 0]).chunked([4, 1])),
        (
            "shards of half chunks",
            grows(&[0]).chunked([4]).sharded([6]),
        ),
        ("text", ArraySpec::new(DataType::String, [0]).chunked([4])),
    ];
    for (what, spec) in misfits {
        let kind = error_of(what, writer.start_array("misfit", &spec, &none));
        assert_eq!(kind, ErrorKind::InvalidInput, "{what}");
    }
    let spec = grows(&[0, 2]).chunked([3, 2]);
    for wrong in ["", "whole", "none/a", "../a"] {
        let kind = error_of(wrong, writer.start_array(wrong, &spec, &none));
        assert_eq!(kind, ErrorKind::InvalidInput, "start {wrong:?}");
    }
    let started = writer.start_array("grows", &spec, &none);
    started.expect("start an array");
    let again = error_of("start again", writer.start_array("grows", &spec, &none));
    assert_eq!(again, ErrorKind::InvalidInput, "start again");
    refused("half a row", &mut *writer, "grows", &[1, 2]);
    let appended = writer.append("grows", &[1, 0, 2, 0]);
    appended.expect("append a row");
    finish(writer);
    let array = open(format, path).array("grows").expect("the array");
    let read = read_all(&*array).expect("read the array");
    assert_eq!(read.bytes(), [1, 0, 2, 0]);
}
