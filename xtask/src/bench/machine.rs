//! What the figures were measured on: the machine, its memory-copy speed, the day and the commit.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::workspace::{Workspace, output};

/// The machine that this runs on.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// Main memory in bytes.
    pub(crate) memory: u64,
    /// Bytes that all cores together copy within memory in a second.
    pub(crate) copy_speed: f64,
    pub(crate) date: String,
    /// The commit that was measured, with a `+` if files were changed after it.
    pub(crate) commit: String,
}

impl Machine {
    /// Looks at the machine and measures its memory-copy speed, which takes a second.
    pub(crate) fn examine(workspace: &Workspace) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = value_of(&memory, "MemTotal").and_then(|value| {
            let number = value.split_whitespace().next()?;
            number.parse::<u64>().ok()
        });
        let unknown = || "unknown".to_owned();
        let said = |command: &mut Command| output(command).map(|text| text.trim().to_owned());
        let changed = said(workspace.command("git").args(["status", "--porcelain"]));
        let commit = said(
            workspace
                .command("git")
                .args(["rev-parse", "--short", "HEAD"]),
        );
        Self {
            processor: value_of(&processors, "model name").map_or_else(unknown, str::to_owned),
            cores,
            memory: kibibytes.unwrap_or_default() * 1024,
            copy_speed: copy_speed(cores),
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d"]))
                .unwrap_or_else(|_| unknown()),
            commit: commit.map_or_else(
                |_| unknown(),
                |commit| match changed.as_deref() {
                    Ok("") => commit,
                    _ => format!("{commit}+"),
                },
            ),
        }
    }

    /// All of it, for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_bytes": self.memory,
            "copy_bytes_per_second": self.copy_speed,
            "date": self.date,
            "commit": self.commit,
        })
    }
}

/// The value of a line `key : value`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// Copies between buffers that no cache holds, one pair per core, and takes the best of some times.
fn copy_speed(cores: usize) -> f64 {
    const BYTES: usize = 256 << 20;
    const TIMES: usize = 5;
    let mut buffers: Vec<_> = (0..cores)
        .map(|_| (vec![1_u8; BYTES], vec![0_u8; BYTES]))
        .collect();
    let mut best = 0.0_f64;
    for _ in 0..TIMES {
        let started = Instant::now();
        thread::scope(|scope| {
            for (from, to) in &mut buffers {
                scope.spawn(|| {
                    to.copy_from_slice(from);
                    std::hint::black_box(to);
                });
            }
        });
        best = best.max((cores * BYTES) as f64 / started.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nMemTotal:       24576 kB\n";
        assert_eq!(value_of(text, "model name"), Some("AMD EPYC"));
        assert_eq!(value_of(text, "MemTotal"), Some("24576 kB"));
        assert_eq!(value_of(text, "flags"), None);
    }
}
