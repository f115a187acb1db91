//! Guards on content: what a request may say before it is sent, and its answer before it is told.
//!
//! There are up to three sets, of all, of the key and of the model, and a text has to pass each. Where there is none nothing
//! is looked at. A denial is nobody's fault but the request's: no provider is blamed, and none is asked after it.

use std::borrow::Cow;

use bytes::Bytes;
use guards::{Guards, Moderation, OnFailure};
use protocol::{ClientError, Denied, ErrorKind, Speaker, Window, rewrite_texts};
use upstream::Clients;

use crate::{answer::Answered, attempts::Success, error::Error, ledger::Ledger, moderation};

/// How a request is logged that a guard refuses, or whose answer it withholds.
pub(crate) const DENIED: &str = "guard_denied";
/// How a request is logged that a guard could not judge.
const FAILED: &str = "guard_failed";

/// Which way a text goes, as the metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Request,
    Response,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// What a guard did, as the metrics tell it.
pub(crate) mod result {
    pub(crate) const REDACTED: &str = "redacted";
    pub(crate) const DENIED: &str = "denied";
    /// It could not judge.
    pub(crate) const FAILED: &str = "failed";
}

/// The guards of one request.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    sets: [Option<&'a Guards>; 3],
    /// What its answer has to pass.
    pub(crate) screen: Option<Screen>,
}

/// What answers have to pass.
#[derive(Debug, Clone)]
pub(crate) struct Screen(guards::Screen);

impl<'a> Guard<'a> {
    /// The guards that hold; `None` where none do.
    pub(crate) fn of(sets: [Option<&'a Guards>; 3]) -> Option<Self> {
        if sets.iter().all(Option::is_none) {
            return None;
        }
        let rules = sets.iter().flatten().flat_map(|set| set.of_responses());
        Some(Self {
            screen: guards::Screen::new(rules).map(Screen),
            sets,
        })
    }

    /// What is sent in the place of a request's body; `None` where it stays.
    pub(crate) fn request(&self, body: &Bytes, ledger: &Ledger) -> Result<Option<Bytes>, Error> {
        let rules = self.sets.iter().flatten().flat_map(|set| set.of_requests());
        let Some(screen) = guards::Screen::new(rules).map(Screen) else {
            return Ok(None);
        };
        let redacted = rewrite_texts(body, Speaker::Client, |text| screen.look(text));
        judged(redacted, Stage::Request, ledger)
    }

    /// Asks the moderation endpoints about a request.
    pub(crate) async fn moderate(
        &self,
        body: &Bytes,
        clients: &Clients,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let mut text = None;
        for set in self.sets.into_iter().flatten() {
            let Some(endpoint) = &set.moderation else {
                continue;
            };
            let text = text.get_or_insert_with(|| text_of(body));
            if !text.is_empty() {
                moderate(endpoint, text, clients, ledger).await?;
            }
        }
        Ok(())
    }
}

/// An answer as it may be told, where it is whole; a stream is screened on its way.
pub(crate) fn screened(
    guard: Option<&Guard<'_>>,
    mut success: Success,
    ledger: &Ledger,
) -> Result<Success, Error> {
    let screen = guard.and_then(|guard| guard.screen.as_ref());
    if let (Some(screen), Answered::Whole { body, .. }) = (screen, &mut success.answered) {
        let redacted = rewrite_texts(body, Speaker::Model, |text| screen.look(text));
        if let Some(redacted) = judged(redacted, Stage::Response, ledger)? {
            *body = redacted;
        }
    }
    Ok(success)
}

/// Everything that a request says.
fn text_of(body: &Bytes) -> String {
    let mut all = String::new();
    let seen = rewrite_texts(body, Speaker::Client, |text| {
        if !all.is_empty() {
            all.push('\n');
        }
        all.push_str(text);
        Ok::<_, std::convert::Infallible>(None)
    });
    let Ok(_) = seen;
    all
}

async fn moderate(
    endpoint: &Moderation,
    text: &str,
    clients: &Clients,
    ledger: &Ledger,
) -> Result<(), Error> {
    match moderation::is_flagged(endpoint, text, clients).await {
        Ok(false) => Ok(()),
        Ok(true) => {
            ledger.guarded(Stage::Request, result::DENIED);
            let message = "the request was refused by moderation";
            Err(Error::new(ErrorKind::InvalidRequest, DENIED, message))
        }
        Err(error) => {
            ledger.guarded(Stage::Request, result::FAILED);
            tracing::warn!(error, "a moderation endpoint does not answer");
            match endpoint.on_failure {
                OnFailure::Allow => Ok(()),
                OnFailure::Deny => {
                    let message = "the request could not be moderated";
                    Err(Error::new(ErrorKind::Unavailable, FAILED, message))
                }
            }
        }
    }
}

/// Counts what a guard made of a text, and tells of a denial.
fn judged(
    redacted: Result<Option<Bytes>, Denied>,
    stage: Stage,
    ledger: &Ledger,
) -> Result<Option<Bytes>, Error> {
    match redacted {
        Ok(redacted) => {
            if redacted.is_some() {
                ledger.guarded(stage, result::REDACTED);
            }
            Ok(redacted)
        }
        Err(denied) => {
            ledger.guarded(stage, result::DENIED);
            let told = denial(&denied, stage);
            Err(Error::new(told.kind, DENIED, told.message))
        }
    }
}

/// What the client is told of a denial.
pub(crate) fn denial(denied: &Denied, stage: Stage) -> ClientError {
    let what = match stage {
        Stage::Request => "the request was refused",
        Stage::Response => "the answer was withheld",
    };
    let message = format!("{what} by the content guard '{}'", denied.0);
    ClientError::new(ErrorKind::InvalidRequest, message)
}

impl Screen {
    fn look(&self, text: &str) -> Result<Option<String>, Denied> {
        match self.0.whole(text) {
            Ok(Cow::Borrowed(_)) => Ok(None),
            Ok(Cow::Owned(changed)) => Ok(Some(changed)),
            Err(denial) => Err(Denied(denial.rule)),
        }
    }
}

impl protocol::Screen for Screen {
    fn whole(&self, text: &str) -> Result<Option<String>, Denied> {
        self.look(text)
    }

    fn window(&self) -> Box<dyn Window> {
        Box::new(Held(self.0.window()))
    }
}

#[derive(Debug)]
struct Held(guards::Window);

impl Window for Held {
    fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denied> {
        let pushed = self.0.push(piece, out);
        pushed.map_err(|denial| Denied(denial.rule))
    }

    fn finish(&mut self, out: &mut String) -> Result<(), Denied> {
        let finished = self.0.finish(out);
        finished.map_err(|denial| Denied(denial.rule))
    }
}
