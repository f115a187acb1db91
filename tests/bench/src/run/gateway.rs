//! The gateway under test: migrated, started, configured over its admin API, and counted afterwards.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::database::Database;
use super::process::{Cores, Spawned};
use super::{CLIENT_KEY, PROVIDER_KEY, succeed};
use crate::admin::{ADMIN_KEY, Admin};

/// What a gateway is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    /// What it is called among the systems.
    pub(crate) name: &'a str,
    pub(crate) binary: &'a Path,
    pub(crate) migrator: &'a Path,
    /// The simulator that answers.
    pub(crate) upstream: SocketAddr,
    /// Simulators that answer nothing but 429, and nothing but 500.
    pub(crate) failing: Option<[SocketAddr; 2]>,
    /// How many models it has, of which only `bench-model` is asked for; else those of all protocols.
    pub(crate) models: Option<usize>,
    /// How many requests it serves at a time; else as many as it does by itself.
    pub(crate) places: Option<usize>,
    /// Whether it may run on the core of the load, too.
    pub(crate) both_cores: bool,
    /// A server to make a database on; else it is a SQLite file.
    pub(crate) postgres: Option<&'a str>,
}

/// Keys made over the admin API.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) plain: String,
    /// Limited in every way, far beyond what is sent.
    pub(crate) limited: String,
}

/// A configured gateway on a database of its own.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) keys: Keys,
    binary: PathBuf,
    places: Option<usize>,
    both_cores: bool,
    database: Database,
    folder: TempDir,
}

impl Gateway {
    /// Makes a database, starts the gateway on it, and gives it the simulator as a provider of each type: of
    /// `bench-model` and `bench-openai`, of `bench-anthropic`, and of `bench-gemini`.
    pub(crate) async fn start(cores: &Cores, setup: Setup<'_>) -> anyhow::Result<(Self, Spawned)> {
        let folder = tempfile::tempdir().context("cannot make a folder for the database")?;
        let database = match setup.postgres {
            Some(server) => Database::on(server)?,
            None => Database::Sqlite(folder.path().join("bench.db")),
        };
        succeed(
            Command::new(std::path::absolute(setup.migrator)?)
                .arg("up")
                .env("DATABASE_URL", database.url()),
        )
        .context("cannot migrate")?;
        let mut gateway = Self {
            name: setup.name.to_owned(),
            // The port is free a moment before the gateway takes it; nothing else on a bench machine wants it.
            address: TcpListener::bind("127.0.0.1:0")?.local_addr()?,
            keys: Keys {
                plain: String::new(),
                limited: String::new(),
            },
            binary: std::path::absolute(setup.binary)?,
            places: setup.places,
            both_cores: setup.both_cores,
            database,
            folder,
        };
        let mut process = gateway.spawn(cores)?;
        let admin = Admin {
            address: gateway.address,
        };
        let ready = admin.wait_until_ready().await;
        ready.with_context(|| gateway.log())?;
        gateway.keys = configure(&admin, &setup)
            .await
            .context("cannot configure the gateway")?;
        if setup.models.is_some() {
            // Having read a large document is not what having many models costs.
            process.terminate().context("the gateway did not stop")?;
            process = gateway.spawn(cores)?;
            let ready = admin.wait_until_ready().await;
            ready.with_context(|| gateway.log())?;
        }
        Ok((gateway, process))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }

    /// What it logged.
    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts it on the database as it is, and does not wait.
    pub(crate) fn spawn(&self, cores: &Cores) -> anyhow::Result<Spawned> {
        // Each attempt that fails is a line, which some scenarios are full of.
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = match self.both_cores {
            true => cores.both(&self.binary),
            false => cores.measured(&self.binary),
        };
        command
            .current_dir(self.folder.path())
            .env("DATABASE_URL", self.database.url())
            .env("GATEWAY_LISTEN", self.address.to_string())
            .env("GATEWAY_ADMIN_KEY", ADMIN_KEY)
            .env("GATEWAY_API_KEYS", CLIENT_KEY)
            .env("GATEWAY_SECRET_KEY", "a secret for one benchmark")
            .env("GATEWAY_SPOOL_DIR", self.folder.path().join("spool"))
            .env("LOG_LEVEL", "warn")
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(places) = self.places {
            command.env("GATEWAY_MAX_CONCURRENT", places.to_string());
        }
        Spawned::start(command)
    }

    /// Whether it serves fewer requests at a time than it does by itself.
    pub(crate) fn has_few_places(&self) -> bool {
        self.places.is_some()
    }

    /// The requests it has written down.
    pub(crate) fn rows(&self) -> anyhow::Result<u64> {
        self.database.rows()
    }
}

async fn configure(admin: &Admin, setup: &Setup<'_>) -> anyhow::Result<Keys> {
    let path = "/api/import?format=json";
    let (status, body) = admin.call(Method::POST, path, &document(setup)).await?;
    anyhow::ensure!(status == StatusCode::OK, "{path}: {status} {body}");
    let most = 1_000_000_000;
    let rates = json!({"rpm": most, "tpm": most});
    let limits =
        json!({"rpm": most, "tpm": most, "concurrent": 1_000_000, "models": {"bench-*": rates}});
    Ok(Keys {
        plain: key(admin, &json!({"name": "plain"})).await?,
        limited: key(admin, &json!({"name": "limited", "limits": limits})).await?,
    })
}

async fn key(admin: &Admin, key: &Value) -> anyhow::Result<String> {
    let (status, body) = admin.call(Method::POST, "/api/keys", key).await?;
    let made = body["key"].as_str();
    made.map(str::to_owned)
        .with_context(|| format!("/api/keys: {status} {body}"))
}

/// The configuration as one document.
fn document(setup: &Setup<'_>) -> Value {
    let (mut providers, mut models, mut associations) = (vec![], vec![], vec![]);
    let mut provider = |name: &str, kind: &str, at: SocketAddr, path: &str, priority: i32| {
        let base_url = format!("http://{at}{path}");
        let config = json!({"base_url": base_url, "api_key": PROVIDER_KEY, "priority": priority});
        providers.push(json!({"name": name, "type": kind, "config": config}));
    };
    let mut model = |name: &str, served_by: &[&str]| {
        models.push(json!({"name": name}));
        associations.extend(served_by.iter().map(|provider| {
            json!({"model": name, "provider": provider, "provider_model": "bench-upstream"})
        }));
    };
    provider("openai", "openai", setup.upstream, "/v1", 100);
    model("bench-model", &["openai"]);
    if let Some(models) = setup.models {
        (1..models).for_each(|number| model(&format!("other-{number}"), &["openai"]));
    } else {
        provider("anthropic", "anthropic", setup.upstream, "", 100);
        provider("gemini", "gemini", setup.upstream, "", 100);
        model("bench-openai", &["openai"]);
        model("bench-anthropic", &["anthropic"]);
        model("bench-gemini", &["gemini"]);
    }
    if let Some([busy, broken]) = setup.failing {
        for (name, at) in [("busy", busy), ("broken", broken)] {
            // Before the one that answers.
            provider(name, "openai", at, "/v1", 200);
            model(&format!("bench-{name}"), &[name, "openai"]);
        }
    }
    json!({"version": 1, "providers": providers, "models": models, "associations": associations})
}
