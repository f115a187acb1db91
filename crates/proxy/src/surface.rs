//! Which operation a client's request line names, and which protocol the client speaks.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use protocol::{ClientError, Endpoint, ErrorKind, Protocol};

use crate::error::Error;

/// A request line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// What the client speaks: errors and lists are told in it.
    pub(crate) protocol: Protocol,
    pub(crate) operation: Operation<'a>,
}

/// An operation of the client surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Routed to a provider; with the model where the path names it.
    Routed(Endpoint, Option<Cow<'a, str>>),
    /// `GET /v1/models` in the form of each protocol, `GET /v1beta/models` in Gemini's
    Models,
    /// `GET /v1/models/{id}`, `GET /v1beta/models/{model}`, likewise
    Model(Cow<'a, str>),
    /// Nothing that is served.
    Unknown,
}

/// Prefixes below which the same surface stands, named after the protocols.
const PREFIXES: [(&str, Protocol); 3] = [
    ("/openai", Protocol::OpenAi),
    ("/anthropic", Protocol::Anthropic),
    ("/gemini", Protocol::Gemini),
];

impl<'a> Asked<'a> {
    /// What a request for `path` asks, whatever its method.
    pub(crate) fn at(path: &'a str, query: Option<&str>, headers: &HeaderMap) -> Self {
        let (prefix, path) = unprefixed(path);
        let operation = Operation::at(path);
        let by_path = || {
            let is_messages = path == "/v1/messages" || path.starts_with("/v1/messages/");
            match path {
                _ if path.starts_with("/v1beta/") => Some(Protocol::Gemini),
                _ if is_messages => Some(Protocol::Anthropic),
                _ => None,
            }
        };
        let by_header = || {
            if headers.contains_key("anthropic-version") {
                Protocol::Anthropic
            } else if headers.contains_key("x-goog-api-key") || has_key(query) {
                Protocol::Gemini
            } else {
                Protocol::OpenAi
            }
        };
        let protocol = match &operation {
            Operation::Routed(endpoint, _) => endpoint.protocol(),
            _ => by_path().or(prefix).unwrap_or_else(by_header),
        };
        Self {
            protocol,
            operation,
        }
    }

    /// Checks that it is served, and by this method.
    pub(crate) fn check(&self, method: &Method, path: &str) -> Result<(), Error> {
        let expected = match self.operation {
            Operation::Routed(..) => Method::POST,
            // A verb that is not served reads like a model of that name.
            Operation::Model(_) if self.protocol == Protocol::Gemini && method == Method::POST => {
                return Err(unknown(method, path));
            }
            Operation::Models | Operation::Model(_) => Method::GET,
            Operation::Unknown => return Err(unknown(method, path)),
        };
        if *method == expected {
            return Ok(());
        }
        let message = format!("method {method} is not allowed for {path}, only {expected}");
        Err(ClientError::new(ErrorKind::MethodNotAllowed, message).into())
    }
}

/// Whether the key stands in the query, where only Gemini's clients put it.
fn has_key(query: Option<&str>) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "key")
}

fn unknown(method: &Method, path: &str) -> Error {
    let message = format!("unknown request URL: {method} {path}");
    ClientError::new(ErrorKind::NotFound, message).into()
}

impl<'a> Operation<'a> {
    fn at(path: &'a str) -> Self {
        if let Some((endpoint, model)) = Endpoint::of(path) {
            return Self::Routed(endpoint, model.map(decoded));
        }
        let rest = path
            .strip_prefix("/v1/models")
            .or_else(|| path.strip_prefix("/v1beta/models"));
        match rest {
            Some("" | "/") => Self::Models,
            Some(rest) => rest
                .strip_prefix('/')
                .map_or(Self::Unknown, |name| Self::Model(decoded(name))),
            None => Self::Unknown,
        }
    }

    /// What request logs call it, for a client that speaks `protocol`.
    pub(crate) fn name(&self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::Routed(endpoint, _), _) => endpoint.path(),
            (Self::Models, Protocol::Gemini) => "/v1beta/models",
            (Self::Models, _) => "/v1/models",
            (Self::Model(_), Protocol::Gemini) => "/v1beta/models/{model}",
            (Self::Model(_), _) => "/v1/models/{id}",
            (Self::Unknown, _) => "unknown",
        }
    }
}

/// A model's name is only looked up, so that it may hold anything.
fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// Whether `path` belongs to the client surface, so that its errors are told in the client's protocol.
#[must_use]
pub fn is_client_path(path: &str) -> bool {
    let (prefix, path) = unprefixed(path);
    prefix.is_some() || path.starts_with("/v1/") || path.starts_with("/v1beta/")
}

/// The same surface also stands below prefixes named after the protocols.
fn unprefixed(path: &str) -> (Option<Protocol>, &str) {
    let below = |(prefix, protocol): &(&str, Protocol)| {
        let rest = path.strip_prefix(prefix)?;
        rest.starts_with('/').then_some((Some(*protocol), rest))
    };
    PREFIXES.iter().find_map(below).unwrap_or((None, path))
}

/// A method as it is logged.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Asked<'_> {
        Asked::at(path, None, &HeaderMap::new())
    }

    #[test]
    fn paths_name_operations_with_and_without_prefix() {
        for prefix in ["", "/openai", "/anthropic", "/gemini"] {
            let check = |path: &str, expected: Operation<'_>| {
                assert_eq!(at(&format!("{prefix}{path}")).operation, expected, "{path}");
            };
            let routed = |endpoint| Operation::Routed(endpoint, None);
            check("/v1/chat/completions", routed(Endpoint::ChatCompletions));
            check("/v1/embeddings", routed(Endpoint::Embeddings));
            check(
                "/v1/messages/count_tokens",
                routed(Endpoint::CountMessagesTokens),
            );
            check(
                "/v1beta/models/a%2Fb:c:countTokens",
                Operation::Routed(Endpoint::CountTokens, Some("a/b:c".into())),
            );
            check(
                "/v1/models/m:streamGenerateContent",
                Operation::Routed(Endpoint::StreamGenerateContent, Some("m".into())),
            );
            check("/v1/models", Operation::Models);
            check("/v1beta/models", Operation::Models);
            check(
                "/v1/models/org/name:tag",
                Operation::Model("org/name:tag".into()),
            );
            check("/v1beta/models/name", Operation::Model("name".into()));
            check("/v1/modelsx", Operation::Unknown);
            check("/v1/files", Operation::Unknown);
        }
        assert_eq!(at("/openaiv1/models").operation, Operation::Unknown);
        assert!(is_client_path("/v1/files") && is_client_path("/openai/v1/x"));
        assert!(is_client_path("/v1beta/files") && is_client_path("/gemini/upload"));
        assert!(!is_client_path("/api/models") && !is_client_path("/openapi.json"));
    }

    #[track_caller]
    fn speaks(path: &str, with_version: bool, expected: Protocol) {
        let header = with_version.then_some("anthropic-version");
        speaks_with(path, None, header.as_slice(), expected);
    }

    #[track_caller]
    fn speaks_with(path: &str, query: Option<&str>, headers: &[&'static str], expected: Protocol) {
        let value = http::HeaderValue::from_static("2023-06-01");
        let headers = headers
            .iter()
            .map(|name| (http::HeaderName::from_static(name), value.clone()))
            .collect();
        let asked = Asked::at(path, query, &headers);
        assert_eq!(asked.protocol, expected, "{path}");
    }

    #[test]
    fn a_client_of_geminis_is_known_by_where_its_key_stands() {
        use Protocol::{Anthropic, Gemini, OpenAi};
        const KEY: &str = "x-goog-api-key";
        for path in ["/v1/models", "/v1/models/m", "/v1/cachedContents"] {
            speaks_with(path, None, &[KEY], Gemini);
            speaks_with(path, Some("pageSize=2&key=k"), &[], Gemini);
            speaks_with(path, Some("keys=k"), &[], OpenAi);
            speaks_with(path, None, &["authorization"], OpenAi);
            speaks_with(path, None, &[KEY, "anthropic-version"], Anthropic);
            speaks_with(&format!("/gemini{path}"), None, &["authorization"], Gemini);
        }
        speaks_with("/openai/v1/models", None, &[KEY], OpenAi);
        speaks_with("/v1/chat/completions", None, &[KEY], OpenAi);
        speaks_with("/v1/models/m:countTokens", None, &["authorization"], Gemini);
    }

    #[test]
    fn the_protocol_is_known_by_endpoint_path_prefix_or_header() {
        use Protocol::{Anthropic, Gemini, OpenAi};
        speaks("/v1/models", false, OpenAi);
        speaks("/v1/models", true, Anthropic);
        speaks("/openai/v1/models", true, OpenAi);
        speaks("/anthropic/v1/models/x", false, Anthropic);
        speaks("/v1beta/models", true, Gemini);
        speaks("/v1/chat/completions", true, OpenAi);
        speaks("/v1/messages", false, Anthropic);
        speaks("/v1/messages/batches", false, Anthropic);
        speaks("/v1beta/cachedContents", false, Gemini);
        speaks("/gemini/nothing", false, Gemini);
        speaks("/v1/files", true, Anthropic);
    }

    #[test]
    fn what_is_not_served_is_told_apart_from_a_wrong_method() {
        let status = |method: Method, path: &str| {
            at(path)
                .check(&method, path)
                .map_err(|error| error.message().to_owned())
        };
        assert!(status(Method::POST, "/v1beta/models/m:generateContent").is_ok());
        assert!(status(Method::POST, "/v1/models/m:generateContent").is_ok());
        assert!(status(Method::GET, "/v1beta/models/m:tag").is_ok());
        let verb = status(Method::POST, "/gemini/v1/models/m:predict").unwrap_err();
        assert!(verb.starts_with("unknown request URL"), "{verb}");
        let verb = status(Method::POST, "/v1beta/models/m:predict").unwrap_err();
        assert!(verb.starts_with("unknown request URL"), "{verb}");
        let method = status(Method::GET, "/v1/messages").unwrap_err();
        assert!(method.contains("only POST"), "{method}");
    }
}
