//! Which client of `object_store` a URL means, and how it is told who the user is.

use std::sync::Arc;
use std::time::Duration;

use anndex_remote_requests::{Environment, RequestLimits};
use anndex_store::Error;
use anndex_store::storage::StorageUrl;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::connector::Connector;

/// Why a client can't be made.
#[derive(Debug)]
pub(crate) enum Failure {
    Ours(Error),
    /// May hold secrets.
    Theirs(object_store::Error),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Theirs(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// A client of a service.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// For what is written in parts; web servers are not written.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    /// Whether it is asked without credentials because only a URL names the server.
    pub(crate) is_nobody: bool,
}

impl Service {
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn written(client: impl ObjectStore + MultipartStore) -> Self {
        let client = Arc::new(client);
        Self {
            store: client.clone(),
            parts: Some(client),
            is_nobody: false,
        }
    }
}

type Opened = Result<Service, Failure>;

/// Makes a client for the bucket, container or host of a URL.
pub(crate) fn open(url: &StorageUrl, environment: &Environment, limits: &RequestLimits) -> Opened {
    match url.scheme() {
        #[cfg(feature = "s3")]
        "s3" => s3(url, environment, limits),
        #[cfg(feature = "gcs")]
        "gs" => gcs(url, environment, limits),
        #[cfg(feature = "azure")]
        "az" => azure(url, environment, limits),
        #[cfg(feature = "http")]
        "http" | "https" => http(url, limits),
        scheme => {
            let _ = (environment, limits);
            Err(Error::unsupported(format!("{scheme}:// is not compiled in")).into())
        }
    }
}

fn client(limits: &RequestLimits) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(limits.connect)
        .with_read_timeout(limits.stall)
        .with_timeout(limits.request)
}

fn retry(limits: &RequestLimits) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: limits.retries,
        retry_timeout: limits.total / 2,
    }
}

#[cfg(feature = "s3")]
fn s3(url: &StorageUrl, environment: &Environment, limits: &RequestLimits) -> Opened {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};

    let mut builder = AmazonS3Builder::new()
        .with_client_options(client(limits))
        .with_retry(retry(limits))
        .with_http_connector(Connector(*limits));
    let access = crate::s3_access::access(url.endpoint(), environment)?;
    for (name, value) in access.settings {
        builder = builder.with_config(name, value);
    }
    // Not all services that speak the protocol can delete many at once.
    builder = builder
        .with_bucket_name(url.host())
        .with_disable_bulk_delete(true);
    let endpoint = [Key::S3Endpoint, Key::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    // Whoever names a server without TLS means it.
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    Ok(Service {
        is_nobody: access.is_nobody,
        ..Service::written(builder.build()?)
    })
}

#[cfg(feature = "gcs")]
fn gcs(url: &StorageUrl, environment: &Environment, limits: &RequestLimits) -> Opened {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key};

    let mut builder = GoogleCloudStorageBuilder::new()
        .with_client_options(client(limits))
        .with_retry(retry(limits))
        .with_http_connector(Connector(*limits));
    let variables = environment.with_prefix("GOOGLE_");
    for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = environment.get("SERVICE_ACCOUNT") {
        builder = builder.with_config(Key::ServiceAccount, account);
    }
    let builder = builder.with_bucket_name(url.host());
    Ok(Service::written(builder.build()?))
}

#[cfg(feature = "azure")]
fn azure(url: &StorageUrl, environment: &Environment, limits: &RequestLimits) -> Opened {
    use object_store::azure::MicrosoftAzureBuilder;

    let mut builder = MicrosoftAzureBuilder::new()
        .with_client_options(client(limits))
        .with_retry(retry(limits))
        .with_http_connector(Connector(*limits));
    let variables = environment.with_prefix("AZURE_");
    for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = builder.with_container_name(url.host());
    Ok(Service::written(builder.build()?))
}

#[cfg(feature = "http")]
fn http(url: &StorageUrl, limits: &RequestLimits) -> Opened {
    use object_store::http::HttpBuilder;

    let builder = HttpBuilder::new()
        .with_url(url.root().to_string())
        .with_client_options(client(limits).with_allow_http(url.scheme() == "http"))
        .with_retry(retry(limits))
        .with_http_connector(Connector(*limits));
    Ok(Service {
        store: Arc::new(builder.build()?),
        parts: None,
        is_nobody: false,
    })
}
