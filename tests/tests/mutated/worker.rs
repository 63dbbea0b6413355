//! The process in which inputs are tried, and how it is watched.

use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anndex_core::Result;
use anndex_core::anndata::{BackedAnnData, ConcatOptions, MatrixKey, concat, inspect};
use anndex_core::mapped::{BatchFormat, Join, MappedCollection, MappedOptions};
use anndex_core::storage::{ObjectReader, RemoteContent, StorageUrl, StreamOptions};
use anndex_core::store::Store;
use anndex_tests::formats;
use anndex_tests::servers::{BUCKET, drivers};

/// Says to the process that it is one, with the URL of the server.
const VARIABLE: &str = "ANNDEX_MUTATIONS_SERVER";
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// What may be in memory at any time.
const MEMORY_LIMIT_KIB: u64 = 1536 << 10;
/// What may be reserved, which includes stacks of threads and what is never touched.
const ADDRESSES_KIB: u64 = 4 << 20;

/// How an input ended.
pub(crate) enum Outcome {
    Ended,
    Failed(String),
}

/// A process that tries inputs, one after the other.
pub(crate) struct Worker {
    server: String,
    process: Option<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    pub(crate) fn new(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            process: None,
        }
    }

    /// Tries what is at a path, which the server has, too.
    pub(crate) fn attempt(&mut self, path: &Path) -> Outcome {
        match self.once(path) {
            // A busy machine is not a hang: that would be as slow again.
            Outcome::Failed(how) if how.starts_with("no end") => self.once(path),
            outcome => outcome,
        }
    }

    fn once(&mut self, path: &Path) -> Outcome {
        let mut process = self
            .process
            .take()
            .unwrap_or_else(|| Process::start(&self.server));
        let asked = writeln!(process.input, "{}", path.display());
        let answer = match asked {
            Ok(()) => process.answers.recv_timeout(TIME_LIMIT),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok(answer) if answer == "ended" => {
                self.process = Some(process);
                Outcome::Ended
            }
            Ok(answer) => {
                process.end();
                Outcome::Failed(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                process.end();
                Outcome::Failed(format!("no end within {TIME_LIMIT:?}"))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = process.child.wait().unwrap();
                Outcome::Failed(format!("the process ended: {status}"))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end();
        }
    }
}

impl Process {
    fn start(server: &str) -> Self {
        let limited = format!("ulimit -v {ADDRESSES_KIB}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .args(["worker", "--exact", "--nocapture"])
            .env(VARIABLE, server)
            // Reserved addresses are few: one arena for each thread would take most of them.
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(std::result::Result::ok);
            // What the test harness says is none of it.
            let answers = lines.filter_map(|line| Some(line.strip_prefix("answer: ")?.to_owned()));
            for answer in answers {
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            answers,
        }
    }

    fn end(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// What the process does: it tries the paths that it is told.
pub(crate) fn run() {
    let Ok(server) = std::env::var(VARIABLE) else {
        return;
    };
    static PANICS: AtomicU64 = AtomicU64::new(0);
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print(info);
    }));
    for line in std::io::stdin().lines() {
        let path = PathBuf::from(line.unwrap());
        let before = PANICS.load(Ordering::Relaxed);
        reset_peak();
        let tried = catch_unwind(AssertUnwindSafe(|| attempt(&path, &server)));
        let panics = PANICS.load(Ordering::Relaxed) - before;
        let peak = peak_kib();
        let answer = match tried {
            Ok(()) if panics == 0 && peak < MEMORY_LIMIT_KIB => "ended".to_owned(),
            Ok(()) if panics == 0 => format!("it took {peak} KiB of memory"),
            _ => "a panic".to_owned(),
        };
        println!("\nanswer: {answer}");
    }
}

fn attempt(path: &Path, server: &str) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let formats = formats();
    if anndex_tables::is_table(path) {
        let _ = anndex_tables::read(path);
        if let Ok(Some(reader)) = anndex_tables::StackedReader::open(&[path, path]) {
            let _ = reader.read();
        }
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    use_everything(|| formats.open(path), cache.path());
    // Zips are not read in place.
    if !name.ends_with(".zip")
        && let Ok(content) = remote(name, path.is_dir(), server)
    {
        use_everything(|| formats.open_remote(&content), cache.path());
    }
}

/// What a server has.
fn remote(name: &str, is_directory: bool, server: &str) -> Result<RemoteContent> {
    let url = StorageUrl::parse(&format!("s3://{BUCKET}?endpoint_url={server}"))?;
    let storage = drivers().open(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let objects = runtime.block_on(async {
        match is_directory {
            true => storage.list(name).await,
            false => storage.head(name).await.map(|object| vec![object]),
        }
    })?;
    let reader = Arc::new(ObjectReader::new(storage, StreamOptions::default()));
    Ok(RemoteContent::new(reader, name, objects, is_directory))
}

/// Does all that can be done with a file. What is an error is as good as what is none.
fn use_everything(open: impl Fn() -> Result<Arc<dyn Store>>, cache: &Path) {
    let Ok(data) = open().and_then(BackedAnnData::open) else {
        return;
    };
    let _ = inspect(&data);
    let _ = data.read();
    let options = ConcatOptions::new(Join::Outer);
    let _ = concat(&[data.clone(), data.clone()], &options);
    let store = data.store().clone();
    let mut keys: Vec<MatrixKey> = vec![MatrixKey::X, MatrixKey::RawX];
    keys.extend(
        data.layers_keys()
            .into_iter()
            .flatten()
            .map(MatrixKey::Layer),
    );
    keys.extend(data.obsm_keys().into_iter().flatten().map(MatrixKey::Obsm));
    // One by one, since one that can't be read would hide the others.
    for key in keys {
        let options = MappedOptions::default().cache_dir(cache).join(None);
        let options = match key {
            MatrixKey::Obsm(key) => options.layers_keys([] as [&str; 0]).obsm_keys([key]),
            key => options.layers_keys([key.to_string()]),
        };
        let _ = map(store.clone(), &options);
    }
    let keys = data.obs().columns().to_vec();
    let options = MappedOptions::default()
        .layers_keys([] as [&str; 0])
        .obs_keys(keys);
    let _ = map(store, &options.cache_dir(cache).join(None));
}

fn map(store: Arc<dyn Store>, options: &MappedOptions) -> Result<()> {
    let mapped = MappedCollection::open(vec![store], options)?;
    let some: Vec<u64> = (0..mapped.n_obs().min(64)).rev().collect();
    for format in [BatchFormat::Dense, BatchFormat::Csr] {
        let _ = mapped.batch(&some, format);
    }
    let _ = mapped.get(0);
    let loader = mapped.loader().batch_size(16).memory(64 << 20).build()?;
    for batch in loader.epoch()?.take(8) {
        batch?;
    }
    Ok(())
}

/// Forgets the most memory that this process has had so far.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that it has had since, where the system tells.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    peak.unwrap_or(0)
}
