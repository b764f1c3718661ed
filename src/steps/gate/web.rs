//! One HTTP GET, bounded in time and size.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of a body that is read, in bytes.
const MOST: usize = 4 << 20;

/// An answer.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body, as text.
    pub(super) body: String,
}

/// Asks `url`; redirects are not followed, so that what answers is what was named.
///
/// # Errors
/// What went wrong, for people: an address, a connection, a time, a size.
pub(super) async fn get(url: &str) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|e| format!("no address: {e}"))?;
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|e| format!("no trusted certificates on this machine: {e}"))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(uri)
        .header("user-agent", concat!("plan/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|e| e.to_string())?;
    let whole = async {
        let answer = client.request(request).await.map_err(|e| innermost(&e))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MOST)
            .collect()
            .await
            .map_err(|e| e.to_string())?
            .to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(PATIENCE, whole)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

/// The cause that says most: hyper's own message is only `client error`.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
