//! Real files: everything in them is read, and a sample of it is what Python reads.

use std::path::PathBuf;

use anndex_store::{Attribute, DataType, Store, StoreFormat, read_all, read_all_strings};
use anndex_store_zarr::ZarrFormat;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::damage::damaged;
use crate::everything::read_everything;

/// The folder of real files; `None`, with a note, where there is none.
fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ANNDEX_FIXTURES").map(PathBuf::from);
    let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(
        folder.is_some() || !in_ci,
        "set ANNDEX_FIXTURES to the folder of real files"
    );
    if folder.is_none() {
        eprintln!("not run: set ANNDEX_FIXTURES to the folder of real files");
    }
    folder
}

fn open(folder: &std::path::Path, name: &str) -> std::sync::Arc<dyn Store> {
    ZarrFormat::new()
        .open(&folder.join(name))
        .unwrap_or_else(|e| panic!("{name}: {e:#}"))
}

#[test]
fn archives_are_read_whole() {
    let Some(folder) = fixtures() else { return };
    for (name, arrays) in [
        ("anndata_v0.7.0.zarr.zip", 83),
        ("anndata_v0.7.8.zarr.zip", 87),
        ("anndata_v0.11.4.zarr.zip", 2),
    ] {
        let store = open(&folder, name);
        let mut read = 0;
        read_everything(&*store, &mut |path, result| {
            result.unwrap_or_else(|e| panic!("{name}: {path}: {e:#}"));
            read += 1;
        });
        // Structured arrays are read field by field.
        assert!(read >= arrays, "{name}: {read} arrays");
    }
}

#[test]
fn damaged_archives_give_errors() {
    let Some(folder) = fixtures() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("damaged.zarr.zip");
    let mut random = StdRng::seed_from_u64(11);
    for name in ["anndata_v0.7.8.zarr.zip", "anndata_v0.11.4.zarr.zip"] {
        let whole = std::fs::read(folder.join(name)).expect("read");
        let mut errors = 0;
        for _ in 0..60 {
            std::fs::write(&path, damaged(&whole, &mut random)).expect("write");
            match ZarrFormat::new().open(&path) {
                Ok(store) => read_everything(&*store, &mut |_, result| {
                    errors += usize::from(result.is_err());
                }),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 10, "{name}: {errors} errors");
    }
}

#[test]
fn values_are_those_of_python() {
    let Some(folder) = fixtures() else { return };
    let store = open(&folder, "anndata_v0.7.0.zarr.zip");
    assert_eq!(store.format(), "Zarr v2");
    let shape = store.attributes("X").expect("attributes")["shape"].clone();
    assert_eq!(shape, Attribute::from(vec![30i64, 20]));

    let indptr = store.array("X/indptr").expect("indptr");
    let info = indptr.info();
    assert_eq!(info.data_type, DataType::Int32);
    assert_eq!(info.filters, ["blosc(lz4,5)"]);
    let numbers = read_all(&*indptr).expect("indptr");
    assert_eq!((numbers.len(), numbers.get_i64(30)), (31, Some(228)));

    let index = store.array("obs/_index").expect("obs index");
    let names = read_all_strings(&*index).expect("obs index");
    assert_eq!(
        (names.get(0), names.get(29)),
        (Some("cell0"), Some("cell29"))
    );

    let records = store.array("uns/O_recarray").expect("records");
    let DataType::Struct(fields) = &records.info().data_type else {
        panic!("a structured type");
    };
    assert_eq!(fields.len(), 5);
    let field = records.field("idCmW").expect("a field");
    let texts = read_all_strings(&*field).expect("a field");
    assert!(texts.iter().all(|text| text.chars().count() <= 4));
    assert_eq!(texts.len(), 20);
}
