//! Databases for single tests, on the server that they all share.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{output, programs};

/// The environment variable with the URL of the server.
pub const URL_VARIABLE: &str = "ANNDEX_TEST_POSTGRES";

/// An empty database. Dropping it removes it, whoever is connected.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new database on the server that the environment names. It compares text as people do, if
    /// the server can, so that what must be compared by bytes is seen to be.
    ///
    /// # Panics
    /// If the environment names no server, or the server refuses.
    pub fn create() -> Self {
        let server = server();
        let is_capable = "SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') \
                          AND current_setting('server_version_num')::int >= 150000";
        let locale = match psql(&server, is_capable).trim() {
            "t" => "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
            _ => "",
        };
        Self::create_on(&server, locale)
    }

    /// A new database on another server, or with options of `CREATE DATABASE`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn create_on(server: &str, options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let database = Self {
            server: server.to_owned(),
            name,
        };
        psql(
            server,
            &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name),
        );
        psql(
            server,
            &format!("CREATE DATABASE {} {options}", database.name),
        );
        database
    }

    /// The URL of the database, as the owner of the server.
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{server}/{}", self.name)
    }

    /// The URL as another role.
    pub fn url_of(&self, role: &str, password: &str) -> String {
        let url = self.url();
        let (_, place) = url.split_once('@').unwrap_or(("", &url));
        format!("postgres://{role}:{password}@{place}")
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in the database; what they give, one line for each row.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn run(&self, statements: &str) -> String {
        psql(&self.url(), statements)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The server may be gone already.
        let _ = try_psql(&self.server, &drop);
    }
}

/// The URL of the server that the environment names.
fn server() -> String {
    match env::var(URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "{URL_VARIABLE} is not set: it is the URL of a PostgreSQL server on which tests make \
             databases. `cargo xtask postgres` starts one and prints its URL; `cargo xtask test` \
             does so by itself"
        ),
    }
}

fn psql(url: &str, statements: &str) -> String {
    try_psql(url, statements).unwrap_or_else(|error| panic!("{error}"))
}

fn try_psql(url: &str, statements: &str) -> crate::Result<String> {
    let mut command = Command::new(programs::directory()?.join("psql"));
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--dbname", url])
        .args(["--command", statements]);
    output(&mut command)
}
