//! Directories for caches: the user's own, which nobody else reads, and those that an instance or a
//! caller names, which may be for many.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the caches of the user are: `anndex` in `XDG_CACHE_HOME`, else in `~/.cache`.
///
/// # Errors
/// `InvalidInput` if neither that variable nor `HOME` is set.
pub fn user_cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")))
        .map(|base| base.join("anndex"))
        .ok_or_else(|| {
            Error::invalid_input(
                "a cache is needed, as for the conversion of a csc_matrix, but neither \
                 XDG_CACHE_HOME nor HOME is set; set one of them, or `cache_dir`",
            )
        })
}

/// Makes a directory of a cache, and those above it, if they are not there. What is made for the
/// user's own cache is for this user alone, since bytes that were read with the user's credentials
/// are kept in it. Elsewhere the umask decides: an instance on a shared disk is for many.
///
/// # Errors
/// `PermissionDenied` or `Storage` if it can't be made.
pub fn create(path: &Path) -> Result<()> {
    create_in(path, user_cache().ok().as_deref())
}

fn create_in(path: &Path, private: Option<&Path>) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if private.is_some_and(|private| path.starts_with(private)) {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    #[cfg(not(unix))]
    let _ = private;
    let made = builder.create(path);
    made.map_err(|e| Error::io(path.display(), e))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_cache_of_a_user_is_for_this_user_alone() {
        let root = tempfile::TempDir::new().unwrap();
        let (user, shared) = (root.path().join("user"), root.path().join("shared"));
        create_in(&user.join("artifacts"), Some(&user)).unwrap();
        create_in(&shared.join("artifacts"), Some(&user)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&user), 0o700);
        assert_eq!(mode(&user.join("artifacts")), 0o700);
        // As the umask of the tests has it, which the directory beside it shows.
        fs::create_dir(root.path().join("any")).unwrap();
        assert_eq!(mode(&shared), mode(&root.path().join("any")));
        // Whoever has made it otherwise wants it so.
        fs::set_permissions(&user, Permissions::from_mode(0o750)).unwrap();
        create_in(&user, Some(&user)).unwrap();
        assert_eq!(mode(&user), 0o750);
    }
}
