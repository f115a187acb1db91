//! Who a request comes from, also behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use ipnet::IpNet;

/// The proxies whose word is taken; anybody can write the headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn include(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The address of the client whose request came from `peer`: the last one named by `X-Forwarded-For`, or without that
    /// by `Forwarded`, that is no trusted proxy. What stands before it may have been written by the client.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.0.is_empty() || !self.include(peer) {
            return peer;
        }
        let mut nearest = peer;
        for hop in hops(headers).iter().rev() {
            // A proxy that hides whom it speaks for, or rubbish: nothing before it can be told apart.
            let Some(ip) = hop else { break };
            nearest = *ip;
            if !self.include(*ip) {
                break;
            }
        }
        nearest
    }
}

/// The addresses that the headers name, the farthest first; `None` stands for what is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name| headers.get_all(name).iter();
    let elements = |value: &http::HeaderValue| -> Vec<String> {
        let text = value.to_str().unwrap_or("?");
        text.split(',').map(|it| it.trim().to_owned()).collect()
    };
    if headers.contains_key("x-forwarded-for") {
        let all = values("x-forwarded-for").flat_map(elements);
        return all.map(|element| address(&element)).collect();
    }
    let all = values(header::FORWARDED.as_str()).flat_map(elements);
    all.map(|element| address(forwarded_for(&element)?))
        .collect()
}

/// The value of `for` in an element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for")
            .then(|| value.trim_matches('"'))
    })
}

/// An address, with or without a port, IPv6 also in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let ip = ip.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[(&'static str, &str)], expected: &str) {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|it| it.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let client = TrustedProxies::new(proxies.into()).client(peer.parse().unwrap(), &map);
        assert_eq!(client.to_string(), expected, "{headers:?}");
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn only_proxies_are_believed() {
        check("192.0.2.1", &[(XFF, "198.51.100.1")], "192.0.2.1");
        check("10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1");
        check("::ffff:10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1");
        check("2001:db8::1", &[(XFF, "198.51.100.1")], "198.51.100.1");
        check("10.0.0.1", &[], "10.0.0.1");
        let none = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.insert(XFF, "198.51.100.1".parse().unwrap());
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(none.client(loopback, &headers), loopback);
    }

    #[test]
    fn what_a_client_writes_itself_does_not_count() {
        let spoofed = "203.0.113.9, 198.51.100.1, 10.0.0.2";
        check("10.0.0.1", &[(XFF, spoofed)], "198.51.100.1");
        let lines = [(XFF, "203.0.113.9"), (XFF, "198.51.100.1,10.0.0.2")];
        check("10.0.0.1", &lines, "198.51.100.1");
        check("10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3");
        check("10.0.0.1", &[(XFF, "203.0.113.9, unknown")], "10.0.0.1");
        check("10.0.0.1", &[(XFF, "203.0.113.9, ?, 10.0.0.2")], "10.0.0.2");
        check("10.0.0.1", &[(XFF, "")], "10.0.0.1");
        let both = [("forwarded", "for=203.0.113.9"), (XFF, "198.51.100.1")];
        check("10.0.0.1", &both, "198.51.100.1");
    }

    #[test]
    fn addresses_come_in_many_spellings() {
        check("10.0.0.1", &[(XFF, "198.51.100.1:4711")], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "[2001:dead::1]:4711")], "2001:dead::1");
        check("10.0.0.1", &[(XFF, "[2001:dead::1]")], "2001:dead::1");
        check("10.0.0.1", &[(XFF, "::ffff:198.51.100.1")], "198.51.100.1");
        for (value, expected) in [
            ("for=198.51.100.1;proto=https, for=10.0.0.2", "198.51.100.1"),
            ("proto=https; For=\"[2001:dead::1]:4711\"", "2001:dead::1"),
            ("for=_hidden", "10.0.0.1"),
            ("by=198.51.100.1", "10.0.0.1"),
        ] {
            check("10.0.0.1", &[("forwarded", value)], expected);
        }
    }
}
