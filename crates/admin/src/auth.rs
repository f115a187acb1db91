//! Who may use the admin API, and for what.

mod role;
mod throttle;

use std::{net::IpAddr, sync::Arc, time::Instant};

use access::KeyHash;
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use entities::admin_key::{self, Column, Entity};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};

pub use self::role::Role;
use self::throttle::Throttle;
use crate::{AdminState, error::Error};

/// The name that the admin key of the settings has in the audit log.
pub(crate) const FROM_SETTINGS: &str = "env";

/// Where a request comes from. The listener puts it among a request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The `x-request-id` that its answer gets.
    pub request_id: Option<String>,
}

/// The admin key of the settings, known by its hash only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminKey(KeyHash);

impl AdminKey {
    /// The key with this text; `None` if it is empty.
    #[must_use]
    pub fn new(key: &SecretString) -> Option<Self> {
        let key = key.expose_secret();
        (!key.is_empty()).then(|| Self(KeyHash::of(key)))
    }

    /// Its hash, by which it is compared with client keys.
    #[must_use]
    pub fn hash(self) -> KeyHash {
        self.0
    }
}

/// Lets in who carries an admin key; cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    fixed: Option<AdminKey>,
    database: DatabaseConnection,
    throttle: Arc<Throttle>,
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) request_id: Option<String>,
}

impl Gate {
    /// Opens for the key of the settings and for those in the database; without the former it is closed.
    #[must_use]
    pub fn new(fixed: Option<AdminKey>, database: DatabaseConnection) -> Self {
        Self {
            fixed,
            database,
            throttle: Arc::default(),
        }
    }

    /// Nothing if a request with these headers, sent from `ip`, carries any admin key; else the answer it gets.
    ///
    /// # Errors
    /// The answer to somebody who has no key, another one, or tried too many.
    pub async fn check(&self, headers: &HeaderMap, ip: Option<IpAddr>) -> Result<(), Response> {
        match self.admit(headers, ip).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into_response()),
        }
    }

    /// The name and role of the admin key in `headers`: `Authorization: Bearer <admin key>`.
    async fn admit(
        &self,
        headers: &HeaderMap,
        ip: Option<IpAddr>,
    ) -> Result<(String, Role), Error> {
        let fixed = self.fixed.ok_or(Error::AdminKeyNotSet)?;
        let offered = KeyHash::of(bearer(headers).ok_or(Error::NoKey)?);
        // A guess that would be right must not be told so either, or guessing goes on at full speed.
        if let Some(wait) = ip.and_then(|ip| self.throttle.wait(ip, Instant::now())) {
            return Err(Error::TooManyAttempts(wait));
        }
        // Hashes are compared, in constant time.
        if offered == fixed.hash() {
            return Ok((FROM_SETTINGS.to_owned(), Role::Admin));
        }
        match self.find(offered).await? {
            Some(row) => Ok((row.name, Role::stored(&row.role).ok_or(Error::WrongKey)?)),
            None => {
                if let Some(ip) = ip {
                    self.throttle.failed(ip, Instant::now());
                    tracing::warn!(client.address = %ip, "a wrong admin key");
                }
                Err(Error::WrongKey)
            }
        }
    }

    /// The row of a key that is in force.
    async fn find(&self, offered: KeyHash) -> Result<Option<admin_key::Model>, Error> {
        let row = Entity::find()
            .filter(Column::KeyHash.eq(offered.to_hex()))
            .one(&self.database)
            .await?;
        Ok(row.filter(|row| {
            let is_the_same = KeyHash::from_hex(&row.key_hash) == Some(offered);
            is_the_same && row.enabled && row.expires_at.is_none_or(|end| Utc::now() < end)
        }))
    }
}

impl Caller {
    /// # Errors
    /// Its role is a lesser one.
    pub(crate) fn must_be(&self, needed: Role) -> Result<(), Error> {
        if self.role >= needed {
            Ok(())
        } else {
            Err(Error::Forbidden {
                needed,
                given: self.role,
            })
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or(Error::Internal("a request came past the guard"))
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

/// Lets a request pass that carries an admin key: one of any role to look, an operator's to change something. What takes
/// an admin asks for it itself.
pub(crate) async fn guard(
    State(state): State<AdminState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let origin = request.extensions_mut().remove::<Origin>();
    let Origin { ip, request_id } = origin.unwrap_or_default();
    let (name, role) = state.gate.admit(request.headers(), ip).await?;
    let caller = Caller {
        name,
        role,
        ip,
        request_id,
    };
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    caller.must_be(if is_reading {
        Role::ReadOnly
    } else {
        Role::Operator
    })?;
    request.extensions_mut().insert(caller);
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
    fn check(authorization: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        assert_eq!(bearer(&headers), expected, "{authorization}");
    }

    #[test]
    fn a_key_comes_as_a_bearer_token() {
        check("Bearer secret", Some("secret"));
        check("bearer  secret", Some("secret"));
        check("Bearer ", None);
        check("secret", None);
        check("Basic secret", None);
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert_eq!(AdminKey::new(&"".into()), None);
    }
}
