//! Opening storages by the scheme of their URL.

use std::sync::Arc;

use anndex_remote_requests::{Environment, RequestLimits};
use anndex_store::Result;
use anndex_store::storage::{ObjectStorage, StorageDriver, StorageUrl};

use crate::storage::Storage;
use crate::{error, service};

const SCHEMES: &[&str] = &[
    #[cfg(feature = "s3")]
    "s3",
    #[cfg(feature = "gcs")]
    "gs",
    #[cfg(feature = "azure")]
    "az",
    #[cfg(feature = "http")]
    "http",
    #[cfg(feature = "http")]
    "https",
    #[cfg(feature = "huggingface")]
    "hf",
];

/// Opens storages of the services that this build has.
#[derive(Debug, Clone)]
pub struct ObjectStoreDriver {
    environment: Environment,
    limits: RequestLimits,
}

impl ObjectStoreDriver {
    /// With the environment of the process and the usual limits.
    pub fn new() -> Self {
        Self::with(Environment::of_process(), RequestLimits::default())
    }

    /// With another environment and other limits.
    pub fn with(environment: Environment, limits: RequestLimits) -> Self {
        Self {
            environment,
            limits,
        }
    }
}

impl Default for ObjectStoreDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl StorageDriver for ObjectStoreDriver {
    fn schemes(&self) -> &'static [&'static str] {
        SCHEMES
    }

    fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        // Whoever uses TLS must have chosen who does its cryptography. An error says that the
        // program has done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[cfg(feature = "huggingface")]
        if root.scheme() == "hf" {
            let hub = crate::hub::Hub::open(root, &self.environment, self.limits)?;
            return Ok(Arc::new(hub));
        }
        let (environment, limits) = (self.environment.clone(), self.limits);
        let url = root.clone();
        let make = move || {
            let made = service::open(&url, &environment, &limits);
            made.map_err(|failure| match failure {
                service::Failure::Ours(error) => error,
                service::Failure::Theirs(failed) => error::configuration(&failed),
            })
        };
        // What is wrong with the environment is said at once.
        make()?;
        Ok(Arc::new(Storage::new(root, Box::new(make), self.limits)))
    }
}
