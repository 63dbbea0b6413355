//! Files of which one part is odd: the others are read, mapped and listed as if it was not there.
//! What anndata reads of them is written down here.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use anndex_core::anndata::{
    BackedAnnData, Categorical, Column, ConcatOptions, InMemoryElement, InMemoryMatrix, Inspection,
    Join, Label, MatrixKey, Unstructured, Values, concat, inspect,
};
use anndex_core::mapped::{BatchFormat, MappedCollection, MappedOptions};
use anndex_core::{Error, ErrorKind};
use anndex_tests::{fixtures, formats};

fn path(name: &str) -> PathBuf {
    fixtures().join("odd").join(format!("{name}.h5ad"))
}

fn open(name: &str) -> BackedAnnData {
    BackedAnnData::open(formats().open(&path(name)).unwrap()).unwrap()
}

/// X through the mapped engine.
fn mapped(name: &str, options: &MappedOptions) -> MappedCollection {
    MappedCollection::open_paths(&formats(), &[path(name)], options).unwrap()
}

fn refused(name: &str, options: &MappedOptions) -> Error {
    MappedCollection::open_paths(&formats(), &[path(name)], options).unwrap_err()
}

fn note<'a>(inspection: &'a Inspection, path: &str) -> &'a str {
    let mut elements = inspection.elements.iter();
    let element = elements.find(|element| element.path == path);
    element.unwrap().note.as_deref().unwrap_or_default()
}

fn keys<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

#[test]
fn a_file_that_a_killed_process_was_writing_is_refused() {
    let error = formats().open(&path("killed_writer")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("h5clear -s"), "{error}");
}

#[test]
fn a_missing_integer_of_r_is_a_missing_category() {
    let data = open("seuratdisk_factor_with_na").read().unwrap();
    let Some(Column::Categorical(column)) = data.obs.column("ctna") else {
        panic!("{:?}", data.obs.column("ctna"));
    };
    assert!(column.codes().contains(&-1) && column.codes().contains(&1));
    assert_eq!(column.categories().len(), 2);
    let options = MappedOptions::default().obs_keys(["ctna"]);
    let labels = mapped("seuratdisk_factor_with_na", &options)
        .get_merged_labels("ctna")
        .unwrap();
    let missing = labels.iter().filter(|label| label.is_missing()).count();
    let codes = column.codes().iter();
    assert_eq!(missing, codes.filter(|&&code| code == -1).count());
    // Any other negative code is damage.
    let values = Values::Strings(["a"].into_iter().collect());
    assert!(Categorical::new(vec![-2], values, false).is_err());
}

#[test]
fn an_attribute_that_nobody_needs_may_be_of_any_encoding() {
    let data = open("latin1_attribute");
    assert_eq!(data.read().unwrap().obs.len(), 4);
    assert!(inspect(&data).unwrap().elements.len() == 1);
    let batch = mapped("latin1_attribute", &MappedOptions::default());
    assert!(batch.batch(&[0, 3], BatchFormat::Dense).is_ok());
}

#[test]
fn links_into_a_file_beside_it_are_followed() {
    let data = open("external_link_main");
    assert_eq!(data.layers_keys().unwrap(), ["counts"]);
    let other = open("other").read().unwrap();
    let read = data.read().unwrap();
    assert_eq!(read.layers.get("counts"), other.x.as_ref());
    let Some(Unstructured::Column(Column::Values { values, .. })) = read.uns.get("names") else {
        panic!("{:?}", read.uns);
    };
    assert_eq!(
        *values,
        Values::Strings(["0", "1", "2"].into_iter().collect())
    );
    assert_eq!(note(&inspect(&data).unwrap(), "layers/counts"), "");
    let options = MappedOptions::default().layers_keys(["counts"]);
    let counts = mapped("external_link_main", &options);
    let counts = counts.batch(&[0, 1, 2, 3], BatchFormat::Dense).unwrap();
    assert_eq!(counts.matrix("counts"), other.x.as_ref());
}

#[test]
fn a_link_whose_file_is_missing_fails_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let alone = directory.path().join("alone.h5ad");
    std::fs::copy(path("external_link_main"), &alone).unwrap();
    let data = BackedAnnData::open(formats().open(&alone).unwrap()).unwrap();
    let read = data.read().unwrap();
    assert!(read.x.is_some() && read.layers.is_empty() && read.uns.is_empty());
    let inspection = inspect(&data).unwrap();
    let told = note(&inspection, "layers/counts");
    assert!(told.contains("`other.h5ad`"), "{told}");
    let options = MappedOptions::default().layers_keys(["counts"]);
    let error = MappedCollection::open_paths(&formats(), &[&alone], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context("node"), Some("/layers/counts"));
    assert!(error.message().contains("`other.h5ad`"), "{error}");
}

#[test]
fn awkward_arrays_are_read_as_their_parts() {
    let read = open("awkward_obsm").read().unwrap();
    let Some(InMemoryElement::Other(Unstructured::Awkward(array))) = read.obsm.get("airr") else {
        panic!("{:?}", read.obsm);
    };
    assert_eq!(array.len(), 6);
    assert!(array.form().contains("ListOffsetArray"));
    let names: Vec<_> = array
        .buffers()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        ["node0-offsets", "node2-offsets", "node3-data", "node4-data"]
    );
    let read = open("uns_aw").read().unwrap();
    assert!(matches!(read.uns.get("aw"), Some(Unstructured::Awkward(array)) if array.len() == 2));
    let read = open("uns_cat").read().unwrap();
    assert!(matches!(
        read.uns.get("cat"),
        Some(Unstructured::Column(Column::Categorical(_)))
    ));
    for name in ["awkward_obsm", "uns_aw", "uns_cat"] {
        let all = mapped(name, &MappedOptions::default());
        assert!(all.batch(&[0, 5], BatchFormat::Dense).is_ok());
        inspect(&open(name)).unwrap();
    }
    let options = MappedOptions::default().obsm_keys(["airr"]);
    let error = refused("awkward_obsm", &options);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("awkward-array"), "{error}");
    // Concatenating leaves it out.
    let parts = [open("awkward_obsm"), open("awkward_obsm")];
    let joined = concat(&parts, &ConcatOptions::new(Join::Outer)).unwrap();
    assert!(joined.obsm.is_empty() && joined.obs.len() == 12);
}

#[test]
fn tables_of_before_0_7_have_an_index_of_any_name() {
    let data = open("legacy_names");
    let read = data.read().unwrap();
    assert_eq!(read.obs.index_name(), Some("barcode"));
    assert_eq!(read.var.index_name(), Some("gene"));
    assert_eq!(
        read.obs.index().iter().collect::<Vec<_>>(),
        ["a", "b", "c", "d"]
    );
    let labels = |column: Option<&Column>| column.unwrap().labels().collect::<Vec<_>>();
    assert_eq!(
        labels(read.obs.column("cluster")),
        ["one".into(), "two".into(), Label::Missing, "one".into()]
    );
    // Both are larger than there are labels.
    let numbers = |numbers: &[i64]| numbers.iter().map(|&n| Label::Int(n)).collect::<Vec<_>>();
    assert_eq!(labels(read.obs.column("plate")), numbers(&[7, 8, 9, 7]));
    assert_eq!(labels(read.var.column("cluster")), numbers(&[5, 0, 1]));
    assert_eq!(keys(&read.uns), ["plate_categories"]);
}

#[test]
fn what_can_not_be_read_fails_nothing_else() {
    let data = open("parts");
    let read = data.read().unwrap();
    assert!(matches!(&read.x, Some(InMemoryMatrix::Dense(x)) if x.len() == 12));
    assert_eq!(keys(&read.layers), ["fine"]);
    assert_eq!(keys(&read.obsm), ["complex", "fine", "records", "texts"]);
    assert_eq!(read.obsm["complex"].shape(), [4]);
    assert!(read.varm.is_empty());
    assert_eq!(keys(&read.uns), ["deep", "fine", "linked"]);
    let Unstructured::Dict(deep) = &read.uns["deep"] else {
        panic!("{:?}", read.uns);
    };
    assert_eq!(keys(deep), ["fine"]);
    let columns: Vec<_> = read.obs.columns().map(|(name, _)| name).collect();
    assert_eq!(columns, ["fine"]);

    let inspection = inspect(&data).unwrap();
    for (path, told) in [
        ("obs/virtual", "virtual array"),
        ("obsm/virtual", "virtual array"),
        ("layers/dangling", "`/nowhere`"),
        ("layers/missing", "`missing.h5ad`"),
        ("layers/fine", ""),
    ] {
        assert!(note(&inspection, path).contains(told), "{path}");
    }

    let fine = MappedOptions::default()
        .layers_keys(["X", "fine"])
        .obsm_keys(["fine"])
        .obs_keys(["fine"]);
    let all = mapped("parts", &fine);
    assert!(all.batch(&[1, 3], BatchFormat::Dense).is_ok());
    let layers = |name: &str| MappedOptions::default().layers_keys([name]);
    let obsm = |name: &str| MappedOptions::default().obsm_keys([name]);
    for (node, options) in [
        ("/layers/dangling", layers("dangling")),
        ("/layers/missing", layers("missing")),
        ("/layers/complex", layers("complex")),
        ("/obsm/virtual", obsm("virtual")),
        ("/obsm/texts", obsm("texts")),
        (
            "/obs/virtual",
            MappedOptions::default().obs_keys(["virtual"]),
        ),
    ] {
        let error = refused("parts", &options);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{node}: {error}");
        assert_eq!(error.context("node"), Some(node), "{error}");
        assert_eq!(error.context("path"), path("parts").to_str());
    }
    assert!(
        data.element(&MatrixKey::Obsm("fine".to_owned()))
            .unwrap()
            .is_some()
    );
}
