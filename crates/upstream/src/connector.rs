//! Connecting: names resolved, every address judged, an egress proxy where one is set.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
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
use sockets::{Round, Socket};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::{
    Connections, NetworkPolicy,
    connections::Open,
    dial::{Dial, Link},
};

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
        Box::pin(async move { allowed(policy, resolving.await?) })
    }
}

/// Of what a name was resolved to, what may be connected to.
fn allowed(
    policy: NetworkPolicy,
    resolved: impl Iterator<Item = SocketAddr>,
) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in resolved {
        match policy.check(address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if allowed.is_empty() => Err(io::Error::other(error)),
        _ => Ok(allowed.into_iter()),
    }
}

/// What all clients that were made together connect over.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// Which addresses may be connected to.
    pub(crate) policy: NetworkPolicy,
    /// Connects in place of TCP.
    pub(crate) dial: Option<Arc<dyn Dial>>,
    /// At whose ends short writes over TCP are sent.
    pub(crate) round: Round,
    /// Where each connection is counted.
    pub(crate) connections: Arc<Connections>,
}

/// Connects directly or through a tunnel. The policy also holds for addresses written as such, which are never resolved.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    route: Route,
    network: Network,
}

#[derive(Debug, Clone)]
enum Route {
    Direct(HttpConnector<GuardedResolver>),
    Proxied(Tunnel<HttpConnector<GuardedResolver>>),
    /// By a network of the caller's own; there is no egress proxy to it.
    Dialled(GuardedResolver, Arc<dyn Dial>),
}

impl Connector {
    /// Connects over `network`. Through a `proxy` goes what it does not dial.
    pub(crate) fn new(network: Network, proxy: Option<Uri>) -> Self {
        let resolving = |policy| GuardedResolver {
            resolver: GaiResolver::new(),
            policy,
        };
        let route = match (&network.dial, proxy) {
            (Some(dial), _) => Route::Dialled(resolving(network.policy), dial.clone()),
            // An operator chooses the egress proxy, and it usually lives in a private network.
            (None, Some(proxy)) => {
                Route::Proxied(Tunnel::new(proxy, tcp(resolving(NetworkPolicy::Any))))
            }
            (None, None) => Route::Direct(tcp(resolving(network.policy))),
        };
        Self { route, network }
    }
}

fn tcp(resolver: GuardedResolver) -> HttpConnector<GuardedResolver> {
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    http
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<Stream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.route {
            Route::Direct(connector) => connector.poll_ready(context).map_err(Into::into),
            Route::Proxied(connector) => connector.poll_ready(context).map_err(Into::into),
            Route::Dialled(resolver, _) => resolver.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, uri: Uri) -> BoxFuture<Stream> {
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let literal = host.parse::<IpAddr>().ok();
        if let Some(Err(refused)) = literal.map(|address| self.network.policy.check(address)) {
            return Box::pin(async move { Err(refused.into()) });
        }
        let (round, connections) = (self.network.round.clone(), self.network.connections.clone());
        match &mut self.route {
            Route::Direct(connector) => {
                let connecting = connector.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?, round, &connections)) })
            }
            Route::Proxied(connector) => {
                let connecting = connector.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?, round, &connections)) })
            }
            Route::Dialled(resolver, dial) => {
                let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
                    Some("https") => 443,
                    _ => 80,
                });
                let (resolver, dial) = (resolver.clone(), dial.clone());
                let name = host.parse::<Name>();
                Box::pin(async move {
                    let addresses = match literal {
                        Some(address) => vec![address],
                        None => resolve(resolver, name?).await?,
                    };
                    let link = first(&*dial, addresses, port).await?;
                    Ok(Stream::linked(link, &connections))
                })
            }
        }
    }
}

async fn resolve(mut resolver: GuardedResolver, name: Name) -> io::Result<Vec<IpAddr>> {
    std::future::poll_fn(|context| resolver.poll_ready(context)).await?;
    let addresses = resolver.call(name).await?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// The connection to the first address that takes one.
async fn first(dial: &dyn Dial, addresses: Vec<IpAddr>, port: u16) -> io::Result<Link> {
    let mut failed = io::ErrorKind::NotFound.into();
    for address in addresses {
        match dial.dial(SocketAddr::new(address, port)).await {
            Ok(link) => return Ok(link),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Io,
    _open: Open,
}

enum Io {
    Tcp(TokioIo<Socket>),
    Linked(TokioIo<Link>),
}

impl fmt::Debug for Io {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => tcp.fmt(formatter),
            Self::Linked(_) => formatter.write_str("Linked"),
        }
    }
}

impl Stream {
    fn new(tcp: TokioIo<TcpStream>, round: Round, connections: &Arc<Connections>) -> Self {
        let socket = Socket::new(tcp.into_inner(), round);
        Self {
            io: Io::Tcp(TokioIo::new(socket)),
            _open: connections.open_one(),
        }
    }

    fn linked(link: Link, connections: &Arc<Connections>) -> Self {
        Self {
            io: Io::Linked(TokioIo::new(link)),
            _open: connections.open_one(),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Io::Linked(link) => Pin::new(link).poll_read(context, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Io::Linked(link) => Pin::new(link).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Io::Linked(link) => Pin::new(link).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Io::Linked(link) => Pin::new(link).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(tcp) => tcp.is_write_vectored(),
            Io::Linked(link) => link.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(context, buffers),
            Io::Linked(link) => Pin::new(link).poll_write_vectored(context, buffers),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    /// An address, more often one that must not be connected to, and as IPv6 half of the time.
    fn address() -> impl Strategy<Value = SocketAddr> {
        let v4 = prop_oneof![
            any::<u32>().prop_map(Ipv4Addr::from),
            any::<u16>().prop_map(|low| Ipv4Addr::from(0xa9fe_0000 | u32::from(low))),
            any::<u16>().prop_map(|low| Ipv4Addr::from(0x7f00_0000 | u32::from(low))),
            any::<u16>().prop_map(|low| Ipv4Addr::from(0x0a00_0000 | u32::from(low))),
        ];
        (v4, any::<bool>(), 1u16..).prop_map(|(v4, is_mapped, port)| {
            let ip: IpAddr = match is_mapped {
                true => v4.to_ipv6_mapped().into(),
                false => v4.into(),
            };
            SocketAddr::new(ip, port)
        })
    }

    proptest! {
        /// A name may be resolved to anything, to several addresses of all kinds, and to others each time that it is asked
        /// for: what is connected to is judged by what it is then.
        #[test]
        fn however_often_a_name_points_elsewhere_only_what_is_allowed_is_connected_to(
            answers in prop::collection::vec(prop::collection::vec(address(), 1..6), 1..4),
        ) {
            for policy in [NetworkPolicy::Any, NetworkPolicy::Public] {
                for answer in &answers {
                    let may = |address: &SocketAddr| policy.check(address.ip()).is_ok();
                    let expected: Vec<_> = answer.iter().copied().filter(may).collect();
                    match allowed(policy, answer.iter().copied()) {
                        Ok(kept) => {
                            prop_assert_eq!(kept.collect::<Vec<_>>(), expected);
                        }
                        Err(error) => {
                            prop_assert!(expected.is_empty());
                            let refused = error.downcast::<crate::Refused>();
                            prop_assert!(refused.is_ok(), "it is told why");
                        }
                    }
                }
            }
        }
    }
}
