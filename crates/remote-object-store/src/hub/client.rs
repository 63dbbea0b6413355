//! Requests to the Hub, and to the servers that it sends to.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use anndex_remote_requests::{RequestLimits, again};
use anndex_store::storage::ObjectInfo;
use anndex_store::{Error, Result};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};

use super::access::Access;
use super::answer::Answer;
use super::failure::Failure;
use super::locations::{Location, Locations};

/// How often one request is sent elsewhere.
const MOST_REDIRECTS: usize = 10;

/// The client of one process.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    access: Access,
    limits: RequestLimits,
    locations: Arc<Locations>,
}

impl Client {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Unsupported` if no client for the web can be made.
    pub(super) fn new(access: Access, limits: RequestLimits) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("anndex/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .read_timeout(limits.stall)
            .timeout(limits.request)
            // They are followed here: what the Hub says of a file comes with them, and the token
            // must not go along.
            .redirect(Policy::none())
            .build()
            .map_err(|e| Error::unsupported("no client for the web can be made").source_error(e))?;
        Ok(Self {
            http,
            access,
            limits,
            locations: Arc::default(),
        })
    }

    /// Does one thing as [`again`] does.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn again<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        again(&self.limits, ask).await
    }

    /// Sends a request, and goes where it is sent to: a look only as far as the file is known.
    ///
    /// # Errors
    /// If there is no answer, or none that can be followed. Refusals are answers.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        range: Option<&Range<u64>>,
    ) -> Result<Answer, Failure> {
        let (mut url, mut linked) = (url.clone(), None);
        for _ in 0..MOST_REDIRECTS {
            let response = self.send_once(&method, &url, range).await?;
            let target = response.headers().get(LOCATION);
            let target = target.filter(|_| response.status().is_redirection());
            let target = target.map(|target| match target.to_str() {
                Ok(target) => followed(&url, target),
                Err(_) => Err(Failure::astray()),
            });
            let is_authorized = self.access.authorization(&url).is_some();
            let answer = Answer::new(response, linked, self.access.is_hub(&url), is_authorized);
            let is_known = method == Method::HEAD && answer.is_linked();
            let Some(target) = target.filter(|_| !is_known) else {
                return Ok(answer);
            };
            url = target?;
            linked = answer.into_linked();
        }
        Err(Failure::astray())
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        range: Option<&Range<u64>>,
    ) -> Result<reqwest::Response, Failure> {
        let mut request = self.http.request(method.clone(), url.clone());
        // Sizes and ranges are those of the file, and not of what it is packed as.
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.access.authorization(url) {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(range) = range {
            let range = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            request = request.header(RANGE, range);
        }
        request.send().await.map_err(|e| Failure::of_request(&e))
    }

    /// Notes where an answer came from, if that is another server than the Hub.
    pub(super) fn remember(&self, object: &ObjectInfo, answer: &Answer) {
        if let Some(location) = answer.elsewhere() {
            self.locations.put(object, location);
        }
    }

    /// Reads a range of a file from where it was before, without asking the Hub; `None` if that is
    /// not known, or no longer right.
    ///
    /// # Errors
    /// If what the server sends ends too soon.
    pub(super) async fn read_known(
        &self,
        object: &ObjectInfo,
        range: &Range<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let Some(Location { url, tag, .. }) = self.locations.get(object) else {
            return Ok(None);
        };
        if let Ok(response) = self.send_once(&Method::GET, &url, Some(range)).await {
            let answer = Answer::new(response, None, false, false);
            let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
            if is_part && answer.own_tag() == tag && answer.size() == Some(object.size) {
                return answer.bytes(range, object.size).await.map(Some);
            }
        }
        self.locations.forget(object);
        Ok(None)
    }
}

/// Where an answer sends to. Nothing that is asked under TLS goes on without.
///
/// # Errors
/// If nothing can be asked there.
pub(super) fn followed(from: &Url, to: &str) -> Result<Url, Failure> {
    let to = from.join(to).map_err(|_| Failure::astray())?;
    match to.scheme() == "https" || to.scheme() == "http" && from.scheme() == "http" {
        true => Ok(to),
        false => Err(Failure::astray()),
    }
}
