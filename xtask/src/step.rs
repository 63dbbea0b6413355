//! Running one tool after the other, each under a heading, and counting the tests that they ran.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::Result;

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed or timed out.
    pub(crate) failed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Whether steps print to stderr.
static IS_STDOUT_CLEAR: AtomicBool = AtomicBool::new(false);

/// From here on, steps and the tools that they run print to stderr, because stdout is for programs.
pub(crate) fn keep_stdout_clear() {
    IS_STDOUT_CLEAR.store(true, Ordering::Relaxed);
}

fn say(line: &str) {
    if IS_STDOUT_CLEAR.load(Ordering::Relaxed) {
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
}

/// Prints the heading of a step.
pub(crate) fn heading(title: &str) {
    say(&format!("\n=== {title} ==="));
}

/// Runs a tool under a heading.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    heading(title);
    let started = Instant::now();
    if IS_STDOUT_CLEAR.load(Ordering::Relaxed) {
        command.stdout(std::io::stderr());
    }
    let status = command
        .status()
        .map_err(|e| format!("{title}: can't run {:?}: {e}", command.get_program()))?;
    if !status.success() {
        return Err(format!("{title}: failed ({status})"));
    }
    say(&format!(
        "--- {title}: ok in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Runs a test runner under a heading and adds the tests that its closing lines report to `tally`.
///
/// The runner's output is passed on as it comes, its stderr among its stdout.
pub(crate) fn run_tests(title: &str, command: &mut Command, tally: &mut Tally) -> Result<()> {
    heading(title);
    let failed = |e: std::io::Error| format!("{title}: can't run {:?}: {e}", command.get_program());
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let stderr = writer.try_clone().map_err(failed)?;
    let failed = format!("{title}: can't run {:?}", command.get_program());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(stderr)
        .spawn()
        .map_err(|e| format!("{failed}: {e}"))?;
    // The command holds the ends of the pipe that we would otherwise wait for.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let counted = pass_on(reader).map_err(|e| format!("{failed}: {e}"))?;
    let status = child.wait().map_err(|e| format!("{failed}: {e}"))?;
    *tally += counted;
    if !status.success() {
        return Err(format!("{title}: failed ({status})"));
    }
    Ok(())
}

fn pass_on(reader: impl Read) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut stdout = std::io::stdout().lock();
    while reader.read_until(b'\n', &mut line)? > 0 {
        stdout.write_all(&line)?;
        if let Some(counted) = closing_line(&String::from_utf8_lossy(&line)) {
            tally += counted;
        }
        line.clear();
    }
    stdout.flush()?;
    Ok(tally)
}

/// Reads the counts from the last line of `cargo test` ("test result: ok. 3 passed; 0 failed; …")
/// or nextest ("Summary [ 0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped") or pytest ("2 passed,
/// 1 failed in 0.1s"); `None` for others.
fn closing_line(line: &str) -> Option<Tally> {
    let line = line.trim_start();
    let counts = match line.strip_prefix("test result: ") {
        Some(rest) => rest.split_once(". ")?.1,
        None => match line.strip_prefix("Summary [") {
            Some(rest) => rest.split_once(" run: ")?.1,
            None => pytest_counts(line)?,
        },
    };
    let mut tally = Tally::default();
    for count in counts.split([';', ',']) {
        let mut words = count.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word {
            "passed" => tally.passed += number,
            "failed" | "timed" | "exec" | "error" | "errors" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

/// The counts in pytest's closing line, with or without `=` around it.
fn pytest_counts(line: &str) -> Option<&str> {
    let (counts, time) = line
        .trim_end()
        .trim_matches('=')
        .trim()
        .rsplit_once(" in ")?;
    let first = counts.split_whitespace().next()?;
    let is_time = time.starts_with(|c: char| c.is_ascii_digit()) && time.contains('s');
    (is_time && first.parse::<u64>().is_ok()).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let tally = |passed, failed| Some(Tally { passed, failed });
        let cargo = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(closing_line(cargo), tally(12, 0));
        let nextest = "     Summary [   1.2s] 5/6 tests run: 3 passed (1 slow), 1 failed, \
                       1 timed out, 4 skipped";
        assert_eq!(closing_line(nextest), tally(3, 2));
        let pytest = "=== 1 failed, 95 passed, 2 warnings in 61.20s (0:01:01) ===";
        assert_eq!(closing_line(pytest), tally(95, 1));
        assert_eq!(closing_line("13 passed, 1 error in 0.20s"), tally(13, 1));
        assert_eq!(closing_line("4 files in place"), None);
        assert_eq!(closing_line("test x ... ok"), None);
        assert_eq!(closing_line("Summary of something"), None);
    }
}
