//! The PostgreSQL server of the tests: one for all of them, which ends with this program.

use std::process::Command;

use anndex_test_server::{Server, URL_VARIABLE};

use crate::{Result, step};

/// A server that tests make their databases on.
pub(crate) struct TestServer {
    /// `None` if the user named one, as that of `cargo xtask postgres`.
    own: Option<Server>,
}

impl TestServer {
    /// Starts a server, unless the environment names one.
    pub(crate) fn start() -> Result<Self> {
        if std::env::var_os(URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
            return Ok(Self { own: None });
        }
        step::heading("PostgreSQL");
        Ok(Self {
            own: Some(Server::start()?),
        })
    }

    /// Tells a command where the server is.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(server) = &self.own {
            command.env(URL_VARIABLE, server.url());
        }
        command
    }
}

/// Runs a server until this program is stopped.
pub(crate) fn run() -> Result<()> {
    let server = Server::start()?;
    println!("export {URL_VARIABLE}={}", server.url());
    eprintln!("PostgreSQL runs until Ctrl-C; tests that get this variable make databases on it");
    loop {
        std::thread::park();
    }
}
