//! Files that were cut or changed: every one gives an ordinary result or one clear error, in
//! little time and memory; none panics or hangs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anndex_core::anndata::{
    AnnData, BackedAnnData, CsrMatrix, DataFrame, Element, InMemoryMatrix, Matrix, MatrixKey,
    WriteOptions, write,
};
use anndex_core::mapped::{BatchFormat, Join, MappedCollection, MappedOptions};
use anndex_core::store::{Compression, NumericArray};
use anndex_core::{ErrorKind, Result};
use anndex_tests::{formats, real_files, small_files};

/// Far above what any of the small files takes, so that only a hang fails on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const MEMORY_LIMIT_KIB: u64 = 1 << 20;

/// Reads everything of a file that can be read.
fn read_everything(path: &Path, cache: &Path) -> Result<()> {
    let formats = formats();
    let data = BackedAnnData::open(formats.open(path)?)?;
    data.obs().read()?;
    data.var().read()?;
    let mut keys = vec![MatrixKey::X, MatrixKey::RawX];
    keys.extend(data.layers_keys()?.into_iter().map(MatrixKey::Layer));
    keys.extend(data.obsm_keys()?.into_iter().map(MatrixKey::Obsm));
    let (mut layers, mut obsm) = (Vec::new(), Vec::new());
    for key in keys {
        match (data.element(&key)?, key) {
            (None, _) => {}
            (Some(Element::DataFrame(frame)), _) => {
                frame.read()?;
            }
            (Some(Element::Matrix(_)), MatrixKey::Obsm(key)) => obsm.push(key),
            (Some(Element::Matrix(_)), key) => layers.push(key.to_string()),
        }
    }
    let options = MappedOptions::default()
        .layers_keys(layers)
        .obsm_keys(obsm)
        .obs_keys(data.obs().columns().iter().cloned())
        .cache_dir(cache)
        .join(None);
    let mapped = MappedCollection::open_paths(&formats, &[path], &options)?;
    let mut start = 0;
    while start < mapped.n_obs() {
        let end = mapped.n_obs().min(start + 256);
        mapped.batch(&(start..end).collect::<Vec<_>>(), BatchFormat::Csr)?;
        start = end;
    }
    Ok(())
}

/// Reads a damaged copy and checks how that ends. Gives whether it was refused.
fn check_damaged(bytes: &[u8], name: &str, directory: &Path) -> bool {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    let started = Instant::now();
    let result = read_everything(&path, directory);
    assert!(
        started.elapsed() < TIME_LIMIT,
        "{name} took {:?}",
        started.elapsed()
    );
    if let Err(error) = &result {
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Corrupt
                    | ErrorKind::Unsupported
                    | ErrorKind::NotFound
                    | ErrorKind::InvalidInput
            ),
            "{name}: {error:?}"
        );
        let named = error.context("path").unwrap_or_default();
        assert!(named.contains(name), "the error must name {name}: {error}");
    }
    fs::remove_file(&path).unwrap();
    result.is_err()
}

fn assert_memory_bounded() {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < MEMORY_LIMIT_KIB, "the process took {peak} KiB");
}

/// The real files, and the small ones where there are none.
fn files() -> Vec<PathBuf> {
    real_files().unwrap_or_else(small_files)
}

fn h5ad_files() -> Vec<PathBuf> {
    let is_h5ad = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "h5ad");
    files().into_iter().filter(is_h5ad).collect()
}

#[test]
fn files_cut_at_every_twentieth_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for path in h5ad_files() {
        let bytes = fs::read(&path).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy();
        for twentieth in 0..20 {
            let cut = &bytes[..bytes.len() * twentieth / 20];
            let refused = check_damaged(
                cut,
                &format!("{stem}-{}.h5ad", twentieth * 5),
                directory.path(),
            );
            assert!(
                refused,
                "{stem} cut at {}% was read as if it were whole",
                twentieth * 5
            );
        }
    }
    assert_memory_bounded();
}

#[test]
fn files_with_flipped_bits_end_in_a_result_or_an_error() {
    const FLIPS: usize = 500;
    let directory = tempfile::tempdir().unwrap();
    let files = h5ad_files();
    let mut state = 0x5eed_u64;
    let mut random = |below: usize| {
        // Knuth's MMIX generator: the same flips on every machine.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let contents: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut refused = 0;
    for flip in 0..FLIPS {
        let mut bytes = contents[flip % contents.len()].clone();
        // Half of the flips in the first 16 KiB, where most of the structure is.
        let reach = if flip % 2 == 0 {
            bytes.len()
        } else {
            bytes.len().min(16 << 10)
        };
        let position = random(reach);
        bytes[position] ^= 1 << random(8);
        refused += usize::from(check_damaged(
            &bytes,
            &format!("{flip}.h5ad"),
            directory.path(),
        ));
    }
    assert!(
        refused > 0,
        "no flip was noticed, so the test can't have hit any structure"
    );
    assert_memory_bounded();
}

fn sparse(name: &str, directory: &Path) -> PathBuf {
    let data = NumericArray::from_values([3], &[7.0f32, 8.0, 9.0]).unwrap();
    let csr = CsrMatrix::new(3, data, vec![1, 0, 2], vec![0, 1, 3, 3]).unwrap();
    let names = |prefix: &str| DataFrame::new((0..3).map(|i| format!("{prefix}{i}")).collect());
    let data = AnnData {
        x: Some(InMemoryMatrix::Csr(csr)),
        obs: names("cell"),
        var: names("gene"),
        ..AnnData::default()
    };
    let path = directory.join(name);
    let mut writer = formats().create(&path).unwrap();
    let options = WriteOptions {
        compression: Compression::None,
        chunk_elements: None,
    };
    write(&mut *writer, &data, &options).unwrap();
    writer.finish().unwrap();
    path
}

/// Finds the stored bytes of a vector of int32 and changes one of its elements.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    let bytes = fs::read(path).unwrap();
    let found: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(position, _)| position)
        .collect();
    assert_eq!(
        found.len(),
        1,
        "the stored vector must be found once in {}",
        path.display()
    );
    let mut changed = bytes.clone();
    changed[found[0]..found[0] + to.len()].copy_from_slice(to);
    fs::write(path, changed).unwrap();
}

fn int32(values: &[i32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[test]
fn column_indices_out_of_range_are_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    for wrong in [3, -1, i32::MAX] {
        let path = sparse(&format!("{wrong}.h5ad"), directory.path());
        replace(&path, &int32(&[1, 0, 2]), &int32(&[1, 0, wrong]));
        let options = MappedOptions::default();
        let mapped = MappedCollection::open_paths(&formats(), &[&path], &options).unwrap();
        assert!(mapped.get(0).is_ok(), "the first row is as it was");
        let error = mapped.get(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.context("node"), Some("/X/indices"));
        assert_eq!(error.context("path"), Some(path.to_str().unwrap()));
    }
}

#[test]
fn row_pointers_that_decrease_or_pass_the_end_are_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = [
        [0, 3, 1, 3],
        [1, 1, 3, 3],
        [0, 1, 3, 4],
        [0, -1, 3, 3],
        [0, 1, 3, i32::MAX],
    ];
    for (index, wrong) in wrong.iter().enumerate() {
        let path = sparse(&format!("{index}.h5ad"), directory.path());
        replace(&path, &int32(&[0, 1, 3, 3]), &int32(wrong));
        let options = MappedOptions::default();
        let error = MappedCollection::open_paths(&formats(), &[&path], &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong:?}: {error}");
        assert_eq!(error.context("node"), Some("/X/indptr"));
        assert_eq!(error.context("path"), Some(path.to_str().unwrap()));
    }
}

#[test]
fn what_is_no_anndata_is_refused_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("empty.zarr")).unwrap();
    fs::create_dir(at("directory.h5ad")).unwrap();
    fs::write(at("text.h5ad"), "not HDF5").unwrap();
    fs::write(at("empty.h5ad"), "").unwrap();
    fs::write(at("text.zarr.zip"), "not a zip").unwrap();
    fs::write(at("table.csv"), "a,b\n1,2\n").unwrap();
    let names = [
        "missing.h5ad",
        "missing.zarr",
        "empty.zarr",
        "directory.h5ad",
        "text.h5ad",
        "empty.h5ad",
        "text.zarr.zip",
        "table.csv",
    ];
    for name in names {
        let options = MappedOptions::default().join(Join::Outer);
        let error = MappedCollection::open_paths(&formats(), &[at(name)], &options).unwrap_err();
        let expected: &[ErrorKind] = match name {
            "missing.h5ad" | "missing.zarr" => &[ErrorKind::NotFound],
            "table.csv" => &[ErrorKind::Unsupported],
            "empty.zarr" => &[
                ErrorKind::NotFound,
                ErrorKind::Corrupt,
                ErrorKind::InvalidInput,
            ],
            _ => &[ErrorKind::Corrupt, ErrorKind::InvalidInput],
        };
        assert!(expected.contains(&error.kind()), "{name}: {error:?}");
        assert!(
            error.context("path").unwrap_or_default().contains(name),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_shrinks_under_a_reader_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = sparse("shrinking.h5ad", directory.path());
    let mapped =
        MappedCollection::open_paths(&formats(), &[&path], &MappedOptions::default()).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    let error = mapped.get(1).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Storage),
        "{error:?}"
    );
    assert_eq!(error.context("path"), Some(path.to_str().unwrap()));
}

#[test]
fn whole_files_read_without_error() {
    let directory = tempfile::tempdir().unwrap();
    let are_real = real_files().is_some();
    for path in files() {
        let data = BackedAnnData::open(formats().open(&path).unwrap()).unwrap();
        let raw = data.matrix(&MatrixKey::RawX).unwrap();
        // One of the real files holds no matrix at all; those that have raw have it sparse.
        if are_real && data.matrix(&MatrixKey::X).unwrap().is_some() {
            assert!(matches!(raw, None | Some(Matrix::Sparse(_))));
        }
        if let Err(error) = read_everything(&path, directory.path()) {
            panic!("{}: {error:?}", path.display());
        }
    }
}
