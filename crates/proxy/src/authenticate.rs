//! Who is calling.

use std::sync::Arc;

use access::{ClientKey, Denied};
use catalog::Snapshot;
use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use protocol::{ClientError, ErrorKind};

use crate::error::Error;

/// Finds the client key of a request. All but its name is forgotten here.
pub(crate) fn caller(
    snapshot: &Snapshot,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Result<Arc<ClientKey>, Error> {
    snapshot
        .keys
        .authenticate(offered(headers), now)
        .cloned()
        .map_err(|denied| {
            tracing::debug!(reason = %denied, "a client was turned away");
            let message = match denied {
                Denied::Missing => {
                    "no API key was sent: set the Authorization header to 'Bearer <key>'"
                }
                _ => "incorrect API key",
            };
            ClientError::new(ErrorKind::Authentication, message).into()
        })
}

fn offered(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok();
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
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
    fn check(name: &'static str, value: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        assert_eq!(offered(&headers), expected);
    }

    #[test]
    fn a_key_is_found_where_sdks_put_it() {
        check("authorization", "Bearer k", Some("k"));
        check("authorization", "bearer  k ", Some("k"));
        check("authorization", "Basic k", None);
        check("authorization", "k", None);
        check("x-api-key", "k", Some("k"));
        check("x-other", "k", None);
    }
}
