//! What serves clients, and what it is made of.

use std::{pin::pin, sync::Arc, time::Duration};

use access::limit::{Limiter, Shared};
use budgets::Budgets;
use bytes::Bytes;
use catalog::Catalog;
use guards::Guards;
use health::Health;
use http::{Request, Response};
use protocol::ErrorKind;
use router::{BudgetStanding, RetryBudget};
use stats::Recorder;
use tokio_util::sync::CancellationToken;
use upstream::{Client, NetworkPolicy, TransportSettings};

use crate::{
    admission::{Gate, Slots},
    arrival::Arrival,
    backlog::Backlog,
    body::Body,
    caught::caught,
    clock,
    count::{Counting, TokenCounter},
    edge,
    error::Error,
    limits::Counts,
    media::Fetcher,
    metrics::Metrics,
    settings::Settings,
    surface::Asked,
};

/// All that a client is told of a fault in here.
const INTERNAL: &str = "the gateway met an internal error";

/// What a proxy is made of.
#[derive(Debug)]
pub struct Parts {
    /// Models, providers and keys.
    pub catalog: Catalog,
    /// How providers fare.
    pub health: Health,
    /// Where ended requests are recorded.
    pub recorder: Recorder,
    /// What keys may spend.
    pub budgets: Budgets,
    /// What was taken of limits.
    pub limiter: Arc<Limiter>,
    /// Where gateways count that together.
    pub shared: Option<Arc<dyn Shared>>,
    /// What all requests and their answers may say; `None` guards nothing.
    pub guards: Option<Arc<Guards>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Bounds.
    pub settings: Settings,
    /// Counts tokens in place of providers that cannot.
    pub counter: Arc<dyn TokenCounter>,
    /// Cancelled when streams that still run have to end, with an error event.
    pub cut: CancellationToken,
}

/// Serves clients; cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) parts: Parts,
    pub(crate) budget: RetryBudget,
    pub(crate) counting: Counting,
    /// How many requests are served.
    pub(crate) admission: Arc<Gate>,
    /// Whether the processor keeps up.
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) slots: Slots,
    /// What was taken of limits.
    pub(crate) counts: Counts,
    /// For addresses that come from requests.
    pub(crate) fetcher: Fetcher,
    /// For moderation endpoints.
    pub(crate) moderator: Arc<Client>,
}

impl Proxy {
    /// A proxy of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let budget = RetryBudget::new(clock::now());
        let moderators = parts.catalog.clients().apart();
        let moderator = moderators.get(&TransportSettings::default());
        Self {
            inner: Arc::new(Inner {
                counting: Counting::new(parts.counter.clone()),
                counts: Counts::new(parts.limiter.clone(), parts.shared.clone()),
                moderator: moderator.expect("without settings none of them can be wrong"),
                backlog: Arc::new(Backlog::new(parts.metrics.clone())),
                parts,
                budget,
                admission: Arc::default(),
                slots: Slots::default(),
                fetcher: Fetcher::new(NetworkPolicy::Public),
            }),
        }
    }

    /// The answer to a request that the backlog refuses: before its key is looked at, and without a record, for what a refusal
    /// costs is taken from those that are served.
    pub fn refusal<B>(&self, request: &Request<B>) -> Response<Body> {
        self.metrics().shed("processor");
        let (uri, arrival) = (request.uri(), Arrival::after(Duration::ZERO, None));
        let asked = Asked::at(uri.path(), uri.query(), request.headers());
        let mut response = edge::render(asked.protocol, &Error::shed(), &arrival);
        edge::add_id(response.headers_mut(), &arrival, asked.protocol);
        response
    }

    /// Who says whether a request is refused and when it may begin; to be asked before it is served.
    #[must_use]
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.inner.backlog
    }

    /// Serves one request; every failure becomes an answer in the client's protocol. Dropping the future cancels the call to
    /// the provider and records that the client left.
    pub fn serve<B>(
        &self,
        request: Request<B>,
        arrival: Arrival,
    ) -> impl Future<Output = Response<Body>> + Send
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        // Taken apart here, since the future would keep room for the whole beside its parts.
        let (head, body) = request.into_parts();
        async move {
            let asked = Asked::at(head.uri.path(), head.uri.query(), &head.headers); // who speaks which protocol, and what for
            // Nothing is looked at again of what a panic may have left half done: all of it is dropped with the walk.
            let walk = pin!(self.walk(&asked, &head, body, &arrival));
            let mut response = caught(walk)
                .await
                .unwrap_or_else(|| Err(self.panicked(&arrival)))
                .unwrap_or_else(|error| edge::render(asked.protocol, &error, &arrival));
            edge::add_id(response.headers_mut(), &arrival, asked.protocol);
            response
        }
    }

    /// Counts a panic that was caught around the proxy.
    pub fn note_panic(&self) {
        self.metrics().panicked();
    }

    /// A fault of the gateway's own, which has been told by the panic's message and recorded by the ledger it met.
    pub(crate) fn panicked(&self, arrival: &Arrival) -> Error {
        self.inner.parts.metrics.panicked();
        tracing::error!(request.id = %arrival.id, "a request's task panicked");
        Error::new(ErrorKind::Internal, "internal", INTERNAL)
    }

    /// How the retry budget stands.
    #[must_use]
    pub fn retry_budget(&self) -> BudgetStanding {
        self.inner.budget.standing(clock::now())
    }

    /// Requests that wait to begin: for the processor, or for one that runs to end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.backlog.waiting() + self.inner.admission.waiting()
    }

    /// What requests that run are counted by.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.parts.metrics
    }

    /// Cancelled when what still runs has to end.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.inner.parts.cut
    }
}
