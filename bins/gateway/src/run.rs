//! From a gateway that is ready to its end.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    listener::{self, Drain},
    settings::Settings,
    wiring::{self, Gateway},
};

/// Runs the gateway until a signal ends it. Requests end first, then what they feed.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let listener = listener::bind(settings.listen).await?;
    let Gateway {
        service,
        workers,
        draining,
        cut,
    } = wiring::gateway(&settings).await?;

    let (stop_serving, stop_working) = (CancellationToken::new(), CancellationToken::new());
    let mut working = workers.start(&stop_working);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %settings.listen,
        database = migration::place(&settings.database_url),
        "the gateway is ready"
    );
    let stop = stop_serving.clone();
    let stopped_at_once = signals.end(move || {
        draining.begin();
        stop.cancel();
    });
    let ending = async {
        let drain = Drain {
            timeout: settings.drain_timeout,
            cut,
        };
        listener::serve(listener, service, stop_serving, drain).await;
        stop_working.cancel();
        while working.join_next().await.is_some() {}
        tracing::info!("the gateway has ended");
    };
    tokio::select! {
        () = ending => {}
        () = stopped_at_once => {}
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

    /// The first signal drains, the second ends at once.
    async fn end(mut self, drain: impl FnOnce()) {
        self.next().await;
        tracing::info!("asked to stop; once more stops at once");
        drain();
        self.next().await;
        tracing::warn!("stopped at once");
    }
}
