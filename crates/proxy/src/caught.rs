//! Work that may panic.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// What `work` comes to; none when it has panicked. Nothing of it may be looked at again then.
///
/// It is pinned where it was made: a request's future is large, and what takes it by value moves it.
pub fn caught<F: Future>(mut work: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |context| {
        let poll = AssertUnwindSafe(|| work.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_none() {
        assert_eq!(caught(pin!(async { 7 })).await, Some(7));
        assert_eq!(
            caught(pin!(async { panic!("on purpose") })).await,
            None::<()>
        );
    }
}
