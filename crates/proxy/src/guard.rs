//! Guards on content: what a request may say before it is sent, and its answer before it is told.
//!
//! There are up to three sets, of all, of the key and of the model, and a text has to pass each. Where there is none nothing
//! is looked at. A denial is nobody's fault but the request's: no provider is blamed, and none is asked after it.

use std::borrow::Cow;

use bytes::Bytes;
use guards::{Guards, Moderation, OnFailure, Streams};
use protocol::{
    ClientError, Denied, Envelope, ErrorKind, RequestError, Speaker, Window, rewrite_form_texts,
    rewrite_texts,
};
use upstream::Client;

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
    /// The content type of a request that is a form.
    form: Option<&'a str>,
    /// What its answer has to pass.
    pub(crate) screen: Option<Screen>,
}

/// What answers have to pass.
#[derive(Debug, Clone)]
pub(crate) struct Screen(guards::Screen);

impl<'a> Guard<'a> {
    /// The guards that hold for a request, which may be a form of this content type; `None` where none do.
    pub(crate) fn of(sets: [Option<&'a Guards>; 3], form: Option<&'a str>) -> Option<Self> {
        if sets.iter().all(Option::is_none) {
            return None;
        }
        let rules = sets.iter().flatten().flat_map(|set| set.of_responses());
        Some(Self {
            screen: guards::Screen::new(rules).map(Screen),
            sets,
            form,
        })
    }

    /// Refuses a request for a stream that would have to be moderated before it is told.
    pub(crate) fn check_stream(&self, envelope: &Envelope<'_>) -> Result<(), Error> {
        let endpoints = self.endpoints(Stage::Response);
        if !envelope.stream || endpoints.iter().all(|it| it.streams == Streams::Allow) {
            return Ok(());
        }
        let message = "answers are moderated, which a stream cannot be; ask for a whole answer";
        let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
        error.param = Some("stream".to_owned());
        Err(error.into())
    }

    /// What is sent in the place of a request's body; `None` where it stays.
    pub(crate) fn request(&self, body: &Bytes, ledger: &Ledger) -> Result<Option<Bytes>, Error> {
        let rules = self.sets.iter().flatten().flat_map(|set| set.of_requests());
        let Some(screen) = guards::Screen::new(rules).map(Screen) else {
            return Ok(None);
        };
        let look = |text: &str| screen.look(text);
        let redacted = match self.form {
            None => rewrite_texts(body, Speaker::Client, look),
            Some(form) => {
                let look = |text: &str| look(text).map_err(Stop::Denied);
                match rewrite_form_texts(form, body, look) {
                    Err(Stop::Unread(error)) => return Err(error.into()),
                    Err(Stop::Denied(denied)) => Err(denied),
                    Ok(redacted) => Ok(redacted),
                }
            }
        };
        judged(redacted, Stage::Request, ledger)
    }

    /// Asks the moderation endpoints about a request.
    pub(crate) async fn moderate(
        &self,
        body: &Bytes,
        client: &Client,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let endpoints = self.endpoints(Stage::Request);
        if endpoints.is_empty() {
            return Ok(());
        }
        let text = said(|see| match self.form {
            None => rewrite_texts(body, Speaker::Client, see),
            Some(form) => rewrite_form_texts(form, body, see),
        })?;
        moderate(&endpoints, &text, Stage::Request, client, ledger).await
    }

    /// An answer as it may be told, where it is whole; a stream is screened on its way.
    async fn answer(
        &self,
        mut success: Success,
        client: &Client,
        ledger: &Ledger,
    ) -> Result<Success, Error> {
        let Answered::Whole { body, .. } = &mut success.answered else {
            return Ok(success);
        };
        if let Some(screen) = &self.screen {
            let redacted = rewrite_texts(body, Speaker::Model, |text| screen.look(text));
            if let Some(redacted) = judged(redacted, Stage::Response, ledger)? {
                *body = redacted;
            }
        }
        let endpoints = self.endpoints(Stage::Response);
        if !endpoints.is_empty() {
            let text = said(|see| rewrite_texts(body, Speaker::Model, see))?;
            moderate(&endpoints, &text, Stage::Response, client, ledger).await?;
        }
        Ok(success)
    }

    /// Who is to be asked.
    fn endpoints(&self, stage: Stage) -> Vec<&'a Moderation> {
        let sets = self.sets.into_iter().flatten();
        let endpoints = sets.filter_map(|set| set.moderation.as_ref());
        let is_asked = |it: &&Moderation| match stage {
            Stage::Request => it.is_of_requests(),
            Stage::Response => it.is_of_answers(),
        };
        endpoints.filter(is_asked).collect()
    }
}

/// An answer as it may be told by the guards of its request.
pub(crate) async fn screened(
    guard: Option<&Guard<'_>>,
    success: Success,
    client: &Client,
    ledger: &Ledger,
) -> Result<Success, Error> {
    match guard {
        None => Ok(success),
        Some(guard) => Box::pin(guard.answer(success, client, ledger)).await,
    }
}

/// Why looking at a form ends early.
enum Stop {
    /// A text of it may not be said.
    Denied(Denied),
    /// A text of it cannot be read.
    Unread(RequestError),
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        Self::Unread(error)
    }
}

/// What looks at a text, and leaves it.
type See<'s> = &'s mut dyn FnMut(&str) -> Result<Option<String>, RequestError>;

/// All the texts that `show` shows.
fn said(
    show: impl FnOnce(See<'_>) -> Result<Option<Bytes>, RequestError>,
) -> Result<String, RequestError> {
    let mut all = String::new();
    show(&mut |text| {
        if !all.is_empty() {
            all.push('\n');
        }
        all.push_str(text);
        Ok(None)
    })?;
    Ok(all)
}

/// Asks each of `endpoints` about a text, if there is any.
async fn moderate(
    endpoints: &[&Moderation],
    text: &str,
    stage: Stage,
    client: &Client,
    ledger: &Ledger,
) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    for endpoint in endpoints {
        match moderation::is_flagged(endpoint, text, client).await {
            Ok(false) => {}
            Ok(true) => {
                ledger.guarded(stage, result::DENIED);
                let message = match stage {
                    Stage::Request => "the request was refused by moderation",
                    Stage::Response => "the answer was withheld by moderation",
                };
                return Err(Error::new(ErrorKind::InvalidRequest, DENIED, message));
            }
            Err(error) => {
                ledger.guarded(stage, result::FAILED);
                tracing::warn!(error, "a moderation endpoint does not answer");
                if endpoint.on_failure == OnFailure::Deny {
                    return Err(unmoderated(stage));
                }
            }
        }
    }
    Ok(())
}

/// Nobody could say whether a text may be said.
fn unmoderated(stage: Stage) -> Error {
    match stage {
        Stage::Request => {
            let message = "the request could not be moderated";
            Error::new(ErrorKind::Unavailable, FAILED, message)
        }
        Stage::Response => {
            let message = "the answer could not be moderated";
            let mut error = Error::new(ErrorKind::Unavailable, FAILED, message);
            // It is paid for already; whether to pay again is for people to say, not for an SDK.
            error.is_final = true;
            error
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
