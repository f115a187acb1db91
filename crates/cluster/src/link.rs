//! A connection to Redis.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, Script, TlsCertificates, Value,
    aio::MultiplexedConnection,
};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::{
    call::{Call, Reply, read},
    error::Error,
    keys,
    settings::Settings,
};
use access::limit::Wanted;

/// How long a connection may take, and a call, before the connection is given up. No request waits for that long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the name of the count outlives the last call, in milliseconds; longer than what is counted by it.
const KEEP_EPOCH: u64 = 600_000;

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Links {
    client: Client,
    script: Script,
}

/// One of them.
pub(crate) struct Link<'a> {
    connection: MultiplexedConnection,
    script: &'a Script,
}

impl Links {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let url = settings.url.expose_secret();
        let client = match &settings.ca {
            None => Client::open(url).map_err(|_| Error::Url)?,
            Some(ca) => {
                Client::open(url).map_err(|_| Error::Url)?;
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                };
                Client::build_with_tls(url, certificates)
                    .map_err(|error| Error::Certificates(error.to_string()))?
            }
        };
        Ok(Self {
            client,
            script: Script::new(include_str!("call.lua")),
        })
    }

    pub(crate) async fn connect(&self) -> Result<Link<'_>, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(Link {
            connection: in_time(connecting).await?,
            script: &self.script,
        })
    }
}

impl Link<'_> {
    /// The count that is kept there; `fresh` where there is none.
    pub(crate) async fn epoch(&mut self, fresh: &str) -> Result<String, RedisError> {
        let mut set = redis::cmd("SET");
        set.arg(keys::EPOCH).arg(fresh).arg("PX").arg(KEEP_EPOCH);
        set.arg("NX").arg("GET");
        let asking = set.query_async::<Option<String>>(&mut self.connection);
        Ok(in_time(asking).await?.unwrap_or_else(|| fresh.to_owned()))
    }

    pub(crate) async fn call(
        &mut self,
        call: &Call,
        wanted: &[&Wanted],
    ) -> Result<Reply, RedisError> {
        let mut invocation = self.script.prepare_invoke();
        for key in &call.keys {
            invocation.key(key);
        }
        invocation.arg(&call.body);
        let reply: Value = in_time(invocation.invoke_async(&mut self.connection)).await?;
        read(&reply, wanted).ok_or_else(|| {
            let told = "the script's answer cannot be read";
            RedisError::from((ErrorKind::UnexpectedReturnType, told))
        })
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let late = |_| RedisError::from((ErrorKind::Io, "no answer in time"));
    timeout(PATIENCE, answer).await.map_err(late)?
}
