//! The files that all loaders read: made once, and anew when what makes them changes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::environments::Environments;
use crate::workspace::Workspace;
use crate::{Result, step};

/// What the data that all loaders read depend on, besides their size.
const SOURCES: [&str; 3] = [
    "bench/generate.py",
    "bench/fingerprint.py",
    "requirements/bench-annbatch.txt",
];

/// Data that are there.
#[derive(Debug)]
pub(crate) struct Data {
    /// The directory with one directory per format.
    pub(crate) directory: PathBuf,
    /// Counts of cells, genes and values, and the bytes of each format.
    pub(crate) summary: Value,
}

impl Data {
    /// Makes the data below `directory`, with so many cells in each file, unless they are there.
    pub(crate) fn prepare(
        workspace: &Workspace,
        environments: &Environments,
        directory: &Path,
        cells_per_file: u32,
    ) -> Result<Self> {
        let mut script = environments.script("generate");
        script.args(["--cells", &cells_per_file.to_string()]);
        Self::made_once(
            workspace,
            &directory.join(format!("{cells_per_file}-cells")),
            &SOURCES,
            script,
            &format!("4 files of {cells_per_file} cells in every format"),
        )
    }

    /// Has `script` make data, unless those are there that the same `sources` below
    /// `xtask/python` have made. Their directory is called `path` and a digest of the sources.
    pub(super) fn made_once(
        workspace: &Workspace,
        path: &Path,
        sources: &[&str],
        mut script: Command,
        what: &str,
    ) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for source in sources {
            let path = workspace.root().join("xtask/python").join(source);
            let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            text.hash(&mut hasher);
        }
        let with_suffix = |suffix: String| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{name}-{suffix}"))
        };
        let made = with_suffix(format!("{:016x}", hasher.finish()));
        if !made.is_dir() {
            remove_older(path)?;
            // Renamed when it is complete, so that a killed run leaves nothing that looks so.
            let partial = with_suffix("partial".to_owned());
            fs::create_dir_all(&partial).map_err(|e| format!("{}: {e}", partial.display()))?;
            step::run(&format!("data: {what}"), script.arg(&partial))?;
            fs::rename(&partial, &made).map_err(|e| format!("{}: {e}", made.display()))?;
        }
        let summary = made.join("summary.json");
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", summary.display());
        let text = fs::read_to_string(&summary).map_err(|e| failed(&e))?;
        Ok(Self {
            summary: serde_json::from_str(&text).map_err(|e| failed(&e))?,
            directory: made,
        })
    }
}

/// Removes data of the same name that something else made; they take gigabytes.
fn remove_older(path: &Path) -> Result<()> {
    let directory = path.with_file_name("");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let failed = |e| format!("{}: {e}", directory.display());
    fs::create_dir_all(&directory).map_err(failed)?;
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let older = entry.file_name();
        if older.to_string_lossy().starts_with(&format!("{name}-")) {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}
