//! The Python package: its tests in an environment of their own, and the wheel for users.

use std::fs;
use std::path::{Path, PathBuf};

use crate::python::{Environment, Installed};
use crate::step::Tally;
use crate::workspace::Workspace;
use crate::{Result, step};

/// Builds the wheel, installs it beside what it is compared with, and runs its tests and types.
pub(crate) fn test(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let package = Package::prepare(workspace)?;
    // As debug as the tests of the crates, so that nothing is compiled a second time. Such a
    // wheel fits this machine only.
    let wheels = package.wheel("test", &["--profile", "dev", "--compatibility", "linux"])?;
    install(&package.environment, &wheels)?;
    for checker in ["mypy", "pyright"] {
        let mut command = package.command();
        command.args(["-m", checker]);
        if checker == "pyright" {
            command
                .arg("--pythonpath")
                .arg(package.environment.interpreter());
        }
        step::run(&format!("Python package: {checker}"), &mut command)?;
    }
    // lamindb keeps settings in the home directory, and conversions go to a cache there.
    let home = package.directory.join("home");
    fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
    let mut command = package.command();
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider"])
        .env("HOME", &home)
        .env_remove("XDG_CACHE_HOME");
    step::run_tests("Python package: tests", &mut command, tally)
}

/// Writes the wheel for users to `target/dist`: one for all versions of Python from 3.10 on.
pub(crate) fn dist(workspace: &Workspace) -> Result<()> {
    let package = Package::prepare(workspace)?;
    let wheel = package.wheel("dist", &["--release"])?;
    let directory = workspace.target_directory()?.join("dist");
    fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let target = directory.join(wheel.file_name().unwrap_or_default());
    fs::copy(&wheel, &target).map_err(|e| format!("{}: {e}", target.display()))?;
    println!("--- {}", target.display());
    Ok(())
}

/// The package's sources, and the environment that builds and tests it.
struct Package {
    sources: PathBuf,
    /// Where all that is made stands, below the target directory.
    directory: PathBuf,
    environment: Installed,
}

impl Package {
    fn prepare(workspace: &Workspace) -> Result<Self> {
        let sources = workspace.root().join("crates/python");
        let directory = workspace.target_directory()?.join("python");
        let requirements = sources.join("tests/requirements.txt");
        let environment = Environment::read("package", &requirements)?;
        let python = environment.interpreter()?;
        let environment = environment.install(&python, &directory.join("environments"))?;
        Ok(Self {
            sources,
            directory,
            environment,
        })
    }

    /// The environment's Python in the directory of the sources.
    fn command(&self) -> std::process::Command {
        let mut command = self.environment.command();
        command.current_dir(&self.sources);
        command
    }

    /// Builds the one wheel in a directory of its own.
    fn wheel(&self, name: &str, options: &[&str]) -> Result<PathBuf> {
        let directory = self.directory.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        }
        let mut command = self.command();
        command
            .args(["-m", "maturin", "build", "--locked", "--out"])
            .arg(&directory)
            .arg("--interpreter")
            .arg(self.environment.interpreter())
            .args(options);
        step::run("Python package: wheel", &mut command)?;
        only_file(&directory)
    }
}

/// Builds the wheel for users in an environment that has maturin, below `directory`.
pub(crate) fn release_wheel(
    workspace: &Workspace,
    environment: &Installed,
    directory: &Path,
) -> Result<PathBuf> {
    let package = Package {
        sources: workspace.root().join("crates/python"),
        directory: directory.to_owned(),
        environment: environment.clone(),
    };
    package.wheel("wheel", &["--release"])
}

/// Installs a wheel of the package, whatever was installed before.
pub(crate) fn install(environment: &Installed, wheel: &Path) -> Result<()> {
    let mut command = environment.command();
    command
        .args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--force-reinstall"])
        .arg(wheel);
    step::run("Python package: installation", &mut command)
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut files = fs::read_dir(directory).map_err(failed)?;
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file.map_err(failed)?.path()),
        _ => Err(format!("{}: not one wheel", directory.display())),
    }
}
