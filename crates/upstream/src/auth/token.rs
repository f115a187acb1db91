//! A token that expires, kept fresh.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use tokio::{sync::Mutex, time::Instant};

/// How long before it expires a token is replaced.
const REFRESH_BEFORE: Duration = Duration::from_secs(5 * 60);
/// A token this close to its end could expire on the way.
const MARGIN: Duration = Duration::from_secs(10);
/// Between two tries to replace a token that still holds.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest life believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Why no token is to be had. Names no secret and no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The private key did not sign.
    #[error("the request for an access token could not be signed")]
    Unsigned,
    /// The token endpoint was not reached, or broke off.
    #[error("no access token: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("no access token: the token endpoint did not answer in time")]
    Timeout,
    /// It gave none, and says why.
    #[error("no access token: the token endpoint answered {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its own word for it.
        reason: String,
    },
    /// Its answer cannot be used.
    #[error("no access token: the token endpoint's answer {0}")]
    Malformed(&'static str),
}

/// A token as it was granted.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    /// Value of `authorization`; marked sensitive.
    pub(crate) authorization: HeaderValue,
    /// How long it holds from when it was asked for.
    pub(crate) lifetime: Duration,
}

/// Where tokens come from.
pub(crate) trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Asks for a token.
    fn fetch(&self) -> impl Future<Output = Result<Granted, TokenError>> + Send;
}

/// Keeps a token. One that holds is answered without waiting; it is replaced aside some minutes before its end. Without
/// one that holds, the first caller asks for it and the others wait for what comes of that.
#[derive(Debug)]
pub(crate) struct TokenCache<F> {
    source: F,
    current: ArcSwapOption<Token>,
    /// Held by who asks for a token; inside, how the last try failed.
    turn: Arc<Mutex<Option<Failed>>>,
}

#[derive(Debug)]
struct Token {
    authorization: HeaderValue,
    refresh_at: Instant,
    expires_at: Instant,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    error: TokenError,
}

impl<F: Fetch> TokenCache<F> {
    pub(crate) fn new(source: F) -> Arc<Self> {
        Arc::new(Self {
            source,
            current: ArcSwapOption::empty(),
            turn: Arc::default(),
        })
    }

    /// Value of `authorization`.
    pub(crate) async fn authorization(self: &Arc<Self>) -> Result<HeaderValue, TokenError> {
        let now = Instant::now();
        if let Some(token) = self.valid_at(now) {
            if now >= token.refresh_at {
                self.refresh_aside();
            }
            return Ok(token.authorization.clone());
        }
        let mut failed = self.turn.lock().await;
        if let Some(token) = self.valid_at(Instant::now()) {
            return Ok(token.authorization.clone());
        }
        if let Some(failed) = failed.as_ref().filter(|failed| failed.at > now) {
            return Err(failed.error.clone());
        }
        self.fetch(&mut failed).await
    }

    fn valid_at(&self, now: Instant) -> Option<Arc<Token>> {
        self.current
            .load_full()
            .filter(|token| now < token.expires_at)
    }

    /// Has the token replaced by a task of its own, unless somebody is at it or has just failed.
    fn refresh_aside(self: &Arc<Self>) {
        let Ok(mut failed) = self.turn.clone().try_lock_owned() else {
            return;
        };
        let has_just_failed = failed
            .as_ref()
            .is_some_and(|failed| failed.at.elapsed() < PAUSE);
        let is_due = self
            .current
            .load()
            .as_ref()
            .is_none_or(|token| Instant::now() >= token.refresh_at);
        if has_just_failed || !is_due {
            return;
        }
        let cache = self.clone();
        tokio::spawn(async move {
            if let Err(error) = cache.fetch(&mut failed).await {
                tracing::warn!(%error, "an access token could not be replaced; the one there is still holds");
            }
        });
    }

    async fn fetch(&self, failed: &mut Option<Failed>) -> Result<HeaderValue, TokenError> {
        let asked_at = Instant::now();
        match self.source.fetch().await {
            Ok(granted) => {
                let lifetime = granted.lifetime.min(LONGEST_LIFE);
                let expires_at = asked_at + lifetime.saturating_sub(MARGIN);
                self.current.store(Some(Arc::new(Token {
                    authorization: granted.authorization.clone(),
                    refresh_at: asked_at + lifetime - REFRESH_BEFORE.min(lifetime / 2),
                    expires_at,
                })));
                *failed = None;
                Ok(granted.authorization)
            }
            Err(error) => {
                *failed = Some(Failed {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
