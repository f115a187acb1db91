//! The response to a request: of a provider's answer, of the gateway's own, or of an error.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use protocol::Protocol;
use tokio_util::sync::CancellationToken;

use crate::{
    answer::Answered,
    arrival::Arrival,
    attempts::Success,
    body::Body,
    clock, edge,
    errand::Errand,
    error::Error,
    ledger::Ledger,
    limits,
    relay::{Committed, Relay},
};

/// What goes back.
#[expect(
    clippy::large_enum_variant,
    reason = "made once per request and taken apart at once"
)]
#[derive(Debug)]
pub(crate) enum Answer {
    /// JSON of ours.
    Own(Bytes),
    /// A provider's.
    Providers {
        success: Success,
        /// Whether its stream is read as a JSON array.
        as_array: bool,
        idle_timeout: Duration,
        /// Where a stream that breaks may go on with another provider.
        rescue: Option<Arc<Errand>>,
    },
}

impl Answer {
    /// The stream that it is, if it is one that an attempt began.
    pub(crate) fn into_stream(self) -> Option<Committed> {
        let Self::Providers {
            success,
            idle_timeout,
            ..
        } = self
        else {
            return None;
        };
        let Answered::Stream {
            status,
            body,
            tap,
            held,
            moderators,
            ..
        } = success.answered
        else {
            return None;
        };
        Some(Committed {
            body,
            tap,
            held,
            moderators,
            in_flight: success.in_flight,
            provider: success.provider,
            attempt: success.attempt,
            status: status.as_u16(),
            latency: success.latency,
            idle_timeout,
        })
    }
}

/// Who waits for a response, and what may end it.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) protocol: Protocol,
    pub(crate) cut: CancellationToken,
}

/// Makes the response, and ends the account, unless that ends with the stream.
pub(crate) fn conclude(
    result: Result<Answer, Error>,
    mut ledger: Ledger,
    asking: &Asking,
    arrival: &Arrival,
) -> Response<Body> {
    let (protocol, cut) = (asking.protocol, &asking.cut);
    let (success, as_array, idle_timeout, rescue) = match result {
        Ok(Answer::Providers {
            success,
            as_array,
            idle_timeout,
            rescue,
        }) => (success, as_array, idle_timeout, rescue),
        Ok(Answer::Own(body)) => {
            ledger.close(200, None, clock::now());
            return edge::json(StatusCode::OK, body);
        }
        Err(error) => return told(&error, ledger, protocol, arrival),
    };
    let Success {
        answered,
        provider,
        attempt,
        in_flight,
        latency,
        passes,
        dropped,
    } = success;
    let speaks = passes.then_some(protocol);
    let standings = ledger.standings();
    let (status, mut headers, body) = match answered {
        Answered::Estimated { body } => {
            let mut headers = edge::passed_headers(&HeaderMap::new(), None);
            edge::add_estimated(&mut headers);
            edge::claim_json(&mut headers);
            edge::add_trail(&mut headers, &ledger, arrival, None);
            ledger.close(200, None, clock::now());
            (StatusCode::OK, headers, Body::whole(body))
        }
        Answered::Whole {
            status,
            headers,
            body,
            ..
        } => {
            let mut headers = edge::passed_headers(&headers, speaks);
            edge::claim_json(&mut headers);
            edge::add_trail(&mut headers, &ledger, arrival, Some(latency));
            ledger.keep_answer(&body);
            ledger.close(status.as_u16(), None, clock::now());
            (status, headers, Body::whole(body))
        }
        Answered::Stream {
            status,
            headers,
            body,
            tap,
            held,
            moderators,
        } => {
            let mut headers = edge::passed_headers(&headers, speaks);
            if !passes || as_array {
                edge::claim_stream(&mut headers, as_array);
            }
            edge::add_trail(&mut headers, &ledger, arrival, Some(latency));
            let stream = Committed {
                body,
                tap,
                held,
                moderators,
                in_flight,
                provider,
                attempt,
                status: status.as_u16(),
                latency,
                idle_timeout,
            };
            // Taps usage; records when the body ends or drops.
            let relay = Relay::new(stream, ledger, cut.clone(), rescue);
            (status, headers, Body::stream(relay))
        }
    };
    edge::add_dropped(&mut headers, &dropped);
    limits::add(&mut headers, protocol, standings, arrival.utc);
    of_parts(status, headers, body)
}

fn of_parts(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Makes the response to a request that got no answer, and ends the account.
pub(crate) fn told(
    error: &Error,
    ledger: Ledger,
    protocol: Protocol,
    arrival: &Arrival,
) -> Response<Body> {
    let mut response = edge::render(protocol, error, arrival);
    edge::add_trail(response.headers_mut(), &ledger, arrival, None);
    limits::add(
        response.headers_mut(),
        protocol,
        ledger.standings(),
        arrival.utc,
    );
    let status = response.status().as_u16();
    ledger.close(status, Some((error.class, error.message())), clock::now());
    response
}
