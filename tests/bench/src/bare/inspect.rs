//! The least a gateway for models must do to a request and its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Body;
use super::splice::Spliced;

/// What is set on requests, and the sum found in answers.
#[derive(Debug)]
pub(crate) struct Inspect {
    authorization: HeaderValue,
    /// The provider's model as JSON text.
    model: Bytes,
    tokens: Arc<AtomicU64>,
    find_usage: Finder<'static>,
}

/// One borrowed parse; values that are not named are skipped, not kept.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
}

#[derive(Deserialize)]
struct Answer {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: u64,
}

impl Inspect {
    /// Requests get this key, and this model in place of theirs.
    pub(crate) fn new(key: &str, model: &str) -> anyhow::Result<Self> {
        Ok(Self {
            authorization: HeaderValue::from_str(&format!("Bearer {key}"))?,
            model: serde_json::to_vec(model)?.into(),
            tokens: Arc::default(),
            find_usage: Finder::new(br#""usage":{"#),
        })
    }

    /// The request as the provider should see it; none when it names no model.
    pub(crate) async fn request(&self, request: Request<Incoming>) -> Option<Request<Body>> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let envelope: Envelope<'_> = serde_json::from_slice(&body).ok()?;
        let model = envelope.model.get();
        let start = model.as_ptr() as usize - body.as_ptr() as usize;
        let spliced = Spliced::new(&body, start..start + model.len(), self.model.clone());
        parts.headers.remove(CONTENT_LENGTH);
        parts
            .headers
            .insert(AUTHORIZATION, self.authorization.clone());
        Some(Request::from_parts(parts, spliced.boxed()))
    }

    /// The answer, its usage counted: on the way if it is a stream.
    pub(crate) async fn response(&self, response: Response<Body>) -> Response<Body> {
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let (parts, body) = response.into_parts();
        if is_stream {
            let tap = Tap {
                body,
                find_usage: self.find_usage.clone(),
                tokens: Arc::clone(&self.tokens),
            };
            return Response::from_parts(parts, tap.boxed());
        }
        let bytes = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        if let Ok(Answer { usage: Some(usage) }) = serde_json::from_slice(&bytes) {
            self.tokens.fetch_add(usage.total_tokens, Ordering::Relaxed);
        }
        Response::from_parts(
            parts,
            Full::new(bytes).map_err(|never| match never {}).boxed(),
        )
    }
}

/// A stream that is looked through as it passes.
struct Tap {
    body: Body,
    find_usage: Finder<'static>,
    tokens: Arc<AtomicU64>,
}

impl http_body::Body for Tap {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Some(at) = self.find_usage.find(data)
        {
            let object = &data[at + self.find_usage.needle().len() - 1..];
            if let Some(Ok(usage)) = serde_json::Deserializer::from_slice(object)
                .into_iter::<Usage>()
                .next()
            {
                self.tokens.fetch_add(usage.total_tokens, Ordering::Relaxed);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
