//! The users and passwords of WebDAV servers: the file that `NETRC` names, or `~/.netrc`, as `curl`
//! and `requests` read it (the format is that of GNU inetutils).

use std::fs;
use std::path::PathBuf;

use anndex_remote_requests::Environment;
use anndex_store::{Error, Result};
use netrc::{Authenticator, Netrc};

/// What the file says about a host (without a port). What it says about all others (`default`) is not
/// heeded: URLs come from others, and would get a password that was not meant for them.
///
/// # Errors
/// As [`Error::io`] if there is a file that can't be read; `InvalidInput` if it can't be
/// understood.
pub(crate) fn of_host(environment: &Environment, host: &str) -> Result<Option<Authenticator>> {
    let named = environment.get("NETRC").map(PathBuf::from);
    let usual = || Some(PathBuf::from(environment.get("HOME")?).join(".netrc"));
    let is_named = named.is_some();
    let Some(path) = named.or_else(usual) else {
        return Ok(None);
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !is_named => return Ok(None),
        Err(e) => return Err(Error::io(path.display(), e)),
    };
    // What the parser says may repeat a password.
    let parsed: Result<Netrc, _> = text.parse();
    let mut parsed = parsed.map_err(|_| {
        Error::invalid_input("this is not a netrc file").with("path", path.display())
    })?;
    Ok(parsed.hosts.remove(host).filter(|_| host != "default"))
}
