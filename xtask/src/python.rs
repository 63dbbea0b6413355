//! Python environments with exact versions, below the target directory: one per version of
//! anndata, one for the Python package, one for the lint, and those of the benchmark.
//!
//! An environment is a requirements file whose first lines say which Python and which pip it
//! takes: `# python 3.8`, `# pip 24.0`. A line `# on NAME` puts the packages of another
//! environment behind its own, for those that are too big to install twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::output;
use crate::{Result, step};

/// One requirements file.
#[derive(Debug)]
pub(crate) struct Environment {
    name: String,
    python: String,
    pip: String,
    base: Option<String>,
    requirements: String,
}

/// An environment that is installed.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    /// The name of its requirements file, such as `anndata-0.8`.
    pub(crate) name: String,
    interpreter: PathBuf,
}

impl Environment {
    /// Reads the requirements files of a directory whose names begin with `prefix`, oldest version
    /// first.
    pub(crate) fn read_all(directory: &Path, prefix: &str) -> Result<Vec<Self>> {
        let failed = |e| format!("{}: {e}", directory.display());
        let mut environments = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            if name.starts_with(prefix) {
                environments.push(Self::read(&name, &path)?);
            }
        }
        environments.sort_by_key(Self::version);
        Ok(environments)
    }

    /// Reads one requirements file; the environment is called `name`.
    pub(crate) fn read(name: &str, path: &Path) -> Result<Self> {
        let failed = |e: String| format!("{}: {e}", path.display());
        let text = fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        Self::parse(name, text).map_err(failed)
    }

    fn parse(name: &str, requirements: String) -> Result<Self> {
        let header = |key: &str| {
            let prefix = format!("# {key} ");
            requirements
                .lines()
                .find_map(|line| line.strip_prefix(&prefix))
                .map(|value| value.trim().to_owned())
                .ok_or(format!("no line `# {key} VERSION`"))
        };
        Ok(Self {
            name: name.to_owned(),
            python: header("python")?,
            pip: header("pip")?,
            base: header("on").ok(),
            requirements,
        })
    }

    /// The numbers in the name, by which 0.9 comes before 0.10.
    fn version(&self) -> Vec<u64> {
        let numbers = self.name.split(['-', '.']);
        numbers.filter_map(|number| number.parse().ok()).collect()
    }

    /// Finds the interpreter, as [`interpreter`] does.
    ///
    /// # Errors
    /// One line that says what to install.
    pub(crate) fn interpreter(&self) -> Result<PathBuf> {
        let version = &self.python;
        interpreter(version).ok_or(format!(
            "the environment {} needs Python {version}: install it with pyenv, have `python{version}` on the \
             PATH, or set {} to its path",
            self.name,
            variable(version)
        ))
    }

    /// Creates the environment below `directory`, unless it stands there with these requirements.
    ///
    /// The environment that it is on must stand in the same directory.
    pub(crate) fn install(&self, interpreter: &Path, directory: &Path) -> Result<Installed> {
        let home = directory.join(&self.name);
        let stamp = home.join("requirements.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == self.requirements) {
            return Ok(Installed {
                name: self.name.clone(),
                interpreter: home.join("bin/python"),
            });
        }
        let installed = fresh(interpreter, &home)?;
        let failed = |e| format!("{}: {e}", home.display());
        let partial = home.join("requirements.partial.txt");
        fs::write(&partial, &self.requirements).map_err(failed)?;
        let pip = || {
            let mut command = installed.command();
            command.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]);
            command
        };
        step::run(
            &format!("{}: pip {}", self.name, self.pip),
            pip().arg(format!("pip=={}", self.pip)),
        )?;
        // Every package is listed with its version, so there is nothing to resolve.
        step::run(
            &format!("{}: packages", self.name),
            pip().args(["--no-deps", "--requirement"]).arg(&partial),
        )?;
        if let Some(base) = &self.base {
            let packages = |name: &str| {
                let library = format!("lib/python{}/site-packages", self.python);
                directory.join(name).join(library)
            };
            let link = packages(&self.name).join(format!("{base}.pth"));
            fs::write(link, packages(base).display().to_string()).map_err(failed)?;
        }
        fs::rename(&partial, &stamp).map_err(failed)?;
        Ok(installed)
    }
}

impl Installed {
    /// The path of its Python.
    pub(crate) fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Its Python, ready to run the same way wherever it runs.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1");
        command
    }
}

/// An environment of `interpreter` in a directory, new and empty.
pub(crate) fn fresh(interpreter: &Path, home: &Path) -> Result<Installed> {
    let failed = |e| format!("{}: {e}", home.display());
    if home.exists() {
        fs::remove_dir_all(home).map_err(failed)?;
    }
    fs::create_dir_all(home).map_err(failed)?;
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    step::run(
        &format!("{name}: a virtual environment"),
        Command::new(interpreter).args(["-m", "venv"]).arg(home),
    )?;
    Ok(Installed {
        name: name.into_owned(),
        interpreter: home.join("bin/python"),
    })
}

/// Finds a version of Python: named by a variable, among pyenv's, or on the `PATH`.
pub(crate) fn interpreter(version: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable(version)).map(PathBuf::from);
    named
        .into_iter()
        .chain(pyenv_interpreters(version))
        .chain([PathBuf::from(format!("python{version}"))])
        .find(|interpreter| is_version(interpreter, version))
}

fn variable(version: &str) -> String {
    format!("ANNDEX_PYTHON_{}", version.replace('.', "_"))
}

fn pyenv_interpreters(version: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let Some(entries) = root.and_then(|root| fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let prefix = format!("{version}.");
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(&prefix)
        })
        .map(|path| path.join("bin/python"))
        .collect();
    found.sort();
    found
}

fn is_version(interpreter: &Path, version: &str) -> bool {
    let script = "import sys; print('%d.%d' % sys.version_info[:2])";
    let printed = output(Command::new(interpreter).args(["-c", script]));
    printed.is_ok_and(|printed| printed.trim() == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_say_which_python_they_take() {
        let text = "# python 3.8\n# pip 24.0\nanndata==0.7.8\n";
        let environment = Environment::parse("anndata-0.7", text.to_owned()).unwrap();
        assert_eq!(
            (environment.python.as_str(), environment.pip.as_str()),
            ("3.8", "24.0")
        );
        assert_eq!(environment.version(), [0, 7]);
        let error = Environment::parse("anndata-0.7", "# python 3.8\n".to_owned()).unwrap_err();
        assert_eq!(error, "no line `# pip VERSION`");
    }

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let text = "# python 3.0\n# pip 24.0\n".to_owned();
        let environment = Environment::parse("anndata-0.1", text).unwrap();
        let error = environment.interpreter().unwrap_err();
        assert!(error.contains("anndata-0.1 needs Python 3.0"), "{error}");
        assert!(error.contains("ANNDEX_PYTHON_3_0"), "{error}");
    }
}
