//! The gateway under test: migrated, started, configured over its admin API, and counted afterwards.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::json;
use tempfile::TempDir;

use super::process::{Cores, Spawned};
use super::{CLIENT_KEY, PROVIDER_KEY, succeed};
use crate::admin::{ADMIN_KEY, Admin};

/// A configured gateway on a database of its own.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    admin: Admin,
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
        let gateway = Self {
            address,
            admin: Admin { address },
            folder,
        };
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
        gateway.admin.wait_until_ready().await?;
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

    async fn configure(&self, upstream: SocketAddr) -> anyhow::Result<()> {
        for (kind, base, models) in [
            ("openai", "/v1", &["bench-model", "bench-openai"][..]),
            ("anthropic", "", &["bench-anthropic"]),
            ("gemini", "", &["bench-gemini"]),
        ] {
            let config =
                json!({"base_url": format!("http://{upstream}{base}"), "api_key": PROVIDER_KEY});
            let provider = json!({"name": kind, "type": kind, "config": config});
            let provider_id = self.admin.create("/api/providers", &provider).await?;
            for name in models {
                let model_id = self
                    .admin
                    .create("/api/models", &json!({"name": name}))
                    .await?;
                let association = json!({
                    "model_id": model_id, "provider_id": provider_id, "provider_model": "bench-upstream",
                });
                self.admin
                    .create("/api/model-providers", &association)
                    .await?;
            }
        }
        Ok(())
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
