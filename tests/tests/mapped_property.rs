//! Random small collections, in HDF5 and Zarr mixed, against a naive concatenation in memory: for
//! all joins, types, filters and encoders.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use anndex_core::anndata::{AnnData, InMemoryMatrix, Label, WriteOptions, write};
use anndex_core::mapped::{
    BatchColumn, BatchFormat, EncodeLabels, Join, MappedCollection, MappedOptions, ObsValue,
    UnknownLabel,
};
use anndex_core::store::{Compression, DataType, promote};
use anndex_tests::concatenation::{Concatenation, add};
use anndex_tests::{formats, generate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

const OBS_KEYS: [&str; 5] = ["cell_type", "donor", "age", "score", "doublet"];

#[derive(Debug, Clone)]
struct Case {
    parts: Vec<(AnnData, &'static str, Compression)>,
    join: Option<Join>,
    dtype: Option<DataType>,
    obs_keys: Vec<&'static str>,
    encode: bool,
    unknown: bool,
    cached: bool,
    filter: Option<(&'static str, Vec<Label>)>,
    order: Vec<Index>,
}

fn case() -> impl Strategy<Value = Case> {
    let part = (
        generate::anndata(),
        select(vec!["h5ad", "zarr"]),
        generate::compression(),
    );
    let filters = vec![
        None,
        Some(("cell_type", vec![Label::from("T cell"), Label::Missing])),
        Some(("donor", vec![Label::from("d1"), Label::from("d10")])),
        Some(("age", vec![Label::from(3i64), Label::Missing])),
        Some(("score", vec![Label::from(2.0)])),
        Some(("doublet", vec![Label::from(true)])),
    ];
    (
        vec(part, 1..=4),
        select(vec![None, Some(Join::Inner), Some(Join::Outer)]),
        proptest::option::of(select(DataType::NUMERIC.to_vec())),
        subsequence(OBS_KEYS.to_vec(), 0..=OBS_KEYS.len()),
        any::<[bool; 3]>(),
        select(filters),
        vec(any::<Index>(), 0..12),
    )
        .prop_map(
            |(parts, join, dtype, obs_keys, flags, filter, order)| Case {
                parts,
                join,
                dtype,
                obs_keys,
                encode: flags[0],
                unknown: flags[1],
                cached: flags[2],
                filter,
                order,
            },
        )
}

impl Case {
    /// The options, asking only for keys that some part has: others are errors, tested elsewhere.
    fn options(&self, parts: &[AnnData]) -> MappedOptions {
        let has = |key: &str| parts.iter().any(|part| part.obs.column(key).is_some());
        let mut layers = vec!["X", "counts"];
        if parts.iter().any(|part| part.raw.is_some()) {
            layers.push("raw.X");
        }
        let obsm = parts
            .iter()
            .any(|part| !part.obsm.is_empty())
            .then_some("X_pca");
        let mut options = MappedOptions::default()
            .layers_keys(layers)
            .obsm_keys(obsm)
            .obs_keys(self.obs_keys.iter().copied().filter(|key| has(key)))
            .join(self.join)
            .dtype(self.dtype.clone())
            .cache_categories(self.cached);
        if !self.encode {
            options = options.encode_labels(EncodeLabels::None);
        }
        if self.unknown {
            options = options.unknown_label(UnknownLabel::All("unknown".into()));
        }
        if let Some((column, values)) = self.filter.as_ref().filter(|(column, _)| has(column)) {
            options = options.obs_filter(*column, values.clone());
        }
        options
    }
}

fn write_parts(case: &Case, directory: &std::path::Path) -> Vec<PathBuf> {
    let formats = formats();
    case.parts
        .iter()
        .enumerate()
        .map(|(index, (data, suffix, compression))| {
            let path = directory.join(format!("{index}.{suffix}"));
            let mut writer = formats.create(&path).unwrap();
            let options = WriteOptions {
                compression: *compression,
                chunk_elements: Some(5),
            };
            write(&mut *writer, data, &options).unwrap();
            writer.finish().unwrap();
            path
        })
        .collect()
}

fn check(case: &Case) {
    let directory = tempfile::tempdir().unwrap();
    let paths = write_parts(case, directory.path());
    let parts: Vec<AnnData> = case.parts.iter().map(|(data, ..)| data.clone()).collect();
    let options = case.options(&parts);
    let expected = Concatenation::new(&parts, case.join, &options.obs_filter);
    let opened = MappedCollection::open_paths(&formats(), &paths, &options);
    let variables = match expected.variables() {
        Some(Err(())) => {
            assert!(
                opened.is_err(),
                "an inner join without shared variables must fail"
            );
            return;
        }
        Some(Ok(variables)) => Some(variables),
        None => None,
    };
    let mapped = opened.unwrap();
    assert_eq!(mapped.n_obs(), expected.rows().len() as u64);
    let joint: Option<Vec<String>> = mapped
        .var_joint()
        .map(|names| names.iter().map(str::to_owned).collect());
    assert_eq!(joint, variables);
    check_encoders(&mapped, &expected, case);
    for observation in 0..expected.rows().len() {
        check_sample(&mapped, &expected, &options, observation);
    }
    if !expected.rows().is_empty() {
        let order: Vec<usize> = case
            .order
            .iter()
            .map(|index| index.index(expected.rows().len()))
            .collect();
        for format in [BatchFormat::Dense, BatchFormat::Csr] {
            check_batch(&mapped, &expected, &options, &order, format, &parts);
        }
    }
}

fn check_encoders(mapped: &MappedCollection, expected: &Concatenation<'_>, case: &Case) {
    let count = if case.encode {
        mapped.obs_keys().len()
    } else {
        0
    };
    assert_eq!(mapped.encoders().len(), count);
    for (key, encoder) in mapped.encoders() {
        let mut categories = expected.categories(key);
        assert_eq!(mapped.get_merged_categories(key).unwrap(), categories);
        let unknown = Label::from("unknown");
        if case.unknown && categories.contains(&unknown) {
            categories.retain(|label| *label != unknown);
            assert_eq!(encoder.encode(&unknown), Some(-1));
        }
        assert_eq!(encoder.n_classes(), categories.len());
        for (code, label) in categories.iter().enumerate() {
            assert_eq!(encoder.encode(label), Some(code as i64), "{key}: {label}");
        }
    }
}

fn check_sample(
    mapped: &MappedCollection,
    expected: &Concatenation<'_>,
    options: &MappedOptions,
    observation: usize,
) {
    let sample = mapped.get(observation as u64).unwrap();
    assert_eq!(sample.store_index, expected.rows()[observation].0);
    let mut keys = Vec::new();
    for key in mapped.matrix_keys() {
        let key = key.to_string();
        let row = expected.row(observation, &key, options.dtype.as_ref());
        let got = sample.matrix(&key).map(|row| {
            let values = (0..row.len()).filter_map(|i| row.get_f64(i)).collect();
            (row.data_type().clone(), values)
        });
        assert_eq!(got, row, "{key} of observation {observation}");
        keys.extend(row.map(|_| key));
    }
    let got: Vec<String> = sample.matrices.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(got, keys, "keys and their order");
    for key in &options.obs_keys {
        let label = expected.label(observation, key).unwrap_or(Label::Missing);
        let got = sample.obs(key).map(|value| match value {
            ObsValue::Code(code) => mapped.encoder(key).unwrap().decode(*code).cloned().unwrap(),
            ObsValue::Number(number) if *number.data_type() == DataType::Bool => {
                Label::Bool(number.bytes()[0] != 0)
            }
            ObsValue::Number(number) => Label::from(number.get_f64(0).unwrap()),
            ObsValue::Label(label) => label.clone(),
        });
        assert_eq!(got, Some(label), "{key} of observation {observation}");
    }
}

fn check_batch(
    mapped: &MappedCollection,
    expected: &Concatenation<'_>,
    options: &MappedOptions,
    order: &[usize],
    format: BatchFormat,
    parts: &[AnnData],
) {
    let indices: Vec<u64> = order.iter().map(|&index| index as u64).collect();
    let rows = |key: &str| -> Option<Vec<Vec<f64>>> {
        let data_type = batch_type(parts, options, key);
        order
            .iter()
            .map(|&o| Some(expected.row(o, key, Some(&data_type))?.1))
            .collect()
    };
    let keys: Vec<String> = mapped
        .matrix_keys()
        .iter()
        .map(ToString::to_string)
        .collect();
    // A batch needs every key in every row, and rows of one length.
    let possible = keys.iter().all(|key| {
        rows(key).is_some_and(|rows| rows.windows(2).all(|pair| pair[0].len() == pair[1].len()))
    });
    let batch = mapped.batch(&indices, format);
    if !possible {
        assert!(
            batch.is_err(),
            "rows that do not fit together must make no batch"
        );
        return;
    }
    let batch = batch.unwrap();
    assert_eq!(batch.len(), order.len());
    for key in &keys {
        let (data_type, values) = dense(batch.matrix(key).unwrap());
        assert_eq!(data_type, batch_type(parts, options, key), "{key}");
        let rows = rows(key).unwrap().concat();
        assert_eq!(values, rows, "{key} of {order:?}");
    }
    for key in &options.obs_keys {
        for (position, &observation) in order.iter().enumerate() {
            let label = expected.label(observation, key).unwrap_or(Label::Missing);
            let got = match batch.obs(key).unwrap() {
                BatchColumn::Values(column) => column.label(position),
                BatchColumn::Codes {
                    missing: Some(missing),
                    ..
                } if missing[position] => Label::Missing,
                BatchColumn::Codes { codes, .. } => mapped
                    .encoder(key)
                    .unwrap()
                    .decode(codes[position])
                    .cloned()
                    .unwrap(),
            };
            assert_eq!(got, label, "{key} of observation {observation}");
        }
    }
}

fn batch_type(parts: &[AnnData], options: &MappedOptions, key: &str) -> DataType {
    let types = parts.iter().filter_map(|part| {
        let matrix = match key {
            "X" => part.x.as_ref(),
            "raw.X" => part.raw.as_ref().map(|raw| &raw.x),
            "counts" => part.layers.get("counts"),
            _ => part.obsm.get("X_pca").and_then(|pca| pca.matrix()),
        };
        Some(matrix?.data_type().clone())
    });
    let promoted = types.reduce(|a, b| promote(&a, &b).unwrap());
    options.dtype.clone().or(promoted).unwrap()
}

fn dense(matrix: &InMemoryMatrix) -> (DataType, Vec<f64>) {
    match matrix {
        InMemoryMatrix::Dense(values) => {
            let all = (0..values.len())
                .filter_map(|i| values.get_f64(i))
                .collect();
            (values.data_type().clone(), all)
        }
        InMemoryMatrix::Csr(csr) => {
            let width = csr.n_columns();
            let mut values = vec![0.0; csr.n_rows() * width];
            for row in 0..csr.n_rows() {
                for at in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                    let place = &mut values[row * width + csr.indices()[at] as usize];
                    let value = csr.data().get_f64(at).unwrap();
                    *place = add(csr.data().data_type(), *place, value);
                }
            }
            (csr.data().data_type().clone(), values)
        }
        InMemoryMatrix::Csc(_) => panic!("batches are by rows"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn mapping_equals_concatenating(case in case()) {
        check(&case);
    }
}
