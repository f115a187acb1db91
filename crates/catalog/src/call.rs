//! How a provider is asked what a client asked for.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use protocol::{Endpoint, Outgoing, Protocol, Target};

use crate::{Framing, ProviderKind};

/// Room for the headers that a request gets on its way: what it is and who sends it, where it goes, its length, its trace.
const FURTHER_HEADERS: usize = 10;

/// How a provider answers for a client's endpoint.
#[derive(Debug)]
pub enum Way<'a> {
    /// It is asked.
    Call(Box<Call<'a>>),
    /// It counts no tokens, so that they are estimated here, and nothing is sent.
    Estimate,
    /// Not at all.
    Unserved,
}

/// A request to a provider, but for its body.
#[derive(Debug)]
pub struct Call<'a> {
    /// The operation at the provider.
    pub endpoint: Endpoint,
    /// Where it goes.
    pub url: Uri,
    /// How a body in the provider's format is made one for it.
    pub outgoing: Outgoing<'a>,
    /// What it takes, for a body that is translated.
    pub target: Target<'a>,
    /// Whether images and files by URL are fetched here before a body is translated.
    pub fetches_urls: bool,
    /// Whose errors it tells, where clients of that protocol can read them as they are.
    pub errors: Option<Protocol>,
    /// How the events of its streams are framed.
    pub framing: Framing,
    /// Whether features that a client asks for by `anthropic-beta` are named in the body instead.
    pub has_betas_in_body: bool,
    /// Whether a request to count tokens is written like one to generate, as Vertex AI wants it of Gemini's.
    pub counts_bare: bool,
    pub(crate) kind: ProviderKind,
    pub(crate) headers: &'a HeaderMap,
}

impl Call<'_> {
    /// The headers: key and those configured, and those of the `client` that may reach the provider. The version of the
    /// protocol is the client's where it `speaks` that itself.
    #[must_use]
    pub fn headers(&self, client: &HeaderMap, speaks: bool) -> HeaderMap {
        // A clone would have no room, and grow twice on the way to the provider.
        let mut headers = HeaderMap::with_capacity(self.headers.len() + FURTHER_HEADERS);
        for (name, value) in self.headers {
            headers.append(name, value.clone());
        }
        for name in self.kind.passed_headers() {
            if !headers.contains_key(name) {
                // A list may come in several lines.
                for value in client.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        if let Some((name, own)) = self.kind.version_header() {
            let clients = client.get(&name).filter(|_| speaks).cloned();
            headers.entry(name).or_insert(clients.unwrap_or(own));
        }
        headers
    }
}

/// The headers of a request of the gateway's own.
pub(crate) fn own_headers(kind: ProviderKind, headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if let Some((name, own)) = kind.version_header() {
        headers.entry(name).or_insert(own);
    }
    headers
}

/// A header whose value no log shows.
pub(crate) fn sensitive(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: &str,
) -> Result<(), http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
