//! Servers of object storage, of two makes, and how they are reached.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anndex_core::storage::{ObjectStorage, StorageDriver, StorageDrivers, StorageUrl};
use anndex_remote_object_store::{Environment, ObjectStoreDriver, RequestLimits};
use anndex_remote_opendal::OpendalDriver;
use anndex_test_server::{ACCESS_KEY, Rclone, SECRET_KEY};
use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};

/// The bucket that tests use.
pub const BUCKET: &str = "cells";

/// An access key for `s3s-fs` that has expired; with any secret key.
pub const EXPIRED_KEY: &str = "expired";

/// An access key for `s3s-fs` whose owner has another time; with any secret key.
pub const SKEWED_KEY: &str = "skewed";

/// An access key for `s3s-fs` that may read and not write; with [`SECRET_KEY`].
pub const READER_KEY: &str = "reader";

/// A server with the bucket [`BUCKET`], which is the directory of this name in its own.
#[derive(Debug)]
pub enum S3 {
    /// rclone.
    Rclone(Rclone),
    /// The crate `s3s-fs`, in this process.
    S3sFs(S3sFs),
}

impl S3 {
    /// One server of each make, on directories of their own in `directory`.
    ///
    /// # Panics
    /// If one does not start.
    pub fn each(directory: &Path) -> Vec<(&'static str, std::path::PathBuf, Self)> {
        Self::each_with(directory, Rclone::s3)
    }

    /// As [`S3::each`], for tests that change what is there through the server alone.
    ///
    /// # Panics
    /// If one does not start.
    pub fn each_that_is_written(directory: &Path) -> Vec<(&'static str, std::path::PathBuf, Self)> {
        Self::each_with(directory, Rclone::s3_that_is_written)
    }

    fn each_with(
        directory: &Path,
        rclone: impl Fn(&Path) -> Result<Rclone, String>,
    ) -> Vec<(&'static str, std::path::PathBuf, Self)> {
        let make = |name: &'static str| {
            let own = directory.join(name);
            std::fs::create_dir_all(own.join(BUCKET)).expect("a directory can be made");
            let server = match name {
                "rclone" => Self::Rclone(rclone(&own).unwrap_or_else(|e| panic!("{e}"))),
                _ => Self::S3sFs(S3sFs::start(&own)),
            };
            (name, own.join(BUCKET), server)
        };
        vec![make("rclone"), make("s3s-fs")]
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Rclone(server) => server.url(),
            Self::S3sFs(server) => format!("http://127.0.0.1:{}", server.port),
        }
    }

    /// The URL of a key in the bucket.
    pub fn url(&self, key: &str) -> String {
        format!("s3://{BUCKET}/{key}?endpoint_url={}", self.endpoint())
    }
}

/// A server in this process, which ends with this value.
#[derive(Debug)]
pub struct S3sFs {
    port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

impl S3sFs {
    /// Serves a directory: the directories in it are buckets.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(directory: &Path) -> Self {
        let files = s3s_fs::FileSystem::new(directory).expect("the directory can be served");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(Keys);
        service.set_access(Keys);
        let service = service.build();
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
        let inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket works");
        drop(inside);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                // Else small answers wait for what the client acknowledges late.
                let _ = socket.set_nodelay(true);
                tokio::spawn(async move {
                    let connections = Builder::new(TokioExecutor::new());
                    let connection = connections.serve_connection(TokioIo::new(socket), service);
                    // A client that goes away is not a failure of the server.
                    let _ = connection.await;
                });
            }
        });
        Self {
            port,
            runtime: Some(runtime),
        }
    }
}

impl Drop for S3sFs {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whom `s3s-fs` knows, and what they may do.
#[derive(Debug)]
struct Keys;

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key {
            ACCESS_KEY | READER_KEY => Ok(SECRET_KEY.into()),
            EXPIRED_KEY => Err(s3_error!(ExpiredToken)),
            SKEWED_KEY => Err(s3_error!(RequestTimeTooSkewed)),
            _ => Err(s3_error!(InvalidAccessKeyId)),
        }
    }
}

#[async_trait]
impl S3Access for Keys {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let reads = ["HeadObject", "GetObject", "ListObjectsV2", "HeadBucket"];
        match context.credentials().map(|known| known.access_key.as_str()) {
            Some(ACCESS_KEY) => Ok(()),
            Some(READER_KEY) if reads.contains(&context.s3_op().name()) => Ok(()),
            _ => Err(s3_error!(AccessDenied)),
        }
    }
}

/// An environment with the keys that the servers know, and with no home.
pub fn environment() -> Environment {
    variables([
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ])
}

/// An environment with these variables only.
pub fn variables<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.into_iter().collect()
}

/// Limits for servers that are near and may fail on purpose, on a machine that is busy.
pub fn limits() -> RequestLimits {
    RequestLimits {
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        request: Duration::from_secs(30),
        total: Duration::from_secs(60),
        retries: 4,
    }
}

/// Limits that are over soon.
pub fn short_limits() -> RequestLimits {
    RequestLimits {
        stall: Duration::from_millis(300),
        total: Duration::from_secs(3),
        ..limits()
    }
}

/// Opens the storage at a URL.
///
/// # Panics
/// If it can't be opened.
pub fn open(environment: Environment, url: &str) -> Arc<dyn ObjectStorage> {
    let url = StorageUrl::parse(url).unwrap_or_else(|e| panic!("{url}: {e:#}"));
    let drivers = drivers_of(environment, limits());
    drivers
        .open(&url)
        .unwrap_or_else(|e| panic!("{url}: {e:#}"))
}

/// All drivers, for the servers here.
pub fn drivers() -> StorageDrivers {
    drivers_with(limits())
}

/// All drivers, with limits of one's own.
pub fn drivers_with(limits: RequestLimits) -> StorageDrivers {
    drivers_of(environment(), limits)
}

/// All drivers, with an environment and limits of one's own, in which every server of S3 that a URL
/// names is the user's.
pub fn drivers_of(environment: Environment, limits: RequestLimits) -> StorageDrivers {
    let mut drivers = StorageDrivers::new();
    let opendal = OpendalDriver::with(environment.clone(), limits);
    drivers.register(Arc::new(opendal));
    drivers.register(Arc::new(OwnServers {
        environment,
        limits,
    }));
    drivers
}

/// Opens storages as for somebody whose `AWS_ENDPOINT_URL` is the server that is asked.
#[derive(Debug)]
struct OwnServers {
    environment: Environment,
    limits: RequestLimits,
}

impl StorageDriver for OwnServers {
    fn schemes(&self) -> &'static [&'static str] {
        ObjectStoreDriver::with(self.environment.clone(), self.limits).schemes()
    }

    fn open(&self, root: &StorageUrl) -> anndex_core::Result<Arc<dyn ObjectStorage>> {
        let environment = match root.endpoint().filter(|_| root.scheme() == "s3") {
            Some(server) => self.environment.with("AWS_ENDPOINT_URL", server),
            None => self.environment.clone(),
        };
        ObjectStoreDriver::with(environment, self.limits).open(root)
    }
}
