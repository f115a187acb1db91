//! A connection to Redis.

use std::time::Duration;

use redis::{ErrorKind, RedisError, Script, Value};
use tokio::time::timeout;

use crate::{
    call::{Call, Reply, read},
    error::Error,
    keys,
    servers::{Connection, Servers, TO_ANSWER, TO_CONNECT},
    settings::Settings,
};
use access::limit::Wanted;

/// How long the name of the count outlives the last call, in milliseconds; longer than what is counted by it.
const KEEP_EPOCH: u64 = 600_000;

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Links {
    servers: Servers,
    script: Script,
}

/// One of them.
pub(crate) struct Link<'a> {
    connection: Connection,
    script: &'a Script,
}

impl Links {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            servers: Servers::new(settings)?,
            script: Script::new(include_str!("call.lua")),
        })
    }

    pub(crate) async fn connect(&mut self) -> Result<Link<'_>, RedisError> {
        Ok(Link {
            connection: in_time(TO_CONNECT, self.servers.connect()).await?,
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
        Ok(in_time(TO_ANSWER, asking)
            .await?
            .unwrap_or_else(|| fresh.to_owned()))
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
        let answer = invocation.invoke_async(&mut self.connection);
        let reply: Value = in_time(TO_ANSWER, answer).await?;
        read(&reply, wanted).ok_or_else(|| {
            let told = "the script's answer cannot be read";
            RedisError::from((ErrorKind::UnexpectedReturnType, told))
        })
    }
}

async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    let late = |_| RedisError::from((ErrorKind::Io, "no answer in time"));
    timeout(patience, answer).await.map_err(late)?
}
