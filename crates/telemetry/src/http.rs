//! The exporter's requests, through the same guarded clients as everything else.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use upstream::Client;

use crate::post::post;

/// Sends for the exporter.
#[derive(Debug)]
pub(super) struct Http(pub(super) Arc<Client>);

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Http {
    fn send_bytes<'client, 'sending>(&'client self, request: Request<Bytes>) -> Sending<'sending>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move { Ok(post(&self.0, request).await?) })
    }
}
