//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where providers may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkPolicy {
    /// Anywhere, this machine and private networks included, except where no provider can be: link-local and cloud
    /// metadata addresses, multicast, the unspecified address.
    #[default]
    Any,
    /// On the public internet only.
    Public,
}

/// An address that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}")]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub what: &'static str,
}

impl NetworkPolicy {
    /// Judges an address, looking through the IPv6 forms that carry an IPv4 address.
    ///
    /// # Errors
    /// It may not be connected to.
    pub fn check(self, address: IpAddr) -> Result<(), Refused> {
        let what = match embedded(address) {
            IpAddr::V4(v4) => {
                always_v4(v4).or_else(|| (self == Self::Public).then(|| private_v4(v4))?)
            }
            IpAddr::V6(v6) => {
                always_v6(v6).or_else(|| (self == Self::Public).then(|| private_v6(v6))?)
            }
        };
        what.map_or(Ok(()), |what| Err(Refused { address, what }))
    }
}

/// The IPv4 address inside IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052, and RFC 8215 for local use) and 6to4 (RFC 3056)
/// addresses.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let v4 =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 1, _, _, _, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn always_v4(v4: Ipv4Addr) -> Option<&'static str> {
    let octets = v4.octets();
    if octets[0] == 0 {
        Some("unspecified")
    } else if v4.is_link_local() {
        Some("link-local (cloud metadata)")
    } else if octets == [100, 100, 100, 200] || octets == [192, 0, 0, 192] {
        Some("a cloud metadata address")
    } else if v4.is_multicast() {
        Some("multicast")
    } else if v4.is_broadcast() {
        Some("broadcast")
    } else {
        None
    }
}

fn private_v4(v4: Ipv4Addr) -> Option<&'static str> {
    let octets = v4.octets();
    if v4.is_loopback() {
        Some("loopback")
    } else if v4.is_private() || (octets[0] == 100 && octets[1] & 0xc0 == 64) {
        Some("private")
    } else if v4.is_documentation()
        || octets[0] >= 240
        || (octets[0] == 198 && octets[1] & 0xfe == 18)
        || octets[..3] == [192, 0, 0]
    {
        Some("reserved")
    } else {
        None
    }
}

fn always_v6(v6: Ipv6Addr) -> Option<&'static str> {
    /// The metadata service of EC2 over IPv6.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if v6.is_unspecified() {
        Some("unspecified")
    } else if v6.is_unicast_link_local() {
        Some("link-local")
    } else if v6 == METADATA {
        Some("a cloud metadata address")
    } else if v6.is_multicast() {
        Some("multicast")
    } else {
        None
    }
}

fn private_v6(v6: Ipv6Addr) -> Option<&'static str> {
    let first = v6.segments()[0];
    if v6.is_loopback() {
        Some("loopback")
    } else if v6.is_unique_local() || first & 0xffc0 == 0xfec0 {
        Some("private")
    } else if v6.segments()[..2] == [0x2001, 0xdb8] || first == 0x100 {
        Some("reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(address: &str, any: bool, public: bool) {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(
            NetworkPolicy::Any.check(address).is_ok(),
            any,
            "any: {address}"
        );
        assert_eq!(
            NetworkPolicy::Public.check(address).is_ok(),
            public,
            "public: {address}"
        );
    }

    #[test]
    fn metadata_and_its_like_are_never_reached_and_private_ones_only_when_allowed() {
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "192.0.0.192",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            check(never, false, false);
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "::1",
            "fd12::1",
            "fec0::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            check(private, true, false);
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            check(public, true, true);
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_every_disguise(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for policy in [NetworkPolicy::Any, NetworkPolicy::Public] {
                let plain = policy.check(IpAddr::V4(v4)).is_ok();
                let mapped = IpAddr::V6(v4.to_ipv6_mapped());
                let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
                let local_nat64 = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low);
                let six_to_four = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
                prop_assert_eq!(policy.check(mapped).is_ok(), plain);
                for disguise in [nat64, local_nat64, six_to_four] {
                    prop_assert_eq!(policy.check(disguise.into()).is_ok(), plain, "{}", disguise);
                }
                // Without a high half it is an IPv6 address of its own, as ::1 is.
                if high != 0 {
                    let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
                    prop_assert_eq!(policy.check(compatible.into()).is_ok(), plain);
                }
            }
        }
    }
}
