//! Where alerts, traces and metrics go.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use http::{HeaderName, HeaderValue, Uri};
use proxy::Sampling;
use secrecy::SecretString;
use upstream::{BaseUrl, NetworkPolicy};

use super::{given::Given, values::secret};

/// Who is alerted.
#[derive(Debug)]
pub(crate) struct Alerts {
    /// Each may be a secret.
    pub(crate) receivers: Vec<Uri>,
    /// What they are signed with.
    pub(crate) secret: Option<SecretString>,
}

/// Where traces and metrics go.
#[derive(Debug)]
pub(crate) struct Collecting {
    /// Without a path of what is sent, and without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) service: String,
    pub(crate) sampling: Sampling,
    /// How often metrics go there; `None` where they do not.
    pub(crate) interval: Option<Duration>,
}

/// `None` where nobody is alerted.
pub(super) fn alerts(given: &Given, networks: NetworkPolicy) -> anyhow::Result<Option<Alerts>> {
    let secret = secret("GATEWAY_ALERT_SECRET", given.gateway_alert_secret.clone())?;
    let urls = given.gateway_alert_urls.as_deref().unwrap_or_default();
    let urls = urls.split(',').map(str::trim);
    let receivers = urls
        .filter(|url| !url.is_empty())
        .enumerate()
        // The address may be a secret, so it is not repeated.
        .map(|(place, url)| {
            address(url, networks)
                .with_context(|| format!("GATEWAY_ALERT_URLS: the {}. address", place + 1))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((!receivers.is_empty()).then_some(Alerts { receivers, secret }))
}

/// `None` where there are none.
pub(super) fn collector(
    given: &Given,
    networks: NetworkPolicy,
) -> anyhow::Result<Option<Collecting>> {
    let share = given.gateway_trace_share.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&share) {
        bail!("GATEWAY_TRACE_SHARE: must be between 0 and 1, not {share}");
    }
    let written = given.otel_exporter_otlp_headers.as_deref();
    let headers = headers(written.unwrap_or_default()).context("OTEL_EXPORTER_OTLP_HEADERS")?;
    let interval = interval(given)?;
    let endpoint = given.otel_exporter_otlp_endpoint.as_deref().map(str::trim);
    let Some(endpoint) = endpoint.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let endpoint = endpoint.trim_end_matches('/');
    address(endpoint, networks).context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let service = given.otel_service_name.as_deref();
    Ok(Some(Collecting {
        endpoint: endpoint.to_owned(),
        headers,
        service: service.unwrap_or("llm-orchestrator").to_owned(),
        sampling: Sampling::of(share),
        interval,
    }))
}

/// How often metrics are sent; `None` where they are not.
fn interval(given: &Given) -> anyhow::Result<Option<Duration>> {
    const SHORTEST: u64 = 100;
    let interval = given.otel_metric_export_interval.unwrap_or(60_000);
    if interval < SHORTEST {
        bail!("OTEL_METRIC_EXPORT_INTERVAL: must be {SHORTEST} milliseconds or more");
    }
    match given.otel_metrics_exporter.as_deref().map(str::trim) {
        None | Some("" | "otlp") => Ok(Some(Duration::from_millis(interval))),
        Some("none") => Ok(None),
        Some(other) => bail!("OTEL_METRICS_EXPORTER: must be otlp or none, not {other:?}"),
    }
}

/// An address that may be connected to as a provider's may.
fn address(text: &str, networks: NetworkPolicy) -> anyhow::Result<Uri> {
    const WRONG: &str = "is no address, such as https://example.com/path";
    let uri: Uri = text.parse().map_err(|_| anyhow::anyhow!(WRONG))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        bail!(WRONG);
    };
    BaseUrl::parse(&format!("{scheme}://{authority}"), networks)?;
    Ok(uri)
}

/// As OpenTelemetry writes them: `name=value` with values percent-encoded, separated by commas.
fn headers(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .enumerate()
        .map(|(place, pair)| {
            let header = pair.split_once('=').and_then(|(name, value)| {
                let name: HeaderName = name.trim().parse().ok()?;
                let value = percent_encoding::percent_decode_str(value.trim());
                let value = value.decode_utf8().ok()?.into_owned();
                HeaderValue::from_str(&value).ok()?;
                Some((name.to_string(), value))
            });
            header.with_context(|| format!("the {}. is no header, as name=value", place + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers(urls: &str) -> Result<usize, String> {
        let given = Given {
            gateway_alert_urls: Some(urls.to_owned()),
            ..Given::default()
        };
        let count = |alerts: Option<Alerts>| alerts.map_or(0, |alerts| alerts.receivers.len());
        let alerts = alerts(&given, NetworkPolicy::Public);
        alerts.map(count).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn receivers_are_addresses_that_may_be_reached() {
        assert_eq!(receivers(""), Ok(0));
        assert_eq!(
            receivers("https://a.example/x?y=z, https://b.example/"),
            Ok(2)
        );
        for wrong in [
            "a.example",
            "ftp://a.example",
            "https://a.example,/x",
            "http://127.0.0.1:1/",
        ] {
            let told = receivers(wrong).unwrap_err();
            assert!(told.starts_with("GATEWAY_ALERT_URLS"), "{told}");
        }
        let told = receivers("http://169.254.169.254/secret").unwrap_err();
        assert!(!told.contains("secret"), "{told}");
    }

    fn collecting(
        endpoint: &str,
        change: impl FnOnce(&mut Given),
    ) -> anyhow::Result<Option<Collecting>> {
        let mut given = Given {
            otel_exporter_otlp_endpoint: Some(endpoint.to_owned()),
            ..Given::default()
        };
        change(&mut given);
        collector(&given, NetworkPolicy::Any)
    }

    #[test]
    fn a_collector_has_an_address_and_headers() {
        let read = |endpoint: &str, headers: &str, share| {
            collecting(endpoint, |given| {
                given.otel_exporter_otlp_headers = Some(headers.to_owned());
                given.gateway_trace_share = share;
            })
        };
        let made = read("http://collector:4318/", "a=b%20c, x-d=e=f", None);
        let made = made.unwrap().unwrap();
        assert_eq!(made.endpoint, "http://collector:4318");
        assert_eq!((&*made.headers["a"], &*made.headers["x-d"]), ("b c", "e=f"));
        assert!(read(" ", "", None).unwrap().is_none());
        assert!(read("http://collector", "a", None).is_err());
        assert!(read("collector:4318", "", None).is_err());
        assert!(read("http://collector", "", Some(1.5)).is_err());
    }

    #[test]
    fn metrics_go_there_each_interval_unless_they_are_not_wanted() {
        let read = |exporter: &str, interval| {
            let made = collecting("http://collector", |given| {
                given.otel_metrics_exporter = Some(exporter.to_owned());
                given.otel_metric_export_interval = interval;
            });
            made.map(|it| it.unwrap().interval)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("", None), Ok(Some(Duration::from_secs(60))));
        assert_eq!(
            read("otlp", Some(500)),
            Ok(Some(Duration::from_millis(500)))
        );
        assert_eq!(read("none", None), Ok(None));
        assert!(
            read("console", None)
                .unwrap_err()
                .starts_with("OTEL_METRICS_EXPORTER")
        );
        assert!(
            read("otlp", Some(0))
                .unwrap_err()
                .starts_with("OTEL_METRIC_EXPORT_INTERVAL")
        );
    }
}
