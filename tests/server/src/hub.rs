//! A Hugging Face Hub in this process, which serves a directory as several repositories. It answers
//! as the real one does, as far as reading goes, so that its own client (`huggingface_hub`) can read
//! from it, too: contents of large files are on another server, which takes no token.

mod answer;
mod repository;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use answer::Answer;

use crate::Result;

/// The token that the Hub knows.
pub const HUB_TOKEN: &str = "hf_correct-horse-battery";

/// A connection that is silent for so long is closed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running Hub, which ends with this value. All of `datasets/lab/cells`, `datasets/lab/private`
/// and `datasets/lab/gated`, which want [`HUB_TOKEN`], `lab/net` and `spaces/lab/app` have the files
/// of the directory, at the revisions `main`, `v1` and `refs/convert/parquet`.
#[derive(Debug)]
pub struct Hub {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// The port of the server with the contents of large files.
    contents: u16,
    is_over: AtomicBool,
    asked: AtomicU64,
    asked_for_contents: AtomicU64,
}

impl Hub {
    /// Serves a directory. What is changed in it shows at once.
    ///
    /// # Errors
    /// One sentence: there is no free port.
    pub fn start(directory: &Path) -> Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string());
        let port = |listener: &TcpListener| match listener.local_addr() {
            Ok(address) => Ok(address.port()),
            Err(e) => Err(e.to_string()),
        };
        let (hub, contents) = (listen()?, listen()?);
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            contents: port(&contents)?,
            is_over: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            asked_for_contents: AtomicU64::new(0),
        });
        let started = Self {
            port: port(&hub)?,
            shared: shared.clone(),
        };
        accept(hub, shared.clone(), |shared, request| {
            shared.asked.fetch_add(1, Ordering::Relaxed);
            repository::answer(shared, request)
        });
        accept(contents, shared, |shared, request| {
            shared.asked_for_contents.fetch_add(1, Ordering::Relaxed);
            repository::content(shared, request)
        });
        Ok(started)
    }

    /// The URL of the Hub, for `HF_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests came to the Hub itself.
    pub fn requests(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// How many requests came to the server with the contents of large files.
    pub fn requests_for_contents(&self) -> u64 {
        self.shared.asked_for_contents.load(Ordering::Relaxed)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Whoever waits for a client sees that nobody should any more.
        for port in [self.port, self.shared.contents] {
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        }
    }
}

fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    answer: fn(&Shared, &Request) -> Option<Answer>,
) {
    thread::spawn(move || {
        for client in listener.incoming() {
            if shared.is_over.load(Ordering::Relaxed) {
                return;
            }
            let shared = shared.clone();
            thread::spawn(move || {
                // A client that goes away is not a failure of the server.
                let _ = client.and_then(|client| serve(client, &shared, answer));
            });
        }
    });
}

/// Answers one request.
fn serve(
    client: TcpStream,
    shared: &Shared,
    answer: fn(&Shared, &Request) -> Option<Answer>,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_nodelay(true)?;
    let Some(request) = Request::read(&mut BufReader::new(&client))? else {
        return Ok(());
    };
    let answer = answer(shared, &request);
    let answer = answer.unwrap_or_else(|| Answer::refusal(404, ""));
    let mut client = &client;
    client.write_all(&answer.bytes(request.method == "HEAD"))?;
    client.flush()
}

/// A request, with its path and parameters as they were sent.
struct Request {
    method: String,
    path: String,
    parameters: String,
    /// Names are in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(from: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            parameters: parameters.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        };
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            let header = (name.to_lowercase(), value.trim().to_owned());
            request.headers.push(header);
        }
        let length = request.header("content-length").unwrap_or("0");
        let length = length.parse().unwrap_or(0);
        from.take(length).read_to_string(&mut request.body)?;
        Ok(Some(request))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name == wanted)?;
        Some(&found.1)
    }
}

/// What stands for `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        match byte {
            b'%' => bytes.extend(digit().zip(digit()).map(|(a, b)| (16 * a + b) as u8)),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
