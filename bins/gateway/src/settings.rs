//! Settings: a flag, else the environment, else the file, else the default.

mod command;
mod file;
mod given;
mod receivers;
mod told;
mod values;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use access::limit::Rates;
use anyhow::{Context, bail};
use catalog::Secrets;
use clap::{CommandFactory, FromArgMatches};
use guards::GuardsFields;
use secrecy::SecretString;
use upstream::NetworkPolicy;

pub(crate) use self::{
    command::{Apply, Command},
    file::{Declarations, read_declarations},
    receivers::{Alerts, Collecting},
};
use self::{
    file::{File, read_file},
    given::{Flags, Given, refused_flag},
    receivers::{alerts, collector},
    told::tell,
    values::{
        at_least_one, bodies, budgets, client_keys, cors, days, guards, hours, max_delay, networks,
        parse_listen, pool, proxies, rates, redis, seconds, secret, tls,
    },
};
use crate::{
    client_address::TrustedProxies,
    cors::Origins,
    database::Pool,
    listener::Bounds,
    logging::{LogFormat, Logging},
    tls::TlsFiles,
};

/// All settings, checked.
pub(crate) struct Settings {
    pub(crate) database_url: String,
    pub(crate) redis: Option<cluster::Settings>,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) cors: Option<Origins>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) admin_key: Option<SecretString>,
    pub(crate) api_keys: Vec<SecretString>,
    pub(crate) secret_key: Option<SecretString>,
    pub(crate) secret_key_previous: Option<SecretString>,
    pub(crate) provider_networks: NetworkPolicy,
    pub(crate) spool_dir: PathBuf,
    pub(crate) spool_max: u64,
    pub(crate) database_wait: Duration,
    pub(crate) database_pool: Pool,
    pub(crate) snapshot_file: Option<PathBuf>,
    pub(crate) drain_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) max_concurrent: usize,
    pub(crate) rates: Rates,
    pub(crate) bounds: Bounds,
    /// `None` where it is not looked at.
    pub(crate) max_delay: Option<Duration>,
    pub(crate) protect_metrics: bool,
    pub(crate) health: health::Settings,
    pub(crate) budgets: budgets::Settings,
    pub(crate) retention: stats::Keep,
    /// `None` where nobody is alerted.
    pub(crate) alerts: Option<Alerts>,
    /// `None` where there are none.
    pub(crate) collector: Option<Collecting>,
    pub(crate) bodies: stats::BodySettings,
    pub(crate) guards: Option<GuardsFields>,
    pub(crate) logging: Logging,
    /// Objects that the settings file declares.
    pub(crate) declarations: Option<Declarations>,
    /// All of these, as operators are told of them.
    pub(crate) told: Vec<admin::Setting>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Ends here where help or the version was asked for.
fn refused<T>(error: clap::Error) -> anyhow::Result<T> {
    match error.exit_code() {
        0 => error.exit(),
        _ => Err(refused_flag(&error)),
    }
}

impl Settings {
    /// Reads them from the command line, the environment and the file, with what is to be done by them.
    pub(crate) fn read() -> anyhow::Result<(Self, Option<Command>)> {
        let command = Flags::command();
        let given = command.clone().try_get_matches().or_else(refused)?;
        let flags = Flags::from_arg_matches(&given).or_else(refused)?;
        let File {
            given: file,
            table,
            declarations,
        } = flags
            .config
            .as_deref()
            .map(read_file)
            .transpose()?
            .unwrap_or_default();
        let settings = Self {
            told: tell(&command, &given, &table),
            declarations,
            ..Self::check(flags.given.or(file))?
        };
        Ok((settings, flags.command))
    }

    fn check(given: Given) -> anyhow::Result<Self> {
        let listen = given.gateway_listen.as_deref().unwrap_or("127.0.0.1:8000");
        let health = health_settings(&given)?;
        let provider_networks = networks(given.gateway_provider_networks.as_deref())?;
        let alerts = alerts(&given, provider_networks)?;
        let collector = collector(&given, provider_networks)?;
        let database_url = given
            .database_url
            .clone()
            .map(migration::with_known_scheme)
            .unwrap_or_else(|| "sqlite://data/orchestrator.db?mode=rwc".to_owned());
        let (redis, database_pool) = (redis(&given)?, pool(&given, &database_url)?);
        let (retention, logging) = (retention(&given), logging(&given)?);
        let bounds = bounds(&given)?;
        let settings = Self {
            database_url,
            redis,
            listen: parse_listen(listen)?,
            tls: tls(given.gateway_tls_cert, given.gateway_tls_key)?,
            cors: cors(given.gateway_cors_origins.as_deref())?,
            trusted_proxies: proxies(given.gateway_trusted_proxies.as_deref())?,
            admin_key: secret("GATEWAY_ADMIN_KEY", given.gateway_admin_key)?,
            api_keys: client_keys(given.gateway_api_keys),
            secret_key: secret("GATEWAY_SECRET_KEY", given.gateway_secret_key)?,
            secret_key_previous: secret(
                "GATEWAY_SECRET_KEY_PREVIOUS",
                given.gateway_secret_key_previous,
            )?,
            provider_networks,
            spool_dir: given
                .gateway_spool_dir
                .unwrap_or_else(|| PathBuf::from("data/spool")),
            spool_max: at_least_one(
                "GATEWAY_SPOOL_MAX",
                given.gateway_spool_max.unwrap_or(1 << 30),
            )?,
            database_wait: seconds(
                "GATEWAY_DATABASE_WAIT",
                given.gateway_database_wait.unwrap_or(10.0),
                0.1,
            )?,
            database_pool,
            snapshot_file: given.gateway_snapshot_file,
            drain_timeout: seconds(
                "GATEWAY_DRAIN_TIMEOUT",
                given.gateway_drain_timeout.unwrap_or(20.0),
                0.0,
            )?,
            max_body: at_least_one(
                "GATEWAY_MAX_BODY",
                given.gateway_max_body.unwrap_or(64 << 20),
            )?,
            body_timeout: seconds(
                "GATEWAY_BODY_TIMEOUT",
                given.gateway_body_timeout.unwrap_or(30.0),
                0.001,
            )?,
            max_concurrent: at_least_one(
                "GATEWAY_MAX_CONCURRENT",
                given.gateway_max_concurrent.unwrap_or(10_000),
            )?,
            rates: rates(given.gateway_rpm, given.gateway_tpm)?,
            bounds,
            max_delay: max_delay(given.gateway_max_delay)?,
            protect_metrics: given.gateway_protect_metrics.unwrap_or(false),
            health,
            budgets: budgets(given.gateway_budget_lease, given.gateway_budget_on_credit)?,
            retention,
            alerts,
            collector,
            bodies: bodies(given.body_max_bytes, given.body_redact.as_deref())?,
            guards: guards(given.gateway_guards.as_deref())?,
            logging,
            declarations: None,
            told: Vec::new(),
        };
        settings.check_exposure()?;
        Ok(settings)
    }

    /// Opens and seals secrets of providers.
    pub(crate) fn secrets(&self) -> anyhow::Result<Secrets> {
        let secrets = Secrets::new(self.secret_key.as_ref()).context("GATEWAY_SECRET_KEY")?;
        match &self.secret_key_previous {
            None => Ok(secrets),
            Some(_) if !secrets.seals() => {
                bail!("GATEWAY_SECRET_KEY_PREVIOUS: GATEWAY_SECRET_KEY must be set too")
            }
            Some(previous) => secrets
                .after(previous)
                .context("GATEWAY_SECRET_KEY_PREVIOUS"),
        }
    }

    /// What can be reached from elsewhere must be locked, and must not keep secrets in clear.
    fn check_exposure(&self) -> anyhow::Result<()> {
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        let missing = match (&self.admin_key, &self.secret_key) {
            (None, _) => "GATEWAY_ADMIN_KEY",
            (_, None) => "GATEWAY_SECRET_KEY",
            _ => return Ok(()),
        };
        bail!(
            "GATEWAY_LISTEN: {} can be reached from other machines, so {missing} must be set",
            self.listen
        )
    }
}

fn logging(given: &Given) -> anyhow::Result<Logging> {
    let level = given.log_level.as_deref().unwrap_or("info");
    Logging::new(level, given.log_format.unwrap_or(LogFormat::Text)).context("LOG_LEVEL")
}

/// Of clients' connections.
fn bounds(given: &Given) -> anyhow::Result<Bounds> {
    Ok(Bounds {
        connections: at_least_one(
            "GATEWAY_MAX_CONNECTIONS",
            given.gateway_max_connections.unwrap_or(20_000),
        )?,
        keep_alive_timeout: seconds(
            "GATEWAY_KEEP_ALIVE_TIMEOUT",
            given.gateway_keep_alive_timeout.unwrap_or(75.0),
            0.001,
        )?,
        write_timeout: seconds(
            "GATEWAY_WRITE_TIMEOUT",
            given.gateway_write_timeout.unwrap_or(120.0),
            0.001,
        )?,
    })
}

fn retention(given: &Given) -> stats::Keep {
    stats::Keep {
        requests: days(given.log_retention_days.unwrap_or(30)),
        audit: days(given.audit_retention_days.unwrap_or(365)),
        bodies: days(given.body_retention_days.unwrap_or(7)),
    }
}

fn health_settings(given: &Given) -> anyhow::Result<health::Settings> {
    Ok(health::Settings {
        probes_enabled: given.health_check_enabled.unwrap_or(true),
        probe_interval: seconds(
            "HEALTH_CHECK_INTERVAL",
            given.health_check_interval.unwrap_or(300.0),
            1.0,
        )?,
        max_errors: at_least_one(
            "HEALTH_CHECK_MAX_ERRORS",
            given.health_check_max_errors.unwrap_or(5),
        )?,
        max_pause: hours(
            "HEALTH_CHECK_RETRY_HOURS",
            given.health_check_retry_hours.unwrap_or(1.0),
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Given), name: &str) {
        let mut given = Given::default();
        change(&mut given);
        let error = Settings::check(given).unwrap_err();
        assert!(format!("{error:#}").contains(name), "{error:#}");
    }

    #[test]
    fn a_wrong_value_is_named() {
        refused(
            |given| given.gateway_listen = Some("8000".into()),
            "GATEWAY_LISTEN",
        );
        refused(
            |given| given.gateway_tls_cert = Some("cert.pem".into()),
            "GATEWAY_TLS_KEY",
        );
        refused(
            |given| given.gateway_tls_key = Some("key.pem".into()),
            "GATEWAY_TLS_CERT",
        );
        refused(
            |given| given.gateway_cors_origins = Some("example.com".into()),
            "GATEWAY_CORS_ORIGINS",
        );
        refused(
            |given| given.gateway_trusted_proxies = Some("10.0.0.0/33".into()),
            "GATEWAY_TRUSTED_PROXIES",
        );
        refused(
            |given| given.gateway_admin_key = Some(" ".into()),
            "GATEWAY_ADMIN_KEY",
        );
        refused(
            |given| given.gateway_provider_networks = Some("none".into()),
            "GATEWAY_PROVIDER_NETWORKS",
        );
        refused(
            |given| given.gateway_drain_timeout = Some(-1.0),
            "GATEWAY_DRAIN_TIMEOUT",
        );
        refused(|given| given.gateway_max_body = Some(0), "GATEWAY_MAX_BODY");
        refused(
            |given| given.gateway_spool_max = Some(0),
            "GATEWAY_SPOOL_MAX",
        );
        refused(
            |given| given.gateway_max_concurrent = Some(0),
            "GATEWAY_MAX_CONCURRENT",
        );
        refused(|given| given.gateway_rpm = Some(0), "GATEWAY_RPM");
        refused(|given| given.gateway_tpm = Some(0), "GATEWAY_TPM");
        refused(
            |given| given.gateway_max_connections = Some(0),
            "GATEWAY_MAX_CONNECTIONS",
        );
        refused(
            |given| given.gateway_keep_alive_timeout = Some(0.0),
            "GATEWAY_KEEP_ALIVE_TIMEOUT",
        );
        refused(
            |given| given.gateway_write_timeout = Some(0.0),
            "GATEWAY_WRITE_TIMEOUT",
        );
        refused(
            |given| given.gateway_max_delay = Some(-1.0),
            "GATEWAY_MAX_DELAY",
        );
        refused(
            |given| given.health_check_interval = Some(0.0),
            "HEALTH_CHECK_INTERVAL",
        );
        refused(
            |given| given.health_check_max_errors = Some(0),
            "HEALTH_CHECK_MAX_ERRORS",
        );
        refused(
            |given| given.health_check_retry_hours = Some(f64::NAN),
            "HEALTH_CHECK_RETRY_HOURS",
        );
        refused(
            |given| given.gateway_budget_lease = Some(0.5),
            "GATEWAY_BUDGET_LEASE",
        );
        refused(
            |given| given.log_level = Some("proxy=loud".into()),
            "LOG_LEVEL",
        );
    }

    #[test]
    fn a_server_has_more_connections_than_sqlite_unless_told_otherwise() {
        let connections = |url: Option<&str>, given| {
            let given = Given {
                database_url: url.map(Into::into),
                gateway_database_connections: given,
                ..Given::default()
            };
            let settings = Settings::check(given).unwrap();
            settings.database_pool.connections
        };
        assert_eq!(connections(None, None), 4);
        assert_eq!(connections(Some("mariadb://db/gateway"), None), 8);
        assert_eq!(connections(None, Some(3)), 3);
    }

    #[test]
    fn a_wrong_value_for_the_database_is_named() {
        refused(
            |given| given.gateway_database_wait = Some(0.0),
            "GATEWAY_DATABASE_WAIT",
        );
        refused(
            |given| given.gateway_database_connections = Some(0),
            "GATEWAY_DATABASE_CONNECTIONS",
        );
        refused(
            |given| given.gateway_database_acquire_timeout = Some(0.0),
            "GATEWAY_DATABASE_ACQUIRE_TIMEOUT",
        );
        refused(
            |given| given.gateway_database_statement_timeout = Some(-1.0),
            "GATEWAY_DATABASE_STATEMENT_TIMEOUT",
        );
    }

    #[test]
    fn so_is_one_of_redis() {
        refused(|given| given.redis_url = Some(" ".into()), "REDIS_URL");
        refused(
            |given| {
                given.redis_url = Some("redis://localhost".into());
                given.redis_timeout = Some(0.0);
            },
            "REDIS_TIMEOUT",
        );
        for (file, why) in [
            ("/nowhere.pem", "REDIS_CA_FILE: /nowhere.pem: No such file"),
            (
                "Cargo.toml",
                "REDIS_CA_FILE: Cargo.toml: holds no certificate",
            ),
        ] {
            refused(
                |given| {
                    given.redis_url = Some("rediss://localhost".into());
                    given.redis_ca_file = Some(file.into());
                },
                why,
            );
        }
    }

    #[test]
    fn an_address_that_others_reach_needs_both_keys() {
        let open = |admin: Option<&str>, secret: Option<&str>| {
            Settings::check(Given {
                gateway_listen: Some("0.0.0.0:8000".into()),
                gateway_admin_key: admin.map(str::to_owned),
                gateway_secret_key: secret.map(str::to_owned),
                ..Given::default()
            })
        };
        assert!(
            open(None, Some("0123456789abcdef"))
                .unwrap_err()
                .to_string()
                .contains("GATEWAY_ADMIN_KEY")
        );
        assert!(
            open(Some("a"), None)
                .unwrap_err()
                .to_string()
                .contains("GATEWAY_SECRET_KEY")
        );
        assert!(open(Some("a"), Some("0123456789abcdef")).is_ok());
    }

    #[test]
    fn layers_fill_each_other_and_defaults_fill_the_rest() {
        let file: Given = toml::from_str(
            "gateway_listen = '127.0.0.1:1'\nlog_retention_days = 0\ngateway_api_keys = 'a, b,'",
        )
        .unwrap();
        let flags = Given {
            gateway_listen: Some("localhost:2".into()),
            ..Given::default()
        };
        let settings = Settings::check(flags.or(file)).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.retention.requests, None);
        assert_eq!(settings.api_keys.len(), 2);
        assert_eq!(settings.health, health::Settings::default());
        assert!(toml::from_str::<Given>("gateway_lisen = 'x'").is_err());
    }
}
