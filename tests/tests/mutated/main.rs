//! Files that somebody made, or that were changed at random: whatever is done with one of them, here
//! or over HTTP, ends within some seconds and little memory, in a result or in one error. No panic,
//! no abort.
//!
//! What is tried runs in a process of its own, which has a limit for its memory, so that an end that
//! no test could catch is seen, too. `ANNDEX_MUTATIONS` is the number of inputs, and
//! `ANNDEX_MUTATIONS_SEED` another seed; what failed is then kept in the temporary directory.
//! `ANNDEX_MUTATIONS_FIRST` is the number of the first one, so that any can be made again.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hostile;
mod input;
mod mutate;
mod tables;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use anndex_tests::servers::{BUCKET, S3, S3sFs};

use crate::input::{Input, seeds};
use crate::mutate::Random;
use crate::worker::{Outcome, Worker};

/// So many inputs without `ANNDEX_MUTATIONS`.
const FEW: u64 = 60;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs in the process of its own; passes at once in this one.
#[test]
fn worker() {
    worker::run();
}

#[test]
fn what_claims_to_be_large_ends_soon() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = directory.path().join(BUCKET);
    fs::create_dir(&bucket).unwrap();
    let server = S3::S3sFs(S3sFs::start(directory.path()));
    let mut worker = Worker::new(&server.endpoint());
    let mut failures = Vec::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "h5ad"))
            .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let files = files.into_iter().map(|path| Input::read(&path));
    for input in files.chain(hostile::made()) {
        let path = input.write(&bucket);
        match worker.attempt(&path) {
            Outcome::Ended => {}
            Outcome::Failed(how) => failures.push(format!("{}: {how}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn mutated_files_end_in_a_result_or_an_error() {
    let count = setting("ANNDEX_MUTATIONS").unwrap_or(FEW);
    let seed = setting("ANNDEX_MUTATIONS_SEED").unwrap_or(0x5eed);
    let directory = tempfile::tempdir().unwrap();
    let bucket = directory.path().join(BUCKET);
    fs::create_dir(&bucket).unwrap();
    let server = S3::S3sFs(S3sFs::start(directory.path()));
    let mut worker = Worker::new(&server.endpoint());
    let seeds = seeds();
    let mut failures = Vec::new();
    let first = setting("ANNDEX_MUTATIONS_FIRST").unwrap_or(0);
    for number in first..first + count {
        // Each has a seed of its own, so that it can be made again alone.
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
        let mut input = random.choose(&seeds).clone();
        input.mutate(number, &mut random);
        let path = input.write(&bucket);
        if let Outcome::Failed(how) = worker.attempt(&path) {
            failures.push(format!("{number} {}: {how}", path.display()));
            eprintln!("{}", failures.last().unwrap());
            keep(&path, seed, number);
        }
        remove(&path);
        if number % 500 == 499 {
            eprintln!("{} inputs, {} failures", number + 1, failures.len());
        }
        if failures.len() >= 50 {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn remove(path: &Path) {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    removed.unwrap();
}

/// Keeps what failed, if many inputs were asked for.
fn keep(path: &Path, seed: u64, number: u64) {
    if setting("ANNDEX_MUTATIONS").is_none() {
        return;
    }
    let name = path.file_name().unwrap().to_string_lossy();
    let kept = std::env::temp_dir().join(format!("anndex-mutated-{seed}-{number}-{name}"));
    Input::read(path).write_to(&kept);
}
