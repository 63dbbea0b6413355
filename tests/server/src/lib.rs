//! Servers for tests: PostgreSQL in a temporary directory with databases on it, rclone, which
//! serves a directory as an S3 bucket, on the web, or by WebDAV or SFTP, and a Hugging Face Hub.
//!
//! A crate of its own, without dependencies, because both need it: `cargo xtask`, which starts the
//! PostgreSQL server that all tests share, and the tests, each of which makes itself a database
//! there.

mod account;
mod database;
mod hub;
mod programs;
mod rclone;
mod server;
mod ssh_keys;

pub use account::unprivileged;
pub use database::{Database, URL_VARIABLE};
pub use hub::{HUB_TOKEN, Hub};
pub use rclone::{ACCESS_KEY, Rclone, SECRET_KEY};
pub use server::Server;
pub use ssh_keys::SshKeys;

use std::process::Command;

/// What went wrong, in words for people; nothing here is handled by kind.
pub type Result<T, E = String> = std::result::Result<T, E>;

/// Runs a command and returns what it printed.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|e| format!("can't run {program}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "{program} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&said).trim()
    ))
}
