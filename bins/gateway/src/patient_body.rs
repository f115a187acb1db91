//! A stream on HTTP/2 that is given up when its client takes nothing of it for too long.
//!
//! The streams of one connection are taken at their own pace: a client may read some and let one stand, which the
//! connection, whose bytes still flow, tells nothing of. What is not asked for is not polled, so that a clock of its own
//! has to look at it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client let its stream stand.
#[derive(Debug, thiserror::Error)]
#[error("the client reads nothing")]
pub(crate) struct Unread;

/// Wraps a body.
#[derive(Debug)]
pub(crate) struct PatientBody<B> {
    shared: Arc<Mutex<Shared<B>>>,
    watcher: Option<AbortHandle>,
}

#[derive(Debug)]
struct Shared<B> {
    /// Gone when it was given up.
    body: Option<B>,
    /// When the client was given something that it has not asked beyond; none while the provider is waited for.
    given_at: Option<Instant>,
}

impl<B> PatientBody<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    /// One that waits so long for its client to ask for more.
    pub(crate) fn new(body: B, patience: Duration) -> Self {
        let is_whole = body.size_hint().exact().is_some();
        let shared = Arc::new(Mutex::new(Shared {
            body: Some(body),
            given_at: Some(Instant::now()),
        }));
        // What is whole holds nobody up, whether it is read or not.
        let runtime = Handle::try_current().ok().filter(|_| !is_whole);
        let watcher = runtime.map(|runtime| {
            let watching = runtime.spawn(watch(shared.clone(), patience));
            watching.abort_handle()
        });
        Self { shared, watcher }
    }
}

impl<B> PatientBody<B> {
    fn with<T>(&self, look: impl FnOnce(&mut Shared<B>) -> T) -> T {
        look(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Drops the body, and its provider's stream with it, when the client has let it stand.
async fn watch<B>(shared: Arc<Mutex<Shared<B>>>, patience: Duration) {
    loop {
        let given_at = {
            let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.given_at.unwrap_or_else(Instant::now)
        };
        sleep_until(given_at + patience).await;
        let unread = {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let stands = shared.given_at == Some(given_at);
            stands.then(|| shared.body.take())
        };
        // The record of the request is made with its body's end, outside the lock.
        if let Some(body) = unread {
            tracing::debug!("a client reads nothing of a stream");
            drop(body);
            return;
        }
    }
}

impl<B> Body for PatientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.with(|shared| {
            let Some(body) = &mut shared.body else {
                return Poll::Ready(Some(Err(Unread.into())));
            };
            let polled = Pin::new(body).poll_frame(context);
            shared.given_at = polled.is_ready().then(Instant::now);
            polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.with(|shared| shared.body.as_ref().is_some_and(Body::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|shared| shared.body.as_ref().map(Body::size_hint))
            .unwrap_or_default()
    }
}

impl<B> Drop for PatientBody<B> {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    fn streamed() -> (
        mpsc::Sender<Bytes>,
        impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
    ) {
        let (sender, mut receiver) = mpsc::channel(1);
        let frames = stream::poll_fn(move |context| {
            let received = receiver.poll_recv(context);
            received.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        });
        (sender, StreamBody::new(frames))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_let_stand_is_given_up_in_time() {
        let (provider, body) = streamed();
        let mut body = PatientBody::new(body, PATIENCE);
        provider.send(Bytes::from_static(b"one")).await.unwrap();
        body.frame().await.unwrap().unwrap();
        let begun = Instant::now();
        provider.closed().await;
        assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 2);
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Unread>());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_begins_to_read_is_given_up_too() {
        let (provider, body) = streamed();
        let _body = PatientBody::new(body, PATIENCE);
        provider.closed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_provider_and_a_slow_reader_are_waited_for() {
        let (provider, body) = streamed();
        let mut body = PatientBody::new(body, PATIENCE);
        let reading = tokio::spawn(async move {
            let mut got = 0;
            while let Some(frame) = body.frame().await {
                got += frame.unwrap().into_data().unwrap().len();
                tokio::time::sleep(PATIENCE * 3 / 4).await;
            }
            got
        });
        for _ in 0..5 {
            tokio::time::sleep(PATIENCE * 5).await;
            provider.send(Bytes::from_static(b"one")).await.unwrap();
        }
        drop(provider);
        assert_eq!(reading.await.unwrap(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_answer_has_no_watcher() {
        let whole = http_body_util::Full::new(Bytes::from_static(b"all"));
        assert!(PatientBody::new(whole, PATIENCE).watcher.is_none());
        let stream = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        assert!(PatientBody::new(stream, PATIENCE).watcher.is_some());
    }
}
