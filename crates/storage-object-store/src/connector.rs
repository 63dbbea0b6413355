//! What some servers get wrong, put right before `object_store` sees it.

use async_trait::async_trait;
use http::StatusCode;
use http::header::{CONTENT_RANGE, RANGE};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Connects as `object_store` does by itself.
#[derive(Debug)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Lenient(client)))
    }
}

#[derive(Debug)]
struct Lenient(HttpClient);

#[async_trait]
impl HttpService for Lenient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked_for_part = request.headers().contains_key(RANGE);
        let mut response = self.0.execute(request).await?;
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
