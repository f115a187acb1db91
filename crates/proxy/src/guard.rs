//! Guards on content: what a request may say before it is sent, and its answer before it is told.
//!
//! There are up to three sets, of all, of the key and of the model, and a text has to pass each. Where there is none nothing
//! is looked at. A denial is nobody's fault but the request's: no provider is blamed, and none is asked after it.

mod screen;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use guards::{Guards, Moderation, Streams};
use protocol::{
    ClientError, Denied, Endpoint, Envelope, ErrorKind, RequestError, Speaker, read_texts,
    rewrite_form_texts, rewrite_texts,
};
use upstream::Client;

pub(crate) use self::screen::Screen;
use crate::{
    answer::Answered,
    attempts::Success,
    clock,
    error::Error,
    exchange::is_forwarded,
    ledger::Ledger,
    moderation::{Judgement, judge},
    withheld::Moderators,
};

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
    pub(crate) const ALL: [&str; 3] = [REDACTED, DENIED, FAILED];
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

impl<'a> Guard<'a> {
    /// The guards that hold for a request, which may be a form of this content type; `None` where none do.
    pub(crate) fn of(sets: [Option<&'a Guards>; 3], form: Option<&'a str>) -> Option<Self> {
        if sets.iter().all(Option::is_none) {
            return None;
        }
        let rules = sets.iter().flatten().flat_map(|set| set.of_responses());
        let rules = guards::Screen::new(rules);
        let mut guard = Self {
            screen: None,
            sets,
            form,
        };
        guard.screen = Screen::new(rules, !guard.of_streams().is_empty());
        Some(guard)
    }

    /// Refuses a request for a stream where those are not to be told, or cannot be moderated.
    pub(crate) fn check_stream(
        &self,
        endpoint: Endpoint,
        envelope: &Envelope<'_>,
    ) -> Result<(), Error> {
        let is_told = |it: &Arc<Moderation>| match it.streams {
            Streams::Moderate => !is_forwarded(endpoint),
            Streams::Allow => true,
            Streams::Deny => false,
        };
        if !envelope.stream || self.endpoints(Stage::Response).iter().all(is_told) {
            return Ok(());
        }
        let message = "answers are moderated, which this stream cannot be; ask for a whole answer";
        let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
        error.param = Some("stream".to_owned());
        Err(error.into())
    }

    /// What is sent in the place of a request's body; `None` where it stays.
    pub(crate) fn request(&self, body: &Bytes, ledger: &Ledger) -> Result<Option<Bytes>, Error> {
        let rules = self.sets.iter().flatten().flat_map(|set| set.of_requests());
        let Some(rules) = guards::Screen::new(rules) else {
            return Ok(None);
        };
        let look = |text: &str| screen::look(&rules, text);
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
        deadline: Option<Instant>,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let endpoints = self.endpoints(Stage::Request);
        if endpoints.is_empty() {
            return Ok(());
        }
        let text = said(|see| match self.form {
            None => {
                read_texts(body, Speaker::Client, see);
                Ok(())
            }
            Some(form) => rewrite_form_texts(form, body, |text| {
                see(text);
                Ok(None)
            })
            .map(|_| ()),
        })?;
        let judging = judge(&endpoints, &text, client);
        let judgement = in_time(judging, deadline, Stage::Request).await?;
        heed(&judgement, Stage::Request, ledger).map_err(|barred| barred.error(Stage::Request))
    }

    /// An answer as it may be told, where it is whole; a stream is screened and moderated on its way.
    async fn answer(
        &self,
        mut success: Success,
        client: &Arc<Client>,
        deadline: Option<Instant>,
        ledger: &Ledger,
    ) -> Result<Success, Error> {
        match &mut success.answered {
            Answered::Whole { body, .. } => self.whole(body, client, deadline, ledger).await?,
            Answered::Stream { moderators, .. } => {
                let endpoints = self.of_streams();
                *moderators = (!endpoints.is_empty()).then(|| Moderators {
                    endpoints: endpoints.into(),
                    client: client.clone(),
                });
            }
            Answered::Estimated { .. } => {}
        }
        Ok(success)
    }

    /// Makes a whole answer what may be told of it.
    async fn whole(
        &self,
        body: &mut Bytes,
        client: &Client,
        deadline: Option<Instant>,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        if let Some(rules) = self.screen.as_ref().and_then(|it| it.rules.as_ref()) {
            let look = |text: &str| screen::look(rules, text);
            let redacted = rewrite_texts(body, Speaker::Model, look);
            if let Some(redacted) = judged(redacted, Stage::Response, ledger)? {
                *body = redacted;
            }
        }
        let endpoints = self.endpoints(Stage::Response);
        if endpoints.is_empty() {
            return Ok(());
        }
        let text = said(|see| {
            read_texts(body, Speaker::Model, see);
            Ok(())
        })?;
        let judging = judge(&endpoints, &text, client);
        let judgement = in_time(judging, deadline, Stage::Response).await?;
        heed(&judgement, Stage::Response, ledger).map_err(|barred| barred.error(Stage::Response))
    }

    /// Who is to be asked.
    fn endpoints(&self, stage: Stage) -> Vec<Arc<Moderation>> {
        let sets = self.sets.into_iter().flatten();
        let endpoints = sets.filter_map(|set| set.moderation.as_ref());
        let is_asked = |it: &&Arc<Moderation>| match stage {
            Stage::Request => it.is_of_requests(),
            Stage::Response => it.is_of_answers(),
        };
        endpoints.filter(is_asked).cloned().collect()
    }

    /// Who is to be asked about streams.
    fn of_streams(&self) -> Vec<Arc<Moderation>> {
        let mut endpoints = self.endpoints(Stage::Response);
        endpoints.retain(|it| it.streams == Streams::Moderate);
        endpoints
    }
}

/// An answer as it may be told by the guards of its request, which have until the request's time is over.
pub(crate) async fn screened(
    guard: Option<&Guard<'_>>,
    success: Success,
    client: &Arc<Client>,
    deadline: Option<Instant>,
    ledger: &Ledger,
) -> Result<Success, Error> {
    match guard {
        None => Ok(success),
        Some(guard) => Box::pin(guard.answer(success, client, deadline, ledger)).await,
    }
}

/// Waits for moderation until the request's time is over.
async fn in_time(
    judging: impl Future<Output = Judgement>,
    deadline: Option<Instant>,
    stage: Stage,
) -> Result<Judgement, Error> {
    clock::within(deadline, judging).await.ok_or_else(|| {
        let message = "the time for the request is over, and moderation has not judged it yet";
        let mut error = Error::new(ErrorKind::GatewayTimeout, "timeout", message);
        error.is_final = stage == Stage::Response;
        error
    })
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

/// What looks at a text.
type See<'s> = &'s mut dyn FnMut(&str);

/// All the texts that `show` shows.
fn said(show: impl FnOnce(See<'_>) -> Result<(), RequestError>) -> Result<String, RequestError> {
    let mut all = String::new();
    show(&mut |text| {
        if !all.is_empty() {
            all.push('\n');
        }
        all.push_str(text);
    })?;
    Ok(all)
}

/// Why a text may not be told, or an answer not be asked for.
#[derive(Debug)]
pub(crate) struct Barred {
    /// How the request is logged.
    pub(crate) class: &'static str,
    /// What the client is told.
    pub(crate) told: ClientError,
}

impl Barred {
    fn error(self, stage: Stage) -> Error {
        let mut error = Error::from(self.told);
        error.class = self.class;
        // It is paid for already; whether to pay again is for people to say, not for an SDK.
        error.is_final = stage == Stage::Response && self.class == FAILED;
        error
    }
}

/// Counts what moderation says of a text.
///
/// # Errors
/// It may not be told.
pub(crate) fn heed(judgement: &Judgement, stage: Stage, ledger: &Ledger) -> Result<(), Barred> {
    for _ in 0..judgement.failures {
        ledger.guarded(stage, result::FAILED);
    }
    let (class, kind, message) = if judgement.is_flagged {
        ledger.guarded(stage, result::DENIED);
        let message = match stage {
            Stage::Request => "the request was refused by moderation",
            Stage::Response => "the answer was withheld by moderation",
        };
        (DENIED, ErrorKind::InvalidRequest, message)
    } else if judgement.is_unjudged {
        let message = match stage {
            Stage::Request => "the request could not be moderated",
            Stage::Response => "the answer could not be moderated",
        };
        (FAILED, ErrorKind::Unavailable, message)
    } else {
        return Ok(());
    };
    let told = ClientError::new(kind, message);
    Err(Barred { class, told })
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
