//! How an address is written: that of one server, of the Sentinels that know it, or of nodes of a cluster.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::error::Error;

/// Where a Sentinel listens where its address names no port.
const SENTINEL_PORT: u16 = 26379;
const PORT: u16 = 6379;

/// An address that could be read. Each part of it holds the user, the password and the database.
#[derive(Debug)]
pub(crate) enum Address {
    /// `redis://` or `rediss://`.
    Server(Box<ConnectionInfo>),
    /// `redis+sentinel://[[user]:password@]host[:26379][,...]/master[/database]`, or `rediss+sentinel://`: who is to be asked
    /// which server the master of this name is.
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        master: String,
    },
    /// `redis+cluster://[[user]:password@]host[:6379][,...]`, or `rediss+cluster://`: some of its nodes.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").ok_or(Error::Url)?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(scheme, "redis" | "rediss") {
            return Err(Error::Url);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        match kind {
            "" => Ok(Self::Server(Box::new(part(text)?))),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() || master.contains('?') {
                    return Err(Error::Url);
                }
                Ok(Self::Sentinels {
                    sentinels: parts(scheme, authority, SENTINEL_PORT, database)?,
                    master: master.to_owned(),
                })
            }
            // A cluster has one database.
            "cluster" if path.is_empty() => {
                let nodes = parts(scheme, authority, PORT, "")?;
                Ok(Self::Cluster(nodes))
            }
            _ => Err(Error::Url),
        }
    }

    /// Whether it is reached over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        let part = match self {
            Self::Server(info) => Some(&**info),
            Self::Sentinels { sentinels, .. } => sentinels.first(),
            Self::Cluster(nodes) => nodes.first(),
        };
        part.is_some_and(|part| matches!(part.addr(), ConnectionAddr::TcpTls { .. }))
    }
}

/// An address for each host of `authority`.
fn parts(
    scheme: &str,
    authority: &str,
    port: u16,
    database: &str,
) -> Result<Vec<ConnectionInfo>, Error> {
    // A password may hold an `@`; a host may not.
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let part = |host: &str| {
        // `[::1]` has colons of its own.
        let named = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let host = if named {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        };
        part(&format!("{scheme}://{user}{host}/{database}"))
    };
    hosts.split(',').map(part).collect()
}

fn part(text: &str) -> Result<ConnectionInfo, Error> {
    text.into_connection_info().map_err(|_| Error::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(parts: &[ConnectionInfo]) -> Vec<String> {
        parts.iter().map(|part| part.addr().to_string()).collect()
    }

    #[test]
    fn sentinels_are_many_and_know_a_master() {
        let text = "redis+sentinel://:se%40cret@one,two:5000,[::1]/mymaster/3";
        let Address::Sentinels { sentinels, master } = Address::read(text).unwrap() else {
            panic!("it is of Sentinels");
        };
        assert_eq!(master, "mymaster");
        assert_eq!(hosts(&sentinels), ["one:26379", "two:5000", "::1:26379"]);
        for sentinel in &sentinels {
            assert_eq!(sentinel.redis_settings().password(), Some("se@cret"));
            assert_eq!(sentinel.redis_settings().db(), 3);
        }
    }

    #[test]
    fn a_cluster_is_known_by_some_of_its_nodes() {
        let address = Address::read("rediss+cluster://user:p@one,two:1").unwrap();
        assert!(address.is_secure());
        let Address::Cluster(nodes) = address else {
            panic!("it is of a cluster");
        };
        assert_eq!(hosts(&nodes), ["one:6379", "two:1"]);
        assert_eq!(nodes[0].redis_settings().username(), Some("user"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(matches!(
            Address::read("redis://:p@host/1"),
            Ok(Address::Server(_))
        ));
        for wrong in [
            "localhost",
            "http://localhost",
            "redis+sentinel://one,two",
            "redis+sentinel://one/",
            "redis+sentinel://one/master/database",
            "redis+sentinel://one:port/master",
            "redis+cluster://one/1",
            "redis+cluster://",
            "redis+ring://one",
        ] {
            assert!(Address::read(wrong).is_err(), "{wrong}");
        }
    }
}
