//! `cargo xtask test`: every check and every test, the same on a laptop and in CI.

use std::time::Instant;

use crate::postgres::TestServer;
use crate::step::Tally;
use crate::workspace::Workspace;
use crate::{Result, lint, package, step};

/// Where the tests find real AnnData files.
pub(crate) const REAL_FILES: &str = "ANNDEX_FIXTURES";

/// Runs everything up to the first failure; the last line counts the tests.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let started = Instant::now();
    let mut tally = Tally::default();
    let done = steps(workspace, &mut tally);
    let verdict = if done.is_ok() { "ok" } else { "FAILED" };
    if let Err(message) = &done {
        println!("\n{message}");
    }
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; finished in {:.0}s",
        tally.passed,
        tally.failed,
        started.elapsed().as_secs_f64()
    );
    done
}

fn steps(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    // Before all that takes long.
    package::interpreter(workspace)?;
    let server = TestServer::start()?;
    lint::run(workspace)?;
    documentation(workspace)?;
    each_crate_alone(workspace)?;
    tests(workspace, &server, tally)?;
    // Without `--bench` each is run once, which is what keeps them working.
    step::run(
        "benchmarks of inner loops and streaming, once each",
        workspace
            .cargo()
            .args(["test", "--workspace", "--all-features"])
            .args(["--bench", "inner_loops", "--bench", "streaming"]),
    )?;
    step::run_tests(
        "documentation tests",
        workspace
            .cargo()
            .args(["test", "--workspace", "--all-features", "--doc"])
            .arg("--no-fail-fast"),
        tally,
    )?;
    package::test(workspace, &server, tally)
}

/// With all features, like clippy before it, so that no dependency is checked a second time.
fn documentation(workspace: &Workspace) -> Result<()> {
    step::run(
        "documentation",
        workspace
            .cargo()
            .args(["doc", "--workspace", "--all-features", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// A crate that compiles in the workspace may still lean on features that only its siblings
/// enable. Clippy finds that without generating code for dependencies once more, and it denies
/// warnings without `RUSTFLAGS`, which would have every dependency checked once more. Nobody
/// builds what is not published without the workspace.
fn each_crate_alone(workspace: &Workspace) -> Result<()> {
    let packages = workspace.packages()?.into_iter();
    for package in packages.filter(|package| package.is_published) {
        let check = || {
            let mut command = workspace.cargo();
            command.args(["clippy", "--package", &package.name]);
            command
        };
        let warnings = ["--", "-D", "warnings"];
        step::run(&format!("{} alone", package.name), check().args(warnings))?;
        if package.has_default_features {
            step::run(
                &format!("{} alone, without default features", package.name),
                check().arg("--no-default-features").args(warnings),
            )?;
        }
    }
    Ok(())
}

fn tests(workspace: &Workspace, server: &TestServer, tally: &mut Tally) -> Result<()> {
    if std::env::var_os(REAL_FILES).is_none() {
        println!("\nnote: {REAL_FILES} is not set, so tests of real files have none to read");
    }
    let has_nextest = workspace
        .cargo()
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let mut command = workspace.cargo();
    if has_nextest {
        command.args(["nextest", "run"]);
    } else {
        // Documentation tests are a step of their own, as nextest does not run them.
        command.args(["test", "--lib", "--bins", "--tests", "--examples"]);
    }
    command.args(["--workspace", "--all-features", "--no-fail-fast"]);
    step::run_tests("tests", server.tell(&mut command), tally)
}
