//! `anndex collection load`: one file of a collection.

use anndex::anndata::BackedAnnData;
use anndex::store::DataType;

use crate::support::Workplace;

#[test]
fn a_collection_becomes_one_file() {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "blood"], uids.as_slice()].concat());
    let shown = workplace.json(&["collection", "load", "blood"]);
    assert_eq!((&shown["n_obs"], &shown["n_vars"]), (&6.into(), &5.into()));
    assert_eq!(shown["X"], "csr_matrix float64");
    for file in ["all.h5ad", "all.zarr"] {
        let arguments = [
            "collection",
            "load",
            "blood",
            "--join",
            "inner",
            "--out",
            file,
        ];
        let written = workplace.ok(&arguments);
        assert!(
            written.contains("6 observations × 2 variables"),
            "{written}"
        );
        let store = anndex::formats().open(&workplace.path(file)).unwrap();
        let data = BackedAnnData::open(store).unwrap().read().unwrap();
        let from = data.obs.column("artifact_uid").unwrap();
        let from: Vec<String> = from.labels().map(|label| label.to_string()).collect();
        assert_eq!(from, [uids[0], uids[0], uids[1], uids[1], uids[2], uids[2]]);
    }
    let (_, error) = workplace.fails(&["collection", "load", "blood", "--out", "all.h5ad"]);
    assert_eq!(error["kind"], "already exists");
    let (_, error) = workplace.fails(&["collection", "load", "blood", "--out", "all.txt"]);
    assert_eq!(error["kind"], "unsupported");
}

/// What everything that reads the format can read, unless another compression is asked for.
#[test]
fn it_is_compressed_so_that_others_can_read_it() {
    let workplace = Workplace::new();
    let uids = workplace.add_files();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "blood"], uids.as_slice()].concat());
    for (file, compression, filters) in [
        ("usual.h5ad", None, &["deflate(4)"][..]),
        ("zstd.h5ad", Some("zstd"), &["zstd(3)"]),
        ("none.h5ad", Some("none"), &[]),
        ("usual.zarr", None, &["zstd(3)"]),
        ("gzip.zarr", Some("gzip"), &["gzip(4)"]),
    ] {
        let mut arguments = vec!["collection", "load", "blood", "--out", file];
        arguments.extend(compression.iter().flat_map(|&name| ["--compression", name]));
        workplace.ok(&arguments);
        let store = anndex::formats().open(&workplace.path(file)).unwrap();
        let array = |part: &str| store.array(&format!("X/{part}")).unwrap();
        assert_eq!(array("data").info().filters, filters, "{file}");
        for part in ["indices", "indptr"] {
            assert_eq!(
                array(part).info().data_type,
                DataType::Int32,
                "{part} of {file}"
            );
        }
    }
}
