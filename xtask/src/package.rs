//! The Python package: its tests in an environment of their own, and the wheel for users.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};

use crate::postgres::TestServer;
use crate::python::{Environment, Installed};
use crate::step::Tally;
use crate::workspace::{Workspace, forget_xtask};
use crate::{Result, python, step};

/// The versions of Python that the wheel is for.
const PYTHONS: [&str; 4] = ["3.10", "3.11", "3.12", "3.13"];

/// Loads the native module and has it look for a file, with NumPy as the only other package.
const IMPORT: &str = "
import sys, anndex
try:
    anndex.MappedCollection(['no-such.h5ad'])
except FileNotFoundError as error:
    assert isinstance(error, anndex.errors.AnndexError)
else:
    raise SystemExit('a file that is not there was found')
print('anndex', anndex.__version__, 'on Python', sys.version.split()[0])
";

/// Finds the Python that the tests of the package take.
///
/// # Errors
/// One line that says what to install.
pub(crate) fn interpreter(workspace: &Workspace) -> Result<PathBuf> {
    environment(workspace)?.interpreter()
}

fn environment(workspace: &Workspace) -> Result<Environment> {
    Environment::read(
        "package",
        &sources(workspace).join("tests/requirements.txt"),
    )
}

fn sources(workspace: &Workspace) -> PathBuf {
    workspace.root().join("crates/python")
}

/// Builds the wheel, installs it beside what it is compared with, and runs its tests and types.
pub(crate) fn test(workspace: &Workspace, server: &TestServer, tally: &mut Tally) -> Result<()> {
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
    // With its tests, whose features are those of all tests: these have built it already.
    let command = ["test", "--workspace", "--all-features", "--no-run"];
    step::run(
        "command",
        workspace.cargo().args(command).args(["--test", "command"]),
    )?;
    let built = workspace
        .target_directory()?
        .join(format!("debug/anndex{EXE_SUFFIX}"));
    // lamindb keeps settings in the home directory, and conversions go to a cache there.
    let home = package.directory.join("home");
    fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
    // Most tests wait, but each process holds torch. The tests of a file share fixtures.
    let together = ["--numprocesses", "2", "--dist", "loadfile"].as_slice();
    let parts = [
        ("Python package: tests", "not alone", together),
        ("Python package: tests of time limits", "alone", &[]),
    ];
    for (name, marked, how) in parts {
        let mut command = package.command();
        command
            .args(["-m", "pytest", "-p", "no:cacheprovider", "-m", marked])
            .args(how)
            .env("HOME", &home)
            .env("ANNDEX_TEST_COMMAND", &built)
            .env_remove("XDG_CACHE_HOME");
        step::run_tests(name, server.tell(&mut command), tally)?;
    }
    Ok(())
}

/// Writes the wheel for users to `target/dist`: one for all versions of Python from 3.10 on.
pub(crate) fn dist(workspace: &Workspace) -> Result<()> {
    let package = Package::prepare(workspace)?;
    let wheel = package.wheel("dist", &["--release"])?;
    let directory = workspace.target_directory()?.join("dist");
    fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let target = directory.join(wheel.file_name().unwrap_or_default());
    fs::copy(&wheel, &target).map_err(|e| format!("{}: {e}", target.display()))?;
    import_everywhere(&target, &package.directory)?;
    println!("--- {}", target.display());
    Ok(())
}

/// Installs the wheel as users do, with each Python that it is for and that is here, and reads
/// with it.
fn import_everywhere(wheel: &Path, directory: &Path) -> Result<()> {
    let mut seen = Vec::new();
    for version in PYTHONS {
        let Some(interpreter) = python::interpreter(version) else {
            continue;
        };
        let name = format!("python-{version}");
        let environment = python::fresh(&interpreter, &directory.join("imports").join(&name))?;
        step::run(
            &format!("{name}: installation of the wheel"),
            environment
                .command()
                .args(["-m", "pip", "install", "--quiet"])
                .arg("--disable-pip-version-check")
                .arg(wheel),
        )?;
        step::run(
            &format!("{name}: import"),
            environment.command().args(["-c", IMPORT]),
        )?;
        seen.push(version);
    }
    if seen.is_empty() {
        let versions = PYTHONS.join(", ");
        return Err(format!(
            "the wheel can't be tried: install one of Python {versions}, best with pyenv"
        ));
    }
    println!("--- the wheel imports with Python {}", seen.join(", "));
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
        let directory = workspace.target_directory()?.join("python");
        let environment = environment(workspace)?
            .install(&interpreter(workspace)?, &directory.join("environments"))?;
        Ok(Self {
            sources: sources(workspace),
            directory,
            environment,
        })
    }

    /// The environment's Python in the directory of the sources.
    fn command(&self) -> std::process::Command {
        let mut command = self.environment.command();
        command.current_dir(&self.sources);
        // maturin runs cargo.
        forget_xtask(&mut command);
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
