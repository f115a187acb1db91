//! Sending a request.

use std::{
    future::{Future, poll_fn},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, TryFutureExt, future::Either};
use http::{Request, Response, Uri, header, uri::PathAndQuery};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::Connection as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tower_service::Service;

use crate::{
    Body, Pieces, SendError, SendErrorKind, SetupError,
    connector::{Connector, Network},
    http1::{Http1, Io},
    http2::Http2,
    pool::{Connection, Origin, Pool},
};

/// How a provider is reached. Providers with equal settings share one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TransportSettings {
    /// Egress proxy, `http://host:port`.
    pub proxy: Option<String>,
    /// PEM file of certificate authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How long sending may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To get a connection.
    pub connect: Duration,
    /// When the head of the answer must be there; none where the caller has a clock of its own.
    pub head: Option<Instant>,
}

impl From<Duration> for Patience {
    /// Only for a connection.
    fn from(connect: Duration) -> Self {
        Self {
            connect,
            head: None,
        }
    }
}

/// A pool of connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    connector: HttpsConnector<Connector>,
    pool: Arc<Pool>,
}

impl Client {
    pub(crate) fn new(
        network: Network,
        settings: &TransportSettings,
        roots: RootCertStore,
    ) -> Result<Self, SetupError> {
        let proxy = settings.proxy.as_deref().map(parse_proxy).transpose()?;
        let connector = Connector::new(network, proxy);
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(connector);
        Ok(Self {
            connector,
            pool: Arc::default(),
        })
    }

    /// Sends `request` and waits for the response head. Dropping the future cancels the request.
    ///
    /// # Errors
    /// No response head came, or not within `patience`.
    pub fn send<P: Into<Patience>>(
        &self,
        request: Request<Pieces>,
        patience: P,
    ) -> impl Future<Output = Result<Response<Body>, SendError>> + Send + use<'_, P> {
        let Patience { connect, head } = patience.into();
        within(head, self.send_pooled(request, connect))
    }

    /// As [`Self::send`], but never on a connection that was used before: where one turned out to be dead, the others of
    /// the pool are likely to be dead as well. Nor is it kept.
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub fn send_on_new_connection<P: Into<Patience>>(
        &self,
        request: Request<Pieces>,
        patience: P,
    ) -> impl Future<Output = Result<Response<Body>, SendError>> + Send + use<'_, P> {
        let Patience { connect, head } = patience.into();
        within(head, self.send_apart(request, connect))
    }

    fn send_pooled(
        &self,
        mut request: Request<Pieces>,
        patience: Duration,
    ) -> impl Future<Output = Result<Response<Body>, SendError>> + Send {
        let uri = std::mem::take(request.uri_mut());
        let origin = self.origin(&uri);
        async move {
            let origin = origin?;
            loop {
                let connection = match origin.take() {
                    Ok(connection) => connection,
                    Err(given_back) => {
                        let connecting = self.connect(uri.clone(), Some(origin.clone()), patience);
                        soonest(given_back, Box::pin(connecting)).await?
                    }
                };
                match over(connection, request, &uri, &origin).await {
                    Ok(response) => return Ok(response),
                    Err(NoAnswer::Untouched(_, back)) => request = *back,
                    Err(NoAnswer::Failed(error)) => return Err(error),
                }
            }
        }
    }

    fn send_apart(
        &self,
        mut request: Request<Pieces>,
        patience: Duration,
    ) -> impl Future<Output = Result<Response<Body>, SendError>> + Send {
        let uri = std::mem::take(request.uri_mut());
        let origin = self.origin(&uri);
        async move {
            let origin = origin?;
            let connection = Box::pin(self.connect(uri.clone(), None, patience)).await?;
            let sent = over(connection, request, &uri, &origin).await;
            sent.map_err(|(NoAnswer::Untouched(error, _) | NoAnswer::Failed(error))| error)
        }
    }

    fn origin(&self, uri: &Uri) -> Result<Arc<Origin>, SendError> {
        self.pool.origin(uri).ok_or_else(SendError::nowhere)
    }

    /// A new connection, which belongs to `home`, or to nobody after its first use. It may be another's that all share.
    fn connect(
        &self,
        uri: Uri,
        home: Option<Arc<Origin>>,
        patience: Duration,
    ) -> impl Future<Output = Result<Connection, SendError>> + Send + 'static {
        let (mut connector, sweep) = (self.connector.clone(), self.pool.sweep().clone());
        let connecting = async move {
            poll_fn(|context| connector.poll_ready(context))
                .await
                .map_err(SendError::of_connecting)?;
            let io = connector
                .call(uri)
                .await
                .map_err(SendError::of_connecting)?;
            let connection = match io.connected().is_negotiated_h2() {
                true => http2(io, home.as_deref()).await.map(Connection::Http2),
                false => Http1::new(io, home, sweep).await.map(Connection::http1),
            };
            connection.map_err(|error| SendError::of(error, false))
        };
        async move {
            let late = |_| Err(SendError::late(SendErrorKind::ConnectTimeout));
            timeout(patience, connecting).await.unwrap_or_else(late)
        }
    }
}

/// Speaks HTTP/2 over `io`, unless there is a connection by now that does.
async fn http2(io: Io, home: Option<&Origin>) -> hyper::Result<Http2> {
    if let Some(shared) = home.and_then(Origin::shared) {
        return Ok(shared);
    }
    let connection = Http2::new(io).await?;
    if let Some(home) = home {
        home.share(&connection);
    }
    Ok(connection)
}

/// A connection that is made or, if that is sooner, one that is given back; then the other is for those who come next, unless
/// they share.
async fn soonest(
    given_back: oneshot::Receiver<Connection>,
    mut connecting: Pin<Box<impl Future<Output = Result<Connection, SendError>> + Send + 'static>>,
) -> Result<Connection, SendError> {
    tokio::select! {
        biased;
        Ok(connection) = given_back => {
            if matches!(connection, Connection::Http1(_)) {
                tokio::spawn(async move {
                    if let Ok(Connection::Http1(connection)) = connecting.await {
                        connection.release();
                    }
                });
            }
            Ok(connection)
        }
        made = &mut connecting => made,
    }
}

/// Waits for the head of an answer, but no longer than until `latest`.
fn within<F: Future<Output = Result<Response<Body>, SendError>>>(
    latest: Option<Instant>,
    sending: F,
) -> impl Future<Output = Result<Response<Body>, SendError>> {
    let Some(latest) = latest else {
        return Either::Left(sending);
    };
    let late = |_| Err(SendError::late(SendErrorKind::HeadTimeout));
    let sending = timeout_at(latest, sending);
    Either::Right(sending.map(move |sent| sent.unwrap_or_else(late)))
}

/// A request that got no response.
enum NoAnswer {
    /// A connection that had answered others ended before it took the request, which says nothing of the next one.
    Untouched(SendError, Box<Request<Pieces>>),
    Failed(SendError),
}

/// Sends `request` over `connection` to `uri`, which is at `origin`.
fn over(
    connection: Connection,
    mut request: Request<Pieces>,
    uri: &Uri,
    origin: &Origin,
) -> impl Future<Output = Result<Response<Body>, NoAnswer>> + use<> {
    let (is_reused, answering) = match connection {
        Connection::Http1(connection) => {
            // RFC 9112, sections 3.2.1 and 3.2: the path, and the host beside it.
            *request.uri_mut() = path(uri);
            if let Some(host) = &origin.host {
                let headers = request.headers_mut();
                headers.entry(header::HOST).or_insert_with(|| host.clone());
            }
            let is_reused = connection.is_reused();
            (is_reused, Either::Left(connection.send(request)))
        }
        Connection::Http2(connection) => {
            // RFC 9113, section 8.3.1: all of it, in fields of its own.
            *request.uri_mut() = uri.clone();
            let is_reused = connection.is_reused();
            (is_reused, Either::Right(Box::pin(connection.send(request))))
        }
    };
    answering.map_err(move |mut failed| {
        let back = failed.take_message();
        let error = SendError::of(failed.into_error(), is_reused);
        match back {
            Some(request) if is_reused => NoAnswer::Untouched(error, Box::new(request)),
            _ => NoAnswer::Failed(error),
        }
    })
}

fn path(uri: &Uri) -> Uri {
    const ROOT: PathAndQuery = PathAndQuery::from_static("/");
    uri.path_and_query().cloned().unwrap_or(ROOT).into()
}

fn parse_proxy(text: &str) -> Result<Uri, SetupError> {
    let refused = || SetupError::Proxy(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| refused())?;
    let is_plain = uri.scheme_str() == Some("http")
        && uri.host().is_some()
        && uri.path() == "/"
        && uri.query().is_none();
    if is_plain { Ok(uri) } else { Err(refused()) }
}
