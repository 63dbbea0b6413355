//! Opening storages by the scheme of their URL.

use std::fmt;
use std::sync::Arc;

use anndex_remote_requests::{Environment, RequestLimits};
use anndex_store::Result;
use anndex_store::storage::{ObjectStorage, StorageDriver, StorageUrl};
use opendal_core::Operator;

use crate::service;
use crate::storage::Storage;

/// Opens storages on SFTP and WebDAV servers.
#[derive(Debug, Clone)]
pub struct OpendalDriver {
    environment: Environment,
    limits: RequestLimits,
}

impl OpendalDriver {
    /// With the environment of the process and the usual limits.
    pub fn new() -> Self {
        Self::with(Environment::of_process(), RequestLimits::default())
    }

    /// With another environment, where `NETRC` and `HOME` say where the users and passwords of
    /// WebDAV servers are, and with other limits.
    pub fn with(environment: Environment, limits: RequestLimits) -> Self {
        Self {
            environment,
            limits,
        }
    }
}

impl Default for OpendalDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl StorageDriver for OpendalDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &["sftp", "webdav+http", "webdav+https"]
    }

    fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        // Whoever uses TLS must have chosen who does its cryptography. An error says that the
        // program has done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (environment, limits) = (self.environment.clone(), self.limits);
        let url = root.clone();
        let make = move || service::open(&url, &environment, &limits);
        Ok(Arc::new(Storage::new(root, Box::new(make), limits)?))
    }
}

type Make = dyn Fn(&StorageUrl) -> Result<Operator> + Send + Sync;

/// Opens storages of any service that OpenDAL has, by schemes of one's own. They are written if
/// the service can rename.
///
/// ```
/// use anndex_store::storage::{StorageDriver, StorageUrl};
/// use anndex_store::Error;
/// use anndex_remote_opendal::OperatorDriver;
/// use anndex_remote_opendal::opendal_core::{Operator, services::Memory};
///
/// let driver = OperatorDriver::new(&["memory"], |_url| {
///     Operator::new(Memory::default())
///         .map_err(|error| Error::invalid_input("no such service").source_error(error))
/// });
/// let storage = driver.open(&StorageUrl::parse("memory://cells/lab")?)?;
/// assert!(storage.capabilities().list);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct OperatorDriver {
    schemes: &'static [&'static str],
    make: Arc<Make>,
    limits: RequestLimits,
}

impl OperatorDriver {
    /// For URLs of these schemes, in lower case. `make` gives the operator for the host of a URL,
    /// when one is opened and once in each process; the paths of the operator are those of the URLs. Time limits and
    /// trying again are added to it.
    pub fn new(
        schemes: &'static [&'static str],
        make: impl Fn(&StorageUrl) -> Result<Operator> + Send + Sync + 'static,
    ) -> Self {
        Self {
            schemes,
            make: Arc::new(make),
            limits: RequestLimits::default(),
        }
    }
}

impl fmt::Debug for OperatorDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OperatorDriver")
            .field(&self.schemes)
            .finish()
    }
}

impl StorageDriver for OperatorDriver {
    fn schemes(&self) -> &'static [&'static str] {
        self.schemes
    }

    fn open(&self, root: &StorageUrl) -> Result<Arc<dyn ObjectStorage>> {
        let (make, url, limits) = (self.make.clone(), root.clone(), self.limits);
        let make = move || Ok(service::limited(make(&url)?, &limits));
        Ok(Arc::new(Storage::new(root, Box::new(make), limits)?))
    }
}
