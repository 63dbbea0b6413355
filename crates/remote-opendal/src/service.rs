//! Which service of OpenDAL a URL means, and how it is told who the user is.

use anndex_remote_requests::{Environment, RequestLimits};
use anndex_store::storage::StorageUrl;
use anndex_store::{Error, Result};
use opendal_core::{HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use opendal_layer_timeout::TimeoutLayer;
use opendal_service_webdav::Webdav;

use crate::{credentials, error};

/// Makes a client for the host of a URL. Its paths begin at the root of the host.
///
/// # Errors
/// Those of [`credentials::of_host`]; `InvalidInput` if the host can't be used;
/// `Unsupported` if no client for the web can be made, or for SFTP on Windows.
pub(crate) fn open(
    url: &StorageUrl,
    environment: &Environment,
    limits: &RequestLimits,
) -> Result<Operator> {
    let operator = match url.scheme() {
        "sftp" => sftp(url)?,
        _ => webdav(url, environment, limits)?,
    };
    Ok(limited(operator, limits))
}

/// The operator with time limits.
pub(crate) fn limited(operator: Operator, limits: &RequestLimits) -> Operator {
    let timeout = TimeoutLayer::new()
        .with_timeout(limits.request)
        .with_io_timeout(limits.request);
    operator.layer(timeout)
}

#[cfg(unix)]
fn sftp(url: &StorageUrl) -> Result<Operator> {
    use opendal_layer_concurrent_limit::ConcurrentLimitLayer;
    use opendal_service_sftp::Sftp;

    /// Each thing that is done at the same time has a connection of its own. A server that runs
    /// with the settings of OpenSSH turns connections away when ten of them are not logged in yet.
    const CONNECTIONS: usize = 8;

    let builder = Sftp::default()
        .endpoint(&format!("ssh://{}", url.host()))
        .root("/");
    let operator = Operator::new(builder).map_err(|e| error::configuration(&e))?;
    Ok(operator.layer(ConcurrentLimitLayer::new(CONNECTIONS)))
}

#[cfg(not(unix))]
fn sftp(_url: &StorageUrl) -> Result<Operator> {
    Err(Error::unsupported(
        "SFTP is not available on this system; mount the server as a drive, or use Linux or macOS",
    ))
}

fn webdav(url: &StorageUrl, environment: &Environment, limits: &RequestLimits) -> Result<Operator> {
    let (_, scheme) = url.scheme().split_once('+').unwrap_or_default();
    let mut builder = Webdav::default().endpoint(&format!("{scheme}://{}", url.host()));
    let host = match url.host().rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => url.host(),
    };
    if let Some(known) = credentials::of_host(environment, host)? {
        builder = builder.username(&known.login).password(&known.password);
    }
    let client = reqwest::Client::builder()
        .connect_timeout(limits.connect)
        .read_timeout(limits.stall)
        .timeout(limits.request)
        .build()
        .map_err(|e| Error::unsupported("no client for the web can be made").source_error(e))?;
    let transport = HttpTransporter::new(ReqwestTransport::new(client));
    let context = OperationContext::new().with_http_transport(transport);
    let operator = Operator::new(builder).map_err(|e| error::configuration(&e))?;
    Ok(operator.with_context(context))
}
