//! A proxy before a server that fails on purpose: it waits, answers with errors, cuts answers off
//! in the middle, or stops talking.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is handed on.
    None,
    /// The answer is this status, and the server is not asked.
    Status(u16),
    /// The answer sends to the same path on the server at this port of this machine.
    Redirect(u16),
    /// It is handed on as one for the whole object.
    Whole,
    /// The connection is closed without an answer.
    Refuse,
    /// The connection ends after so many bytes of the answer.
    Cut(usize),
    /// Nothing more comes after so many bytes of the answer.
    Stall(usize),
    /// It is not handed on, and there is no answer.
    Silence,
}

/// What is handed on at once.
const BUFFER_BYTES: usize = 256 << 10;

type Plan = dyn Fn(u64, &str) -> Fault + Send + Sync;

/// A running proxy, which ends with this value.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    server: String,
    latency: Duration,
    plan: Box<Plan>,
    requests: AtomicU64,
    bytes: AtomicU64,
    sent: AtomicU64,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Stands before the server at a URL. Each request is held up for `latency` and then has the
    /// fault that `plan` gives for its number, from 0, and its head.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(
        server: &str,
        latency: Duration,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        listener
            .set_nonblocking(true)
            .expect("the socket can be set up");
        let port = listener
            .local_addr()
            .expect("the socket has an address")
            .port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let shared = Arc::new(Shared {
            server: server.trim_start_matches("http://").to_owned(),
            latency,
            plan: Box::new(plan),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket works");
        drop(inside);
        let accepting = shared.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = accepting.clone();
                tokio::spawn(async move {
                    // Whichever side goes away ends it.
                    let _ = shared.serve(client).await;
                });
            }
        });
        Self {
            port,
            shared,
            runtime: Some(runtime),
        }
    }

    /// The port of the proxy, on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many bytes of requests, without their heads, were handed on.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many bytes of answers were handed on.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Serves one request. Connections are not used again, so that each request is seen.
    async fn serve(self: Arc<Self>, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = find(&head, b"\r\n\r\n") {
                break end;
            }
            if client.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&head[..end]).into_owned();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.latency).await;
        let fault = (self.plan)(number, &text);
        let most = match fault {
            Fault::Refuse => return Ok(()),
            Fault::Silence => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                return Ok(());
            }
            Fault::Status(status) => {
                let answer = format!(
                    "HTTP/1.1 {status} Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                client.write_all(answer.as_bytes()).await?;
                return client.shutdown().await;
            }
            Fault::Redirect(port) => {
                let path = text.split_whitespace().nth(1).unwrap_or("/");
                let answer = format!(
                    "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:{port}{path}\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                client.write_all(answer.as_bytes()).await?;
                return client.shutdown().await;
            }
            Fault::None | Fault::Whole => usize::MAX,
            Fault::Cut(most) | Fault::Stall(most) => most,
        };
        let mut server = TcpStream::connect(&self.server).await?;
        let line = find(&head, b"\r\n").unwrap_or(end) + 2;
        server.write_all(&head[..line]).await?;
        server.write_all(b"Connection: close\r\n").await?;
        match fault {
            Fault::Whole => {
                let kept = text[line..].split("\r\n");
                let kept = kept.filter(|line| !line.to_ascii_lowercase().starts_with("range:"));
                let kept: Vec<_> = kept.collect();
                let kept = format!("{}\r\n\r\n", kept.join("\r\n"));
                server.write_all(kept.as_bytes()).await?;
                server.write_all(&head[end + 4..]).await?;
            }
            _ => server.write_all(&head[line..]).await?,
        }
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let begun = head.len() - (end + 4);
        self.sent.fetch_add(begun as u64, Ordering::Relaxed);
        let counting = self.clone();
        let body = tokio::spawn(async move {
            let mut bytes = Vec::with_capacity(BUFFER_BYTES);
            let mut is_wanted = true;
            while from_client
                .read_buf(&mut bytes)
                .await
                .is_ok_and(|count| count > 0)
            {
                // A server may answer before it has read everything. What the client still sends
                // must be read nevertheless: with unread bytes, closing the connection resets it,
                // and the answer is lost.
                is_wanted = is_wanted && to_server.write_all(&bytes).await.is_ok();
                if is_wanted {
                    let sent = bytes.len() as u64;
                    counting.sent.fetch_add(sent, Ordering::Relaxed);
                }
                bytes.clear();
            }
        });
        let handed_on = self.hand_on(&mut from_server, &mut to_client, most).await;
        match fault {
            // Until the client goes away.
            Fault::Stall(_) => drop(body.await),
            Fault::Cut(_) => body.abort(),
            _ => {
                to_client.shutdown().await?;
                // A client that was answered goes away.
                let _ = tokio::time::timeout(Duration::from_secs(5), body).await;
            }
        }
        handed_on
    }

    /// Hands on an answer: its head, and at most so many bytes of what follows.
    async fn hand_on(
        &self,
        from: &mut (impl AsyncReadExt + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
        most: usize,
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = find(&head, b"\r\n\r\n") {
                break end + 4;
            }
            if from.read_buf(&mut head).await? == 0 {
                return to.write_all(&head).await;
            }
        };
        let mut left = most;
        let mut bytes = Vec::with_capacity(BUFFER_BYTES);
        bytes.extend_from_slice(&head[end..]);
        to.write_all(&head[..end]).await?;
        loop {
            bytes.truncate(left);
            left -= bytes.len();
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            to.write_all(&bytes).await?;
            bytes.clear();
            if left == 0 || from.read_buf(&mut bytes).await? == 0 {
                return to.flush().await;
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
