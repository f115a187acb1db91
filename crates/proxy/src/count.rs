//! Tokens of a request, where the provider counts none.

use std::{fmt::Debug, sync::Arc, thread::available_parallelism};

use protocol::canonical::Request;
use tokio::sync::Semaphore;

/// Counts the tokens of a request in place of a provider.
pub trait TokenCounter: Debug + Send + Sync {
    /// How many they are, as near as can be told. May take long: it is called where blocking is allowed.
    fn count(&self, request: &Request) -> u64;
}

/// Counts with the vocabulary of OpenAI's current models.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokenizer;

impl TokenCounter for Tokenizer {
    fn count(&self, request: &Request) -> u64 {
        tokens::count_request(request)
    }
}

/// Counts beside the threads that serve requests: a tenth of a microsecond for each byte would hold up everybody else. At
/// most as many counts run at once as there are processors; more would only take longer each.
#[derive(Debug)]
pub(crate) struct Counting {
    counter: Arc<dyn TokenCounter>,
    room: Arc<Semaphore>,
}

impl Counting {
    pub(crate) fn new(counter: Arc<dyn TokenCounter>) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            counter,
            room: Arc::new(Semaphore::new(processors)),
        }
    }

    /// How many tokens `request` has. A panic of the counter's goes on here.
    pub(crate) async fn count(&self, request: Arc<Request>) -> u64 {
        let room = self.room.clone().acquire_owned().await;
        let room = room.expect("nobody closes it");
        let counter = self.counter.clone();
        let counting = tokio::task::spawn_blocking(move || {
            // Kept until the count ends, also when nobody waits for it any more.
            let _room = room;
            counter.count(&request)
        });
        match counting.await {
            Ok(tokens) => tokens,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that shuts down cancels it, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        thread,
        time::Duration,
    };

    use super::*;

    /// Answers with how many count at once.
    #[derive(Debug, Default)]
    struct Crowd {
        now: AtomicUsize,
    }

    impl TokenCounter for Crowd {
        fn count(&self, _: &Request) -> u64 {
            let at_once = self.now.fetch_add(1, SeqCst) + 1;
            thread::sleep(Duration::from_millis(2));
            self.now.fetch_sub(1, SeqCst);
            at_once as u64
        }
    }

    #[tokio::test]
    async fn no_more_counts_run_at_once_than_there_are_processors() {
        let counting = Arc::new(Counting::new(Arc::new(Crowd::default())));
        let processors = counting.room.available_permits() as u64;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..processors * 4 {
            let counting = counting.clone();
            all.spawn(async move { counting.count(Arc::default()).await });
        }
        for at_once in all.join_all().await {
            assert!((1..=processors).contains(&at_once), "{at_once}");
        }
    }
}
