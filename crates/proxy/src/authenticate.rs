//! Who is calling.

use std::{borrow::Cow, sync::Arc};

use access::{ClientKey, Denied};
use catalog::Snapshot;
use http::{HeaderName, header, request};
use protocol::{ClientError, ErrorKind};

use crate::{arrival::Arrival, error::Error};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Finds the client key of a request. All but its name is forgotten here.
pub(crate) fn caller(
    snapshot: &Snapshot,
    head: &request::Parts,
    arrival: &Arrival,
) -> Result<Arc<ClientKey>, Error> {
    snapshot
        .keys
        .authenticate(offered(head).as_deref(), arrival.utc)
        .cloned()
        .map_err(|denied| {
            tracing::debug!(request.id = %arrival.id, reason = %denied, "a client was turned away");
            let message = match denied {
                Denied::Missing => {
                    "no API key was sent: set the Authorization header to 'Bearer <key>'"
                }
                _ => "incorrect API key",
            };
            ClientError::new(ErrorKind::Authentication, message).into()
        })
}

/// The key, from the first place that has one of those where SDKs put it.
fn offered(head: &request::Parts) -> Option<Cow<'_, str>> {
    let text = |name: &HeaderName| {
        let value = head.headers.get(name);
        value.map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(key) = text(&X_API_KEY) {
        return Some(Cow::Borrowed(key));
    }
    if let Some(value) = text(&header::AUTHORIZATION) {
        let (scheme, key) = value.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| Cow::Borrowed(key.trim()));
    }
    if let Some(key) = text(&X_GOOG_API_KEY) {
        return Some(Cow::Borrowed(key));
    }
    let mut parameters = form_urlencoded::parse(head.uri.query()?.as_bytes());
    parameters.find_map(|(name, value)| (name == "key").then_some(value))
}

/// Checks that the key may ask for `model`.
pub(crate) fn model(caller: &ClientKey, model: &str) -> Result<(), Error> {
    if caller.may_use_model(model) {
        return Ok(());
    }
    let mut error = ClientError::new(
        ErrorKind::Permission,
        format!("this API key may not use the model '{model}'"),
    );
    error.param = Some("model".to_owned());
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], query: &str, expected: Option<&str>) {
        let mut request = http::Request::builder().uri(format!("/v1/models{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(offered(&head).as_deref(), expected);
    }

    #[test]
    fn a_key_is_found_where_sdks_put_it() {
        check(&[("authorization", "Bearer k")], "", Some("k"));
        check(&[("authorization", "bearer  k ")], "", Some("k"));
        check(&[("authorization", "Basic k")], "?key=q", None);
        check(&[("authorization", "k")], "", None);
        check(
            &[("x-api-key", "k"), ("authorization", "Bearer other")],
            "",
            Some("k"),
        );
        check(&[("x-goog-api-key", "k")], "?key=q", Some("k"));
        check(&[], "?alt=sse&key=a%2Bb", Some("a+b"));
        check(&[("x-other", "k")], "?keys=q", None);
        check(&[], "", None);
    }
}
