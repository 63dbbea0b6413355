//! Where the Hub is, and who asks it, as `huggingface_hub` has it: `HF_ENDPOINT`, `HF_TOKEN`, and
//! the file that a login writes.

use std::fs;
use std::path::PathBuf;

use anndex_remote_requests::Environment;
use anndex_store::{Error, Result};
use http::HeaderValue;
use reqwest::Url;

const USUAL_ENDPOINT: &str = "https://huggingface.co";

/// The Hub, and the token for it.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// Without a slash at its end.
    endpoint: String,
    origin: String,
    /// The value of the header, which is not shown.
    token: Option<HeaderValue>,
}

impl Access {
    /// As the URL of a storage and the environment say. A Hub that only the URL names gets no
    /// token: URLs come from others.
    ///
    /// # Errors
    /// `InvalidInput` if the endpoint is not a URL of a server, or the token can be none; as
    /// [`Error::io`] if the file with the token can't be read.
    pub(super) fn new(named: Option<&str>, environment: &Environment) -> Result<Self> {
        let usual = environment.get("HF_ENDPOINT").unwrap_or(USUAL_ENDPOINT);
        let endpoint = named.unwrap_or(usual).trim_end_matches('/');
        let origin = url(endpoint)?.origin().ascii_serialization();
        let token = match url(usual)?.origin().ascii_serialization() == origin {
            true => token(environment)?,
            false => None,
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            origin,
            token,
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether a URL is one of the Hub, and no other server's.
    pub(super) fn is_hub(&self, url: &Url) -> bool {
        url.origin().ascii_serialization() == self.origin
    }

    /// What says who asks, if this is asked of the Hub.
    pub(super) fn authorization(&self, url: &Url) -> Option<&HeaderValue> {
        self.token.as_ref().filter(|_| self.is_hub(url))
    }
}

/// A URL of a server.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn url(text: &str) -> Result<Url> {
    let parsed = Url::parse(text).ok().filter(|url| {
        let is_web = matches!(url.scheme(), "http" | "https");
        let is_plain = url.query().is_none() && url.fragment().is_none();
        is_web && is_plain && url.username().is_empty() && url.password().is_none()
    });
    parsed.ok_or_else(|| {
        Error::invalid_input(
            "HF_ENDPOINT must be the http:// or https:// URL of a server, without a user and \
             without parameters",
        )
    })
}

fn token(environment: &Environment) -> Result<Option<HeaderValue>> {
    let is_off = environment.get("HF_HUB_DISABLE_IMPLICIT_TOKEN");
    if is_off.is_some_and(|off| ["1", "ON", "YES", "TRUE"].contains(&&*off.to_ascii_uppercase())) {
        return Ok(None);
    }
    let token = match environment.get("HF_TOKEN") {
        Some(token) => token.to_owned(),
        None => token_in_file(environment)?,
    };
    let token = token.trim();
    if token.is_empty() {
        return Ok(None);
    }
    // What the error says may repeat the token.
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
        Error::invalid_input("the token for the Hub has a character that none can have")
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What is in the file that a login writes; nothing if there is none.
fn token_in_file(environment: &Environment) -> Result<String> {
    let directory = |name, below: &str| Some(PathBuf::from(environment.get(name)?).join(below));
    let path = directory("HF_TOKEN_PATH", "")
        .map(|path| path.components().collect())
        .or_else(|| directory("HF_HOME", "token"))
        .or_else(|| directory("XDG_CACHE_HOME", "huggingface/token"))
        .or_else(|| directory("HOME", ".cache/huggingface/token"));
    let Some(path): Option<PathBuf> = path else {
        return Ok(String::new());
    };
    match fs::read_to_string(&path) {
        Ok(token) => Ok(token),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(Error::io(path.display(), e)),
    }
}
