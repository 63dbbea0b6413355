//! How the command fails: messages on standard error and exit codes that mean something.

use std::error::Error as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anndex::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::output::{STANDARD_OUTPUT, plain, uses_color};

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const CONFLICT: u8 = 4;
const UNREADABLE: u8 = 5;
/// A check found something; that is a result, not an error.
pub(crate) const INCONSISTENT: u8 = 6;
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code of a kind of error.
fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput => USAGE,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => CONFLICT,
        ErrorKind::Corrupt | ErrorKind::Unsupported => UNREADABLE,
        ErrorKind::Cancelled => INTERRUPTED,
        _ => FAILURE,
    }
}

/// Reports an error and gives its exit code.
pub(crate) fn report(error: &Error, json: bool) -> ExitCode {
    if is_broken_pipe(error) {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    let code = exit_code(error.kind());
    if json {
        print_json(&document(error, code));
    } else {
        let mut text = format!("{} {}\n", label(), plain(&error.to_string()));
        for cause in causes(error) {
            text.push_str(&format!("  because: {cause}\n"));
        }
        print(&text);
    }
    ExitCode::from(code)
}

/// Reports what was wrong with some of `total` files, a line for each, and gives the exit code of
/// the first error.
pub(crate) fn report_several(errors: &[Error], total: usize, json: bool) -> ExitCode {
    let Some(first) = errors.first() else {
        return ExitCode::SUCCESS;
    };
    if total == 1 {
        return report(first, json);
    }
    let code = exit_code(first.kind());
    let message = format!(
        "{} of {total} files could not be registered{}",
        errors.len(),
        if errors.len() < total {
            "; the others are"
        } else {
            ""
        }
    );
    if json {
        let errors: Vec<_> = errors.iter().map(described).collect();
        print_json(&json!({"error": {
            "kind": first.kind().as_str(),
            "operation": first.operation_name(),
            "message": message,
            "errors": errors,
            "exit_code": code,
        }}));
        return ExitCode::from(code);
    }
    let mut text = String::new();
    for error in errors {
        text.push_str(&format!("{} {}", label(), plain(&error.to_string())));
        for cause in causes(error) {
            text.push_str(&format!("; because: {cause}"));
        }
        text.push('\n');
    }
    print(&format!("{text}{} {message}\n", label()));
    ExitCode::from(code)
}

/// Reports what is wrong with the command line, or prints the help or version that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let message = careful(&error.render().to_string());
        let message = message.trim().trim_start_matches("error: ");
        print_json(&json!({"error": {
            "kind": "usage",
            "message": message,
            "exit_code": USAGE,
        }}));
        return ExitCode::from(USAGE);
    }
    let text = error.render().to_string();
    if error.use_stderr() && careful(&text) != text {
        // Without colors, but also without what nobody may see.
        print(&careful(&text));
        return ExitCode::from(USAGE);
    }
    // If even this can't be printed there is nobody to tell.
    let _ = error.print();
    match error.use_stderr() {
        true => ExitCode::from(USAGE),
        false => ExitCode::SUCCESS,
    }
}

/// The text as it may be shown. clap repeats arguments that it does not expect, as the URL of a
/// database in a wrong place.
fn careful(text: &str) -> String {
    let lines = text.split('\n').map(plain);
    lines.collect::<Vec<_>>().join("\n")
}

fn document(error: &Error, code: u8) -> Value {
    let mut described = described(error);
    described.insert("exit_code".to_owned(), code.into());
    json!({"error": described})
}

fn described(error: &Error) -> Map<String, Value> {
    let context: Map<String, Value> = error
        .contexts()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    let mut described = Map::new();
    let mut put = |name: &str, value: Value| described.insert(name.to_owned(), value);
    put("kind", error.kind().as_str().into());
    put("operation", json!(error.operation_name()));
    put("message", error.message().into());
    put("context", context.into());
    put("causes", json!(causes(error)));
    described
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(plain(&cause.to_string()).into_owned());
        source = cause.source();
    }
    causes
}

fn is_broken_pipe(error: &Error) -> bool {
    let cause = error.source().and_then(|s| s.downcast_ref::<io::Error>());
    error.context("path") == Some(STANDARD_OUTPUT)
        && cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn label() -> &'static str {
    match uses_color(io::stderr().is_terminal()) {
        true => "\x1b[1;31merror:\x1b[0m",
        false => "error:",
    }
}

fn print_json(document: &Value) {
    print(&format!("{document}\n"));
}

/// There is nobody to tell if standard error is closed.
pub(crate) fn print(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
