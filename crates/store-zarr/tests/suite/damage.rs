//! Damaged stores: every outcome is a result or a typed error, soon and in little memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anndex_store::ErrorKind;
use anndex_store::{ArrayData, ArraySpec, Attributes, Compression, DataType, StoreFormat, Strings};
use anndex_store_zarr::{ZarrFormat, ZarrVersion};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::everything::read_everything;

const LAYOUTS: usize = 4;

fn write_store(path: &Path, version: ZarrVersion) {
    let numbers: Vec<u8> = (0..4000u32)
        .flat_map(|n| (n * n % 97).to_le_bytes())
        .collect();
    let texts: Strings = (0..200)
        .map(|n| format!("cell {n} {}", "ü".repeat(n % 7)))
        .collect();
    let mut writer = ZarrFormat::new()
        .writing(version)
        .create(path)
        .expect("create");
    writer.write_group("", &Attributes::new()).expect("write");
    writer
        .write_group("obs", &Attributes::new())
        .expect("write");
    for layout in 0..LAYOUTS {
        let compression = [
            Compression::None,
            Compression::Gzip(5),
            Compression::Zstd(3),
        ][layout % 3];
        let matrix = ArraySpec::new(DataType::UInt32, [100, 40]).compressed(compression);
        let text = ArraySpec::new(DataType::String, [200]).compressed(compression);
        let (matrix, text) = match (layout, version) {
            (0, _) => (matrix, text),
            (3, ZarrVersion::V3) => (
                matrix.chunked([10, 40]).sharded([50, 40]),
                text.chunked([20]).sharded([100]),
            ),
            _ => (matrix.chunked([30, 25]), text.chunked([64])),
        };
        let attributes = Attributes::from([("encoding-type".to_owned(), "array".into())]);
        writer
            .write_array(
                &format!("X{layout}"),
                &matrix,
                ArrayData::Bytes(&numbers),
                &attributes,
            )
            .expect("write");
        writer
            .write_array(
                &format!("obs/{layout}"),
                &text,
                ArrayData::Strings(&texts),
                &attributes,
            )
            .expect("write");
    }
    writer.finish().expect("finish");
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("list") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

/// Cuts, flips, or overwrites some bytes; biased to small numbers of them.
pub(crate) fn damaged(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() {
        return vec![random.random()];
    }
    match random.random_range(0..4) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => {
            let at = random.random_range(0..bytes.len());
            let digit = b"0123456789"[random.random_range(0..10usize)];
            bytes[at] = digit;
        }
        _ => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
        }
    }
    bytes
}

#[test]
fn damaged_files_give_errors_soon() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        eprintln!("{info}");
    }));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut random = StdRng::seed_from_u64(7);
    let (mut rounds, mut errors, mut slowest) = (0, 0, Duration::ZERO);
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = directory.path().join(format!("{version:?}.zarr"));
        write_store(&path, version);
        let consolidated = path.join(match version {
            ZarrVersion::V2 => ".zmetadata",
            ZarrVersion::V3 => "zarr.json",
        });
        let mut found = Vec::new();
        files(&path, &mut found);
        for round in 0..400 {
            // Every other round does without consolidated metadata, so that the others count.
            let whole = fs::read(&consolidated).expect("read");
            if round % 2 == 1 {
                match version {
                    ZarrVersion::V2 => fs::remove_file(&consolidated).expect("remove"),
                    ZarrVersion::V3 => {
                        let group = br#"{"zarr_format": 3, "node_type": "group"}"#;
                        fs::write(&consolidated, group).expect("write");
                    }
                }
            }
            let file = &found[random.random_range(0..found.len())];
            let original = fs::read(file).ok();
            if let Some(original) = &original {
                fs::write(file, damaged(original, &mut random)).expect("write");
            }
            let start = Instant::now();
            match ZarrFormat::new().open(&path) {
                Ok(store) => read_everything(&*store, &mut |_, result| {
                    errors += usize::from(result.is_err());
                }),
                Err(_) => errors += 1,
            }
            slowest = slowest.max(start.elapsed());
            rounds += 1;
            if let Some(original) = original {
                fs::write(file, original).expect("write");
            }
            fs::write(&consolidated, whole).expect("write");
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "no codec panicked");
    assert!(errors > rounds / 10, "{errors} errors in {rounds} rounds");
    assert!(
        slowest < Duration::from_secs(5),
        "the slowest round took {slowest:?}"
    );
    if let Some(peak) = peak_memory() {
        assert!(peak < 1 << 30, "{peak} bytes of memory were taken");
    }
}

/// The most memory that this process has had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn kind_of_opening(path: &Path) -> ErrorKind {
    ZarrFormat::new()
        .open(path)
        .expect_err("this is not a store")
        .kind()
}

#[test]
fn what_is_no_store_is_said_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    assert_eq!(kind_of_opening(&path("none.zarr")), ErrorKind::NotFound);
    fs::create_dir(path("empty.zarr")).expect("create");
    assert_eq!(kind_of_opening(&path("empty.zarr")), ErrorKind::Corrupt);
    fs::write(path("text.zarr"), "text").expect("write");
    assert_eq!(kind_of_opening(&path("text.zarr")), ErrorKind::Corrupt);
    fs::write(path("text.zarr.zip"), "text").expect("write");
    assert_eq!(kind_of_opening(&path("text.zarr.zip")), ErrorKind::Corrupt);

    write_store(&path("json.zarr"), ZarrVersion::V2);
    fs::remove_file(path("json.zarr/.zmetadata")).expect("remove");
    fs::write(path("json.zarr/X1/.zarray"), "{\"shape\": [").expect("write");
    let store = ZarrFormat::new().open(&path("json.zarr")).expect("open");
    let error = store.array("X1").expect_err("broken metadata");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context("file"), Some("X1/.zarray"));
    assert!(
        error
            .context("path")
            .is_some_and(|path| path.ends_with("json.zarr"))
    );
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_a_store() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("links.zarr");
    write_store(&path, ZarrVersion::V2);
    fs::remove_file(path.join(".zmetadata")).expect("remove");
    let outside = directory.path().join("outside");
    fs::rename(path.join("X0"), &outside).expect("move");
    std::os::unix::fs::symlink(&outside, path.join("X0")).expect("link");
    fs::rename(path.join("X1"), path.join("inside")).expect("move");
    std::os::unix::fs::symlink(path.join("inside"), path.join("X1")).expect("link");
    let store = ZarrFormat::new().open(&path).expect("open");
    let error = store.array("X0").expect_err("a link that leads out");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    store.array("X1").expect("a link that stays inside");
}

#[test]
fn a_shape_of_which_little_is_stored_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("shape.zarr");
    write_store(&path, ZarrVersion::V2);
    fs::remove_file(path.join(".zmetadata")).expect("remove");
    let document = path.join("X1/.zarray");
    let text = fs::read_to_string(&document).expect("read");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json["shape"] = serde_json::json!([100_000_000_000u64, 40]);
    fs::write(&document, json.to_string()).expect("write");
    let store = ZarrFormat::new().open(&path).expect("open");
    let array = store.array("X1").expect("the metadata are sound");
    let error = anndex_store::read_all(&*array).expect_err("an absurd shape");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
