//! Pages of other origins: which of them may call the gateway from a browser.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

/// How long a browser may remember a permission, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What a script may read of answers besides what the standard lets it.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-gateway-provider, x-gateway-attempts, x-gateway-dropped, x-gateway-estimated, retry-after, server-timing, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, \
     anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, anthropic-ratelimit-requests-reset, \
     anthropic-ratelimit-tokens-limit, anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset",
);
/// Depends on these, so that caches keep answers apart.
const VARY: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);

/// The origins that are let in. Keys travel in headers, so no page has one that it was not given; cookies there are none.
#[derive(Debug, Clone)]
pub(crate) enum Origins {
    Any,
    These(Vec<HeaderValue>),
}

impl Origins {
    /// Reads `*`, or origins separated by commas.
    ///
    /// # Errors
    /// Tells which of them is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let parse = |origin: &str| -> Option<HeaderValue> {
            // As browsers write it: in small letters, and without the scheme's own port.
            let origin = origin.to_ascii_lowercase();
            let (scheme, authority) = origin.split_once("://")?;
            let port = match scheme {
                "http" => ":80",
                "https" => ":443",
                _ => return None,
            };
            let is_origin =
                authority.parse::<http::uri::Authority>().is_ok() && !authority.contains('@');
            let origin = origin.strip_suffix(port).unwrap_or(&origin);
            is_origin.then(|| origin.parse().ok()).flatten()
        };
        let origins = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        origins
            .map(|origin| parse(origin).ok_or_else(|| origin.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self::These)
    }

    /// The permission that a request gets for its answer; `None` where there is none to give.
    pub(crate) fn permit(&self, headers: &HeaderMap) -> Option<Permit> {
        let origin = headers.get(header::ORIGIN)?;
        match self {
            Self::Any => Some(Permit(HeaderValue::from_static("*"))),
            Self::These(origins) => origins.contains(origin).then(|| Permit(origin.clone())),
        }
    }
}

/// What lets a browser show an answer to the page that asked.
#[derive(Debug)]
pub(crate) struct Permit(HeaderValue);

impl Permit {
    /// The answer to a browser that asks what it may send; `None` if the request is none of these.
    pub(crate) fn preflight<Q, B: Default>(&self, request: &Request<Q>) -> Option<Response<B>> {
        let asked = request.headers();
        if request.method() != Method::OPTIONS
            || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        // SDKs send headers of their own, which change with their versions; none of them means anything without a key.
        if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        self.grant(headers);
        Some(response)
    }

    /// Adds it to an answer.
    pub(crate) fn grant(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(header::VARY, VARY);
    }
}

/// What browsers are told of every page and answer that is not a provider's, unless it says so itself.
pub(crate) fn protect(headers: &mut HeaderMap) {
    const ALL: [(HeaderName, &str); 4] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in ALL {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, origin: Option<&str>) -> Request<()> {
        let mut request = Request::builder().method(method);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,x-a")
            .body(())
            .unwrap()
    }

    #[test]
    fn only_origins_that_are_named_are_permitted() {
        let given =
            "https://a.example, http://localhost:3000, HTTPS://B.example:443,http://b.example:8080";
        let origins = Origins::parse(given).unwrap();
        for (origin, expected) in [
            (Some("https://a.example"), true),
            (Some("http://localhost:3000"), true),
            (Some("https://b.example"), true),
            (Some("http://b.example:8080"), true),
            (Some("http://b.example"), false),
            (Some("http://a.example"), false),
            (Some("https://a.example.evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let permit = origins.permit(request(Method::GET, origin).headers());
            assert_eq!(permit.is_some(), expected, "{origin:?}");
        }
        let any = Origins::parse("*").unwrap();
        let permit = any.permit(request(Method::GET, Some("null")).headers());
        let mut headers = HeaderMap::new();
        permit.unwrap().grant(&mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn a_preflight_is_answered_and_nothing_else() {
        let origins = Origins::parse("https://a.example").unwrap();
        let asked = request(Method::OPTIONS, Some("https://a.example"));
        let permit = origins.permit(asked.headers()).unwrap();
        let answer: Response<()> = permit.preflight(&asked).unwrap();
        assert_eq!(answer.status(), 204);
        let told = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(told("access-control-allow-origin"), "https://a.example");
        assert_eq!(told("access-control-allow-headers"), "authorization,x-a");
        assert!(told("access-control-allow-methods").contains("POST"));
        assert!(told("vary").starts_with("origin"));
        let posted = request(Method::POST, Some("https://a.example"));
        assert!(permit.preflight::<_, ()>(&posted).is_none());
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for bad in [
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "ftp://a.example",
            "https://",
            "https://u@a.example",
        ] {
            let given = format!("https://ok.example,{bad}");
            assert_eq!(Origins::parse(&given).unwrap_err(), bad);
        }
    }
}
