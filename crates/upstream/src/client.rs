//! Sending a request.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Extensions, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, ResponseFuture, connect::Connected},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::time::{Instant, sleep_until};

use crate::{
    Connections, NetworkPolicy, Pieces, SendError, SendErrorKind, SetupError,
    body::Taken,
    connector::{Connector, Used},
    dial::Dial,
    read_small_file,
};

/// Below the 60 s after which common load balancers close, so that few requests meet a connection being closed. Nothing else
/// bounds how many wait: as many as were used at a time will be again, and to have some closed and others opened costs more
/// than to keep them, most of all when there is no time for it.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Most of an answer that is read before somebody takes it, which is what a stream costs whose client does not read; and
/// the largest head of an answer.
const READ_AHEAD: usize = 64 << 10;

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
    pool: Sender,
    /// Keeps no connection, so that every request gets a new one.
    unpooled: Sender,
}

type Sender = Pool<HttpsConnector<Connector>, Pieces>;

impl Client {
    fn new(
        policy: NetworkPolicy,
        dial: Option<&Arc<dyn Dial>>,
        settings: &TransportSettings,
        authorities: Option<&Authorities>,
        connections: Arc<Connections>,
    ) -> Result<Self, SetupError> {
        let proxy = settings.proxy.as_deref().map(parse_proxy).transpose()?;
        let connector = match dial {
            Some(dial) => Connector::dialling(policy, dial.clone(), connections),
            None => Connector::new(policy, proxy, connections),
        };
        let roots = match authorities {
            Some(file) => read_roots(file)?,
            None => RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
        };
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(connector);
        let mut builder = Pool::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http1_max_buf_size(READ_AHEAD)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10));
        let pool = builder.build(connector.clone());
        let unpooled = builder.pool_max_idle_per_host(0).build(connector);
        Ok(Self { pool, unpooled })
    }

    /// Sends `request` and waits for the response head. Dropping the future cancels the request.
    ///
    /// # Errors
    /// No response head came, or not within `patience`.
    pub async fn send(
        &self,
        request: Request<Pieces>,
        patience: impl Into<Patience>,
    ) -> Result<Response<Incoming>, SendError> {
        send(&self.pool, request, patience.into()).await
    }

    /// As [`Self::send`], but never on a connection that was used before: where one turned out to be dead, the others of
    /// the pool are likely to be dead as well.
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub async fn send_on_new_connection(
        &self,
        request: Request<Pieces>,
        patience: impl Into<Patience>,
    ) -> Result<Response<Incoming>, SendError> {
        send(&self.unpooled, request, patience.into()).await
    }
}

async fn send(
    pool: &Sender,
    mut request: Request<Pieces>,
    patience: Patience,
) -> Result<Response<Incoming>, SendError> {
    let taken = request.body_mut().watch();
    let sending = pin!(begin(pool, request));
    let result = within(patience, sending, &taken)
        .await
        .map_err(SendError::late)?;
    match result {
        Ok(response) => {
            if let Some(used) = response.extensions().get::<Used>() {
                used.mark();
            }
            Ok(response)
        }
        Err(error) => {
            let was_used = error.connect_info().is_some_and(was_used);
            Err(SendError::of(error, was_used))
        }
    }
}

/// What becomes of a request, or the moment that it has missed. One clock, set anew only where the first of two moments passes:
/// to set one costs more than it seems.
async fn within(
    patience: Patience,
    mut sending: Pin<&mut ResponseFuture>,
    taken: &Taken,
) -> Result<<ResponseFuture as Future>::Output, SendErrorKind> {
    // A time that is longer than the clock can hold is none.
    let connect_by = Instant::now().checked_add(patience.connect);
    let Some(first) = connect_by.into_iter().chain(patience.head).min() else {
        return Ok(sending.await);
    };
    let mut clock = pin!(sleep_until(first));
    loop {
        tokio::select! {
            biased;
            result = &mut sending => return Ok(result),
            () = &mut clock => {}
        }
        let now = Instant::now();
        if !taken.is_so() && connect_by.is_some_and(|by| by <= now) {
            return Err(SendErrorKind::ConnectTimeout);
        }
        match patience.head {
            Some(head) if head <= now => return Err(SendErrorKind::HeadTimeout),
            Some(head) => clock.as_mut().reset(head),
            None => return Ok(sending.await),
        }
    }
}

/// Begins to send. Apart from its caller the future, of some kilobytes, is made where it will be; within it, it is made first and
/// copied then.
#[inline(never)]
fn begin(pool: &Sender, request: Request<Pieces>) -> ResponseFuture {
    pool.request(request)
}

/// Whether a connection that failed had answered before.
fn was_used(connected: &Connected) -> bool {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.get::<Used>().is_some_and(Used::is_marked)
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

/// A file of certificate authorities, and what was in it.
#[derive(Debug, PartialEq, Eq)]
struct Authorities {
    path: PathBuf,
    pem: Vec<u8>,
}

impl Authorities {
    fn read(path: &Path) -> Result<Self, SetupError> {
        let path = path.to_owned();
        match read_small_file(&path) {
            Ok(pem) => Ok(Self { path, pem }),
            Err(error) => Err(SetupError::CaFile {
                path,
                source: error.into(),
            }),
        }
    }
}

fn read_roots(file: &Authorities) -> Result<RootCertStore, SetupError> {
    let fail = |source| SetupError::CaFile {
        path: file.path.clone(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&file.pem) {
        let certificate = certificate.map_err(|error| fail(error.into()))?;
        roots.add(certificate).map_err(|error| fail(error.into()))?;
    }
    if roots.is_empty() {
        Err(fail("no certificate in it".into()))
    } else {
        Ok(roots)
    }
}

/// The clients in use, by settings.
#[derive(Debug)]
pub struct Clients {
    policy: NetworkPolicy,
    /// Connects in place of TCP.
    dial: Option<Arc<dyn Dial>>,
    by_settings: Mutex<HashMap<TransportSettings, Made>>,
    connections: Arc<Connections>,
}

/// A client, and the authorities that it was made with.
#[derive(Debug)]
struct Made {
    client: Arc<Client>,
    authorities: Option<Authorities>,
}

impl Clients {
    /// No client yet; every one will obey `policy`.
    #[must_use]
    pub fn new(policy: NetworkPolicy) -> Self {
        Self {
            policy,
            dial: None,
            by_settings: Mutex::default(),
            connections: Arc::default(),
        }
    }

    /// As [`Self::new`], on connections that `dial` makes.
    #[must_use]
    pub fn dialling(policy: NetworkPolicy, dial: Arc<dyn Dial>) -> Self {
        Self {
            dial: Some(dial),
            ..Self::new(policy)
        }
    }

    /// No client yet; every one will connect as these do, and share no connection with them.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self {
            dial: self.dial.clone(),
            ..Self::new(self.policy)
        }
    }

    /// The connections of all clients made here.
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// What providers' addresses are judged by.
    #[must_use]
    pub fn policy(&self) -> NetworkPolicy {
        self.policy
    }

    /// The client for these settings, made on first use, and anew where the content of `ca_file` is another now. Clients that
    /// nobody holds any more are dropped on the way, with their connections.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn get(&self, settings: &TransportSettings) -> Result<Arc<Client>, SetupError> {
        let authorities = settings
            .ca_file
            .as_deref()
            .map(Authorities::read)
            .transpose()?;
        let mut clients = self
            .by_settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        clients.retain(|known, made| known == settings || Arc::strong_count(&made.client) > 1);
        if let Some(made) = clients.get(settings)
            && made.authorities == authorities
        {
            return Ok(made.client.clone());
        }
        let client = Client::new(
            self.policy,
            self.dial.as_ref(),
            settings,
            authorities.as_ref(),
            self.connections.clone(),
        )?;
        let client = Arc::new(client);
        let made = Made {
            client: client.clone(),
            authorities,
        };
        clients.insert(settings.clone(), made);
        Ok(client)
    }
}
