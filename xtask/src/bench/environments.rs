//! The Python environments of the loaders: ours beside lamindb and scDataset, annbatch by itself
//! because it is served best by a newer anndata, and torch once for both.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::{Environment, Installed};
use crate::workspace::Workspace;
use crate::{Result, package};

/// All environments, installed.
#[derive(Debug)]
pub(crate) struct Environments {
    /// lamindb, scDataset, SciPy and this project's package.
    lamindb: Installed,
    /// annbatch with zarrs, and the anndata that writes the data.
    annbatch: Installed,
    scripts: PathBuf,
    home: PathBuf,
}

impl Environments {
    /// Installs what is missing below `directory`, then this project's package: `wheel`, or one
    /// that is built for release.
    pub(crate) fn prepare(
        workspace: &Workspace,
        directory: &Path,
        wheel: Option<&Path>,
    ) -> Result<Self> {
        let lamindb = Self::lamindb(workspace, directory)?;
        let annbatch = install(workspace, directory, "bench-annbatch")?;
        let wheel = match wheel {
            Some(wheel) => wheel.to_owned(),
            None => package::release_wheel(workspace, &lamindb, directory)?,
        };
        package::install(&lamindb, &wheel)?;
        let home = directory.join("home");
        std::fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
        Ok(Self {
            lamindb,
            annbatch,
            scripts: workspace.root().join("xtask/python/bench"),
            home,
        })
    }

    /// Installs the environment of lamindb, if it is missing.
    pub(crate) fn lamindb(workspace: &Workspace, directory: &Path) -> Result<Installed> {
        // The others are on it.
        install(workspace, directory, "bench-torch")?;
        install(workspace, directory, "bench-lamindb")
    }

    /// A script of `xtask/python/bench`, ready to run in the environment that it is for.
    pub(crate) fn script(&self, name: &str) -> Command {
        let environment = match name {
            "run_annbatch" | "generate" | "generate_growth" => &self.annbatch,
            _ => &self.lamindb,
        };
        let mut command = environment.command();
        command
            .arg(self.scripts.join(format!("{name}.py")))
            // lamindb keeps settings in the home directory.
            .env("HOME", &self.home)
            .env_remove("XDG_CACHE_HOME");
        command
    }
}

fn install(workspace: &Workspace, directory: &Path, name: &str) -> Result<Installed> {
    let requirements = workspace
        .root()
        .join(format!("xtask/python/requirements/{name}.txt"));
    let environment = Environment::read(name, &requirements)?;
    environment.install(&environment.interpreter()?, &directory.join("environments"))
}
