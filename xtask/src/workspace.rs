//! Where the workspace is, and which files and packages it has.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;

/// The checkout that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// One package of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// The name, as `cargo -p` takes it.
    pub(crate) name: String,
    /// Whether building it without default features makes a difference.
    pub(crate) has_default_features: bool,
    /// Whether it is published, so that others build it without its siblings.
    pub(crate) is_published: bool,
}

impl Workspace {
    /// Finds the workspace by the place of this crate in it.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("xtask has no parent directory")?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The directory of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A command that will run in the root directory.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this program, ready to run in the root directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        forget_xtask(&mut command);
        command
    }

    /// Where cargo builds: `target`, or wherever the user's configuration puts it.
    pub(crate) fn target_directory(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let directory = metadata["target_directory"]
            .as_str()
            .ok_or("cargo metadata names no target directory")?;
        Ok(directory.into())
    }

    /// All packages of the workspace, in the order of their names.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        packages_of(&self.metadata()?)
    }

    /// The files that are in git or could be added to it, relative to the root, sorted.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut command = self.command("git");
        command.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listing = output(&mut command)?;
        let mut files: Vec<_> = listing
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            // A file that was deleted, but not yet in git, is still listed.
            .filter(|file| self.root.join(file).is_file())
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// What cargo says of the packages of the workspace.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let mut command = self.cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        serde_json::from_str(&output(&mut command)?).map_err(|e| format!("cargo metadata: {e}"))
    }
}

fn packages_of(metadata: &Value) -> Result<Vec<Package>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut packages = packages
        .iter()
        .map(|package| {
            let name = package["name"]
                .as_str()
                .ok_or("cargo metadata lists a package without a name")?;
            let default = package["features"]["default"].as_array();
            Ok(Package {
                name: name.to_owned(),
                has_default_features: default.is_some_and(|features| !features.is_empty()),
                // `publish = false` is an empty list of registries.
                is_published: package["publish"]
                    .as_array()
                    .is_none_or(|to| !to.is_empty()),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Hides the variables that cargo sets for xtask itself. Build scripts read them, so with other
/// values cargo builds the same crates again.
pub(crate) fn forget_xtask(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_"))
        {
            command.env_remove(name);
        }
    }
    command.env_remove("CARGO_MANIFEST_DIR");
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|e| format!("can't run {program}: {e}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{program} failed ({}): {}",
            output.status,
            stderr.trim()
        ));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("the output of {program}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_know_how_they_are_built() {
        let metadata = serde_json::json!({"packages": [
            {"name": "b", "features": {"default": ["x"], "x": []}, "publish": null},
            {"name": "a", "features": {"default": []}, "publish": []},
            {"name": "c", "features": {}, "publish": ["crates-io"]},
        ]});
        let found = packages_of(&metadata).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|p| (p.name.as_str(), p.has_default_features, p.is_published))
            .collect();
        assert_eq!(
            found,
            [("a", false, false), ("b", true, true), ("c", false, true)]
        );
    }
}
