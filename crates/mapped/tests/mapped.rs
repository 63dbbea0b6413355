//! The rules of mapping on small stores in memory, each checked against values worked out by hand.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use anndex_anndata::{
    AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Label, Values,
    WriteOptions, write,
};
use anndex_mapped::{
    BatchColumn, BatchFormat, EncodeLabels, Join, MappedCollection, MappedOptions, ObsValue,
    UnknownLabel,
};
use anndex_store::memory::MemoryStore;
use anndex_store::{ArrayData, ArraySpec, Attributes, DataType, NumericArray, Store, StoreWriter};
use anndex_store::{ErrorKind, Result};

fn frame(names: &[&str]) -> DataFrame {
    DataFrame::new(names.iter().collect())
}

fn categorical(codes: &[i32], categories: &[&str]) -> Column {
    let categories = Values::Strings(categories.iter().collect());
    Column::Categorical(Categorical::new(codes.to_vec(), categories, false).unwrap())
}

/// Two cells, genes a, b, c: dense [[1, 2, 3], [4, 5, 6]].
fn first() -> AnnData {
    let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    AnnData {
        x: Some(InMemoryMatrix::Dense(
            NumericArray::from_values([2, 3], &values).unwrap(),
        )),
        obs: frame(&["c0", "c1"])
            .with_column("cell_type", categorical(&[1, -1], &["T", "B"]))
            .unwrap()
            .with_column("donor", Column::strings(["x", "y"]))
            .unwrap(),
        var: frame(&["a", "b", "c"]),
        ..AnnData::default()
    }
}

/// Three cells, genes c, a, d: sparse [[0, 7, 0], [8, 0, 9], [0, 0, 0]].
fn second() -> AnnData {
    let data = NumericArray::from_values([3], &[7i32, 8, 9]).unwrap();
    let csr = CsrMatrix::new(3, data, vec![1, 0, 2], vec![0, 1, 3, 3]).unwrap();
    AnnData {
        x: Some(InMemoryMatrix::Csr(csr)),
        obs: frame(&["d0", "d1", "d2"])
            .with_column("cell_type", categorical(&[0, 1, 1], &["NK", "T"]))
            .unwrap(),
        var: frame(&["c", "a", "d"]),
        ..AnnData::default()
    }
}

fn store(name: &str, data: &AnnData) -> Arc<dyn Store> {
    let mut store = MemoryStore::new(name);
    write(&mut store, data, &WriteOptions::default()).unwrap();
    Arc::new(store)
}

fn map(options: &MappedOptions) -> Result<MappedCollection> {
    MappedCollection::open(
        vec![store("first", &first()), store("second", &second())],
        options,
    )
}

fn rows(mapped: &MappedCollection) -> Vec<Vec<f64>> {
    (0..mapped.len())
        .map(|index| {
            let sample = mapped.get(index).unwrap();
            let row = sample.matrix("X").unwrap();
            (0..row.len())
                .filter_map(|column| row.get_f64(column))
                .collect()
        })
        .collect()
}

#[test]
fn inner_join_keeps_the_order_of_the_first_store() {
    let mapped = map(&MappedOptions::default()).unwrap();
    assert_eq!(mapped.shape(), (5, Some(2)));
    assert_eq!(mapped.original_shapes(), [(2, 3), (3, 3)]);
    assert_eq!(
        mapped.var_joint().unwrap().iter().collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(mapped.var_indices().unwrap(), [[0, 2], [1, 0]]);
    assert_eq!(
        rows(&mapped),
        [[1., 3.], [4., 6.], [7., 0.], [0., 8.], [0., 0.]]
    );
}

#[test]
fn outer_join_is_sorted_and_fills_with_zeros() {
    let mapped = map(&MappedOptions::default().join(Join::Outer)).unwrap();
    assert_eq!(
        mapped.var_joint().unwrap().iter().collect::<Vec<_>>(),
        ["a", "b", "c", "d"]
    );
    assert_eq!(mapped.var_indices().unwrap(), [[0, 1, 2], [2, 0, 3]]);
    assert_eq!(rows(&mapped)[0], [1., 2., 3., 0.]);
    assert_eq!(
        rows(&mapped)[2..],
        [[7., 0., 0., 0.], [0., 0., 8., 9.], [0.; 4]]
    );
    // Stored types stay in samples and are promoted in batches.
    assert_eq!(
        *mapped.get(0).unwrap().matrix("X").unwrap().data_type(),
        DataType::Float32
    );
    assert_eq!(
        *mapped.get(2).unwrap().matrix("X").unwrap().data_type(),
        DataType::Int32
    );
    let batch = mapped.batch(&[3, 0, 3], BatchFormat::Dense).unwrap();
    let InMemoryMatrix::Dense(x) = batch.matrix("X").unwrap() else {
        panic!("dense was asked for")
    };
    assert_eq!(
        x.as_slice::<f64>().unwrap(),
        [0., 0., 8., 9., 1., 2., 3., 0., 0., 0., 8., 9.]
    );
    assert_eq!(batch.store_index, [1, 0, 1]);
}

#[test]
fn sparse_batches_hold_the_same_values_with_sorted_columns() {
    let mapped = map(&MappedOptions::default()
        .join(Join::Outer)
        .dtype(DataType::Float32))
    .unwrap();
    let batch = mapped.batch(&[3, 0, 4], BatchFormat::Csr).unwrap();
    let InMemoryMatrix::Csr(x) = batch.matrix("X").unwrap() else {
        panic!("csr was asked for")
    };
    assert_eq!(x.indptr(), [0, 2, 5, 5]);
    assert_eq!(x.indices(), [2, 3, 0, 1, 2]);
    assert_eq!(x.data().as_slice::<f32>().unwrap(), [8., 9., 1., 2., 3.]);
}

#[test]
fn labels_are_encoded_alike_in_all_stores() {
    let options = MappedOptions::default().obs_keys(["cell_type", "donor"]);
    for cached in [true, false] {
        let options = options.clone().cache_categories(cached);
        let mapped = map(&options).unwrap();
        let entries = mapped.encoder("cell_type").unwrap().entries().to_vec();
        assert_eq!(
            entries,
            [("B".into(), 0), ("NK".into(), 1), ("T".into(), 2)]
        );
        let values: Vec<_> = (0..5)
            .map(|index| mapped.get(index).unwrap().obs("cell_type").cloned())
            .collect();
        let code = |code| Some(ObsValue::Code(code));
        let missing = Some(ObsValue::Label(Label::Missing));
        assert_eq!(values, [code(0), missing, code(1), code(2), code(2)]);
        // The second store has no donors.
        let sample = mapped.get(2).unwrap();
        let lacking = ObsValue::Label(Label::Missing);
        assert_eq!(sample.obs("donor"), Some(&lacking));
        let batch = mapped.batch(&[1, 4, 0], BatchFormat::Dense).unwrap();
        let missing = Some(vec![true, false, false]);
        let expected = BatchColumn::Codes {
            codes: vec![-1, 2, 0],
            missing,
        };
        assert_eq!(batch.obs("cell_type"), Some(&expected));
        let missing = Some(vec![false, true, false]);
        let expected = BatchColumn::Codes {
            codes: vec![1, -1, 0],
            missing,
        };
        assert_eq!(batch.obs("donor"), Some(&expected));
    }
}

#[test]
fn the_unknown_label_is_minus_one_and_not_counted() {
    let options = MappedOptions::default()
        .obs_keys(["cell_type"])
        .unknown_label(UnknownLabel::All("NK".into()));
    let mapped = map(&options).unwrap();
    let encoder = mapped.encoder("cell_type").unwrap();
    assert_eq!(
        encoder.entries(),
        [("NK".into(), -1), ("B".into(), 0), ("T".into(), 1)]
    );
    assert_eq!(encoder.n_classes(), 2);
    assert_eq!(encoder.decode(-1), Some(&"NK".into()));
}

#[test]
fn labels_that_are_not_encoded_stay_as_they_are() {
    let options = MappedOptions::default()
        .obs_keys(["donor"])
        .encode_labels(EncodeLabels::None);
    let mapped = map(&options).unwrap();
    assert_eq!(mapped.encoders().len(), 0);
    assert_eq!(
        mapped.get(1).unwrap().obs("donor"),
        Some(&ObsValue::Label("y".into()))
    );
    let batch = mapped.batch(&[1, 0], BatchFormat::Dense).unwrap();
    assert_eq!(
        batch.obs("donor"),
        Some(&BatchColumn::Values(Column::strings(["y", "x"])))
    );
}

#[test]
fn filters_select_values_and_missing_ones() {
    let keep = |values: Vec<Label>| {
        let mapped = map(&MappedOptions::default().obs_filter("cell_type", values)).unwrap();
        rows(&mapped)
    };
    assert_eq!(keep(vec!["T".into()]), [[0., 8.], [0., 0.]]);
    assert_eq!(
        keep(vec![Label::Missing, "NK".into()]),
        [[4., 6.], [7., 0.]]
    );
    assert_eq!(keep(vec!["none of them".into()]), Vec::<Vec<f64>>::new());
    let options = MappedOptions::default()
        .obs_filter("cell_type", ["B"])
        .obs_filter("donor", ["x", "y"]);
    assert_eq!(map(&options).unwrap().original_shapes(), [(1, 3), (0, 3)]);
}

#[test]
fn weights_balance_labels() {
    let mapped = map(&MappedOptions::default()).unwrap();
    let weights = mapped.get_label_weights(&["cell_type"], None).unwrap();
    assert_eq!(weights, [1.0, 1.0, 1.0, 0.5, 0.5]);
    let scaled = mapped
        .get_category_weights(&["cell_type", "cell_type"], Some(2.0))
        .unwrap();
    assert_eq!(scaled[3], ("T__T".to_owned(), 0.5));
    let error = mapped.get_label_weights(&["donor"], None).unwrap_err();
    assert_eq!(error.context("path"), Some("second"));
    assert_eq!(
        mapped.get_merged_labels("donor").unwrap(),
        ["x".into(), Label::from("y")]
    );
    let merged = mapped.get_merged_categories("cell_type").unwrap();
    assert_eq!(merged, ["B".into(), "NK".into(), Label::from("T")]);
}

#[test]
fn variables_are_checked() {
    let mapped = map(&MappedOptions::default().join(None)).unwrap();
    assert_eq!(mapped.n_vars(), None);
    assert!(!mapped.check_vars_sorted(true).unwrap());
    assert_eq!(
        mapped.check_vars_non_aligned(&["a", "b", "c"]).unwrap(),
        [1]
    );
}

#[test]
fn rows_of_different_length_make_no_batch() {
    let mut wider = first();
    wider.var = frame(&["a", "b", "c", "d"]);
    wider.x = Some(InMemoryMatrix::Dense(
        NumericArray::zeros(DataType::Int8, [2, 4]).unwrap(),
    ));
    let stores = vec![store("first", &first()), store("wider", &wider)];
    let mapped = MappedCollection::open(stores, &MappedOptions::default().join(None)).unwrap();
    assert_eq!(mapped.get(3).unwrap().matrix("X").unwrap().shape(), [4]);
    let error = mapped.batch(&[0, 3], BatchFormat::Dense).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.context("path"), Some("wider"));
}

#[test]
fn bad_input_is_refused_with_its_reason() {
    let kind = |options: MappedOptions| map(&options).unwrap_err().kind();
    let options = MappedOptions::default;
    assert_eq!(kind(options().obs_keys(["no such"])), ErrorKind::NotFound);
    assert_eq!(kind(options().layers_keys(["counts"])), ErrorKind::NotFound);
    assert_eq!(kind(options().obsm_keys(["X_pca"])), ErrorKind::NotFound);
    assert_eq!(
        kind(options().obs_filter("no such", ["a"])),
        ErrorKind::NotFound
    );
    let wrong = options().encode_labels(EncodeLabels::Keys(vec!["donor".into()]));
    assert_eq!(kind(wrong), ErrorKind::InvalidInput);
    let unknown = UnknownLabel::Keys([("donor".to_owned(), "x".into())].into());
    let wrong = options().obs_keys(["cell_type"]).unknown_label(unknown);
    assert_eq!(kind(wrong), ErrorKind::InvalidInput);
    let mut mapped = map(&options()).unwrap();
    assert_eq!(mapped.get(5).unwrap_err().kind(), ErrorKind::InvalidInput);
    mapped.close();
    assert!(mapped.closed());
    assert_eq!(mapped.get(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(MappedCollection::open(Vec::new(), &options()).is_err());
}

#[test]
fn names_that_are_not_unique_can_not_be_joined() {
    let mut twice = second();
    twice.var = frame(&["a", "c", "c"]);
    let stores = |other: &AnnData| vec![store("first", &first()), store("other", other)];
    for join in [Join::Inner, Join::Outer] {
        let options = MappedOptions::default().join(join);
        let error = MappedCollection::open(stores(&twice), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains("`c`"), "{error}");
        assert_eq!(error.context("path"), Some("other"));
    }
    let mut none_shared = second();
    none_shared.var = frame(&["x", "y", "z"]);
    assert!(MappedCollection::open(stores(&none_shared), &MappedOptions::default()).is_err());
}

/// Writes a CSC matrix by hand, since no writer of ours makes one.
fn csc_store(name: &str, indices: &[i32]) -> Arc<dyn Store> {
    let mut store = MemoryStore::new(name);
    let bare = AnnData {
        x: None,
        ..second()
    };
    write(&mut store, &bare, &WriteOptions::default()).unwrap();
    let attributes = Attributes::from([
        ("encoding-type".to_owned(), "csc_matrix".into()),
        ("encoding-version".to_owned(), "0.1.0".into()),
        ("shape".to_owned(), vec![3i64, 3].into()),
    ]);
    store.write_group("X", &attributes).unwrap();
    // [[0, 7, 0], [8, 0, 9], [0, 0, 0]] by columns.
    let parts: [(&str, NumericArray); 3] = [
        (
            "X/data",
            NumericArray::from_values([3], &[8i32, 7, 9]).unwrap(),
        ),
        (
            "X/indices",
            NumericArray::from_values([3], indices).unwrap(),
        ),
        (
            "X/indptr",
            NumericArray::from_values([4], &[0i32, 1, 2, 3]).unwrap(),
        ),
    ];
    for (path, values) in &parts {
        let spec = ArraySpec::new(values.data_type().clone(), [values.len() as u64]);
        let data = ArrayData::Bytes(values.bytes());
        store
            .write_array(path, &spec, data, &Attributes::new())
            .unwrap();
    }
    Arc::new(store)
}

#[test]
fn matrices_compressed_by_columns_are_converted_once() {
    let cache = tempfile::tempdir().unwrap();
    let options = MappedOptions::default().cache_dir(cache.path());
    let open = || MappedCollection::open(vec![csc_store("by columns", &[1, 0, 1])], &options);
    let mapped = open().unwrap();
    assert_eq!(rows(&mapped), [[0., 7., 0.], [8., 0., 9.], [0., 0., 0.]]);
    assert_eq!(mapped.notices().len(), 1);
    let again = open().unwrap();
    assert_eq!(rows(&again), rows(&mapped));
    assert!(
        again.notices().is_empty(),
        "the second time the cache has it"
    );
    let broken = vec![csc_store("broken", &[1, 3, 1])];
    let error = MappedCollection::open(broken, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context("node"), Some("/X/indices"));
    assert_eq!(
        std::fs::read_dir(cache.path().join("csr")).unwrap().count(),
        1
    );
}
