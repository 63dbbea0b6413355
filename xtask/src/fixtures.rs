//! `cargo xtask fixtures`: AnnData files as every version of anndata writes them, and what Python
//! reads from them.
//!
//! All is written below the target directory first, so that a failure leaves the committed
//! fixtures as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::python::{Environment, Installed};
use crate::runner::REAL_FILES;
use crate::workspace::Workspace;
use crate::{Result, step};

/// Files that the newest anndata can't read, and the newest environment that can: its Zarr lacks
/// the `json2` codec of 0.6, and its SciPy refuses big-endian matrices.
const READ_BY_OLDER: &[(&str, &str)] = &[
    ("anndata_0.6.22.post1.zarr.zip", "anndata-0.10"),
    ("big_endian.h5ad", "anndata-0.10"),
    ("big_endian.zarr.zip", "anndata-0.10"),
];

/// Scripts that write with the newest anndata only, and the directory that each fills.
const WRITERS: &[(&str, &str)] = &[
    ("write_encodings.py", "files"),
    ("write_layouts.py", "files"),
    ("write_damaged.py", "damaged"),
];

/// Writes `tests/fixtures` anew.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let fixtures = Fixtures::prepare(workspace)?;
    fixtures.write()?;
    fixtures.goldens()?;
    let committed = workspace.root().join("tests/fixtures");
    let mut directories = vec!["files", "damaged", "golden"];
    if let Some(real) = std::env::var_os(REAL_FILES) {
        fixtures.real_goldens(Path::new(&real))?;
        directories.push("real");
    } else {
        println!("\nnote: {REAL_FILES} is not set, so the goldens of real files stay as they are");
    }
    step::heading("replacing tests/fixtures");
    for directory in directories {
        replace(
            &fixtures.staging.join(directory),
            &committed.join(directory),
        )?;
    }
    println!("--- {} bytes in all", size(&committed)?);
    Ok(())
}

/// The environments, and the place where everything is written first.
struct Fixtures {
    scripts: PathBuf,
    staging: PathBuf,
    /// Oldest first; never empty.
    environments: Vec<Installed>,
}

impl Fixtures {
    fn prepare(workspace: &Workspace) -> Result<Self> {
        let target = workspace.target_directory()?.join("fixtures");
        let scripts = workspace.root().join("xtask/python");
        let environments = Environment::read_all(&scripts.join("requirements"), "anndata-")?;
        let (found, missing): (Vec<_>, Vec<_>) = environments
            .iter()
            .map(Environment::interpreter)
            .partition(Result::is_ok);
        let missing: Vec<_> = missing.into_iter().filter_map(Result::err).collect();
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        let environments = environments
            .iter()
            .zip(found.into_iter().flatten())
            .map(|(environment, python)| environment.install(&python, &target.join("environments")))
            .collect::<Result<_>>()?;
        let staging = target.join("staging");
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(|e| failed(&staging, e))?;
        }
        for directory in ["files", "damaged", "golden", "real"] {
            let directory = staging.join(directory);
            fs::create_dir_all(&directory).map_err(|e| failed(&directory, e))?;
        }
        Ok(Self {
            scripts,
            staging,
            environments,
        })
    }

    fn newest(&self) -> Result<&Installed> {
        self.environments
            .last()
            .ok_or("there are no requirements files".into())
    }

    fn write(&self) -> Result<()> {
        // Versions that write the same bytes as an older one add nothing.
        let mut known = BTreeMap::new();
        for environment in &self.environments {
            let directory = self.staging.join(&environment.name);
            fs::create_dir(&directory).map_err(|e| failed(&directory, e))?;
            self.script(environment, "write_version.py", &directory)?;
            for file in entries(&directory)? {
                let bytes = fs::read(&file).map_err(|e| failed(&file, e))?;
                let name = name_of(&file);
                if let Some(same) = known.get(&bytes) {
                    println!("--- {name}: the same bytes as {same}, not kept");
                    continue;
                }
                rename(&file, &self.staging.join("files").join(&name))?;
                known.insert(bytes, name);
            }
        }
        for (script, directory) in WRITERS {
            self.script(self.newest()?, script, &self.staging.join(directory))?;
        }
        Ok(())
    }

    fn script(&self, environment: &Installed, script: &str, directory: &Path) -> Result<()> {
        step::run(
            &format!("{}: {script}", environment.name),
            environment
                .command()
                .arg(self.scripts.join(script))
                .arg(directory),
        )
    }

    fn goldens(&self) -> Result<()> {
        let mut readers: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
        let newest = self.newest()?.name.as_str();
        for file in entries(&self.staging.join("files"))? {
            let name = name_of(&file);
            let older = READ_BY_OLDER.iter().find(|(file, _)| *file == name);
            let reader = older.map_or(newest, |(_, environment)| environment);
            readers.entry(reader).or_default().push(file);
        }
        for environment in &self.environments {
            if let Some(files) = readers.remove(environment.name.as_str()) {
                self.golden(environment, &files, "golden")?;
            }
        }
        match readers.keys().next() {
            Some(missing) => Err(format!(
                "{missing} reads a fixture, but has no requirements"
            )),
            None => Ok(()),
        }
    }

    fn real_goldens(&self, directory: &Path) -> Result<()> {
        let mut files = entries(directory)?;
        files.retain(|file| file.extension().is_some_and(|suffix| suffix != "md"));
        self.golden(self.newest()?, &files, "real")
    }

    fn golden(&self, environment: &Installed, files: &[PathBuf], directory: &str) -> Result<()> {
        step::run(
            &format!("{}: goldens of {} files", environment.name, files.len()),
            environment
                .command()
                .arg(self.scripts.join("golden.py"))
                .args(files)
                .arg("--out")
                .arg(self.staging.join(directory)),
        )
    }
}

fn failed(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What stands directly in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<Vec<_>>>()
        })
        .map_err(|e| failed(directory, e))?;
    found.sort();
    Ok(found)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| failed(from, e))
}

/// Puts a directory in the place of another, perhaps on another file system.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(|e| failed(to, e))?;
    }
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(|e| failed(from, e));
    }
    fs::create_dir_all(to).map_err(|e| failed(to, e))?;
    for entry in entries(from)? {
        copy(&entry, &to.join(name_of(&entry)))?;
    }
    Ok(())
}

/// The bytes of all files below a path.
fn size(path: &Path) -> Result<u64> {
    if path.is_dir() {
        return entries(path)?.iter().map(|entry| size(entry)).sum();
    }
    Ok(fs::metadata(path).map_err(|e| failed(path, e))?.len())
}
