//! What the providers that are reached over HTTP share: a bounded client.

use std::time::Duration;

use http::Response;
use moviebooking_serve::StartError;
use reqwest::{ClientBuilder, RequestBuilder, Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};

/// The largest answer that is read.
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long an answer may take, whole: a command waits for no other limit.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// The URL that a flag was set to, to which paths are joined.
pub(super) fn base_url(flag: &str, text: &str) -> Result<Url, StartError> {
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none())
        .ok_or_else(|| StartError::usage(format!("{flag}: use a URL such as http://127.0.0.1:50057")))
}

/// A client for requests to `url`, which follows no redirects.
pub(super) fn builder(url: &Url) -> Result<ClientBuilder, StartError> {
    let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(ANSWER).pool_idle_timeout(IDLE);
    if url.scheme() == "https" {
        return Ok(builder);
    }
    // A machine without certificate authorities can still talk to a process beside it.
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::software(format!("TLS: {error}")))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(builder.tls_backend_preconfigured(tls))
}

/// Sends a request and reads the answer. An error has no URL and no body in it, because it goes to the log.
pub(super) async fn send(request: RequestBuilder) -> Result<Response<Vec<u8>>, String> {
    let text = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = request.send().await.map_err(text)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(text)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("the answer is too large".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    let mut read = Response::new(body);
    *read.status_mut() = answer.status();
    *read.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(read)
}
