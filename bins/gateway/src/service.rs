//! Which part of the gateway answers a request.

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use admin::Origin;
use axum::Router;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use proxy::{Arrival, Proxy};
use sockets::{Round, Socket};
use tokio::net::TcpStream;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    client_address::TrustedProxies,
    cors::{self, Origins},
    in_turn::{InTurn, Said, Turn},
    last_resort,
    open::Open,
    patient_body::PatientBody,
    request_body::RequestBody,
};

/// Serves one connection. Clients' requests go straight to the proxy; everything else is rare and may take the longer way.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    peer: Option<IpAddr>,
    turn: Turn,
}

#[derive(Debug)]
struct Shared {
    parts: Served,
    surroundings: Surroundings,
}

/// What answers.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) proxy: Proxy,
    pub(crate) open: Open,
    pub(crate) admin: Router,
}

/// What is between the gateway and its clients.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) proxies: TrustedProxies,
    pub(crate) cors: Option<Origins>,
    /// How long a client may take nothing of a stream.
    pub(crate) write_timeout: Duration,
    /// At whose ends short answers are sent.
    pub(crate) round: Round,
}

impl Service {
    pub(crate) fn new(parts: Served, surroundings: Surroundings) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                surroundings,
            }),
            peer: None,
            turn: Turn::default(),
        }
    }

    /// The same for one connection, whose requests are read when `turn` says so.
    pub(crate) fn of_connection(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        turn: &Turn,
    ) -> (InTurn, Self) {
        let service = Self {
            shared: self.shared.clone(),
            peer: Some(peer),
            turn: turn.clone(),
        };
        let backlog = self.shared.parts.proxy.backlog().clone();
        let stream = Socket::new(stream, self.shared.surroundings.round.clone());
        (InTurn::new(stream, backlog, turn.clone()), service)
    }
}

type Body = Either<Streamed, axum::body::Body>;

/// What the proxy answers; over HTTP/2 each stream has its own pace.
type Streamed = Either<proxy::Body, PatientBody<proxy::Body>>;

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    // Apart from its caller the future is made where it will be; within it, it is made first and copied then.
    #[inline(never)]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { shared, peer, turn } = self.clone();
        let version = request.version();
        let request = request.map(|body| RequestBody::new(body, version));
        Box::pin(async move {
            let said = turn.begin();
            // Over HTTP/2 requests share what is read.
            let end = || {
                if version < Version::HTTP_2 {
                    turn.end();
                }
            };
            let cors = shared.surroundings.cors.as_ref();
            let permit = cors.and_then(|origins| origins.permit(request.headers()));
            if let Some(permit) = &permit
                && let Some(response) = permit.preflight(&request)
            {
                end();
                return Ok(response.map(Either::Right));
            }
            let answering = pin!(shared.answer(request, peer, said));
            let answer = proxy::caught(answering).await;
            end();
            let mut response = answer.unwrap_or_else(|| {
                shared.parts.proxy.note_panic();
                last_resort::internal().map(Either::Right)
            });
            if let Some(permit) = permit {
                permit.grant(response.headers_mut());
            }
            Ok(response)
        })
    }
}

impl Shared {
    fn paced(&self, body: proxy::Body, version: Version) -> Streamed {
        if version < Version::HTTP_2 {
            return Either::Left(body);
        }
        Either::Right(PatientBody::new(body, self.surroundings.write_timeout))
    }

    /// The answer to a request of which this was `said` before it was read.
    async fn answer(
        &self,
        request: Request<RequestBody>,
        peer: Option<IpAddr>,
        said: Said,
    ) -> Response<Body> {
        let Served { proxy, open, admin } = &self.parts;
        let proxies = &self.surroundings.proxies;
        let ip = peer.map(|peer| proxies.client(peer, request.headers()));
        if proxy::is_client_path(request.uri().path()) {
            let version = request.version();
            let waited = match said {
                Said::Begin(waited) => Some(waited),
                Said::Refuse => None,
                Said::Nothing if proxy.backlog().refuses() => None,
                Said::Nothing => Some(proxy.backlog().turn().await),
            };
            let response = match waited {
                // Large, and moved by every future that holds it until it is polled: so in a place of its own.
                Some(waited) => in_place(|| proxy.serve(request, Arrival::after(waited, ip))).await,
                None => proxy.refusal(&request),
            };
            return response.map(|body| Either::Left(self.paced(body, version)));
        }
        let id = Uuid::now_v7().to_string();
        // In a place of its own, so that clients' requests need not carry it along.
        let mut response = match Box::pin(open.answer(&request, ip)).await {
            Some(response) => response,
            None => {
                let mut request = request.map(axum::body::Body::new);
                let request_id = Some(id.clone());
                request.extensions_mut().insert(Origin { ip, request_id });
                let answering = Box::pin(admin.clone().oneshot(request));
                answering.await.unwrap_or_else(|never| match never {})
            }
        };
        add_id(response.headers_mut(), id);
        cors::protect(response.headers_mut());
        response.map(Either::Right)
    }
}

/// A future that is made in the place it has from then on. What `Box::pin` is given within another future is made there and
/// copied, all kilobytes of it, though hardly any are filled yet.
fn in_place<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, make()))
}

/// Gives a response that is not the proxy's, which names its own, the id by which people can ask about it.
fn add_id(headers: &mut HeaderMap, id: String) {
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert("x-request-id", value);
    }
}
