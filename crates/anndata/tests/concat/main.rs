//! What concatenation gives for small AnnData in memory. The expected values and types are those of
//! `anndata.concat` 0.13; the Python package's tests compare random ones.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod tables;

use std::sync::Arc;

use anndex_anndata::{
    AnnData, BackedAnnData, Categorical, Column, ConcatOptions, CscMatrix, CsrMatrix, DataFrame,
    InMemoryElement, InMemoryMatrix, Join, Label, Mask, Raw, Unstructured, Values, WriteOptions,
    concat, write,
};
use anndex_store::ErrorKind;
use anndex_store::memory::MemoryStore;
use anndex_store::{DataType, NumericArray};

fn frame(names: &[&str]) -> DataFrame {
    DataFrame::new(names.iter().collect())
}

fn categorical(codes: &[i32], categories: &[&str], ordered: bool) -> Column {
    let categories = Values::Strings(categories.iter().collect());
    Column::Categorical(Categorical::new(codes.to_vec(), categories, ordered).unwrap())
}

fn dense<T: anndex_store::Element>(shape: [usize; 2], values: &[T]) -> InMemoryMatrix {
    InMemoryMatrix::Dense(NumericArray::from_values(shape, values).unwrap())
}

fn numbers<T: anndex_store::Element>(values: &[T]) -> Column {
    Column::numeric(NumericArray::from_values([values.len()], values).unwrap()).unwrap()
}

fn bools(values: &[bool]) -> Column {
    Column::numeric(NumericArray::from_bools(values).unwrap()).unwrap()
}

fn sparse(n_columns: usize, values: &[i32], columns: &[i32], indptr: &[i64]) -> CsrMatrix {
    let data = NumericArray::from_values([values.len()], values).unwrap();
    CsrMatrix::new(n_columns, data, columns.to_vec(), indptr.to_vec()).unwrap()
}

/// Two cells of the genes b, a.
fn first() -> AnnData {
    AnnData {
        x: Some(dense([2, 2], &[1.0f32, 2.0, 3.0, 4.0])),
        obs: frame(&["c0", "c1"])
            .with_column("type", categorical(&[1, -1], &["T10", "T9"], false))
            .unwrap()
            .with_column("count", numbers(&[1i32, 2]))
            .unwrap()
            .with_column("flag", bools(&[true, false]))
            .unwrap(),
        var: frame(&["b", "a"]),
        ..AnnData::default()
    }
}

/// One cell of the genes a, c.
fn second() -> AnnData {
    AnnData {
        x: Some(dense([1, 2], &[5i32, 6])),
        obs: frame(&["c0"])
            .with_column("type", categorical(&[0], &["B"], false))
            .unwrap()
            .with_column("name", Column::strings(["x"]))
            .unwrap(),
        var: frame(&["a", "c"]),
        ..AnnData::default()
    }
}

fn backed(parts: &[AnnData]) -> Vec<BackedAnnData> {
    let open = |(number, part): (usize, &AnnData)| {
        let mut store = MemoryStore::new(format!("part {number}"));
        write(&mut store, part, &WriteOptions::default()).unwrap();
        BackedAnnData::open(Arc::new(store)).unwrap()
    };
    parts.iter().enumerate().map(open).collect()
}

fn joined(parts: &[AnnData], join: Join) -> AnnData {
    concat(&backed(parts), &ConcatOptions::new(join)).unwrap()
}

fn labels(column: Option<&Column>) -> Vec<String> {
    column
        .unwrap()
        .labels()
        .map(|label| label.to_string())
        .collect()
}

/// The values of a matrix, row after row.
fn values(matrix: &InMemoryMatrix) -> Vec<f64> {
    match matrix {
        InMemoryMatrix::Dense(values) => (0..values.len())
            .filter_map(|i| values.get_f64(i))
            .collect(),
        InMemoryMatrix::Csr(csr) => {
            let mut all = vec![0.0; csr.n_rows() * csr.n_columns()];
            for row in 0..csr.n_rows() {
                for at in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                    let column = csr.indices()[at] as usize;
                    all[row * csr.n_columns() + column] = csr.data().get_f64(at).unwrap();
                }
            }
            all
        }
        InMemoryMatrix::Csc(csc) => values(&InMemoryMatrix::Csr(csc.to_csr().unwrap())),
    }
}

#[test]
fn dense_matrices_are_joined_by_variables() {
    let parts = [first(), second()];
    let inner = joined(&parts, Join::Inner);
    assert_eq!(inner.var, frame(&["a"]));
    let x = inner.x.unwrap();
    assert_eq!(
        (x.data_type(), values(&x)),
        (&DataType::Float64, vec![2.0, 4.0, 5.0])
    );
    let outer = joined(&parts, Join::Outer);
    assert_eq!(outer.var, frame(&["a", "b", "c"]));
    let x = outer.x.unwrap();
    assert_eq!(x.data_type(), &DataType::Float64);
    let shown = format!("{:?}", values(&x));
    assert_eq!(shown, "[2.0, 1.0, NaN, 4.0, 3.0, NaN, 5.0, NaN, 6.0]");
    let same = joined(&[first(), first()], Join::Outer);
    assert_eq!(same.x.unwrap().data_type(), &DataType::Float32);
    assert_eq!(same.var, frame(&["b", "a"]));
}

#[test]
fn one_sparse_matrix_makes_all_sparse() {
    let mut second = second();
    let csr = sparse(2, &[7], &[1], &[0, 1]);
    second.x = Some(InMemoryMatrix::Csr(csr));
    let outer = joined(&[first(), second], Join::Outer).x.unwrap();
    assert!(matches!(outer, InMemoryMatrix::Csr(_)));
    assert_eq!(outer.data_type(), &DataType::Float64);
    assert_eq!(
        values(&outer),
        [2.0, 1.0, 0.0, 4.0, 3.0, 0.0, 0.0, 0.0, 7.0]
    );
    let InMemoryMatrix::Csr(csr) = outer else {
        unreachable!()
    };
    assert_eq!(csr.indices(), [0, 1, 0, 1, 2]);
}

#[test]
fn sparse_rows_lose_what_is_not_joined_and_are_put_in_order() {
    let many = 70_000i32;
    let indptr: Vec<i64> = (0..=i64::from(many)).map(|row| 3 * row).collect();
    let data: Vec<i32> = (0..3 * many).collect();
    let columns: Vec<i32> = (0..many).flat_map(|_| [0, 1, 2]).collect();
    let csr = sparse(3, &data, &columns, &indptr);
    let names: Vec<String> = (0..many).map(|row| row.to_string()).collect();
    let part = |genes: &[&str], x| AnnData {
        x: Some(x),
        obs: DataFrame::new(names.iter().collect()),
        var: frame(genes),
        ..AnnData::default()
    };
    let csc = CscMatrix::from_transposed(sparse(many as usize, &[9, 8], &[0, 2], &[0, 1, 2]));
    let parts = [
        part(&["x", "y", "z"], InMemoryMatrix::Csr(csr)),
        part(&["z", "x"], InMemoryMatrix::Csc(csc)),
    ];
    let inner = joined(&parts, Join::Inner);
    assert_eq!(inner.var, frame(&["x", "z"]));
    let Some(InMemoryMatrix::Csr(x)) = inner.x else {
        panic!("by rows")
    };
    let n = 2 * many as usize;
    assert_eq!((x.n_rows(), x.n_columns(), x.data().len()), (n, 2, n + 2));
    let found = x.data().as_slice::<i32>().unwrap();
    for row in 0..many {
        assert_eq!(
            found[2 * row as usize..][..2],
            [3 * row, 3 * row + 2],
            "row {row}"
        );
    }
    assert_eq!(found[n..], [9, 8]);
    assert_eq!(x.indices()[n..], [1, 0]);
    let reversed = joined(&[parts[1].clone(), parts[0].clone()], Join::Inner);
    let Some(InMemoryMatrix::Csr(x)) = reversed.x else {
        panic!("by rows")
    };
    assert_eq!(x.data().as_slice::<i32>().unwrap()[2..6], [2, 0, 5, 3]);
    assert_eq!(x.indices()[2..6], [0, 1, 0, 1]);
}

#[test]
fn layers_and_obsm_that_some_lack_are_filled_or_left_out() {
    let (mut a, b) = (first(), second());
    a.layers
        .insert("l".to_owned(), dense([2, 2], &[1u8, 2, 3, 4]));
    let csr = sparse(2, &[5], &[0], &[0, 0, 1]);
    a.layers.insert("s".to_owned(), InMemoryMatrix::Csr(csr));
    a.obsm.insert(
        "pca".to_owned(),
        dense([2, 3], &[1f32, 2., 3., 4., 5., 6.]).into(),
    );
    let outer = joined(&[a.clone(), b.clone()], Join::Outer);
    let layer = &outer.layers["l"];
    assert_eq!(layer.data_type(), &DataType::Float64);
    assert!(values(layer)[6..].iter().all(|value| value.is_nan()));
    assert_eq!(
        values(&outer.layers["s"]),
        [0., 0., 0., 0., 5., 0., 0., 0., 0.]
    );
    let pca = outer.obsm["pca"].matrix().unwrap();
    assert_eq!(pca.shape(), [3, 3]);
    assert!(values(pca)[6..].iter().all(|value| value.is_nan()));
    let inner = joined(&[a.clone(), b.clone()], Join::Inner);
    assert!(inner.layers.is_empty() && inner.obsm.is_empty());
    let mut narrow = b;
    narrow
        .obsm
        .insert("pca".to_owned(), dense([1, 2], &[7f32, 8.]).into());
    let inner = joined(&[a, narrow], Join::Inner);
    assert_eq!(
        values(inner.obsm["pca"].matrix().unwrap()),
        [1., 2., 4., 5., 7., 8.]
    );
}

#[test]
fn raw_is_kept_if_all_have_one_and_the_rest_is_left_out() {
    let with_raw = |mut data: AnnData, genes: &[&str]| {
        let shape = [data.obs.len(), genes.len()];
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|value| value as f32).collect();
        data.raw = Some(Raw {
            x: dense(shape, &values),
            var: frame(genes)
                .with_column("n", numbers(&vec![1i32; genes.len()]))
                .unwrap(),
            varm: Default::default(),
        });
        data.uns
            .insert("u".to_owned(), Unstructured::String("gone".to_owned()));
        data.varm
            .insert("v".to_owned(), dense([2, 1], &[1f32, 2.]).into());
        data
    };
    let parts = [with_raw(first(), &["r", "s"]), with_raw(second(), &["s"])];
    let joined_parts = joined(&parts, Join::Inner);
    let raw = joined_parts.raw.unwrap();
    assert_eq!((raw.var, values(&raw.x)), (frame(&["s"]), vec![1., 3., 0.]));
    assert!(joined_parts.uns.is_empty() && joined_parts.varm.is_empty());
    assert_eq!(joined(&[parts[0].clone(), second()], Join::Inner).raw, None);
}

#[test]
fn what_can_not_be_joined_says_where_it_is() {
    let mut twice = second();
    twice.var = frame(&["a", "a"]);
    let options = ConcatOptions::new(Join::Outer);
    let error = concat(&backed(&[first(), twice]), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.context("path"), Some("part 1"));
    let mut text = second();
    text.obs = frame(&["c0"])
        .with_column("count", Column::strings(["many"]))
        .unwrap();
    let error = concat(&backed(&[first(), text]), &options).unwrap_err();
    assert_eq!(error.context("column"), Some("count"));
    assert!(error.to_string().contains("part 1"), "{error}");
}
