//! Settings: a flag, else the environment, else the file, else the default.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, error::ContextKind};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use upstream::NetworkPolicy;

use crate::telemetry::{LogFormat, Logging};

/// One endpoint in front of many LLM providers.
///
/// Clients keep their SDK and change the base URL: to http://HOST:PORT/v1 with OpenAI's, to http://HOST:PORT with
/// Anthropic's and Google's. Models, providers and client keys are managed over the admin API under /api. The database
/// must have been prepared with `migrator up`.
///
/// Every setting can be given as a flag, as the environment variable named beside it, or in the file that --config names
/// (the variable's name in lower case); the first of these that is set wins.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Flags {
    /// TOML file with settings
    #[arg(long, env = "GATEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

/// What one layer of settings may hold.
#[derive(clap::Args, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Given {
    /// Where rows are kept: sqlite://, postgres:// or mysql:// [default: sqlite://data/orchestrator.db?mode=rwc]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Address and port to listen on; one that is not loopback needs an admin key and a secret key
    /// [default: 127.0.0.1:8000]
    #[arg(long = "listen", env = "GATEWAY_LISTEN", value_name = "ADDRESS")]
    gateway_listen: Option<String>,
    /// Key of the admin API; without one the admin API answers 403
    #[arg(
        long = "admin-key",
        env = "GATEWAY_ADMIN_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    gateway_admin_key: Option<String>,
    /// Client keys accepted besides those made over the admin API, separated by commas
    #[arg(
        long = "api-keys",
        env = "GATEWAY_API_KEYS",
        hide_env_values = true,
        value_name = "KEYS"
    )]
    gateway_api_keys: Option<String>,
    /// Seals provider keys at rest: any text of 16 characters or more
    #[arg(
        long = "secret-key",
        env = "GATEWAY_SECRET_KEY",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    gateway_secret_key: Option<String>,
    /// Where providers may be reached: any, or public addresses only [default: any]
    #[arg(
        long = "provider-networks",
        env = "GATEWAY_PROVIDER_NETWORKS",
        value_name = "any|public"
    )]
    gateway_provider_networks: Option<String>,
    /// Folder where request rows wait while the database is away [default: data/spool]
    #[arg(long = "spool-dir", env = "GATEWAY_SPOOL_DIR", value_name = "FOLDER")]
    gateway_spool_dir: Option<PathBuf>,
    /// Seconds that running requests get to finish after SIGTERM [default: 20]
    #[arg(
        long = "drain-timeout",
        env = "GATEWAY_DRAIN_TIMEOUT",
        value_name = "SECONDS"
    )]
    gateway_drain_timeout: Option<f64>,
    /// Largest request body in bytes [default: 67108864]
    #[arg(long = "max-body", env = "GATEWAY_MAX_BODY", value_name = "BYTES")]
    gateway_max_body: Option<usize>,
    /// Seconds between two pieces of a request body before it is given up [default: 30]
    #[arg(
        long = "body-timeout",
        env = "GATEWAY_BODY_TIMEOUT",
        value_name = "SECONDS"
    )]
    gateway_body_timeout: Option<f64>,
    /// Whether /metrics needs the admin key [default: false]
    #[arg(
        long = "protect-metrics",
        env = "GATEWAY_PROTECT_METRICS",
        value_name = "true|false"
    )]
    gateway_protect_metrics: Option<bool>,
    /// Whether providers are probed at intervals [default: true]
    #[arg(long, env = "HEALTH_CHECK_ENABLED", value_name = "true|false")]
    health_check_enabled: Option<bool>,
    /// Seconds between two probes of a provider [default: 300]
    #[arg(long, env = "HEALTH_CHECK_INTERVAL", value_name = "SECONDS")]
    health_check_interval: Option<f64>,
    /// Consecutive failures that make a provider unhealthy [default: 5]
    #[arg(long, env = "HEALTH_CHECK_MAX_ERRORS", value_name = "COUNT")]
    health_check_max_errors: Option<u32>,
    /// Longest pause, in hours, before an unhealthy provider is tried again; fractions allowed [default: 1]
    #[arg(long, env = "HEALTH_CHECK_RETRY_HOURS", value_name = "HOURS")]
    health_check_retry_hours: Option<f64>,
    /// Days that request logs are kept; 0 keeps them for ever [default: 30]
    #[arg(long, env = "LOG_RETENTION_DAYS", value_name = "DAYS")]
    log_retention_days: Option<u32>,
    /// What is logged: error, warn, info, debug, trace, or directives such as proxy=debug,info [default: info]
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How it is logged [default: text]
    #[arg(long, env = "LOG_FORMAT", value_name = "text|json")]
    log_format: Option<LogFormat>,
}

/// All settings, checked.
pub(crate) struct Settings {
    pub(crate) database_url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) admin_key: Option<SecretString>,
    pub(crate) api_keys: Vec<SecretString>,
    pub(crate) secret_key: Option<SecretString>,
    pub(crate) provider_networks: NetworkPolicy,
    pub(crate) spool_dir: PathBuf,
    pub(crate) drain_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) protect_metrics: bool,
    pub(crate) health: health::Settings,
    pub(crate) log_retention: Option<Duration>,
    pub(crate) logging: Logging,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads them from the command line, the environment and the file.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let flags = Flags::try_parse().or_else(|error| match error.exit_code() {
            0 => error.exit(), // help and version
            _ => Err(refused_flag(&error)),
        })?;
        let file = flags
            .config
            .as_deref()
            .map(read_file)
            .transpose()?
            .unwrap_or_default();
        Self::check(flags.given.or(file))
    }

    fn check(given: Given) -> anyhow::Result<Self> {
        let listen = given.gateway_listen.as_deref().unwrap_or("127.0.0.1:8000");
        let max_body = given.gateway_max_body.unwrap_or(64 << 20);
        if max_body == 0 {
            bail!("GATEWAY_MAX_BODY: must be at least 1");
        }
        let settings = Self {
            database_url: given
                .database_url
                .unwrap_or_else(|| "sqlite://data/orchestrator.db?mode=rwc".to_owned()),
            listen: parse_listen(listen)?,
            admin_key: secret("GATEWAY_ADMIN_KEY", given.gateway_admin_key)?,
            api_keys: client_keys(given.gateway_api_keys),
            secret_key: secret("GATEWAY_SECRET_KEY", given.gateway_secret_key)?,
            provider_networks: networks(given.gateway_provider_networks.as_deref())?,
            spool_dir: given
                .gateway_spool_dir
                .unwrap_or_else(|| PathBuf::from("data/spool")),
            drain_timeout: seconds(
                "GATEWAY_DRAIN_TIMEOUT",
                given.gateway_drain_timeout.unwrap_or(20.0),
                0.0,
            )?,
            max_body,
            body_timeout: seconds(
                "GATEWAY_BODY_TIMEOUT",
                given.gateway_body_timeout.unwrap_or(30.0),
                0.001,
            )?,
            protect_metrics: given.gateway_protect_metrics.unwrap_or(false),
            health: health::Settings {
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
            },
            log_retention: match given.log_retention_days.unwrap_or(30) {
                0 => None,
                days => Some(Duration::from_secs(u64::from(days) * 86_400)),
            },
            logging: Logging::new(
                given.log_level.as_deref().unwrap_or("info"),
                given.log_format.unwrap_or(LogFormat::Text),
            )
            .context("LOG_LEVEL")?,
        };
        settings.check_exposure()?;
        Ok(settings)
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

impl Given {
    /// This layer, and below it another.
    fn or(self, below: Self) -> Self {
        Self {
            database_url: self.database_url.or(below.database_url),
            gateway_listen: self.gateway_listen.or(below.gateway_listen),
            gateway_admin_key: self.gateway_admin_key.or(below.gateway_admin_key),
            gateway_api_keys: self.gateway_api_keys.or(below.gateway_api_keys),
            gateway_secret_key: self.gateway_secret_key.or(below.gateway_secret_key),
            gateway_provider_networks: self
                .gateway_provider_networks
                .or(below.gateway_provider_networks),
            gateway_spool_dir: self.gateway_spool_dir.or(below.gateway_spool_dir),
            gateway_drain_timeout: self.gateway_drain_timeout.or(below.gateway_drain_timeout),
            gateway_max_body: self.gateway_max_body.or(below.gateway_max_body),
            gateway_body_timeout: self.gateway_body_timeout.or(below.gateway_body_timeout),
            gateway_protect_metrics: self
                .gateway_protect_metrics
                .or(below.gateway_protect_metrics),
            health_check_enabled: self.health_check_enabled.or(below.health_check_enabled),
            health_check_interval: self.health_check_interval.or(below.health_check_interval),
            health_check_max_errors: self
                .health_check_max_errors
                .or(below.health_check_max_errors),
            health_check_retry_hours: self
                .health_check_retry_hours
                .or(below.health_check_retry_hours),
            log_retention_days: self.log_retention_days.or(below.log_retention_days),
            log_level: self.log_level.or(below.log_level),
            log_format: self.log_format.or(below.log_format),
        }
    }
}

/// One line for what clap says in several, with the variable's name where the value may have come from there.
fn refused_flag(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("error: ");
    let blamed = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let mut command = Flags::command();
    command.build();
    let variable = command
        .get_arguments()
        .find(|argument| Some(argument.to_string()) == blamed)
        .and_then(|argument| argument.get_env())
        .map(|name| name.to_string_lossy());
    match variable {
        Some(name) => anyhow::anyhow!("{name}: {line}"),
        None => anyhow::anyhow!("{line}; --help lists all flags"),
    }
}

fn read_file(path: &Path) -> anyhow::Result<Given> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings file {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("the settings file {}", path.display()))
}

fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    let address = text.replace("localhost", "127.0.0.1");
    address.parse().with_context(|| {
        format!("GATEWAY_LISTEN: '{text}' is no address with a port, such as 127.0.0.1:8000")
    })
}

fn secret(name: &str, given: Option<String>) -> anyhow::Result<Option<SecretString>> {
    match given {
        Some(text) if text.trim().is_empty() => bail!("{name}: is set, but empty"),
        given => Ok(given.map(Into::into)),
    }
}

fn client_keys(given: Option<String>) -> Vec<SecretString> {
    let text: SecretString = given.unwrap_or_default().into();
    let keys = text
        .expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty());
    keys.map(Into::into).collect()
}

fn networks(given: Option<&str>) -> anyhow::Result<NetworkPolicy> {
    match given {
        None | Some("any") => Ok(NetworkPolicy::Any),
        Some("public") => Ok(NetworkPolicy::Public),
        Some(other) => bail!("GATEWAY_PROVIDER_NETWORKS: must be 'any' or 'public', not '{other}'"),
    }
}

fn seconds(name: &str, value: f64, least: f64) -> anyhow::Result<Duration> {
    /// A month, far from overflow.
    const MOST: f64 = 2_592_000.0;
    if (least..=MOST).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        bail!("{name}: must be between {least} and {MOST} seconds, not {value}")
    }
}

fn hours(name: &str, value: f64) -> anyhow::Result<Duration> {
    if value > 0.0 && value <= 720.0 {
        Ok(Duration::from_secs_f64(value * 3600.0))
    } else {
        bail!("{name}: must be above 0 and at most 720 hours, not {value}")
    }
}

fn at_least_one(name: &str, value: u32) -> anyhow::Result<u32> {
    if value == 0 {
        bail!("{name}: must be at least 1")
    } else {
        Ok(value)
    }
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
            |given| given.log_level = Some("proxy=loud".into()),
            "LOG_LEVEL",
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_in_one_line() {
        let line = |arguments: &[&str]| {
            let parsed = Flags::try_parse_from(["gateway"].iter().chain(arguments));
            refused_flag(&parsed.err().unwrap()).to_string()
        };
        let said = line(&["--max-body", "64MB"]);
        assert!(
            said.starts_with("GATEWAY_MAX_BODY: invalid value '64MB'"),
            "{said}"
        );
        let said = line(&["--log-format", "xml"]);
        assert!(
            said.starts_with("LOG_FORMAT: invalid value 'xml'"),
            "{said}"
        );
        let said = line(&["--maximum", "1"]);
        assert!(
            said.contains("'--maximum'") && !said.contains('\n'),
            "{said}"
        );
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
        assert_eq!(settings.log_retention, None);
        assert_eq!(settings.api_keys.len(), 2);
        assert_eq!(settings.health, health::Settings::default());
        assert!(toml::from_str::<Given>("gateway_lisen = 'x'").is_err());
    }
}
