//! Keys for an SSH server and a client of it, and a program `ssh` that uses these and nothing of the
//! user who runs the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, output, programs};

const HOST: &str = "host";
const CLIENT: &str = "client";
const KNOWN_HOSTS: &str = "known_hosts";
const CONFIG: &str = "config";

/// Keys in a directory of their own.
#[derive(Debug, Clone)]
pub struct SshKeys(PathBuf);

impl SshKeys {
    /// Makes keys in a directory, and in its `bin` the program `ssh`, which has to be the first on
    /// the `PATH` of whoever connects.
    ///
    /// # Errors
    /// One sentence: OpenSSH is not there, or a file can't be written.
    pub fn new(directory: &Path) -> Result<Self> {
        let keys = Self(directory.to_owned());
        let programs = keys.programs();
        let at = |path: &Path, e| format!("{}: {e}", path.display());
        fs::create_dir_all(&programs).map_err(|e| at(&programs, e))?;
        for name in [HOST, CLIENT] {
            let mut command = Command::new(openssh("ssh-keygen")?);
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]);
            output(command.arg(keys.file(name)))?;
        }
        let config = format!(
            "Host *\n  User cells\n  IdentitiesOnly yes\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
            keys.file(CLIENT).display(),
            keys.file(KNOWN_HOSTS).display(),
        );
        let ssh = programs.join("ssh");
        let script = format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            openssh("ssh")?.display(),
            keys.file(CONFIG).display()
        );
        for (path, text) in [(keys.file(CONFIG), config), (ssh.clone(), script)] {
            fs::write(&path, text).map_err(|e| at(&path, e))?;
        }
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&ssh, executable).map_err(|e| at(&ssh, e))?;
        Ok(keys)
    }

    /// The directory with the program `ssh`.
    pub fn programs(&self) -> PathBuf {
        self.file("bin")
    }

    /// Forgets the hosts that are known.
    ///
    /// # Errors
    /// One sentence, if the file can't be removed.
    pub fn forget_hosts(&self) -> Result<()> {
        let path = self.file(KNOWN_HOSTS);
        fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Replaces the key of the client by one that no server knows.
    ///
    /// # Errors
    /// As [`SshKeys::new`].
    pub fn change_client(&self) -> Result<()> {
        let other = Self::new(&self.file("other"))?;
        let (from, to) = (other.file(CLIENT), self.file(CLIENT));
        fs::copy(&from, &to).map_err(|e| format!("{}: {e}", to.display()))?;
        Ok(())
    }

    pub(crate) fn host(&self) -> String {
        self.file(HOST).to_string_lossy().into_owned()
    }

    pub(crate) fn authorized(&self) -> String {
        let public = self.file(CLIENT).with_extension("pub");
        public.to_string_lossy().into_owned()
    }

    /// Makes the key of the server on a port known to the client.
    pub(crate) fn trust(&self, port: u16) -> Result<()> {
        let public = self.file(HOST).with_extension("pub");
        let key = fs::read_to_string(&public).map_err(|e| format!("{}: {e}", public.display()))?;
        let path = self.file(KNOWN_HOSTS);
        let line = format!("[127.0.0.1]:{port} {key}");
        fs::write(&path, line).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn openssh(program: &str) -> Result<PathBuf> {
    programs::on_path(program).ok_or_else(|| {
        format!(
            "the tests need {program} of OpenSSH: install it (Debian, Ubuntu: `apt-get install \
             openssh-client`)"
        )
    })
}
