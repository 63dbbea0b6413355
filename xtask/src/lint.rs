//! The checks that read the source and run nothing of it.

use crate::workspace::Workspace;
use crate::{Result, dependencies, refusals, step};

/// Runs rustfmt, the refusals, the check of dependencies and clippy, in this order because it is that of their cost.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step::run(
        "rustfmt",
        workspace.cargo().args(["fmt", "--all", "--", "--check"]),
    )?;
    refusals::run(workspace)?;
    dependencies::run(workspace)?;
    step::run(
        "clippy",
        workspace
            .cargo()
            .args(["clippy", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )
}
