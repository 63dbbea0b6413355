//! The connection to a server: it follows redirects without what is meant for the first server only,
//! and puts right what some servers get wrong before `object_store` sees it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use anndex_remote_requests::RequestLimits;
use async_trait::async_trait;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_RANGE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpService,
};
use object_store::{ClientOptions, Error};
use reqwest::redirect::Policy;
use reqwest::{Certificate, NoProxy, Proxy, Url};

/// How often one request is sent elsewhere.
const MOST_REDIRECTS: usize = 10;

/// What goes along with a redirect to another server: nothing that says who asks. Keys, tokens and
/// signatures of services stand in many headers, so those are named that are none.
const HARMLESS: [HeaderName; 6] = [
    ACCEPT,
    RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// How long `object_store` would have a machine's own service for credentials wait for: there is
/// none on most machines.
const METADATA_CONNECT: Duration = Duration::from_secs(1);

/// Makes connections within limits.
#[derive(Debug)]
pub(crate) struct Connector(pub(crate) RequestLimits);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = client(options, &self.0).map_err(|source| Error::Generic {
            store: "client",
            source,
        })?;
        let allows_http = is_on(options, &ClientConfigKey::AllowHttp);
        Ok(HttpClient::new(Careful {
            client: HttpClient::new(client),
            allows_http,
        }))
    }
}

fn is_on(options: &ClientOptions, key: &ClientConfigKey) -> bool {
    let value = options.get_config_value(key);
    value.is_some_and(|value| ["1", "true", "on", "yes", "y"].contains(&&*value.to_lowercase()))
}

/// A client as `object_store` makes it, but one that follows no redirects and does not say where it
/// was before: the parameters of a URL may be a signature.
fn client(
    options: &ClientOptions,
    limits: &RequestLimits,
) -> Result<reqwest::Client, Box<dyn StdError + Send + Sync>> {
    use ClientConfigKey as Key;
    // Nothing else tells options for that service.
    let of_metadata = ClientOptions::new().with_connect_timeout(METADATA_CONNECT);
    let key = &Key::ConnectTimeout;
    let connect = match options.get_config_value(key) == of_metadata.get_config_value(key) {
        true => limits.connect.min(METADATA_CONNECT),
        false => limits.connect,
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("anndex/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .read_timeout(limits.stall)
        .timeout(limits.request)
        .redirect(Policy::none())
        .referer(false)
        .http1_only()
        .https_only(!is_on(options, &Key::AllowHttp))
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if let Some(url) = options.get_config_value(&Key::ProxyUrl) {
        let excludes = options.get_config_value(&Key::ProxyExcludes);
        let excludes = excludes.and_then(|list| NoProxy::from_string(&list));
        builder = builder.proxy(Proxy::all(url)?.no_proxy(excludes));
    }
    if let Some(pem) = options.get_config_value(&Key::ProxyCaCertificate) {
        builder = builder.tls_certs_merge([Certificate::from_pem(pem.as_bytes())?]);
    }
    if is_on(options, &Key::NoSystemCertificates) {
        builder = builder.tls_certs_only([]);
    }
    if is_on(options, &Key::AllowInvalidCertificates) {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    Ok(builder.build()?)
}

#[derive(Debug)]
struct Careful {
    client: HttpClient,
    allows_http: bool,
}

#[async_trait]
impl HttpService for Careful {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        // What is written is written where it was meant to be.
        if !matches!(method, Method::GET | Method::HEAD) {
            return self.client.execute(request).await;
        }
        let asked_for_part = request.headers().contains_key(RANGE);
        let mut url = Url::parse(&request.uri().to_string()).map_err(astray)?;
        let mut headers = request.headers().clone();
        let mut is_withheld = false;
        let mut response = self.client.execute(request).await?;
        for _ in 0..MOST_REDIRECTS {
            let Some(next) = self.target(&url, &response)? else {
                break;
            };
            if next.origin() != url.origin() {
                let harmless = HARMLESS.iter().filter_map(|name| {
                    let value = headers.get(name)?.clone();
                    Some((name.clone(), value))
                });
                let harmless: HeaderMap = harmless.collect();
                is_withheld |= headers.contains_key(AUTHORIZATION);
                headers = harmless;
            }
            url = next;
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.method_mut() = method.clone();
            *request.uri_mut() = url.as_str().parse().map_err(astray)?;
            *request.headers_mut() = headers.clone();
            response = self.client.execute(request).await?;
        }
        let status = response.status();
        if is_withheld && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Astray(WITHHELD)));
        }
        // rclone gives a part, and says which one, with the status of a whole object.
        if asked_for_part
            && response.status() == StatusCode::OK
            && response.headers().contains_key(CONTENT_RANGE)
        {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }
}

impl Careful {
    /// Where an answer sends to, if it does.
    fn target(&self, from: &Url, answer: &HttpResponse) -> Result<Option<Url>, HttpError> {
        let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = answer.headers().get(LOCATION).filter(|_| is_redirect) else {
            return Ok(None);
        };
        let to = from
            .join(location.to_str().map_err(astray)?)
            .map_err(astray)?;
        // Nothing that is asked under TLS goes on without.
        let is_fit = match to.scheme() {
            "https" => true,
            "http" => self.allows_http && from.scheme() == "http",
            _ => false,
        };
        match is_fit {
            true => Ok(Some(to)),
            false => Err(astray(())),
        }
    }
}

/// The server sends to where nothing can be asked.
fn astray<T>(_: T) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, Astray(ASTRAY))
}

/// What stays as it is when it is asked again, in words by which it is known.
#[derive(Debug)]
struct Astray(&'static str);

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Astray {}

/// What a redirect that can't be followed is known by.
pub(crate) const ASTRAY: &str = "redirected to where nothing can be asked";

/// What a redirect is known by that needs the credentials, which are for another server.
pub(crate) const WITHHELD: &str = "redirected to a server that gets no credentials";
