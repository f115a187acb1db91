//! Judging what comes back: a whole answer, or a stream up to its first content.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use catalog::{Framing, Provider};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use http_body_util::BodyExt;
use protocol::{Media, Unusable, Usage};
use router::Verdict;
use tokio::time::{Instant as Deadline, timeout_at};
use upstream::Body;

use crate::{
    ask::Ask,
    content_type,
    exchange::{Prepared, is_forwarded},
    failure::Failure,
    settings::Settings,
    tap::{Passing, Tap},
    withheld::{Moderators, Piece},
};

/// Most that is held back of a stream before its first content.
const MAX_HELD_BYTES: usize = 1 << 20;

/// An answer, judged good.
#[derive(Debug)]
pub(crate) enum Answered {
    /// All of it.
    Whole {
        /// HTTP status.
        status: StatusCode,
        /// The provider's headers.
        headers: HeaderMap,
        /// The client's body.
        body: Bytes,
        /// What it used, where that can be told.
        usage: Option<Usage>,
        /// The images or the sound in it.
        media: Media,
    },
    /// A stream, up to its first content.
    Stream {
        /// HTTP status.
        status: StatusCode,
        /// The provider's headers.
        headers: HeaderMap,
        /// What is still to come.
        body: Body,
        /// Looks at it as it passes.
        tap: Tap,
        /// What came so far, for the client.
        held: Vec<Piece>,
        /// Where the client gets it only when it was moderated: by whom.
        moderators: Option<Moderators>,
    },
    /// A count of tokens that was estimated here; nothing was sent.
    Estimated {
        /// The client's body.
        body: Bytes,
    },
}

/// Judges a response whose status is a success.
pub(crate) async fn judge(
    ask: &Ask<'_>,
    provider: &Provider,
    prepared: &Prepared<'_>,
    mut response: Response<Body>,
    deadline: Deadline,
    settings: &Settings,
) -> Result<Answered, Failure> {
    let is_kind = |kind: &str| content_type::has(content_type::of(response.headers()), kind);
    if is_forwarded(ask.endpoint) {
        if is_kind("json") {
            return collect(ask, provider, prepared, response, deadline, settings).await;
        }
        return begin_stream(provider, Tap::raw(), response, deadline).await;
    }
    if !ask.envelope.stream {
        return collect(ask, provider, prepared, response, deadline, settings).await;
    }
    let framing = prepared.call.framing;
    let expected = match framing {
        Framing::AmazonEvents => "application/vnd.amazon.eventstream",
        Framing::Sse => "text/event-stream",
    };
    if !is_kind(expected) {
        let came = content_type::of(response.headers()).to_ascii_lowercase();
        return Err(Failure::bad_payload(format!(
            "a stream was asked for, '{came}' came"
        )));
    }
    if framing == Framing::AmazonEvents {
        // What a client gets of it are the events inside.
        let inside = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, inside);
    }
    let skips_malformed = ask.policy.skip_malformed_events;
    let tap = Tap::events(prepared.stream(ask), framing, skips_malformed);
    begin_stream(provider, tap, response, deadline).await
}

async fn collect(
    ask: &Ask<'_>,
    provider: &Provider,
    prepared: &Prepared<'_>,
    response: Response<Body>,
    deadline: Deadline,
    settings: &Settings,
) -> Result<Answered, Failure> {
    let came = content_type::of(response.headers());
    // Where no type is named, what came shows what it is.
    if !came.is_empty() && !content_type::has(came, "json") {
        let came = came.to_ascii_lowercase();
        return Err(Failure::bad_payload(format!(
            "JSON was asked for, '{came}' came"
        )));
    }
    let (head, body) = response.into_parts();
    let body = read(body, settings.max_response_bytes, deadline).await?;
    let (body, usage, media) = prepared
        .whole(ask, body)
        .map_err(|unusable| unusable_answer(provider, &unusable))?;
    Ok(Answered::Whole {
        status: head.status,
        headers: head.headers,
        body,
        usage,
        media,
    })
}

fn unusable_answer(provider: &Provider, unusable: &Unusable) -> Failure {
    let message = unusable.to_string();
    Failure::bad_payload(provider.redact(&message).unwrap_or(message))
}

/// Reads a body of at most `limit` bytes. One that comes in one piece is not copied.
pub(crate) async fn read(body: Body, limit: usize, deadline: Deadline) -> Result<Bytes, Failure> {
    timeout_at(deadline, pin!(gather(body, limit)))
        .await
        .unwrap_or_else(|_| Err(Failure::timeout("no whole answer in time")))
}

async fn gather(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(
            Verdict::Failed,
            "too_large",
            format!("the answer is larger than {limit} bytes"),
        )
    };
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
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
    provider: &Provider,
    mut tap: Tap,
    response: Response<Body>,
    deadline: Deadline,
) -> Result<Answered, Failure> {
    let (head, mut body) = response.into_parts();
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
                // The provider has answered; what the client is told instead is for the relay to say.
                Passing::Denied(_) => return Ok(committed(head, body, tap, held)),
                Passing::Forward(piece, is_content) => {
                    held_bytes += piece.bytes.len();
                    held.push(piece);
                    if is_content {
                        return Ok(committed(head, body, tap, held));
                    }
                }
                Passing::Nothing => {}
                Passing::Error(error, status) => {
                    let redact = |text: &str| provider.redact(text);
                    return Err(Failure::of_event(&error, status, redact));
                }
                Passing::Malformed(reason) => return Err(Failure::bad_payload(reason)),
                Passing::Differs => return Err(Failure::differs()),
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

fn committed(head: Parts, body: Body, tap: Tap, held: Vec<Piece>) -> Answered {
    Answered::Stream {
        status: head.status,
        headers: head.headers,
        body,
        tap,
        held,
        moderators: None,
    }
}

fn ended_before_content(tap: &Tap) -> Failure {
    if tap.is_empty() {
        Failure::new(Verdict::Failed, "empty_stream", "the stream held no event")
    } else {
        Failure::truncated("the stream ended before its first content")
    }
}
