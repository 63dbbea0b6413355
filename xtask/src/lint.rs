//! The checks that read the source and run nothing of it.

use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{Result, circles, dependencies, public_api, refusals, step};

/// Runs rustfmt, ruff, typos, the refusals, the checks of dependencies, of circles and of the
/// public API, and clippy, in this order because it is that of their cost.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step::run(
        "rustfmt",
        workspace.cargo().args(["fmt", "--all", "--", "--check"]),
    )?;
    tools(workspace)?;
    refusals::run(workspace)?;
    dependencies::run(workspace)?;
    circles::run(workspace)?;
    public_api::check(workspace)?;
    step::run(
        "clippy",
        workspace
            .cargo()
            .args(["clippy", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )
}

/// Runs what comes from PyPI, in exact versions: ruff over all Python, and typos over all text.
fn tools(workspace: &Workspace) -> Result<()> {
    let requirements = "xtask/python/requirements/lint.txt";
    let environment = Environment::read("lint", &workspace.root().join(requirements))?;
    let directory = workspace.target_directory()?.join("python/environments");
    let installed = environment.install(&environment.interpreter()?, &directory)?;
    let tool = |name: &str| workspace.command(installed.interpreter().with_file_name(name));
    step::run("ruff", tool("ruff").args(["check", "--no-cache"]))?;
    step::run(
        "ruff's format",
        tool("ruff").args(["format", "--no-cache", "--check"]),
    )?;
    step::run("typos", &mut tool("typos"))
}
