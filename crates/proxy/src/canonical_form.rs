//! The form between the formats, read once per request and shared by its attempts.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use protocol::{
    Format, Protocol, RequestError, TranslateError,
    canonical::{EmbedRequest, Request},
    gemini, openai, read_count_request, read_request,
};

use crate::{error::Error, media::Fetcher};

/// A request in the canonical form, as far as attempts needed it.
#[derive(Debug, Default)]
pub(crate) struct CanonicalForm {
    text: OnceLock<Arc<Request>>,
    /// The same with the bytes of what it names by URL.
    inlined: OnceLock<Arc<Request>>,
    embed: OnceLock<Arc<EmbedRequest>>,
}

impl CanonicalForm {
    /// A request for text, which came in `format`. Whether it is a `stream` may stand in its path alone.
    pub(crate) fn text(
        &self,
        format: Format,
        body: &Bytes,
        stream: bool,
    ) -> Result<Arc<Request>, RequestError> {
        once(&self.text, || {
            let request = read_request(format, body)?;
            Ok(Request { stream, ..request })
        })
    }

    /// A request to go on from a text, for a provider that is asked in format `to`.
    pub(crate) fn completion(
        &self,
        to: Format,
        body: &Bytes,
    ) -> Result<Arc<Request>, TranslateError> {
        if let Some(known) = self.text.get() {
            return Ok(known.clone());
        }
        let request = Arc::new(openai::completions::read_request(body, to)?);
        Ok(self.text.get_or_init(|| request).clone())
    }

    /// A request to count the tokens of one.
    pub(crate) fn count(&self, format: Format, body: &Bytes) -> Result<Arc<Request>, RequestError> {
        once(&self.text, || read_count_request(format, body))
    }

    /// `request`, which one of these read, with the bytes of what it names by URL, which are fetched here.
    pub(crate) async fn inlined(
        &self,
        request: Arc<Request>,
        fetcher: &Fetcher,
    ) -> Result<Arc<Request>, Error> {
        if let Some(inlined) = self.inlined.get() {
            return Ok(inlined.clone());
        }
        let inlined = fetcher.inline(request).await?;
        Ok(self.inlined.get_or_init(|| inlined).clone())
    }

    /// A request for embeddings of a client that speaks `protocol`.
    pub(crate) fn embed(
        &self,
        protocol: Protocol,
        body: &Bytes,
    ) -> Result<Arc<EmbedRequest>, RequestError> {
        once(&self.embed, || match protocol {
            Protocol::Gemini => gemini::embed::read_request(body),
            Protocol::OpenAi | Protocol::Anthropic => openai::embeddings::read_request(body),
        })
    }
}

/// One request is walked by one task, so that nothing is read twice.
fn once<T>(
    cell: &OnceLock<Arc<T>>,
    read: impl FnOnce() -> Result<T, RequestError>,
) -> Result<Arc<T>, RequestError> {
    if let Some(known) = cell.get() {
        return Ok(known.clone());
    }
    let read = Arc::new(read()?);
    Ok(cell.get_or_init(|| read).clone())
}
