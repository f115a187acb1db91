use std::sync::{
    Mutex as Lock,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::{advance, sleep};

use super::*;

/// Grants numbered tokens of an hour, a second after it is asked; fails while told to.
#[derive(Debug, Default)]
struct Desk {
    asked: AtomicUsize,
    fails: Lock<bool>,
}

impl Fetch for Arc<Desk> {
    async fn fetch(&self) -> Result<Granted, TokenError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        sleep(Duration::from_secs(1)).await;
        if *self.fails.lock().unwrap() {
            return Err(TokenError::Timeout);
        }
        Ok(Granted {
            authorization: HeaderValue::try_from(format!("Bearer {number}")).unwrap(),
            lifetime: Duration::from_secs(3600),
        })
    }
}

fn cache() -> (Arc<Desk>, Arc<TokenCache<Arc<Desk>>>) {
    let desk = Arc::new(Desk::default());
    (desk.clone(), TokenCache::new(desk))
}

fn asked(desk: &Desk) -> usize {
    desk.asked.load(Ordering::Relaxed)
}

async fn ask_at_once(
    cache: &Arc<TokenCache<Arc<Desk>>>,
    callers: usize,
) -> Vec<Result<String, TokenError>> {
    let asking: Vec<_> = (0..callers)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.authorization().await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asking {
        let answer = answer.await.unwrap();
        answers.push(answer.map(|value| value.to_str().unwrap().to_owned()));
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn the_first_callers_share_one_token() {
    let (desk, cache) = cache();
    assert!(
        ask_at_once(&cache, 20)
            .await
            .into_iter()
            .all(|it| it.unwrap() == "Bearer 1")
    );
    advance(Duration::from_secs(54 * 60)).await;
    assert_eq!(cache.authorization().await.unwrap(), "Bearer 1");
    assert_eq!(asked(&desk), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_five_minutes_before_its_end_and_nobody_waits() {
    let (desk, cache) = cache();
    cache.authorization().await.unwrap();
    advance(Duration::from_secs(55 * 60)).await;
    let before = Instant::now();
    assert!(
        ask_at_once(&cache, 20)
            .await
            .into_iter()
            .all(|it| it.unwrap() == "Bearer 1")
    );
    assert_eq!(
        before.elapsed(),
        Duration::ZERO,
        "with the old one, at once"
    );
    sleep(Duration::from_secs(2)).await;
    assert_eq!(asked(&desk), 2, "one of them asked");
    assert_eq!(cache.authorization().await.unwrap(), "Bearer 2");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_replaced_serves_to_its_end() {
    let (desk, cache) = cache();
    cache.authorization().await.unwrap();
    *desk.fails.lock().unwrap() = true;
    advance(Duration::from_secs(56 * 60)).await;
    for _ in 0..60 {
        assert_eq!(cache.authorization().await.unwrap(), "Bearer 1");
        sleep(Duration::from_secs(1)).await;
    }
    assert!(
        matches!(asked(&desk), 5..=7),
        "it is asked once in ten seconds: {}",
        asked(&desk)
    );
    advance(Duration::from_secs(4 * 60)).await;
    assert_eq!(cache.authorization().await, Err(TokenError::Timeout));
    *desk.fails.lock().unwrap() = false;
    assert!(cache.authorization().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_the_failure_and_the_next_tries_anew() {
    let (desk, cache) = cache();
    *desk.fails.lock().unwrap() = true;
    let before = Instant::now();
    assert!(
        ask_at_once(&cache, 20)
            .await
            .into_iter()
            .all(|it| it == Err(TokenError::Timeout))
    );
    assert_eq!(
        (asked(&desk), before.elapsed()),
        (1, Duration::from_secs(1))
    );
    *desk.fails.lock().unwrap() = false;
    assert!(cache.authorization().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_does_not_hold_up_the_others() {
    let (desk, cache) = cache();
    let leaving = tokio::spawn({
        let cache = cache.clone();
        async move { cache.authorization().await }
    });
    sleep(Duration::from_millis(500)).await;
    leaving.abort();
    assert_eq!(cache.authorization().await.unwrap(), "Bearer 2");
    assert_eq!(asked(&desk), 2);
}

/// Whatever the endpoint says of a token's life, nothing overflows and nobody asks in a loop.
#[tokio::test(start_paused = true)]
async fn lives_of_any_length_are_borne() {
    #[derive(Debug)]
    struct Odd(Duration);
    impl Fetch for Odd {
        async fn fetch(&self) -> Result<Granted, TokenError> {
            Ok(Granted {
                authorization: HeaderValue::from_static("x"),
                lifetime: self.0,
            })
        }
    }
    for lifetime in [
        Duration::ZERO,
        Duration::from_secs(1),
        Duration::from_secs(60),
        Duration::MAX,
    ] {
        assert!(
            TokenCache::new(Odd(lifetime)).authorization().await.is_ok(),
            "{lifetime:?}"
        );
    }
}
