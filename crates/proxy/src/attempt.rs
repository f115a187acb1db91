//! One try of one candidate: send the request, and have what comes back judged.

use std::time::Duration;

use catalog::{Framing, Provider};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use tokio::time::{Instant as Deadline, timeout_at};
use upstream::{Body, Patience, Pieces};

use crate::{
    answer::{self, Answered},
    ask::Ask,
    clock,
    exchange::{Prepared, is_forwarded},
    failure::Failure,
    settings::Settings,
};

/// Largest error body that is read.
const MAX_ERROR_BYTES: usize = 1 << 20;
/// How long an error body may take; its status is known, and is enough.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How providers see us.
pub(crate) const USER_AGENT: &str = concat!("llm-orchestrator/", env!("CARGO_PKG_VERSION"));

/// Tries `provider` with a request made for it.
pub(crate) async fn run(
    ask: &Ask<'_>,
    provider: &Provider,
    prepared: &Prepared<'_>,
    settings: &Settings,
) -> Result<Answered, Failure> {
    let deadline = ask.attempt_deadline(clock::now());
    let response = send(ask, provider, prepared, deadline).await?;
    let status = response.status();
    if !status.is_success() {
        let failure = refusal(ask, provider, response, deadline).await;
        return Err(failure.of_protocol(prepared.call.errors));
    }
    if let Some(encoding) = foreign_encoding(response.headers()) {
        let message = format!("the answer is encoded as '{encoding}', which was not accepted");
        return Err(Failure::bad_payload(message).with_status(status));
    }
    answer::judge(ask, provider, prepared, response, deadline, settings)
        .await
        .map_err(|failure| failure.with_status(status))
}

/// Sends until a response head comes. A reused connection that failed may just have been closed by the provider as idle,
/// and a provider may refuse a request without looking at it:
/// the request is repeated once on a new one, and the provider is not blamed.
async fn send(
    ask: &Ask<'_>,
    provider: &Provider,
    prepared: &Prepared<'_>,
    deadline: Deadline,
) -> Result<Response<Body>, Failure> {
    let client = &provider.client;
    let patience = Patience {
        connect: ask.clocks().connect,
        head: Some(deadline),
    };
    let first = signed(ask, provider, prepared, deadline).await?;
    let sent = match client.send(first, patience).await {
        Err(error) if error.may_repeat() => {
            let again = signed(ask, provider, prepared, deadline).await?;
            client.send_on_new_connection(again, patience).await
        }
        sent => sent,
    };
    sent.map_err(|error| Failure::of_send(&error))
}

/// The request as it is sent now, with proof of who asks.
async fn signed(
    ask: &Ask<'_>,
    provider: &Provider,
    prepared: &Prepared<'_>,
    deadline: Deadline,
) -> Result<Request<Pieces>, Failure> {
    let mut request = request(ask, prepared);
    timeout_at(deadline, provider.sign(&mut request))
        .await
        .map_err(|_| Failure::timeout("no proof of who asks in time"))?
        .map_err(|error| Failure::of_auth(&error))?;
    Ok(request)
}

fn request(ask: &Ask<'_>, prepared: &Prepared<'_>) -> Request<Pieces> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut request = Request::new(Pieces::from(prepared.pieces.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = prepared.call.url.clone();
    let mut headers = prepared.call.headers(ask.headers, prepared.passes());
    // What is forwarded may be a form, whose boundary stands in its type.
    let clients = ask.headers.get(header::CONTENT_TYPE);
    let (content_type, accept) = if is_forwarded(ask.endpoint) {
        (clients.cloned().unwrap_or(JSON), "*/*")
    } else if ask.envelope.stream && prepared.call.framing == Framing::Sse {
        (JSON, "text/event-stream")
    } else {
        (JSON, "application/json")
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    if let Some(trace) = &prepared.trace {
        trace.put(&mut headers);
    }
    *request.headers_mut() = headers;
    request
}

fn foreign_encoding(headers: &HeaderMap) -> Option<&str> {
    let encoding = headers.get(header::CONTENT_ENCODING)?;
    let encoding = encoding.to_str().unwrap_or("unknown").trim();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// Reads and judges an answer that is an error.
async fn refusal(
    ask: &Ask<'_>,
    provider: &Provider,
    response: Response<Body>,
    deadline: Deadline,
) -> Failure {
    let (head, body) = response.into_parts();
    let deadline = deadline.min(Deadline::now() + ERROR_BODY_TIMEOUT);
    let body = answer::read(body, MAX_ERROR_BYTES, deadline)
        .await
        .unwrap_or_default();
    let redact = |text: &str| provider.redact(text);
    let failure = Failure::of_status(head.status, &head.headers, &body, redact);
    tracing::debug!(
        request.id = %ask.arrival.id,
        provider.name = &*provider.name,
        status = head.status.as_u16(),
        error.class = failure.class,
        "a provider answered with an error"
    );
    failure
}
