//! Which part of the gateway answers a request.

use std::{convert::Infallible, future::Future, net::IpAddr, pin::Pin, sync::Arc};

use axum::Router;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use proxy::Proxy;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{open::Open, request_body::RequestBody};

/// Serves one peer. Clients' requests go straight to the proxy; everything else is rare and may take the longer way.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    peer: Option<IpAddr>,
}

#[derive(Debug)]
struct Shared {
    proxy: Proxy,
    open: Open,
    admin: Router,
}

impl Service {
    pub(crate) fn new(proxy: Proxy, open: Open, admin: Router) -> Self {
        Self {
            shared: Arc::new(Shared { proxy, open, admin }),
            peer: None,
        }
    }

    /// The same for the requests of one connection.
    pub(crate) fn of_peer(&self, peer: IpAddr) -> Self {
        Self {
            shared: self.shared.clone(),
            peer: Some(peer),
        }
    }
}

type Body = Either<proxy::Body, axum::body::Body>;

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { shared, peer } = self.clone();
        let version = request.version();
        let request = request.map(|body| RequestBody::new(body, version));
        Box::pin(async move {
            let path = request.uri().path();
            if proxy::is_client_path(path) {
                return Ok(shared.proxy.serve(request, peer).await.map(Either::Left));
            }
            let mut response = match shared.open.answer(&request).await {
                Some(response) => response,
                None => {
                    let request = request.map(axum::body::Body::new);
                    let answering = shared.admin.clone().oneshot(request);
                    answering.await.unwrap_or_else(|never| match never {})
                }
            };
            add_id(response.headers_mut());
            Ok(response.map(Either::Right))
        })
    }
}

/// Gives a response that is not the proxy's, which names its own, the id by which people can ask about it.
fn add_id(headers: &mut HeaderMap) {
    let id = Uuid::now_v7().to_string();
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert("x-request-id", value);
    }
}
