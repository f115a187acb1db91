//! What a setting's value may be. Errors name the setting.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use access::limit::{Rates, RatesFields};
use anyhow::{Context, bail, ensure};
use guards::GuardsFields;
use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use upstream::NetworkPolicy;

use super::given::Given;

use crate::{
    client_address::TrustedProxies,
    cors::Origins,
    database::{Pool, StatementTimeout, is_sqlite},
    tls::TlsFiles,
};

pub(super) fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    let address = text.replace("localhost", "127.0.0.1");
    address.parse().with_context(|| {
        format!("GATEWAY_LISTEN: '{text}' is no address with a port, such as 127.0.0.1:8000")
    })
}

pub(super) fn secret(name: &str, given: Option<String>) -> anyhow::Result<Option<SecretString>> {
    match given {
        Some(text) if text.trim().is_empty() => bail!("{name}: is set, but empty"),
        given => Ok(given.map(Into::into)),
    }
}

pub(super) fn client_keys(given: Option<String>) -> Vec<SecretString> {
    let text: SecretString = given.unwrap_or_default().into();
    let keys = text
        .expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty());
    keys.map(Into::into).collect()
}

pub(super) fn networks(given: Option<&str>) -> anyhow::Result<NetworkPolicy> {
    match given {
        None | Some("any") => Ok(NetworkPolicy::Any),
        Some("public") => Ok(NetworkPolicy::Public),
        Some(other) => bail!("GATEWAY_PROVIDER_NETWORKS: must be 'any' or 'public', not '{other}'"),
    }
}

/// Both or none: a certificate is worth nothing without its key.
pub(super) fn tls(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> anyhow::Result<Option<TlsFiles>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (Some(_), None) => bail!("GATEWAY_TLS_KEY: must be set where GATEWAY_TLS_CERT is"),
        (None, Some(_)) => bail!("GATEWAY_TLS_CERT: must be set where GATEWAY_TLS_KEY is"),
    }
}

pub(super) fn cors(given: Option<&str>) -> anyhow::Result<Option<Origins>> {
    let given = given.filter(|text| !text.trim().is_empty());
    given.map(Origins::parse).transpose().map_err(|origin| {
        anyhow::anyhow!(
            "GATEWAY_CORS_ORIGINS: '{origin}' is no origin, such as https://example.com, without a path"
        )
    })
}

pub(super) fn proxies(given: Option<&str>) -> anyhow::Result<TrustedProxies> {
    let parse = |text: &str| {
        let network = text.parse::<IpNet>().ok();
        network.or_else(|| text.parse::<IpAddr>().ok().map(Into::into))
    };
    let texts = given.unwrap_or_default().split(',').map(str::trim);
    let networks = texts.filter(|text| !text.is_empty()).map(|text| {
        parse(text).with_context(|| {
            format!(
                "GATEWAY_TRUSTED_PROXIES: '{text}' is no network, such as 10.0.0.0/8, and no address"
            )
        })
    });
    Ok(TrustedProxies::new(networks.collect::<Result<_, _>>()?))
}

pub(super) fn seconds(name: &str, value: f64, least: f64) -> anyhow::Result<Duration> {
    /// A month, far from overflow.
    const MOST: f64 = 2_592_000.0;
    if (least..=MOST).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        bail!("{name}: must be between {least} and {MOST} seconds, not {value}")
    }
}

pub(super) fn hours(name: &str, value: f64) -> anyhow::Result<Duration> {
    if value > 0.0 && value <= 720.0 {
        Ok(Duration::from_secs_f64(value * 3600.0))
    } else {
        bail!("{name}: must be above 0 and at most 720 hours, not {value}")
    }
}

/// `None` for 0, which stands for ever.
pub(super) fn days(count: u32) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(u64::from(count) * 86_400))
}

/// How long requests may wait for the processor, in seconds.
const MAX_DELAY_S: f64 = 0.25;

/// `None` where it is not looked at.
pub(super) fn max_delay(given: Option<f64>) -> anyhow::Result<Option<Duration>> {
    let delay = seconds("GATEWAY_MAX_DELAY", given.unwrap_or(MAX_DELAY_S), 0.0)?;
    Ok(Some(delay).filter(|delay| !delay.is_zero()))
}

pub(super) fn at_least_one<T: PartialEq + Default>(name: &str, value: T) -> anyhow::Result<T> {
    if value == T::default() {
        bail!("{name}: must be at least 1")
    } else {
        Ok(value)
    }
}

/// Most connections to a server.
const CONNECTIONS: u32 = 8;
/// Most to SQLite: each has pages in the gateway's own memory, and only one can write.
const CONNECTIONS_TO_SQLITE: u32 = 4;

/// How the database at `url` is worked with.
pub(super) fn pool(given: &Given, url: &str) -> anyhow::Result<Pool> {
    let usual = match is_sqlite(url) {
        true => CONNECTIONS_TO_SQLITE,
        false => CONNECTIONS,
    };
    let connections = given.gateway_database_connections.unwrap_or(usual);
    let acquire_timeout = given.gateway_database_acquire_timeout;
    let statement_timeout = given.gateway_database_statement_timeout;
    let name = "GATEWAY_DATABASE_STATEMENT_TIMEOUT";
    Ok(Pool {
        connections: at_least_one("GATEWAY_DATABASE_CONNECTIONS", connections)?,
        acquire_timeout: seconds(
            "GATEWAY_DATABASE_ACQUIRE_TIMEOUT",
            acquire_timeout.unwrap_or(5.0),
            0.1,
        )?,
        statement_timeout: match statement_timeout {
            None => StatementTimeout::Usual,
            Some(0.0) => StatementTimeout::Never,
            Some(time) => StatementTimeout::After(seconds(name, time, 0.001)?),
        },
    })
}

/// How Redis is reached; `None` where there is none.
pub(super) fn redis(given: &Given) -> anyhow::Result<Option<cluster::Settings>> {
    let Some(url) = secret("REDIS_URL", given.redis_url.clone())? else {
        return Ok(None);
    };
    let (timeout, ca) = (given.redis_timeout, given.redis_ca_file.as_deref());
    let ca = ca.map(authorities);
    Ok(Some(cluster::Settings {
        url,
        ca: ca.transpose()?,
        timeout: seconds("REDIS_TIMEOUT", timeout.unwrap_or(0.005), 0.0001)?,
        gateway: uuid::Uuid::now_v7().to_string(),
    }))
}

/// Whom Redis is trusted by. A file without a certificate would be nobody.
fn authorities(file: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || -> anyhow::Result<_> {
        let pem = std::fs::read(file)?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?;
        ensure!(!found.is_empty(), "holds no certificate");
        Ok(pem)
    };
    read().with_context(|| format!("REDIS_CA_FILE: {}", file.display()))
}

/// How budgets are leased, and what holds without the database.
pub(super) fn budgets(
    lease: Option<f64>,
    on_credit: Option<bool>,
) -> anyhow::Result<budgets::Settings> {
    Ok(budgets::Settings {
        lease: seconds("GATEWAY_BUDGET_LEASE", lease.unwrap_or(300.0), 1.0)?,
        on_credit: on_credit.unwrap_or(false),
        ..budgets::Settings::default()
    })
}

pub(super) fn rates(rpm: Option<u64>, tpm: Option<u64>) -> anyhow::Result<Rates> {
    let fields = RatesFields {
        rpm,
        tpm,
        concurrent: None,
    };
    Rates::of(&fields, "").map_err(|error| {
        let name = error.field.to_uppercase();
        anyhow::anyhow!("GATEWAY_{name}: {}", error.reason)
    })
}

/// How bodies are recorded.
pub(super) fn bodies(
    max_bytes: Option<usize>,
    redact: Option<&str>,
) -> anyhow::Result<stats::BodySettings> {
    let max_bytes = at_least_one("BODY_MAX_BYTES", max_bytes.unwrap_or(65_536))?;
    /// Columns of MySQL hold as much in any row.
    const MOST: usize = 8 << 20;
    if max_bytes > MOST {
        bail!("BODY_MAX_BYTES: must be at most {MOST}");
    }
    stats::BodySettings::new(max_bytes, redact).context("BODY_REDACT")
}

/// Guards as they are written down, there or in a file.
pub(super) fn guards(given: Option<&str>) -> anyhow::Result<Option<GuardsFields>> {
    let Some(given) = given.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let read = || -> anyhow::Result<GuardsFields> {
        let text = match given.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned())?,
            None => given.to_owned(),
        };
        Ok(serde_json::from_str(&text)?)
    };
    read().map(Some).context("GATEWAY_GUARDS")
}
