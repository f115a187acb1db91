//! Who may use the admin API.

use access::KeyHash;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use crate::{AdminState, error::Error};

/// The admin key, known by its hash only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminKey(KeyHash);

impl AdminKey {
    /// The key with this text; `None` if it is empty.
    #[must_use]
    pub fn new(key: &SecretString) -> Option<Self> {
        let key = key.expose_secret();
        (!key.is_empty()).then(|| Self(KeyHash::of(key)))
    }

    /// Whether a request carries it, as `Authorization: Bearer <admin key>`. Hashes are compared, in constant time.
    #[must_use]
    pub fn is_in(self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|key| KeyHash::of(key) == self.0)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| key.trim())
        .filter(|key| !key.is_empty())
}

/// Lets a request pass that carries the admin key.
pub(crate) async fn guard(
    State(state): State<AdminState>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let key = state.admin_key.ok_or(Error::AdminKeyNotSet)?;
    if !key.is_in(request.headers()) {
        return Err(if bearer(request.headers()).is_none() {
            Error::NoKey
        } else {
            Error::WrongKey
        });
    }
    let mut response = next.run(request).await;
    // Answers hold configuration, and one of them a new key.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(authorization: &str, expected: bool) {
        let key = AdminKey::new(&"secret".into()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        assert_eq!(key.is_in(&headers), expected, "{authorization}");
    }

    #[test]
    fn only_the_admin_key_as_a_bearer_token_passes() {
        check("Bearer secret", true);
        check("bearer  secret", true);
        check("Bearer secret2", false);
        check("Bearer ", false);
        check("secret", false);
        check("Basic secret", false);
        assert!(!AdminKey::new(&"x".into()).unwrap().is_in(&HeaderMap::new()));
        assert_eq!(AdminKey::new(&"".into()), None);
    }
}
