//! Signs of life for a client that waits for a stream: the head goes out before the first content, and heartbeats until it
//! comes. Below, candidates are tried as ever.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use catalog::Policy;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use protocol::{ClientError, Endpoint, Envelope, ErrorKind, Format, Inspected, Operation, Stream};
use tokio::time::{Sleep, sleep};

use crate::{
    arrival::Arrival,
    body::Body,
    clock, edge,
    errand::{Done, Errand},
    error::{Error, Told},
    ledger::Ledger,
    response::{Asking, conclude},
};

/// How long this client waits for a sign of life; `None` where none is sent.
pub(crate) fn interval(
    policy: &Policy,
    endpoint: Endpoint,
    envelope: &Envelope<'_>,
) -> Option<Duration> {
    let knows_heartbeats = match endpoint.operation() {
        Operation::Generate(format) => format != Format::Gemini,
        Operation::Complete => true,
        _ => false,
    };
    let wanted = policy.heartbeat?;
    (envelope.stream && knows_heartbeats).then_some(wanted)
}

/// Runs the errand. If that takes longer than `interval`, it goes on in the body of the response.
///
/// # Errors
/// The gateway itself failed.
pub(crate) async fn answer(
    errand: Errand,
    interval: Duration,
    ledger: Ledger,
    asking: Asking,
) -> Result<Response<Body>, Error> {
    let (endpoint, arrival) = (errand.request().endpoint, errand.request().arrival.clone());
    let mut run = errand.run(ledger);
    tokio::select! {
        biased;
        done = &mut run => {
            let (result, ledger) = done?;
            return Ok(conclude(result, ledger, &asking, &arrival));
        }
        () = sleep(interval) => {}
    }
    let mut headers = HeaderMap::new();
    edge::claim_stream(&mut headers, false);
    let mut response = Response::new(Body::waiting(Waiting {
        run,
        arrival,
        asking,
        endpoint,
        interval,
        is_due: true,
        next: Box::pin(sleep(interval)),
    }));
    *response.headers_mut() = headers;
    Ok(response)
}

/// The body of a response that has begun before its answer.
pub(crate) struct Waiting {
    run: BoxFuture<'static, Done>,
    arrival: Arrival,
    asking: Asking,
    endpoint: Endpoint,
    interval: Duration,
    is_due: bool,
    next: Pin<Box<Sleep>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Waiting");
        shown
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// What comes next of it.
pub(crate) enum Sign {
    /// It goes on.
    Beat(Bytes),
    /// From here on it is this.
    Body(Body),
}

impl Waiting {
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Sign> {
        if let Poll::Ready(done) = self.run.as_mut().poll(context) {
            return Poll::Ready(Sign::Body(self.end(done)));
        }
        if !std::mem::take(&mut self.is_due) {
            ready!(self.next.as_mut().poll(context));
        }
        let next = tokio::time::Instant::now() + self.interval;
        self.next.as_mut().reset(next);
        // So that whoever polls is woken by it, also if nothing is asked of us until then.
        let _ = self.next.as_mut().poll(context);
        Poll::Ready(Sign::Beat(Bytes::from_static(beat(self.endpoint))))
    }

    fn end(&self, done: Done) -> Body {
        match done {
            Ok((Ok(answer), ledger)) => {
                conclude(Ok(answer), ledger, &self.asking, &self.arrival).into_body()
            }
            Ok((Err(error), ledger)) => {
                let told = Some((error.class, error.message()));
                ledger.close(200, told, clock::now());
                Body::whole(error_event(self.endpoint, &error))
            }
            Err(error) => Body::whole(error_event(self.endpoint, &error)),
        }
    }
}

/// What every client of the endpoint's format passes over.
fn beat(endpoint: Endpoint) -> &'static [u8] {
    match endpoint.operation() {
        Operation::Generate(Format::Messages) => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        _ => b": heartbeat\n\n",
    }
}

/// The head has said 200: only an event can tell of an error.
fn error_event(endpoint: Endpoint, error: &Error) -> Bytes {
    let told = match &error.told {
        Told::Ours(ours) => ours.clone(),
        Told::Providers { message, .. } => {
            ClientError::new(ErrorKind::InvalidRequest, message.clone())
        }
    };
    let expected = Inspected {
        endpoint,
        passes_usage: false,
        choices: 1,
        as_array: false,
    };
    Stream::pass(expected, 0).fail(&told)
}
