//! A provider's address.

use std::net::{IpAddr, Ipv4Addr};

use http::Uri;
use url::{Host, Url};

use crate::{NetworkPolicy, Refused};

/// A checked base URL, without a trailing slash. Paths are appended to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    text: String,
}

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("not a URL: {0}")]
    Syntax(#[from] url::ParseError),
    /// Neither http nor https.
    #[error("the scheme must be http or https, not '{0}'")]
    Scheme(String),
    /// Characters that parsers leave out without a word, so that another address would be stored than was written.
    #[error("not a URL: it holds blanks or control characters")]
    Characters,
    /// Something a base URL does not have.
    #[error("a base URL has no {0}")]
    Extra(&'static str),
    /// Its host is an address that may not be connected to.
    #[error("the host is refused: {0}")]
    Address(#[from] Refused),
    /// Its host is the name of a metadata service.
    #[error("the host is refused: {0} names a cloud metadata service")]
    Metadata(String),
}

impl BaseUrl {
    /// Parses as browsers do (WHATWG URL), so that numbers and octets in any notation are seen as the address they are.
    ///
    /// # Errors
    /// The text is no http(s) URL, has more than scheme, host, port and path, or names an address that `policy` refuses.
    pub fn parse(text: &str, policy: NetworkPolicy) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        let mut url = Url::parse(text)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme(url.scheme().to_owned()));
        }
        if text.contains(|it: char| it.is_control() || it.is_whitespace()) {
            return Err(BaseUrlError::Characters);
        }
        // Browsers take `http:///v1` for `http://v1`.
        let host = text[url.scheme().len()..].strip_prefix("://");
        if host.is_none_or(|host| host.starts_with(['/', '\\'])) {
            return Err(BaseUrlError::Syntax(url::ParseError::EmptyHost));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Extra("user name or password"));
        }
        if url.query().is_some() {
            return Err(BaseUrlError::Extra("query"));
        }
        if url.fragment().is_some() {
            return Err(BaseUrlError::Extra("fragment"));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => policy.check(IpAddr::V4(address))?,
            Some(Host::Ipv6(address)) => policy.check(IpAddr::V6(address))?,
            Some(Host::Domain(name)) => refuse_names(name, policy)?,
            None => return Err(BaseUrlError::Syntax(url::ParseError::EmptyHost)),
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }

    /// Scheme, host and port; a provider key belongs to one origin.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The URL of `path`, which starts with a slash.
    ///
    /// # Errors
    /// `path` holds characters that no URL has.
    pub fn join(&self, path: &str) -> Result<Uri, http::Error> {
        Ok(Uri::try_from(format!("{}{path}", self.text))?)
    }

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Names whose addresses are known without asking: those of metadata services, and of this machine (RFC 6761).
fn refuse_names(name: &str, policy: NetworkPolicy) -> Result<(), BaseUrlError> {
    const NAMES: [&str; 3] = ["metadata.google.internal", "metadata.goog", "instance-data"];
    let bare = name.trim_end_matches('.').to_ascii_lowercase();
    let is = |known: &str| bare == known || bare.ends_with(&format!(".{known}"));
    if NAMES.into_iter().any(is) {
        return Err(BaseUrlError::Metadata(bare));
    }
    if is("localhost") {
        policy.check(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// Every way in which a URL may write an IPv4 address, as browsers and libraries of C read them.
    fn spellings(v4: Ipv4Addr) -> Vec<String> {
        let [a, b, c, d] = v4.octets();
        let whole = u32::from(v4);
        let (last_two, last_three) = (whole & 0xffff, whole & 0x00ff_ffff);
        let mut all = vec![
            format!("{a}.{b}.{c}.{d}"),
            format!("{a}.{b}.{c}.{d}."),
            format!("{whole}"),
            format!("{whole:#x}"),
            format!("{whole:#X}").replace("0X", "0x"),
            format!("0{whole:o}"),
            format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("{a}.{b:#x}.0{c:o}.{d}"),
            format!("{a}.{b}.{last_two}"),
            format!("{a}.{last_three:#x}"),
            format!("{a}%2e{b}%2E{c}.{d}"),
            format!("[::ffff:{a}.{b}.{c}.{d}]"),
            format!("[{}]", v4.to_ipv6_mapped()),
        ];
        // Full-width digits and dots are the same to a URL.
        let wide = |c: char| match c {
            '0'..='9' => char::from_u32(u32::from(c) - u32::from('0') + 0xff10).unwrap(),
            _ => '\u{3002}',
        };
        all.push(v4.to_string().chars().map(wide).collect());
        all
    }

    proptest! {
        #[test]
        fn an_address_is_judged_alike_however_it_is_written(
            // Addresses of all kinds, and more often those that are refused.
            bits in prop_oneof![
                any::<u32>(),
                any::<u16>().prop_map(|low| 0xa9fe_0000 | u32::from(low)),
                Just(u32::from(Ipv4Addr::new(100, 100, 100, 200))),
                any::<u16>().prop_map(|low| 0x7f00_0000 | u32::from(low)),
                any::<u16>().prop_map(|low| 0x0a00_0000 | u32::from(low)),
                any::<u16>().prop_map(u32::from),
            ],
            port in prop_oneof![Just(String::new()), (1_u16..).prop_map(|port| format!(":{port}"))],
            path in prop_oneof![Just(""), Just("/v1"), Just("/v1/")],
        ) {
            let v4 = Ipv4Addr::from(bits);
            for policy in [NetworkPolicy::Any, NetworkPolicy::Public] {
                let allowed = policy.check(IpAddr::V4(v4)).is_ok();
                for host in spellings(v4) {
                    let text = format!("http://{host}{port}{path}");
                    prop_assert_eq!(BaseUrl::parse(&text, policy).is_ok(), allowed, "{}", text);
                }
            }
        }
    }

    #[track_caller]
    fn accepts(text: &str, joined: &str) {
        let url = BaseUrl::parse(text, NetworkPolicy::Any).unwrap();
        assert_eq!(url.join("/models").unwrap().to_string(), joined);
    }

    #[track_caller]
    fn refuses(text: &str, why: &str) {
        let error = BaseUrl::parse(text, NetworkPolicy::Any).unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
    }

    #[test]
    fn a_trailing_slash_makes_no_difference() {
        accepts(
            "https://api.openai.com/v1",
            "https://api.openai.com/v1/models",
        );
        accepts(
            "https://api.openai.com/v1/",
            "https://api.openai.com/v1/models",
        );
        accepts("http://localhost:11434", "http://localhost:11434/models");
        accepts(" http://[::1]:8080/a/b// ", "http://[::1]:8080/a/b/models");
    }

    #[test]
    fn what_is_no_provider_is_refused() {
        refuses("api.openai.com/v1", "not a URL");
        refuses("", "not a URL");
        refuses("ftp://host/", "the scheme must be http or https");
        refuses("file:///etc/passwd", "the scheme must be http or https");
        refuses("https://user:pw@host/v1", "no user name or password");
        refuses("https://host/v1?x=1", "no query");
        refuses("https://host/v1#x", "no fragment");
        refuses("https://host:99999/", "not a URL");
        refuses("https:///v1", "empty host");
        refuses("https:v1", "empty host");
        refuses("https:/\\v1", "empty host");
        refuses("https://host/v1\r\nx-header: 1", "control characters");
        refuses("https://ho\tst/v1", "control characters");
    }

    #[test]
    fn addresses_are_seen_through_their_notation() {
        for text in [
            "http://169.254.169.254/latest",
            "http://169.254.169.254./",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://0.0.0.0:8000/",
            "http://0/",
            "http://metadata.google.internal/",
            "http://METADATA.google.internal./",
        ] {
            refuses(text, "the host is refused");
        }
        for (text, why) in [
            ("http://10.0.0.1/v1", "private"),
            ("http://localhost:11434", "loopback"),
            ("http://api.LOCALHOST./v1", "loopback"),
        ] {
            let error = BaseUrl::parse(text, NetworkPolicy::Public).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }
}
