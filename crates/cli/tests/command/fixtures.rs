//! Real files, from the folder that `ANNDEX_FIXTURES` names.

use std::path::PathBuf;

use crate::support::Workplace;

/// The folder, or `None` with a note where it is not needed.
fn fixtures() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("ANNDEX_FIXTURES") {
        return Some(folder.into());
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "set ANNDEX_FIXTURES to the folder of real AnnData files"
    );
    eprintln!("ANNDEX_FIXTURES is not set: this test did nothing");
    None
}

#[test]
fn the_main_job_on_real_files() {
    let Some(folder) = fixtures() else { return };
    let names = [
        "10x_pbmc68k_reduced.h5ad",
        "anndata_v0.5.0.h5ad",
        "anndata_v0.7.8.h5ad",
    ];
    let files = names.map(|name| folder.join(name).to_str().unwrap().to_owned());
    let files = files.each_ref().map(String::as_str);
    let workplace = Workplace::new();
    let uids = workplace.add(&files);
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    workplace.ok(&[&["collection", "create", "pbmc"], uids.as_slice()].concat());
    let map = workplace.json(&[
        "map",
        "pbmc",
        "--obs",
        "bulk_labels",
        "--join",
        "outer",
        "--batch-size",
        "64",
        "--checksum",
    ]);
    // What Python gives: anndata.concat(..., join="outer", fill_value=0), summed in float64.
    assert_eq!(map["n_vars"], 785);
    assert_eq!(map["checksum"]["X"]["nonzero"], 1_071_105);
    let sum = map["checksum"]["X"]["sum"].as_f64().unwrap();
    assert!((sum - -185.362115977332).abs() < 1e-6, "{sum}");
    let original = map["original_shapes"].as_array().unwrap();
    let n_obs: u64 = original
        .iter()
        .map(|shape| shape[0].as_u64().unwrap())
        .sum();
    assert_eq!(map["n_obs"], n_obs);
    assert_eq!(map["batches"], n_obs.div_ceil(64));
    assert_eq!(
        map["encoders"]["bulk_labels"].as_object().unwrap().len(),
        10
    );
    let sparse = workplace.json(&["map", "pbmc", "--join", "outer", "--csr", "--checksum"]);
    assert_eq!(
        map["checksum"]["X"]["nonzero"],
        sparse["checksum"]["X"]["nonzero"]
    );
    workplace.ok(&[&["demo"], files.as_slice()].concat());
}
