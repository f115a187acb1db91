//! From a gateway that is ready to its end.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    listener::{self, Drain},
    settings::Settings,
    tls::Tls,
    wiring::{self, Gateway},
};

/// How long the records of what a second signal cut off have to reach the database or the spool.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// Runs the gateway until a signal ends it. Requests end first, then what they feed.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let tls = settings
        .tls
        .clone()
        .map(Tls::load)
        .transpose()?
        .map(Arc::new);
    let listener = listener::bind(settings.listen)?;
    let Gateway {
        service,
        workers,
        draining,
        cut,
    } = wiring::gateway(&settings).await?;

    let (stop_serving, stop_working) = (CancellationToken::new(), CancellationToken::new());
    let failed = CancellationToken::new();
    let mut working = workers.start(&stop_working, &failed);
    if let Some(tls) = &tls {
        let hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        working.spawn(tls.clone().watch(hangups, stop_working.clone()));
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %settings.listen,
        database = migration::place(&settings.database_url),
        "the gateway is ready"
    );
    let (stop, hurry) = (stop_serving.clone(), CancellationToken::new());
    let drain = Drain {
        timeout: settings.drain_timeout,
        hurry: hurry.clone(),
        cut,
    };
    let begin = move || {
        draining.begin();
        stop.cancel();
    };
    let stopped_at_once = signals.end(&failed, begin, &hurry);
    let ending = async {
        listener::serve(listener, tls, service, settings.bounds, stop_serving, drain).await;
        stop_working.cancel();
        while working.join_next().await.is_some() {}
        tracing::info!("the gateway has ended");
    };
    tokio::select! {
        () = ending => {}
        () = stopped_at_once => {}
    }
    if failed.is_cancelled() {
        bail!("a worker has failed, as the log says; start the gateway again");
    }
    Ok(())
}

/// The signals that end the gateway.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first signal drains, and so does the failure of a worker. The next cuts off what still runs, whose records have
    /// [`LAST_RECORDS`] to be kept; one more waits for nothing.
    async fn end(
        mut self,
        failed: &CancellationToken,
        drain: impl FnOnce(),
        hurry: &CancellationToken,
    ) {
        tokio::select! {
            () = self.next() => tracing::info!("asked to stop; once more cuts off what still runs"),
            () = failed.cancelled() => tracing::error!("stopping for want of a worker"),
        }
        drain();
        self.next().await;
        tracing::warn!("asked to stop at once");
        hurry.cancel();
        let _given_up = tokio::time::timeout(LAST_RECORDS, self.next()).await;
        tracing::warn!("stopped at once; records of the last moment may be lost");
    }
}
