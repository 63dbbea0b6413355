//! `anndex collection load`: one file of a collection.

use anndex::anndata::BackedAnnData;

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
