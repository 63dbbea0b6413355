//! A server of its own, in a temporary directory and on a free port, which ends with its owner.
//!
//! Whatever ends the owner (its last line, a failure, Ctrl-C, a kill), a shell that waits for the
//! end of a pipe notices, stops the server and removes the directory.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::account::Account;
use crate::{Result, output, programs};

/// The role that owns everything on the server.
const ROLE: &str = "anndex";

/// Nothing of a test outlives a crash of the machine, so nothing waits for its disk; that of the
/// server is another matter. The clients of several test processes need more connections than
/// the usual 100.
const SETTINGS: &str = "-c fsync=off -c full_page_writes=off -c max_connections=300 \
                        -c listen_addresses=127.0.0.1 -c unix_socket_directories=''";

/// Waits for the end of its input, then cleans up: `$0` is the directory, the rest is pg_ctl.
const GUARD: &str = r#"
trap '' INT TERM HUP QUIT
cd /
cat > /dev/null
"$@" -D "$0/data" -m immediate stop
rm -rf "$0"
"#;

/// How often another port is tried, if somebody took the one that was free.
const PORTS: usize = 5;

/// A running PostgreSQL server. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    programs: PathBuf,
    account: Account,
    password: String,
    port: u16,
    guard: Child,
}

impl Server {
    /// Makes a cluster and starts a server on it, which listens on a free port of 127.0.0.1 and
    /// asks for a password.
    ///
    /// # Errors
    /// One sentence: PostgreSQL is not installed and can't be, or what its programs say.
    pub fn start() -> Result<Self> {
        let programs = programs::directory()?;
        let account = Account::find()?;
        let directory = directory()?;
        account.own(&directory)?;
        let guard = guard(&directory, &programs, &account)?;
        let mut server = Self {
            directory,
            programs,
            account,
            password: random_hex()?,
            port: 0,
            guard,
        };
        server.make_cluster()?;
        let mut attempts = 0;
        loop {
            server.port = free_port()?;
            attempts += 1;
            match server.resume() {
                Err(_) if attempts < PORTS => {}
                done => return done.map(|()| server),
            }
        }
    }

    /// The URL of the database `postgres`, as a role that may do everything.
    pub fn url(&self) -> String {
        format!(
            "postgres://{ROLE}:{}@127.0.0.1:{}/postgres",
            self.password, self.port
        )
    }

    /// Stops the server; sessions are ended, or if `crash` is set the server dies as in a crash.
    ///
    /// # Errors
    /// What `pg_ctl` says.
    pub fn stop(&self, crash: bool) -> Result<()> {
        let mode = if crash { "immediate" } else { "fast" };
        self.pg_ctl(&["-m", mode, "stop"])
    }

    /// Starts the server again after [`Server::stop`], on the same port with the same data.
    ///
    /// # Errors
    /// What the server says.
    pub fn resume(&self) -> Result<()> {
        let log = self.directory.join("log");
        let settings = format!("{SETTINGS} -p {}", self.port);
        let started = self.pg_ctl(&["-l", &log.to_string_lossy(), "-o", &settings, "start"]);
        started.map_err(|error| match fs::read_to_string(&log) {
            Ok(log) => format!("{error}\n{}", log.trim()),
            Err(_) => error,
        })
    }

    /// Writes a file that only the server can read into its directory, whose path it returns.
    ///
    /// # Errors
    /// If the file is there already or can't be written.
    pub fn write_file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        let written = private_file(&path).and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
        self.account.own(&path)?;
        Ok(path)
    }

    fn make_cluster(&self) -> Result<()> {
        let password = self.write_file("password", &self.password)?;
        let mut command = self.program("initdb");
        command
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"])
            .args(["--no-sync", "--username", ROLE])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(self.data());
        output(&mut command).map(|_| ())
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data()).arg("-w").args(arguments);
        // The server keeps these open, so nobody may wait for their end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(|e| format!("pg_ctl: {e}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("pg_ctl {} failed ({status})", arguments.join(" "))),
        }
    }

    fn program(&self, name: &str) -> Command {
        self.account
            .command(&self.programs.join(name), &self.directory)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn guard(directory: &Path, programs: &Path, account: &Account) -> Result<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(GUARD).arg(directory);
    let spawned = command
        .args(account.prefix())
        .arg(programs.join("pg_ctl"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.map_err(|e| format!("can't run sh: {e}"))
}

/// A new directory that nobody else can look into.
fn directory() -> Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("anndex-postgres-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let made = fs::create_dir(&directory)
        .and_then(|()| fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)));
    made.map_err(|e| format!("{}: {e}", directory.display()))?;
    Ok(directory)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|e| format!("/dev/urandom: {e}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.map_err(|e| format!("no free port: {e}"))?.port())
}
