//! An answer on its way out: what the behaviour changes about it, and the orders its fault gives the wire.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, Version};

use crate::answer::{Answer, Payload};
use crate::body::{Player, SimBody, Step};
use crate::dialect::Dialect;
use crate::faults::{self, HEAD_BYTES};
use crate::journal::Ticket;
use crate::wire::{Cut, Wire};
use crate::{Behaviour, Fault, KeepAlive, Outcome, Point, RetryAfter};

/// Sets the headers and the body that the behaviour asks for.
pub(crate) fn dress(
    dialect: &dyn Dialect,
    answer: &mut Answer,
    behaviour: &Behaviour,
    name: &str,
    number: u64,
) {
    if let Some(body) = &behaviour.body {
        let text = body
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned);
        answer.payload = Payload::Whole {
            wait: Duration::ZERO,
            body: text.into(),
        };
    }
    let headers = &mut answer.headers;
    if let Ok(id) = HeaderValue::from_str(&format!("req_{name}_{number:08}")) {
        headers.insert(dialect.request_id(), id);
    }
    if answer.status.is_redirection() {
        headers.insert(
            LOCATION,
            HeaderValue::from_static("http://127.0.0.1:1/v1/elsewhere"),
        );
    }
    match behaviour.retry_after {
        None => {}
        Some(RetryAfter::Seconds(seconds)) => set(headers, RETRY_AFTER, &seconds.to_string()),
        Some(RetryAfter::Ms(ms)) => set(
            headers,
            HeaderName::from_static("retry-after-ms"),
            &ms.to_string(),
        ),
        Some(RetryAfter::DateIn(seconds)) => {
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
            set(headers, RETRY_AFTER, &date);
        }
        Some(RetryAfter::RateLimitReset(seconds)) => {
            set(
                headers,
                HeaderName::from_static("x-ratelimit-limit-requests"),
                "60",
            );
            set(
                headers,
                HeaderName::from_static("x-ratelimit-remaining-requests"),
                "0",
            );
            set(
                headers,
                HeaderName::from_static("x-ratelimit-reset-requests"),
                &format!("{seconds}s"),
            );
        }
    }
    if let Some(content_type) = &behaviour.content_type {
        set(headers, CONTENT_TYPE, content_type);
    }
    for (name, value) in &behaviour.headers {
        if let Ok(name) = name.parse::<HeaderName>() {
            set(headers, name, value);
        }
    }
}

fn set(headers: &mut http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Gives the wire its orders and hyper the response.
pub(crate) fn send(
    dialect: &dyn Dialect,
    mut answer: Answer,
    behaviour: &Behaviour,
    version: Version,
    ticket: Ticket,
    wire: &Arc<Wire>,
) -> Response<SimBody> {
    let mut staged = faults::stage(
        dialect,
        &mut answer,
        behaviour.sse.unwrap_or_default(),
        behaviour.fault.as_ref(),
    );
    ticket.status(answer.status);
    let mut ticket = Some(ticket);
    match (&behaviour.fault, version) {
        (Some(Fault::SlowHeaders { bytes, every_ms }), Version::HTTP_11) => {
            wire.slow_head(*bytes, Duration::from_millis(*every_ms));
        }
        (
            Some(Fault::Hang {
                at: Point::InHeaders,
            }),
            _,
        ) => {
            wire.cut_after(HEAD_BYTES, Cut::Stall);
            // The body would end in hyper's buffer; this one ends when the caller leaves.
            staged.steps = vec![Step::Hang];
        }
        (Some(Fault::Reset { at } | Fault::Close { at }), _) if at.is_in_head() => {
            let how = if matches!(behaviour.fault, Some(Fault::Reset { .. })) {
                Cut::Reset
            } else {
                Cut::Close
            };
            wire.cut_after(
                if *at == Point::InHeaders {
                    HEAD_BYTES
                } else {
                    0
                },
                how,
            );
            if let Some(ticket) = ticket.take() {
                ticket.end(Outcome::Faulted);
            }
        }
        _ => {}
    }
    if let (Some(status), Version::HTTP_11) = (behaviour.informational, version) {
        wire.write_first(format!("HTTP/1.1 {status} Informational\r\n\r\n").into());
    }
    match behaviour.keep_alive {
        None => {}
        Some(KeepAlive::CloseAfterAnswer) => wire.close_after_answer(),
        Some(KeepAlive::ResetOnReuse) => wire.go_stale(),
    }
    let player = Player::new(staged.steps.into(), ticket, Arc::clone(wire));
    let mut response = Response::new(SimBody::Played(Box::new(player)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let Some(length) = staged.content_length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}
