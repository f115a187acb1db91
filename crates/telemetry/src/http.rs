//! The exporters' requests, through the same guarded clients as everything else.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use upstream::Client;

use crate::post::post;

/// Sends for an exporter.
#[derive(Debug)]
pub(crate) struct Http {
    client: Arc<Client>,
    /// Where it sends: an exporter of metrics has a thread of its own, on which no connection would get on.
    runtime: Handle,
}

impl Http {
    /// Sends on the runtime that this is called on.
    pub(crate) fn new(client: Arc<Client>) -> Self {
        let runtime = Handle::current();
        Self { client, runtime }
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Http {
    fn send_bytes<'client, 'sending>(&'client self, request: Request<Bytes>) -> Sending<'sending>
    where
        'client: 'sending,
        Self: 'sending,
    {
        let client = self.client.clone();
        let sending = self
            .runtime
            .spawn(async move { post(&client, request).await });
        let sending = AbortOnDropHandle::new(sending);
        Box::pin(async move { Ok(sending.await??) })
    }
}
