//! Which server keeps the counts, and a connection to it.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisError, RedisFuture,
    TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret;

use crate::{address::Address, error::Error, settings::Settings};

/// How long a connection may take to come about. A handshake of TLS on a busy machine takes its time, and a server that is
/// refused for what it shows is to be told of as that, not as one that is late.
pub(crate) const TO_CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take before the connection is given up. No request waits for that long.
pub(crate) const TO_ANSWER: Duration = Duration::from_secs(1);

/// How it is found.
pub(crate) enum Servers {
    /// It has this address.
    One(Box<Client>),
    /// Sentinels tell, each time: it is another one after a failover.
    Sentinels(Box<SentinelClient>),
    /// It is the node that has the keys' slot, at the time.
    Cluster(Box<ClusterClient>),
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::One(_) => "One",
            Self::Sentinels(_) => "Sentinels",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Servers {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let certificates = settings.ca.as_ref().map(|ca| TlsCertificates {
            client_tls: None,
            root_cert: Some(ca.clone()),
        });
        let refused = |error: RedisError| match settings.ca {
            Some(_) => Error::Certificates(error.to_string()),
            None => Error::Url,
        };
        let address = Address::read(settings.url.expose_secret())?;
        if settings.ca.is_some() && !address.is_secure() {
            let told = "they are for an address whose scheme begins with rediss";
            return Err(Error::Certificates(told.to_owned()));
        }
        let servers = match address {
            Address::Server(info) => match certificates {
                Some(certificates) => Client::build_with_tls(*info, certificates),
                None => Client::open(*info),
            }
            .map(|client| Self::One(Box::new(client))),
            Address::Sentinels { sentinels, master } => {
                sentinels_of(&sentinels, &master, certificates)
                    .map(|client| Self::Sentinels(Box::new(client)))
            }
            Address::Cluster(nodes) => {
                let mut builder = ClusterClient::builder(nodes)
                    .connection_timeout(TO_CONNECT)
                    .response_timeout(TO_ANSWER);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                builder
                    .build()
                    .map(|client| Self::Cluster(Box::new(client)))
            }
        };
        servers.map_err(refused)
    }

    pub(crate) async fn connect(&mut self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TO_CONNECT))
            .set_response_timeout(Some(TO_ANSWER));
        let client = match self {
            Self::One(client) => Client::clone(client),
            Self::Sentinels(client) => client.async_get_client().await?,
            Self::Cluster(client) => {
                let connection = client.get_async_connection().await?;
                return Ok(Connection::Cluster(Box::new(connection)));
            }
        };
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        connecting.await.map(Connection::One)
    }
}

/// The user and the password are those of the servers, and of the Sentinels too.
fn sentinels_of(
    sentinels: &[ConnectionInfo],
    master: &str,
    certificates: Option<TlsCertificates>,
) -> Result<SentinelClient, RedisError> {
    let addresses = sentinels.iter().map(|info| info.addr().clone());
    let kind = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(addresses, master, kind)?;
    let Some(info) = sentinels.first() else {
        return builder.build();
    };
    let settings = info.redis_settings();
    builder = builder.set_client_to_redis_db(settings.db());
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_redis_username(user);
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
        builder = builder.set_client_to_sentinel_password(password);
    }
    if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        builder = builder.set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.set_client_to_redis_certificates(certificates.clone());
        builder = builder.set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

/// To one server, or to a cluster, whose nodes are asked by what they have.
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
