//! What stands between a client's request and a provider's operation: nothing, or a translation.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use catalog::Call;
use protocol::{
    Answer, ClientError, Endpoint, Envelope, ErrorKind, Feature, Format, Inspected, Media,
    Operation, Outgoing, Protocol, Refusal, Stream, TranslateError, Unusable, Usage,
    canonical::{EmbedRequest, Request},
    gemini, openai, read_count, read_response, write_count, write_count_answer, write_request,
    write_response,
};

use crate::{ask::Ask, error::Error, guard::Screen, media::Fetcher, trace::Context};

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared<'c> {
    pub(crate) call: Call<'c>,
    pub(crate) exchange: Exchange,
    /// The body.
    pub(crate) pieces: Vec<Bytes>,
    /// The client's fields that it lacks.
    pub(crate) dropped: Vec<Cow<'static, str>>,
    /// The trace that its attempt belongs to.
    pub(crate) trace: Option<Context>,
}

/// How the answer becomes the client's.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// Client and provider speak alike: what came goes.
    Pass,
    /// Generated text is translated.
    Text {
        client: Format,
        provider: Format,
        request: Arc<Request>,
    },
    /// Generated text is, for a client of legacy Completions.
    Completion {
        provider: Format,
        request: Arc<Request>,
    },
    /// A count of tokens is.
    Count { client: Format, provider: Format },
    /// Embeddings are.
    Embed {
        client: Protocol,
        request: Arc<EmbedRequest>,
    },
}

/// Why nothing can be sent.
#[derive(Debug)]
pub(crate) enum Unprepared {
    /// The request is wrong, whoever is asked.
    Wrong(Error),
    /// This provider model cannot be asked; another may be.
    Refused(Refusal),
}

impl<E: Into<Error>> From<E> for Unprepared {
    fn from(error: E) -> Self {
        Self::Wrong(error.into())
    }
}

/// Makes the client's request one for the provider that `call` leads to.
pub(crate) async fn prepare<'c>(
    ask: &Ask<'_>,
    call: Call<'c>,
    fetcher: &Fetcher,
) -> Result<Prepared<'c>, Unprepared> {
    let (asked, answered) = (ask.endpoint.operation(), call.endpoint.operation());
    let outgoing = Outgoing {
        anthropic_beta: betas(ask, &call),
        ..call.outgoing
    };
    if asked == answered && !needs_reading(ask) {
        if is_unguardable(ask) {
            return Err(unguardable().into());
        }
        let pieces = ask.envelope.splice(&outgoing).pieces(ask.body);
        let pieces = without_wrapper(&call, pieces);
        return Ok(Prepared {
            call,
            exchange: Exchange::Pass,
            pieces,
            dropped: left_out(ask, asked),
            trace: None,
        });
    }
    let (exchange, body, dropped) = match (asked, answered) {
        (Operation::Generate(client), Operation::Generate(provider)) => {
            let stream = ask.envelope.stream;
            let request = ask.canonical.text(client, ask.body, stream)?;
            let request = fetched(ask, request, &call, fetcher).await?;
            let translated = write_request(&request, client, provider, &call.target)
                .map_err(Unprepared::Refused)?;
            let exchange = Exchange::Text {
                client,
                provider,
                request,
            };
            (exchange, translated.body, translated.dropped)
        }
        (Operation::Complete, Operation::Generate(provider)) => {
            let request =
                ask.canonical
                    .completion(provider, ask.body)
                    .map_err(|error| match error {
                        TranslateError::Refused(refusal) => Unprepared::Refused(refusal),
                        TranslateError::Request(error) => error.into(),
                    })?;
            // The fields that both have are called alike.
            let translated = write_request(&request, Format::Chat, provider, &call.target)
                .map_err(Unprepared::Refused)?;
            let exchange = Exchange::Completion { provider, request };
            (exchange, translated.body, translated.dropped)
        }
        (Operation::Count(client), Operation::Count(provider)) => {
            let request = ask.canonical.count(client, ask.body)?;
            let request = fetched(ask, request, &call, fetcher).await?;
            let translated = write_count(&request, client, provider, &call.target)
                .map_err(Unprepared::Refused)?;
            let exchange = Exchange::Count { client, provider };
            (exchange, translated.body, translated.dropped)
        }
        (Operation::Embed(client), Operation::Embed(provider)) => {
            let request = ask.canonical.embed(client, ask.body)?;
            let mut dropped = Vec::new();
            let write = match provider {
                Protocol::Gemini => gemini::embed::write_request,
                Protocol::OpenAi | Protocol::Anthropic => openai::embeddings::write_request,
            };
            let body = write(&request, call.target.model, &mut dropped);
            let dropped = dropped.into_iter().map(Cow::Borrowed).collect();
            (Exchange::Embed { client, request }, body.into(), dropped)
        }
        _ => return Err(Unprepared::Wrong(Error::unroutable())),
    };
    let pieces = without_wrapper(&call, complete(&call, &outgoing, body)?);
    Ok(Prepared {
        call,
        exchange,
        pieces,
        dropped,
        trace: None,
    })
}

/// Whether the answer is to be guarded, and is one that only passes: a stream of legacy Completions.
fn is_unguardable(ask: &Ask<'_>) -> bool {
    let is_guarded = ask.screen.is_some() && ask.envelope.stream;
    is_guarded && ask.endpoint.operation() == Operation::Complete
}

/// The request with what it names by URL fetched, where this provider wants it so.
async fn fetched(
    ask: &Ask<'_>,
    request: Arc<Request>,
    call: &Call<'_>,
    fetcher: &Fetcher,
) -> Result<Arc<Request>, Error> {
    if call.fetches_urls {
        return ask.canonical.inlined(request, fetcher).await;
    }
    Ok(request)
}

/// Streams of legacy Completions that a provider has itself are never written here.
fn unguardable() -> ClientError {
    let message = "streams of this endpoint cannot be guarded; ask without 'stream', or for a chat completion";
    let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
    error.param = Some("stream".to_owned());
    error
}

/// Whether a request has to be read although the provider speaks the client's format: where models of another family have
/// answered in between, a model of Anthropic's may not be told to reason in the middle of their turns.
fn needs_reading(ask: &Ask<'_>) -> bool {
    ask.endpoint == Endpoint::Messages && ask.envelope.foreign
}

/// What a body that is passed on has lost: reasoning that only models of another family read.
fn left_out(ask: &Ask<'_>, asked: Operation) -> Vec<Cow<'static, str>> {
    match asked {
        Operation::Generate(format) | Operation::Count(format) if ask.envelope.foreign => {
            vec![Cow::Borrowed(Feature::OwnThinking.field(format))]
        }
        _ => Vec::new(),
    }
}

/// Adds to a body of ours what the provider wants beside: configured members, a version.
fn complete(call: &Call<'_>, outgoing: &Outgoing<'_>, body: Bytes) -> Result<Vec<Bytes>, Error> {
    let is_complete = outgoing.extra.is_empty()
        && outgoing.anthropic_version.is_none()
        && outgoing.anthropic_beta.is_none()
        && !outgoing.is_stream_in_url;
    if is_complete {
        return Ok(vec![body]);
    }
    // Where the path names the model the body need not.
    let is_in_path = call.endpoint.verb().is_some();
    let model = is_in_path.then_some(Cow::Borrowed(call.target.model));
    let splice = Envelope::scan(call.endpoint, model, &body)?.splice(outgoing);
    Ok(splice.pieces(&body))
}

/// What the client asks for by header, where the provider wants it in the body.
fn betas<'a>(ask: &Ask<'a>, call: &Call<'_>) -> Option<&'a str> {
    if !call.has_betas_in_body {
        return None;
    }
    let value = ask.headers.get("anthropic-beta")?.to_str().ok()?;
    (!value.trim().is_empty()).then_some(value)
}

/// A request to count tokens as Vertex AI wants it.
fn without_wrapper(call: &Call<'_>, pieces: Vec<Bytes>) -> Vec<Bytes> {
    if !call.counts_bare {
        return pieces;
    }
    match gemini::unwrap_count(&pieces.concat()) {
        Some(body) => vec![body.into()],
        None => pieces,
    }
}

impl Prepared<'_> {
    /// Whether the client speaks as the provider does.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.exchange, Exchange::Pass)
    }

    /// Reads a whole answer; answers with what the client gets, and what was used.
    pub(crate) fn whole(
        &self,
        ask: &Ask<'_>,
        body: Bytes,
    ) -> Result<(Bytes, Option<Usage>, Media), Unusable> {
        let estimated = |output| Usage::estimated(ask.envelope.prompt_bytes, output);
        match &self.exchange {
            Exchange::Pass => {
                let answer = Answer::inspect(ask.endpoint, &body)?;
                let usage = match ask.endpoint.operation() {
                    Operation::Count(_) | Operation::Forward => answer.usage,
                    _ => answer
                        .usage
                        .or_else(|| Some(estimated(answer.output_bytes))),
                };
                Ok((body, usage, answer.media))
            }
            Exchange::Text {
                client,
                provider,
                request,
            } => {
                let response = read_response(*provider, &body)?;
                let usage = response
                    .usage
                    .unwrap_or_else(|| estimated(response.text_bytes()));
                let reply = ask.reply(request.clone(), self.call.target.model);
                let body = write_response(*client, &response, &reply);
                Ok((body, Some(usage), Media::default()))
            }
            Exchange::Completion { provider, request } => {
                let response = read_response(*provider, &body)?;
                let usage = response
                    .usage
                    .unwrap_or_else(|| estimated(response.text_bytes()));
                let reply = ask.reply(request.clone(), self.call.target.model);
                let body = openai::completions::write_response(&response, &reply);
                Ok((body, Some(usage), Media::default()))
            }
            Exchange::Count { client, provider } => {
                let tokens = read_count(*provider, &body)?;
                let body = write_count_answer(*client, tokens);
                Ok((body, None, Media::default()))
            }
            Exchange::Embed { client, request } => {
                let response = match self.call.endpoint.operation() {
                    Operation::Embed(Protocol::Gemini) => gemini::embed::read_response(&body)?,
                    _ => openai::embeddings::read_response(&body)?,
                };
                let write = match client {
                    Protocol::Gemini => gemini::embed::write_response,
                    Protocol::OpenAi | Protocol::Anthropic => openai::embeddings::write_response,
                };
                let usage = response.usage.unwrap_or_else(|| estimated(0));
                let body = write(&response, request, self.call.target.model);
                Ok((body.into(), Some(usage), Media::default()))
            }
        }
    }

    /// What looks at a stream of events on its way to the client, and translates it where it has to be.
    pub(crate) fn stream(&self, ask: &Ask<'_>) -> Stream {
        let prompt_bytes = ask.envelope.prompt_bytes;
        if let (Some(resumption), Operation::Generate(provider)) =
            (ask.resumption, self.call.endpoint.operation())
        {
            return Stream::resume(provider, resumption, prompt_bytes);
        }
        if let Some(screen) = ask.screen {
            return self.guarded(ask, screen, prompt_bytes);
        }
        let mut stream = self.begun(ask, prompt_bytes);
        if ask.remembers
            && let Operation::Generate(client) = ask.endpoint.operation()
            && let Ok(request) = ask.canonical.text(client, ask.body, true)
        {
            stream.remember(ask.reply(request, self.call.target.model));
        }
        stream
    }

    /// As [`Self::begun`], but written here also where both speak alike, and screened.
    fn guarded(&self, ask: &Ask<'_>, screen: &Screen, prompt_bytes: usize) -> Stream {
        let stream = match (&self.exchange, ask.endpoint.operation()) {
            (Exchange::Pass, Operation::Generate(format)) => {
                // What cannot be read of the request is not told in the answer.
                let request = ask.canonical.text(format, ask.body, true);
                let request = request.unwrap_or_else(|_| {
                    Arc::new(Request {
                        choices: u32::try_from(ask.envelope.choices).ok(),
                        ..Request::default()
                    })
                });
                let reply = ask.reply(request, self.call.target.model);
                Stream::translate(format, format, reply, prompt_bytes)
            }
            _ => self.begun(ask, prompt_bytes),
        };
        screen.over(stream)
    }

    fn begun(&self, ask: &Ask<'_>, prompt_bytes: usize) -> Stream {
        match &self.exchange {
            Exchange::Text {
                client,
                provider,
                request,
            } => {
                let reply = ask.reply(request.clone(), self.call.target.model);
                Stream::translate(*provider, *client, reply, prompt_bytes)
            }
            Exchange::Completion { provider, request } => {
                let reply = ask.reply(request.clone(), self.call.target.model);
                Stream::complete(*provider, reply, prompt_bytes)
            }
            Exchange::Pass | Exchange::Count { .. } | Exchange::Embed { .. } => {
                let expected = Inspected {
                    endpoint: ask.endpoint,
                    passes_usage: ask.envelope.include_usage,
                    choices: ask.envelope.choices,
                    as_array: ask.as_array,
                };
                Stream::pass(expected, prompt_bytes)
            }
        }
    }
}

/// Whether answers of `endpoint` are passed on without being understood.
pub(crate) fn is_forwarded(endpoint: Endpoint) -> bool {
    endpoint.operation() == Operation::Forward
}
