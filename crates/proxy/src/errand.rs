//! A request that owns all it needs, so that candidates can be tried on its behalf after `serve` has returned: inside the
//! body of its response.
//!
//! What attempts see of a request (`Ask`) borrows from its body and from the snapshot. An errand owns both, and its future
//! borrows from itself: the request is read and planned anew in there, under the same snapshot.

use std::{panic::AssertUnwindSafe, sync::Arc};

use access::ClientKey;
use bytes::Bytes;
use catalog::Snapshot;
use futures_util::{FutureExt, future::BoxFuture};
use http::request;
use protocol::{Endpoint, ErrorKind};
use uuid::Uuid;

use crate::{
    arrival::Arrival, error::Error, handle::Proxy, intake, ledger::Ledger, metrics::Metrics,
    rescue::Resuming, response::Answer,
};

/// A client's request whose body has been read, as it is routed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) caller: &'a Arc<ClientKey>,
    pub(crate) endpoint: Endpoint,
    /// The model, where the path names it.
    pub(crate) path_model: Option<&'a str>,
    pub(crate) head: &'a request::Parts,
    pub(crate) body: &'a Bytes,
    pub(crate) arrival: &'a Arrival,
}

/// The same, owned.
#[derive(Debug)]
pub(crate) struct Errand {
    proxy: Proxy,
    snapshot: Arc<Snapshot>,
    caller: Arc<ClientKey>,
    endpoint: Endpoint,
    path_model: Option<String>,
    head: request::Parts,
    body: Bytes,
    arrival: Arrival,
}

/// How an errand ended, with the account, which is still open; where the gateway itself failed, the account is closed.
pub(crate) type Done = Result<(Result<Answer, Error>, Ledger), Error>;

impl Errand {
    pub(crate) fn of(proxy: &Proxy, request: Request<'_>) -> Self {
        Self {
            proxy: proxy.clone(),
            snapshot: request.snapshot.clone(),
            caller: request.caller.clone(),
            endpoint: request.endpoint,
            path_model: request.path_model.map(str::to_owned),
            head: request.head.clone(),
            body: request.body.clone(),
            arrival: request.arrival.clone(),
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            snapshot: &self.snapshot,
            caller: &self.caller,
            endpoint: self.endpoint,
            path_model: self.path_model.as_deref(),
            head: &self.head,
            body: &self.body,
            arrival: &self.arrival,
        }
    }

    async fn walk(
        &self,
        ledger: &mut Ledger,
        resuming: Option<&Resuming>,
    ) -> Result<Answer, Error> {
        let request = self.request();
        let headers = &request.head.headers;
        let envelope = intake::scan(request.endpoint, request.path_model, headers, request.body)?;
        self.proxy
            .pursue(request, &envelope, ledger, resuming)
            .await
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.proxy.metrics()
    }

    pub(crate) fn request_id(&self) -> Uuid {
        self.arrival.id
    }

    /// Finds a provider that goes on with what the client has. Dropped, it ends the calls that run and records that the
    /// client left.
    pub(crate) fn resume(
        self: Arc<Self>,
        resuming: Resuming,
        mut ledger: Ledger,
    ) -> BoxFuture<'static, Done> {
        async move {
            let walked = AssertUnwindSafe(async {
                let result = tokio::select! {
                    biased;
                    () = self.proxy.cut().cancelled() => Err(Self::cut()),
                    result = self.walk(&mut ledger, Some(&resuming)) => result,
                };
                (result, ledger)
            });
            let walked = walked.catch_unwind().await;
            walked.map_err(|_| self.proxy.panicked(&self.arrival))
        }
        .boxed()
    }

    fn cut() -> Error {
        let told = "the gateway is shutting down";
        Error::new(ErrorKind::Unavailable, "client_shutdown", told)
    }

    /// Finds a provider that answers. Dropped, it ends the calls that run and records that the client left; it ends by
    /// itself when the gateway has to.
    pub(crate) fn run(self, mut ledger: Ledger) -> BoxFuture<'static, Done> {
        async move {
            let proxy = self.proxy.clone();
            let walked = AssertUnwindSafe(async {
                let result = tokio::select! {
                    biased;
                    () = proxy.cut().cancelled() => Err(Self::cut()),
                    result = self.walk(&mut ledger, None) => result,
                };
                (result, ledger)
            });
            let walked = walked.catch_unwind().await;
            walked.map_err(|_| proxy.panicked(&self.arrival))
        }
        .boxed()
    }
}
