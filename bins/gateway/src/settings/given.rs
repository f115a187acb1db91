//! The layers that settings come in: flags, the environment and the file.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, error::ContextKind};
use serde::Deserialize;

use super::command::Command;
use crate::logging::LogFormat;

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
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// TOML file with settings
    #[arg(long, env = "GATEWAY_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) given: Given,
}

/// What one layer of settings may hold.
#[derive(clap::Args, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given {
    /// Where rows are kept: sqlite://, postgres:// or mysql:// [default: sqlite://data/orchestrator.db?mode=rwc]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// Redis by which several gateways count limits together: redis:// or rediss://, also redis+sentinel:// and redis+cluster://
    /// with hosts parted by commas [default: none]
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub(super) redis_url: Option<String>,
    /// Longest that a request waits for Redis, in seconds; without an answer it is decided here [default: 0.005]
    #[arg(long, env = "REDIS_TIMEOUT", value_name = "SECONDS")]
    pub(super) redis_timeout: Option<f64>,
    /// PEM file with the certificates that a rediss:// server is trusted by [default: the system's]
    #[arg(long, env = "REDIS_CA_FILE", value_name = "FILE")]
    pub(super) redis_ca_file: Option<PathBuf>,
    /// Address and port to listen on; one that is not loopback needs an admin key and a secret key
    /// [default: 127.0.0.1:8000]
    #[arg(long = "listen", env = "GATEWAY_LISTEN", value_name = "ADDRESS")]
    pub(super) gateway_listen: Option<String>,
    /// PEM file with the certificate to listen by TLS with; read anew when it changes [default: none]
    #[arg(long = "tls-cert", env = "GATEWAY_TLS_CERT", value_name = "FILE")]
    pub(super) gateway_tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key [default: none]
    #[arg(long = "tls-key", env = "GATEWAY_TLS_KEY", value_name = "FILE")]
    pub(super) gateway_tls_key: Option<PathBuf>,
    /// Origins whose pages may call the gateway, separated by commas, or * for all [default: none]
    #[arg(
        long = "cors-origins",
        env = "GATEWAY_CORS_ORIGINS",
        value_name = "ORIGINS"
    )]
    pub(super) gateway_cors_origins: Option<String>,
    /// Networks of proxies whose X-Forwarded-For or Forwarded is believed, as 10.0.0.0/8, separated by commas
    /// [default: none]
    #[arg(
        long = "trusted-proxies",
        env = "GATEWAY_TRUSTED_PROXIES",
        value_name = "NETWORKS"
    )]
    pub(super) gateway_trusted_proxies: Option<String>,
    /// Key of the admin API; without one the admin API answers 403
    #[arg(
        long = "admin-key",
        env = "GATEWAY_ADMIN_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(super) gateway_admin_key: Option<String>,
    /// Client keys accepted besides those made over the admin API, separated by commas
    #[arg(
        long = "api-keys",
        env = "GATEWAY_API_KEYS",
        hide_env_values = true,
        value_name = "KEYS"
    )]
    pub(super) gateway_api_keys: Option<String>,
    /// Seals provider keys at rest: any text of 16 characters or more
    #[arg(
        long = "secret-key",
        env = "GATEWAY_SECRET_KEY",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    pub(super) gateway_secret_key: Option<String>,
    /// The secret key before this one, to open what is sealed under it until `gateway reseal` has run
    #[arg(
        long = "secret-key-previous",
        env = "GATEWAY_SECRET_KEY_PREVIOUS",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    pub(super) gateway_secret_key_previous: Option<String>,
    /// Where providers may be reached: any, or public addresses only [default: any]
    #[arg(
        long = "provider-networks",
        env = "GATEWAY_PROVIDER_NETWORKS",
        value_name = "any|public"
    )]
    pub(super) gateway_provider_networks: Option<String>,
    /// Folder where request rows wait while the database is away [default: data/spool]
    #[arg(long = "spool-dir", env = "GATEWAY_SPOOL_DIR", value_name = "FOLDER")]
    pub(super) gateway_spool_dir: Option<PathBuf>,
    /// Bytes of rows that may wait there [default: 1073741824]
    #[arg(long = "spool-max", env = "GATEWAY_SPOOL_MAX", value_name = "BYTES")]
    pub(super) gateway_spool_max: Option<u64>,
    /// Seconds that the start waits for a database that does not answer [default: 10]
    #[arg(
        long = "database-wait",
        env = "GATEWAY_DATABASE_WAIT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_database_wait: Option<f64>,
    /// Connections to the database at most [default: 8, with SQLite 4]
    #[arg(
        long = "database-connections",
        env = "GATEWAY_DATABASE_CONNECTIONS",
        value_name = "COUNT"
    )]
    pub(super) gateway_database_connections: Option<u32>,
    /// Seconds that work waits for one of these connections, or for a new one [default: 5]
    #[arg(
        long = "database-acquire-timeout",
        env = "GATEWAY_DATABASE_ACQUIRE_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_database_acquire_timeout: Option<f64>,
    /// Seconds that a statement may take on a database server, or wait for SQLite's one writer; 0 is no end
    /// [default: 30, with SQLite 5]
    #[arg(
        long = "database-statement-timeout",
        env = "GATEWAY_DATABASE_STATEMENT_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_database_statement_timeout: Option<f64>,
    /// File where the configuration is kept, to start from it while the database is away [default: none]
    #[arg(
        long = "snapshot-file",
        env = "GATEWAY_SNAPSHOT_FILE",
        value_name = "FILE"
    )]
    pub(super) gateway_snapshot_file: Option<PathBuf>,
    /// Seconds that running requests get to finish after SIGTERM [default: 20]
    #[arg(
        long = "drain-timeout",
        env = "GATEWAY_DRAIN_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_drain_timeout: Option<f64>,
    /// Largest request body in bytes [default: 67108864]
    #[arg(long = "max-body", env = "GATEWAY_MAX_BODY", value_name = "BYTES")]
    pub(super) gateway_max_body: Option<usize>,
    /// Seconds between two pieces of a request body before it is given up [default: 30]
    #[arg(
        long = "body-timeout",
        env = "GATEWAY_BODY_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_body_timeout: Option<f64>,
    /// Requests served at once, streams included; more get 503 (529 from Anthropic's clients) [default: 10000]
    #[arg(
        long = "max-concurrent",
        env = "GATEWAY_MAX_CONCURRENT",
        value_name = "COUNT"
    )]
    pub(super) gateway_max_concurrent: Option<usize>,
    /// Requests of all clients together in any 60 seconds; more get 429 [default: no limit]
    #[arg(long = "rpm", env = "GATEWAY_RPM", value_name = "COUNT")]
    pub(super) gateway_rpm: Option<u64>,
    /// Tokens, in and out, of all clients together in any 60 seconds [default: no limit]
    #[arg(long = "tpm", env = "GATEWAY_TPM", value_name = "COUNT")]
    pub(super) gateway_tpm: Option<u64>,
    /// Seconds that a connection may be silent between two requests before it is closed [default: 75]
    #[arg(
        long = "keep-alive-timeout",
        env = "GATEWAY_KEEP_ALIVE_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_keep_alive_timeout: Option<f64>,
    /// Seconds that a client may read nothing of its answer before its connection is closed [default: 120]
    #[arg(
        long = "write-timeout",
        env = "GATEWAY_WRITE_TIMEOUT",
        value_name = "SECONDS"
    )]
    pub(super) gateway_write_timeout: Option<f64>,
    /// Most connections of clients at a time [default: 20000]
    #[arg(
        long = "max-connections",
        env = "GATEWAY_MAX_CONNECTIONS",
        value_name = "COUNT"
    )]
    pub(super) gateway_max_connections: Option<usize>,
    /// Seconds that requests may wait for the processor before new ones are refused; 0 refuses none [default: 0.25]
    #[arg(long = "max-delay", env = "GATEWAY_MAX_DELAY", value_name = "SECONDS")]
    pub(super) gateway_max_delay: Option<f64>,
    /// Whether /metrics needs the admin key [default: false]
    #[arg(
        long = "protect-metrics",
        env = "GATEWAY_PROTECT_METRICS",
        value_name = "true|false"
    )]
    pub(super) gateway_protect_metrics: Option<bool>,
    /// Whether providers are probed at intervals [default: true]
    #[arg(long, env = "HEALTH_CHECK_ENABLED", value_name = "true|false")]
    pub(super) health_check_enabled: Option<bool>,
    /// Seconds between two probes of a provider [default: 300]
    #[arg(long, env = "HEALTH_CHECK_INTERVAL", value_name = "SECONDS")]
    pub(super) health_check_interval: Option<f64>,
    /// Consecutive failures that make a provider unhealthy [default: 5]
    #[arg(long, env = "HEALTH_CHECK_MAX_ERRORS", value_name = "COUNT")]
    pub(super) health_check_max_errors: Option<u32>,
    /// Longest pause, in hours, before an unhealthy provider is tried again; fractions allowed [default: 1]
    #[arg(long, env = "HEALTH_CHECK_RETRY_HOURS", value_name = "HOURS")]
    pub(super) health_check_retry_hours: Option<f64>,
    /// Days that request logs are kept; 0 keeps them for ever [default: 30]
    #[arg(long, env = "LOG_RETENTION_DAYS", value_name = "DAYS")]
    pub(super) log_retention_days: Option<u32>,
    /// Days that the audit log is kept; 0 keeps it for ever [default: 365]
    #[arg(long, env = "AUDIT_RETENTION_DAYS", value_name = "DAYS")]
    pub(super) audit_retention_days: Option<u32>,
    /// Days that recorded bodies are kept, no longer than their requests' rows; 0 keeps them as long [default: 7]
    #[arg(long, env = "BODY_RETENTION_DAYS", value_name = "DAYS")]
    pub(super) body_retention_days: Option<u32>,
    /// Bytes of a body that are recorded, where bodies are [default: 65536]
    #[arg(long, env = "BODY_MAX_BYTES", value_name = "BYTES")]
    pub(super) body_max_bytes: Option<usize>,
    /// Regular expression of what is left out of recorded bodies, beside keys and tokens [default: none]
    #[arg(long, env = "BODY_REDACT", value_name = "PATTERN")]
    pub(super) body_redact: Option<String>,
    /// Guards on content of all requests, as JSON, or @ and a file with it [default: none]
    #[arg(long = "guards", env = "GATEWAY_GUARDS", value_name = "JSON|@FILE")]
    pub(super) gateway_guards: Option<String>,
    /// Seconds that a lease of a budget lasts which nobody renews [default: 300]
    #[arg(
        long = "budget-lease",
        env = "GATEWAY_BUDGET_LEASE",
        value_name = "SECONDS"
    )]
    pub(super) gateway_budget_lease: Option<f64>,
    /// Whether keys with a budget are served while the database is away and nothing is leased [default: false]
    #[arg(
        long = "budget-on-credit",
        env = "GATEWAY_BUDGET_ON_CREDIT",
        value_name = "true|false"
    )]
    pub(super) gateway_budget_on_credit: Option<bool>,
    /// Addresses that alerts are posted to, separated by commas [default: none]
    #[arg(
        long = "alert-urls",
        env = "GATEWAY_ALERT_URLS",
        hide_env_values = true,
        value_name = "URLS"
    )]
    pub(super) gateway_alert_urls: Option<String>,
    /// What alerts are signed with [default: none]
    #[arg(
        long = "alert-secret",
        env = "GATEWAY_ALERT_SECRET",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    pub(super) gateway_alert_secret: Option<String>,
    /// Collector that traces and metrics go to by OTLP over HTTP, such as http://localhost:4318 [default: none]
    #[arg(
        long = "otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL"
    )]
    pub(super) otel_exporter_otlp_endpoint: Option<String>,
    /// Headers that the collector wants, as name=value, separated by commas [default: none]
    #[arg(
        long = "otlp-headers",
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        value_name = "HEADERS"
    )]
    pub(super) otel_exporter_otlp_headers: Option<String>,
    /// What this service is called in traces and metrics [default: llm-orchestrator]
    #[arg(long = "service-name", env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub(super) otel_service_name: Option<String>,
    /// Whether metrics go to that collector: otlp, or none [default: otlp]
    #[arg(
        long = "metrics-exporter",
        env = "OTEL_METRICS_EXPORTER",
        value_name = "EXPORTER"
    )]
    pub(super) otel_metrics_exporter: Option<String>,
    /// Milliseconds between two times that metrics are sent there [default: 60000]
    #[arg(
        long = "metric-export-interval",
        env = "OTEL_METRIC_EXPORT_INTERVAL",
        value_name = "MS"
    )]
    pub(super) otel_metric_export_interval: Option<u64>,
    /// Share of the requests that come without a trace which begin one, from 0 to 1 [default: 1]
    #[arg(
        long = "trace-share",
        env = "GATEWAY_TRACE_SHARE",
        value_name = "SHARE"
    )]
    pub(super) gateway_trace_share: Option<f64>,
    /// What is logged: error, warn, info, debug, trace, or directives such as proxy=debug,info [default: info]
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
    /// How it is logged [default: text]
    #[arg(long, env = "LOG_FORMAT", value_name = "text|json")]
    pub(super) log_format: Option<LogFormat>,
}

impl Given {
    /// This layer, and below it another.
    pub(super) fn or(self, below: Self) -> Self {
        macro_rules! layered {
            ($($field:ident,)*) => {
                Self { $($field: self.$field.or(below.$field),)* }
            };
        }
        layered! {
            database_url,
            redis_url,
            redis_timeout,
            redis_ca_file,
            gateway_listen,
            gateway_tls_cert,
            gateway_tls_key,
            gateway_cors_origins,
            gateway_trusted_proxies,
            gateway_admin_key,
            gateway_api_keys,
            gateway_secret_key,
            gateway_secret_key_previous,
            gateway_provider_networks,
            gateway_spool_dir,
            gateway_spool_max,
            gateway_database_wait,
            gateway_database_connections,
            gateway_database_acquire_timeout,
            gateway_database_statement_timeout,
            gateway_snapshot_file,
            gateway_drain_timeout,
            gateway_max_body,
            gateway_body_timeout,
            gateway_max_concurrent,
            gateway_keep_alive_timeout,
            gateway_write_timeout,
            gateway_rpm,
            gateway_tpm,
            gateway_max_connections,
            gateway_max_delay,
            gateway_protect_metrics,
            health_check_enabled,
            health_check_interval,
            health_check_max_errors,
            health_check_retry_hours,
            log_retention_days,
            audit_retention_days,
            body_retention_days,
            body_max_bytes,
            body_redact,
            gateway_guards,
            gateway_budget_lease,
            gateway_budget_on_credit,
            gateway_alert_urls,
            gateway_alert_secret,
            otel_exporter_otlp_endpoint,
            otel_exporter_otlp_headers,
            otel_service_name,
            otel_metrics_exporter,
            otel_metric_export_interval,
            gateway_trace_share,
            log_level,
            log_format,
        }
    }
}

/// One line for what clap says in several, with the variable's name where the value may have come from there.
pub(super) fn refused_flag(error: &clap::Error) -> anyhow::Error {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_setting_whose_value_help_hides_cannot_be_a_providers_key() {
        let secrets = catalog::Secrets::new(None).unwrap();
        let flags = Flags::command();
        let hidden = flags
            .get_arguments()
            .filter(|it| it.is_hide_env_values_set());
        let hidden: Vec<_> = hidden.filter_map(|it| it.get_env()?.to_str()).collect();
        assert!(hidden.contains(&"DATABASE_URL"), "{hidden:?}");
        for name in hidden {
            let error = secrets.open(&format!("env:{name}")).unwrap_err();
            assert!(
                matches!(error, catalog::SecretError::OwnSetting(_)),
                "{name}: {error}"
            );
        }
    }
}
