//! Connecting: names resolved, every address judged, an egress proxy where one is set.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{
        Connected, Connection, HttpConnector,
        dns::{GaiResolver, Name},
        proxy::Tunnel,
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::NetworkPolicy;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Resolves a name and keeps the addresses that the policy allows, so that a name which points elsewhere later
/// (DNS rebinding) is caught at the moment of connecting.
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    resolver: GaiResolver,
    policy: NetworkPolicy,
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.resolver.call(name);
        let policy = self.policy;
        Box::pin(async move {
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in resolving.await? {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if allowed.is_empty() => Err(io::Error::other(error)),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// Connects directly or through a tunnel. The policy also holds for addresses written as such, which are never resolved.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    route: Route,
    policy: NetworkPolicy,
}

#[derive(Debug, Clone)]
enum Route {
    Direct(HttpConnector<GuardedResolver>),
    Proxied(Tunnel<HttpConnector<GuardedResolver>>),
}

impl Connector {
    pub(crate) fn new(policy: NetworkPolicy, proxy: Option<Uri>) -> Self {
        // An operator chooses the egress proxy, and it usually lives in a private network.
        let resolver_policy = if proxy.is_some() {
            NetworkPolicy::Any
        } else {
            policy
        };
        let resolver = GuardedResolver {
            resolver: GaiResolver::new(),
            policy: resolver_policy,
        };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        let route = match proxy {
            Some(proxy) => Route::Proxied(Tunnel::new(proxy, http)),
            None => Route::Direct(http),
        };
        Self { route, policy }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<Stream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.route {
            Route::Direct(connector) => connector.poll_ready(context).map_err(Into::into),
            Route::Proxied(connector) => connector.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, uri: Uri) -> BoxFuture<Stream> {
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if let Some(Err(refused)) = host
            .parse::<IpAddr>()
            .ok()
            .map(|address| self.policy.check(address))
        {
            return Box::pin(async move { Err(refused.into()) });
        }
        match &mut self.route {
            Route::Direct(connector) => {
                let connecting = connector.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?)) })
            }
            Route::Proxied(connector) => {
                let connecting = connector.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?)) })
            }
        }
    }
}

/// Whether a connection has carried a request before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(Arc<AtomicBool>);

impl Used {
    /// Marks it used; answers whether it was already.
    pub(crate) fn mark(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// A TCP connection that remembers whether it was used.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TokioIo<TcpStream>,
    used: Used,
}

impl Stream {
    fn new(tcp: TokioIo<TcpStream>) -> Self {
        Self {
            tcp,
            used: Used::default(),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.tcp.inner().connected().extra(self.used.clone())
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, buffers)
    }
}
