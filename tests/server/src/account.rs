//! Who runs the server: PostgreSQL refuses to run as root, so root has another user run it.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Result, output};

/// Users that a system may have for this, the better first.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// The user that runs PostgreSQL's programs.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// The one that runs the tests.
    Own,
    /// Another, in place of root.
    Other {
        user: u32,
        group: u32,
        /// The program and its arguments that run another one as this user.
        prefix: Vec<String>,
    },
}

impl Account {
    pub(crate) fn find() -> Result<Self> {
        if !is_superuser()? {
            return Ok(Self::Own);
        }
        USERS.into_iter().find_map(Self::of).ok_or_else(|| {
            "PostgreSQL refuses to run as root, and there is no other user to run it as: add the \
             user `postgres`, and one of setpriv, runuser and su"
                .to_owned()
        })
    }

    /// The user with this name, if the system has it and means to become it.
    fn of(name: &str) -> Option<Self> {
        let [user, group] = ["-u", "-g"].map(|what| number(&[what, name]).ok());
        let (user, group) = (user?, group?);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let prefixes: [Vec<String>; 3] = [
            words(&[
                "setpriv",
                &format!("--reuid={user}"),
                &format!("--regid={group}"),
                "--clear-groups",
                "--",
            ]),
            words(&["runuser", "-u", name, "--"]),
            // The shell is given because that of such a user may refuse; it runs what follows.
            words(&[
                "su",
                "-s",
                "/bin/sh",
                "-c",
                "exec \"$0\" \"$@\"",
                name,
                "--",
            ]),
        ];
        let prefix = prefixes.into_iter().find(|prefix| works(prefix))?;
        Some(Self::Other {
            user,
            group,
            prefix,
        })
    }

    /// What stands before a program so that this user runs it.
    pub(crate) fn prefix(&self) -> &[String] {
        match self {
            Self::Own => &[],
            Self::Other { prefix, .. } => prefix,
        }
    }

    /// A command that this user runs, in a directory that it may read.
    pub(crate) fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = match self.prefix() {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.current_dir(directory).stdin(Stdio::null());
        command
    }

    /// Gives a file or directory to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { user, group, .. } => chown(path, Some(*user), Some(*group))
                .map_err(|e| format!("{}: {e}", path.display())),
        }
    }
}

/// A command that runs a program in a directory as a user whom the modes of files bind: the own
/// one, or another in place of root.
///
/// # Errors
/// If this is root, and there is no other user to become.
pub fn unprivileged(program: &Path, directory: &Path) -> Result<Command> {
    Ok(Account::find()?.command(program, directory))
}

/// Whether this process may do everything.
pub(crate) fn is_superuser() -> Result<bool> {
    Ok(number(&["-u"])? == 0)
}

fn number(arguments: &[&str]) -> Result<u32> {
    let printed = output(Command::new("id").args(arguments))?;
    let number = printed.trim().parse();
    number.map_err(|_| format!("id printed {printed:?}"))
}

fn works(prefix: &[String]) -> bool {
    let [program, arguments @ ..] = prefix else {
        return false;
    };
    let mut command = Command::new(program);
    let ran = command.args(arguments).arg("true").stdin(Stdio::null());
    ran.output().is_ok_and(|output| output.status.success())
}
