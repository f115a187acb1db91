//! The gateway under test: migrated, started, configured over its admin API, and counted afterwards.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Cores, Spawned};
use super::{CLIENT_KEY, PROVIDER_KEY, succeed};

const ADMIN_KEY: &str = "bench-admin-key";
/// How long it may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configured gateway on a database of its own.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    /// Migrates a fresh SQLite file, starts the gateway, and gives it the simulator as a provider of each type:
    /// of `bench-model` and `bench-openai`, of `bench-anthropic`, and of `bench-gemini`.
    pub(crate) async fn start(
        cores: &Cores,
        binary: &Path,
        migrator: &Path,
        upstream: SocketAddr,
    ) -> anyhow::Result<(Self, Spawned)> {
        let folder = tempfile::tempdir().context("cannot make a folder for the database")?;
        // The port is free a moment before the gateway takes it; nothing else on a bench machine wants it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let gateway = Self { address, folder };
        let migrator = std::path::absolute(migrator)?;
        succeed(
            Command::new(migrator)
                .arg("up")
                .env("DATABASE_URL", gateway.database_url()),
        )
        .context("cannot migrate")?;
        let mut command = cores.measured(&std::path::absolute(binary)?);
        command
            .current_dir(gateway.folder.path())
            .env("DATABASE_URL", gateway.database_url())
            .env("GATEWAY_LISTEN", address.to_string())
            .env("GATEWAY_ADMIN_KEY", ADMIN_KEY)
            .env("GATEWAY_API_KEYS", CLIENT_KEY)
            .env("GATEWAY_SECRET_KEY", "a secret for one benchmark")
            .env("GATEWAY_SPOOL_DIR", gateway.folder.path().join("spool"))
            .env("LOG_LEVEL", "warn");
        let process = Spawned::start(command)?;
        gateway.wait_until_ready().await?;
        gateway
            .configure(upstream)
            .await
            .context("cannot configure the gateway")?;
        Ok((gateway, process))
    }

    fn database_file(&self) -> std::path::PathBuf {
        self.folder.path().join("bench.db")
    }

    fn database_url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.database_file().display())
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
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

    async fn configure(&self, upstream: SocketAddr) -> anyhow::Result<()> {
        for (kind, base, models) in [
            ("openai", "/v1", &["bench-model", "bench-openai"][..]),
            ("anthropic", "", &["bench-anthropic"]),
            ("gemini", "", &["bench-gemini"]),
        ] {
            let config =
                json!({"base_url": format!("http://{upstream}{base}"), "api_key": PROVIDER_KEY});
            let provider = json!({"name": kind, "type": kind, "config": config});
            let provider_id = self.create("/api/providers", &provider).await?;
            for name in models {
                let model_id = self.create("/api/models", &json!({"name": name})).await?;
                let association = json!({
                    "model_id": model_id, "provider_id": provider_id, "provider_model": "bench-upstream",
                });
                self.create("/api/model-providers", &association).await?;
            }
        }
        Ok(())
    }

    async fn create(&self, path: &str, object: &Value) -> anyhow::Result<i64> {
        let (status, body) = self.call(Method::POST, path, object).await?;
        anyhow::ensure!(status == StatusCode::CREATED, "{path}: {status} {body}");
        body["id"]
            .as_i64()
            .with_context(|| format!("{path}: no id in {body}"))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
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
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// The requests it has written down.
    pub(crate) fn rows(&self) -> anyhow::Result<u64> {
        let mut query = Command::new("sqlite3");
        query
            .arg(self.database_file())
            .arg("SELECT count(*) FROM request_logs");
        let count = succeed(&mut query).context("cannot count the rows (is sqlite3 installed?)")?;
        count
            .trim()
            .parse()
            .with_context(|| format!("sqlite3 told {count:?}"))
    }
}
