//! Random small AnnData.
//!
//! All values are small whole numbers (0 and 1 for booleans), which every type holds exactly, so
//! that results can be compared without rounding.

use std::collections::BTreeMap;

use anndex_core::anndata::{
    AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Raw, Values,
};
use anndex_core::store::{Compression, DataType, NumericArray, Strings};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

/// Genes that variables are drawn from. Not in order, so that joins have to sort; one of them
/// needs more than ASCII.
const GENES: [&str; 10] = [
    "CD3E", "B2M", "β-actin", "MS4A1", "LYZ", "ACTB", "NKG7", "GNLY", "PPBP", "10",
];

/// Labels of categorical columns.
const CELL_TYPES: [&str; 4] = ["T cell", "B cell", "unknown", "Natürliche Killerzelle"];

/// A random AnnData of at most 7 observations. All of a collection share `has_layer`, so that
/// the layer can be asked for in batches.
pub fn anndata() -> impl Strategy<Value = AnnData> {
    let genes = subsequence(GENES.to_vec(), 1..=GENES.len()).prop_shuffle();
    (genes, 0usize..=7, any::<bool>(), any::<bool>()).prop_flat_map(
        |(genes, n_obs, has_raw, has_obsm)| {
            let n_vars = genes.len();
            let raw = matrix(n_obs, n_vars + 1).prop_map(move |x| Raw {
                x,
                var: names("r", n_vars + 1),
                varm: BTreeMap::new(),
            });
            (
                matrix(n_obs, n_vars),
                matrix(n_obs, n_vars),
                matrix(n_obs, 3),
                raw,
                obs(n_obs),
            )
                .prop_map(move |(x, layer, obsm, raw, obs)| AnnData {
                    x: Some(x),
                    obs,
                    var: DataFrame::new(genes.iter().collect()),
                    layers: BTreeMap::from([("counts".to_owned(), layer)]),
                    obsm: has_obsm
                        .then_some(("X_pca".to_owned(), obsm.into()))
                        .into_iter()
                        .collect(),
                    raw: has_raw.then_some(raw),
                    ..AnnData::default()
                })
        },
    )
}

/// How matrices are compressed.
pub fn compression() -> impl Strategy<Value = Compression> {
    select(vec![Compression::None, Compression::Gzip(4)])
}

fn names(prefix: &str, count: usize) -> DataFrame {
    DataFrame::new((0..count).map(|index| format!("{prefix}{index}")).collect())
}

fn matrix(n_rows: usize, n_columns: usize) -> impl Strategy<Value = InMemoryMatrix> {
    // Three of four values are zero, and few are large, as in real counts.
    // The lowest byte is never negative, so that no cast makes a negative number of it.
    let large = (1u16..=3, 0u16..=100).prop_map(|(high, low)| high << 8 | low);
    let value = prop_oneof![30 => Just(0u16), 9 => 1u16..=100, 1 => large];
    // Behind what is sorted: columns in any order, some of them for another time. The sum of all
    // is below 2048, up to which float16 holds whole numbers.
    let place = || (any::<Index>(), any::<Index>());
    let more = (
        vec((place(), 1u16..=100), 0..5),
        vec((place(), 256u16..=356), 0..=1),
    )
        .prop_map(|(small, large)| [large, small].concat());
    (
        vec(value, n_rows * n_columns),
        more,
        select(DataType::NUMERIC.to_vec()),
        any::<bool>(),
    )
        .prop_map(move |(values, more, data_type, sparse)| {
            if sparse {
                // SciPy has no float16, so nobody writes it.
                let data_type = match data_type {
                    DataType::Float16 => DataType::Float32,
                    other => other,
                };
                InMemoryMatrix::Csr(sparsify([n_rows, n_columns], &values, &more, &data_type))
            } else {
                let dense = NumericArray::from_values([n_rows, n_columns], &values)
                    .and_then(|values| values.cast(&data_type))
                    .expect("integers become every type");
                InMemoryMatrix::Dense(dense)
            }
        })
}

fn sparsify(
    [n_rows, n_columns]: [usize; 2],
    dense: &[u16],
    more: &[((Index, Index), u16)],
    data_type: &DataType,
) -> CsrMatrix {
    let mut values = Vec::new();
    let mut indices = Vec::new();
    let mut indptr = vec![0];
    for row in 0..n_rows {
        let own = dense[row * n_columns..][..n_columns].iter().enumerate();
        let own = own.filter(|&(_, &value)| value != 0);
        let others = more.iter().filter(|((of, _), _)| of.index(n_rows) == row);
        let others = others.map(|((_, column), value)| (column.index(n_columns), value));
        for (column, &value) in own.chain(others) {
            values.push(value);
            indices.push(column as i32);
        }
        indptr.push(values.len() as i64);
    }
    NumericArray::from_values([values.len()], &values)
        .and_then(|values| values.cast(data_type))
        .and_then(|values| CsrMatrix::new(n_columns, values, indices, indptr))
        .expect("as many columns as values")
}

fn obs(n_obs: usize) -> impl Strategy<Value = DataFrame> {
    let cell_type = (
        vec(-1i32..4, n_obs),
        Just(CELL_TYPES.to_vec()).prop_shuffle(),
    );
    let donor = vec(select(vec!["d1", "d2", "d10"]), n_obs);
    let age = vec((0i64..90, any::<bool>()), n_obs);
    let score = vec(
        prop_oneof![Just(f32::NAN), (0u8..4).prop_map(f32::from)],
        n_obs,
    );
    let present = vec(prop::bool::weighted(0.8), 4);
    (
        cell_type,
        donor,
        age,
        score,
        vec(any::<bool>(), n_obs),
        present,
    )
        .prop_map(
            move |((codes, categories), donor, age, score, doublet, present)| {
                let categories = Values::Strings(categories.into_iter().collect::<Strings>());
                let categorical =
                    Categorical::new(codes, categories, false).expect("codes in range");
                let (ages, missing): (Vec<i64>, Vec<bool>) = age.into_iter().unzip();
                let numeric = |values| Column::numeric(values).expect("one dimension");
                let columns = [
                    ("cell_type", Column::Categorical(categorical)),
                    ("donor", Column::strings(donor)),
                    (
                        "age",
                        Column::Values {
                            values: Values::Numeric(array(&ages)),
                            missing: Some(missing.into()),
                        },
                    ),
                    ("score", numeric(array(&score))),
                ];
                let frame = names("cell", n_obs)
                    .with_column(
                        "doublet",
                        numeric(NumericArray::from_bools(&doublet).expect("booleans fit")),
                    )
                    .expect("as many values as rows");
                columns
                    .into_iter()
                    .zip(present)
                    .filter(|(_, present)| *present)
                    .fold(frame, |frame, ((name, column), _)| {
                        frame
                            .with_column(name, column)
                            .expect("as many values as rows")
                    })
            },
        )
}

fn array<T: anndex_core::store::Element>(values: &[T]) -> NumericArray {
    NumericArray::from_values([values.len()], values).expect("a vector has one dimension")
}
