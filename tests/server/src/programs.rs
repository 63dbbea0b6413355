//! PostgreSQL's programs: where they are, and how they get there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, account, output};

/// Where Debian has them, one directory for each version: they are not on the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The directory with `initdb`, `pg_ctl`, `postgres` and `psql`; those of the newest version if
/// there are several. Where none are, `apt-get` installs them if it can.
pub(crate) fn directory() -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let what = "PostgreSQL is not installed, and the tests need it";
    if !account::is_superuser()? || on_path("apt-get").is_none() {
        return Err(format!(
            "{what}: install it (Debian, Ubuntu: `apt-get install postgresql`), or put its initdb \
             and pg_ctl on the PATH"
        ));
    }
    eprintln!("{what}: installing it by apt-get");
    for arguments in [
        &["update"][..],
        &["install", "--yes", "--no-install-recommends", "postgresql"],
    ] {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        output(command.arg("--quiet").args(arguments)).map_err(|e| format!("{what}: {e}"))?;
    }
    find().ok_or_else(|| format!("{what}: apt-get installed it, but {DEBIAN} has no initdb"))
}

fn find() -> Option<PathBuf> {
    let newest = newest(Path::new(DEBIAN));
    newest.or_else(|| on_path("initdb")?.parent().map(Path::to_owned))
}

/// The programs of the newest version below a directory that has one directory for each.
fn newest(versions: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(versions).ok()?;
    let complete = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs
            .join("initdb")
            .is_file()
            .then_some((version, programs))
    });
    complete.max().map(|(_, programs)| programs)
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|directory| directory.join(program));
    // What is linked to is in the directory with the others.
    let found = candidates.find(|candidate| candidate.is_file())?;
    Some(found.canonicalize().unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_version_is_taken() {
        let root = env::temp_dir().join(format!("anndex-programs-{}", std::process::id()));
        for version in ["9", "15", "16", "common"] {
            fs::create_dir_all(root.join(version).join("bin")).unwrap();
        }
        for version in ["9", "15", "common"] {
            fs::write(root.join(version).join("bin/initdb"), "").unwrap();
        }
        assert_eq!(newest(&root), Some(root.join("15/bin")));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(newest(&root), None);
    }
}
