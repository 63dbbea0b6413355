//! What is tried: files, and directories of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anndex_tests::small_files;

use crate::mutate::Random;
use crate::tables::tables;

/// A file, or the files of a directory by their paths in it.
#[derive(Clone)]
pub(crate) struct Input {
    name: String,
    content: Content,
}

#[derive(Clone)]
enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<String, Vec<u8>>),
}

impl Input {
    pub(crate) fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            content: Content::File(bytes.into()),
        }
    }

    pub(crate) fn directory(name: &str, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            content: Content::Directory(files),
        }
    }

    pub(crate) fn read(path: &Path) -> Self {
        let content = match path.is_dir() {
            false => Content::File(fs::read(path).unwrap()),
            true => {
                let mut files = BTreeMap::new();
                read_directory(path, "", &mut files);
                Content::Directory(files)
            }
        };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, content }
    }

    /// Writes it into a directory.
    pub(crate) fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join(&self.name);
        self.write_to(&path);
        path
    }

    pub(crate) fn write_to(&self, path: &Path) {
        match &self.content {
            Content::File(bytes) => fs::write(path, bytes).unwrap(),
            Content::Directory(files) => {
                for (name, bytes) in files {
                    let path = path.join(name);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, bytes).unwrap();
                }
            }
        }
    }

    /// Changes it, and has the number in its name.
    pub(crate) fn mutate(&mut self, number: u64, random: &mut Random) {
        self.name = format!("{number}-{}", self.name);
        match &mut self.content {
            Content::File(bytes) => random.change(bytes),
            Content::Directory(files) => {
                let documents: Vec<String> =
                    files.keys().filter(|n| is_document(n)).cloned().collect();
                let all: Vec<String> = files.keys().cloned().collect();
                let names = match random.below(3) {
                    0 => &all,
                    _ => &documents,
                };
                let name = random.choose(names).clone();
                random.change(files.get_mut(&name).unwrap());
            }
        }
    }
}

fn is_document(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap();
    file.starts_with(".z") || file == "zarr.json"
}

fn read_directory(path: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        match path.is_dir() {
            true => read_directory(&path, &format!("{name}/"), files),
            false => drop(files.insert(name, fs::read(path).unwrap())),
        }
    }
}

/// What is mutated: the small files, the zips among them also as directories, with and without
/// consolidated metadata, and tables.
pub(crate) fn seeds() -> Vec<Input> {
    let mut seeds = Vec::new();
    for path in small_files() {
        let input = Input::read(&path);
        if let Some(name) = input.name.strip_suffix(".zip") {
            let mut files = unzipped(&path);
            let unzipped = |files: &BTreeMap<String, Vec<u8>>| Input {
                name: name.to_owned(),
                content: Content::Directory(files.clone()),
            };
            seeds.push(unzipped(&files));
            if files.remove(".zmetadata").is_some() {
                seeds.push(unzipped(&files));
            }
        }
        seeds.push(input);
    }
    // As many tables as files of each other kind.
    for _ in 0..8 {
        seeds.extend(tables());
    }
    seeds
}

fn unzipped(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    archive.extract(directory.path()).unwrap();
    let mut files = BTreeMap::new();
    read_directory(directory.path(), "", &mut files);
    files
}
