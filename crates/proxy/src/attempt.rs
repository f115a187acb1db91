//! One try of one candidate: build the request, send it, judge what comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use catalog::{Clocks, Policy, Provider};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::{
    Endpoint, Splice, Usage,
    openai::{Answer, Envelope, Unusable},
};
use router::Verdict;
use tokio::time::{Instant as Deadline, timeout_at};
use upstream::Pieces;

use crate::{
    failure::Failure,
    settings::Settings,
    tap::{Expected, Passing, Tap},
};

/// Largest error body that is read.
const MAX_ERROR_BYTES: usize = 1 << 20;
/// How long an error body may take; its status is known, and is enough.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Most that is held back of a stream before its first content.
const MAX_HELD_BYTES: usize = 1 << 20;

/// Headers of a client's request that reach the provider.
const PASSED: [HeaderName; 2] = [
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("idempotency-key"),
];

/// What every attempt of a request shares.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) envelope: &'a Envelope<'a>,
    pub(crate) policy: &'a Policy,
    /// When the whole request has to be committed, if ever.
    pub(crate) deadline: Option<Instant>,
    /// Whether that is the client's own wish.
    pub(crate) is_deadline_own: bool,
}

impl Ask<'_> {
    fn clocks(&self) -> &Clocks {
        &self.policy.clocks
    }

    /// How long an attempt may take to answer, or to begin its stream.
    fn patience(&self) -> Duration {
        if self.envelope.stream {
            self.clocks().first_content
        } else {
            self.clocks().response
        }
    }

    /// Whether an attempt that failed after `lasted` had time by its own clock, and only the client had none left: a
    /// client in a hurry must not make a provider look silent to everybody.
    pub(crate) fn was_cut_short(&self, failure: &Failure, lasted: Duration) -> bool {
        failure.verdict == Verdict::Timeout && self.is_deadline_own && lasted < self.patience()
    }

    /// When an attempt that starts at `now` has to have answered, or begun its stream.
    fn attempt_deadline(&self, now: Instant) -> Deadline {
        let own = now + self.patience();
        self.deadline
            .map_or(own, |deadline| deadline.min(own))
            .into()
    }

    fn request(&self, provider: &Provider, splice: &Splice) -> Request<Pieces> {
        let mut request = Request::new(Pieces::from(splice.pieces(self.body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = provider.url(self.endpoint).clone();
        let headers = request.headers_mut();
        *headers = provider.headers().clone();
        for name in PASSED {
            if let Some(value) = self.headers.get(&name) {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
        let accept = if self.envelope.stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        request
    }
}

/// How providers see us.
pub(crate) const USER_AGENT: &str = concat!("llm-orchestrator/", env!("CARGO_PKG_VERSION"));

/// An answer, judged good.
#[derive(Debug)]
pub(crate) enum Answered {
    /// All of it.
    Whole {
        /// HTTP status.
        status: StatusCode,
        /// The provider's headers.
        headers: HeaderMap,
        /// Its body, as it came.
        body: Bytes,
        /// What it used.
        usage: Usage,
    },
    /// A stream, up to its first content.
    Stream {
        /// HTTP status.
        status: StatusCode,
        /// The provider's headers.
        headers: HeaderMap,
        /// What is still to come.
        body: Incoming,
        /// Looks at it as it passes.
        tap: Tap,
        /// What came so far, for the client.
        held: Vec<Bytes>,
    },
}

/// Tries `provider`, which calls the model `provider_model`.
pub(crate) async fn run(
    ask: &Ask<'_>,
    provider: &Arc<Provider>,
    provider_model: &str,
    settings: &Settings,
) -> Result<Answered, Failure> {
    let deadline = ask.attempt_deadline(Instant::now());
    let response = send(ask, provider, provider_model, deadline).await?;
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(provider, response, deadline).await);
    }
    if let Some(encoding) = foreign_encoding(response.headers()) {
        let message = format!("the answer is encoded as '{encoding}', which was not accepted");
        return Err(Failure::bad_payload(message).with_status(status));
    }
    let answered = if ask.envelope.stream {
        begin_stream(ask, provider, response, deadline).await
    } else {
        collect(ask, provider, response, deadline, settings).await
    };
    answered.map_err(|failure| failure.with_status(status))
}

/// Sends until a response head comes. A reused connection that failed may just have been closed by the provider as idle,
/// and a provider may refuse a request without looking at it:
/// the request is repeated once on a new one, and the provider is not blamed.
async fn send(
    ask: &Ask<'_>,
    provider: &Provider,
    provider_model: &str,
    deadline: Deadline,
) -> Result<Response<Incoming>, Failure> {
    let splice = ask.envelope.splice(provider_model);
    let (client, connect) = (&provider.client, ask.clocks().connect);
    let sending = async {
        match client.send(ask.request(provider, &splice), connect).await {
            Err(error) if error.may_repeat() => {
                let request = ask.request(provider, &splice);
                client.send_on_new_connection(request, connect).await
            }
            sent => sent,
        }
    };
    timeout_at(deadline, sending)
        .await
        .map_err(|_| Failure::timeout("no response head in time"))?
        .map_err(|error| Failure::of_send(&error))
}

fn foreign_encoding(headers: &HeaderMap) -> Option<&str> {
    let encoding = headers.get(header::CONTENT_ENCODING)?;
    let encoding = encoding.to_str().unwrap_or("unknown").trim();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// Reads and judges an answer that is an error.
async fn refusal(provider: &Provider, response: Response<Incoming>, deadline: Deadline) -> Failure {
    let (head, body) = response.into_parts();
    let deadline = deadline.min(Deadline::now() + ERROR_BODY_TIMEOUT);
    let body = read(body, MAX_ERROR_BYTES, deadline)
        .await
        .unwrap_or_default();
    let redact = |text: &str| provider.redact(text);
    let failure = Failure::of_status(head.status, &head.headers, &body, redact);
    tracing::debug!(
        provider.name = &*provider.name,
        status = head.status.as_u16(),
        error.class = failure.class,
        "a provider answered with an error"
    );
    failure
}

async fn collect(
    ask: &Ask<'_>,
    provider: &Provider,
    response: Response<Incoming>,
    deadline: Deadline,
    settings: &Settings,
) -> Result<Answered, Failure> {
    let (head, body) = response.into_parts();
    let body = read(body, settings.max_response_bytes, deadline).await?;
    let answer = Answer::inspect(ask.endpoint, &body)
        .map_err(|unusable| unusable_answer(provider, unusable))?;
    let estimate = || Usage::estimated(ask.envelope.prompt_bytes, answer.output_bytes);
    let usage = answer.usage.unwrap_or_else(estimate);
    Ok(Answered::Whole {
        status: head.status,
        headers: head.headers,
        body,
        usage,
    })
}

fn unusable_answer(provider: &Provider, unusable: Unusable) -> Failure {
    let message = unusable.to_string();
    Failure::bad_payload(provider.redact(&message).unwrap_or(message))
}

/// Reads a body of at most `limit` bytes. One that comes in one piece is not copied.
pub(crate) async fn read(
    mut body: Incoming,
    limit: usize,
    deadline: Deadline,
) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(
            Verdict::Failed,
            "too_large",
            format!("the answer is larger than {limit} bytes"),
        )
    };
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame())
            .await
            .map_err(|_| Failure::timeout("no whole answer in time"))?;
        let Some(frame) = frame else { break };
        let frame =
            frame.map_err(|error| Failure::truncated(format!("the answer broke off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + joined.len() + data.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

/// Reads a stream up to its first content, which commits it to this provider.
async fn begin_stream(
    ask: &Ask<'_>,
    provider: &Provider,
    response: Response<Incoming>,
    deadline: Deadline,
) -> Result<Answered, Failure> {
    let (head, mut body) = response.into_parts();
    let content_type = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !content_type
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("text/event-stream")
    {
        return Err(Failure::bad_payload(format!(
            "a stream was asked for, '{content_type}' came"
        )));
    }
    let mut tap = Tap::new(Expected {
        passes_usage: ask.envelope.include_usage,
        skips_malformed: ask.policy.skip_malformed_events,
        choices: ask.envelope.choices,
        prompt_bytes: ask.envelope.prompt_bytes,
    });
    let mut held = Vec::new();
    let mut held_bytes = 0;
    loop {
        let frame = timeout_at(deadline, body.frame())
            .await
            .map_err(|_| Failure::timeout("no first content in time"))?;
        let Some(frame) = frame else {
            return Err(ended_before_content(&tap));
        };
        let frame =
            frame.map_err(|error| Failure::truncated(format!("the stream broke off: {error}")))?;
        // A provider that never pauses is never waited for, so its clock would not be looked at.
        if Deadline::now() >= deadline {
            return Err(Failure::timeout("no first content in time"));
        }
        let Ok(data) = frame.into_data() else {
            continue;
        };
        tap.push(data);
        while let Some(passing) = tap.next() {
            match passing {
                Passing::Forward(bytes, is_content) => {
                    held_bytes += bytes.len();
                    held.push(bytes);
                    if is_content {
                        return Ok(Answered::Stream {
                            status: head.status,
                            headers: head.headers,
                            body,
                            tap,
                            held,
                        });
                    }
                }
                Passing::Nothing => {}
                Passing::Error(error) => {
                    let message = provider.redact(&error.message).unwrap_or(error.message);
                    return Err(Failure::new(Verdict::Failed, "stream_error", message));
                }
                Passing::Malformed(reason) => return Err(Failure::bad_payload(reason)),
            }
        }
        if held_bytes > MAX_HELD_BYTES {
            return Err(Failure::bad_payload("too much before the first content"));
        }
        if tap.is_done() {
            return Err(ended_before_content(&tap));
        }
    }
}

fn ended_before_content(tap: &Tap) -> Failure {
    if tap.is_empty() {
        Failure::new(Verdict::Failed, "empty_stream", "the stream held no event")
    } else {
        Failure::truncated("the stream ended before its first content")
    }
}
