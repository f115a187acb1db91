//! An assertion in, a token out.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::time::timeout;
use url::form_urlencoded;

use super::Account;
use crate::{
    Client, Pieces,
    auth::{
        TokenError,
        token::{Fetch, Granted},
    },
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer read.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Most characters told of why a token was refused.
const MAX_REASON: usize = 200;

/// Asks for tokens of one account.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) account: Account,
    pub(super) client: Arc<Client>,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize, Default)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

impl Fetch for Exchange {
    async fn fetch(&self) -> Result<Granted, TokenError> {
        timeout(TIMEOUT, self.exchange())
            .await
            .unwrap_or(Err(TokenError::Timeout))
    }
}

impl Exchange {
    async fn exchange(&self) -> Result<Granted, TokenError> {
        let assertion = self.account.assertion(SystemTime::now())?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", &assertion)
            .finish();
        let mut request = Request::new(Pieces::from(vec![Bytes::from(form)]));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.account.token_url.clone();
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let unreachable =
            |error: &dyn std::error::Error| TokenError::Unreachable(error.to_string());
        let response = self
            .client
            .send(request, CONNECT_TIMEOUT)
            .await
            .map_err(|error| unreachable(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|_| TokenError::Malformed("broke off, or is too long"))?
            .to_bytes();
        if head.status.is_success() {
            granted(&body)
        } else {
            Err(refused(head.status, &body))
        }
    }
}

fn granted(body: &[u8]) -> Result<Granted, TokenError> {
    let grant: Grant = serde_json::from_slice(body)
        .map_err(|_| TokenError::Malformed("is no JSON with access_token and expires_in"))?;
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", grant.access_token))
        .map_err(|_| TokenError::Malformed("has a token that no header can hold"))?;
    authorization.set_sensitive(true);
    Ok(Granted {
        authorization,
        lifetime: Duration::from_secs(grant.expires_in),
    })
}

fn refused(status: StatusCode, body: &[u8]) -> TokenError {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let words = [refusal.error, refusal.error_description];
    let told: Vec<String> = words.into_iter().flatten().collect();
    let reason = if told.is_empty() {
        "it does not say why".to_owned()
    } else {
        let printed = told.join(": ");
        printed
            .chars()
            .filter(|it| !it.is_control())
            .take(MAX_REASON)
            .collect()
    };
    TokenError::Refused {
        status: status.as_u16(),
        reason,
    }
}
