//! The gateway's admin API, as far as it is configured through it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The admin key of every gateway that is started here.
pub(crate) const ADMIN_KEY: &str = "bench-admin-key";
/// How long a gateway may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom to call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
}

impl Admin {
    /// Waits until the gateway says that it is ready.
    pub(crate) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while !matches!(
            self.call(Method::GET, "/readyz", &Value::Null).await,
            Ok((StatusCode::OK, _))
        ) {
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "the gateway was not ready after {PATIENCE:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Creates an object; its id.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> anyhow::Result<i64> {
        let (status, body) = self.call(Method::POST, path, object).await?;
        anyhow::ensure!(status == StatusCode::CREATED, "{path}: {status} {body}");
        body["id"]
            .as_i64()
            .with_context(|| format!("{path}: no id in {body}"))
    }

    /// One call, and what it answered as JSON; null where it is none.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let (status, body) = self.bytes(method, path, body).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// The text of a page, such as `/metrics`.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.bytes(Method::GET, path, &Value::Null).await?;
        anyhow::ensure!(status == StatusCode::OK, "{path}: {status}");
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        // No pool: the loads between two calls stop this thread for longer than an idle connection lasts.
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        let response = client.request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
