//! The two baselines: hyper 1 with hyper-util's pool, one thread.

mod inspect;
mod splice;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket};

/// Where a baseline listens and what is behind it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// Address to listen on; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The provider, as host and port.
    #[arg(long)]
    upstream: String,
    /// Key for the provider, set by `bare-inspect`.
    #[arg(long, default_value = "sk-provider")]
    key: String,
    /// What `bare-inspect` calls the model at the provider.
    #[arg(long, default_value = "bench-upstream")]
    model: String,
}

/// Which baseline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    PassThrough,
    Inspect,
}

/// A body of either direction. Its box is the one allocation a pass-through pays for being two programs in one.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// What a request needs.
#[derive(Debug)]
struct Proxy {
    client: Client<HttpConnector, Body>,
    kind: Kind,
    authority: String,
    inspect: inspect::Inspect,
}

/// Listens, prints the origin in one line, and serves for ever.
pub(crate) async fn serve(settings: Settings, kind: Kind) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Arc::new(Proxy {
        client: Client::builder(TokioExecutor::new()).build(connector),
        kind,
        authority: settings.upstream,
        inspect: inspect::Inspect::new(&settings.key, &settings.model)?,
    });
    let listener = listen(settings.listen).context("cannot listen")?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let proxy = Arc::clone(&proxy);
                async move { Ok::<_, Infallible>(proxy.forward(request).await) }
            });
            // A client that goes away is no business of a baseline.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// As many connections may wait to be taken as the gateway and nginx let wait: many come at once.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

impl Proxy {
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        match self.kind {
            Kind::PassThrough => self.send(request.map(BodyExt::boxed)).await,
            Kind::Inspect => match self.inspect.request(request).await {
                Some(request) => self.inspect.response(self.send(request).await).await,
                None => failed(StatusCode::BAD_REQUEST),
            },
        }
    }

    async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let Ok(uri) = Uri::builder()
            .scheme("http")
            .authority(self.authority.as_str())
            .path_and_query(path)
            .build()
        else {
            return failed(StatusCode::BAD_REQUEST);
        };
        *request.uri_mut() = uri;
        for hop in [HOST, CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(hop);
        }
        match self.client.request(request).await {
            Ok(mut response) => {
                response.headers_mut().remove(CONNECTION);
                response.headers_mut().remove(TRANSFER_ENCODING);
                response.map(BodyExt::boxed)
            }
            Err(_) => failed(StatusCode::BAD_GATEWAY),
        }
    }
}

fn failed(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("x-bare", HeaderValue::from_static("failed"));
    response
}
