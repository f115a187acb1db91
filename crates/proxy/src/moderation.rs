//! Asking a moderation endpoint, which speaks as OpenAI's does.

use std::sync::Arc;

use bytes::Bytes;
use guards::{Moderation, OnFailure};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;
use upstream::{Client, Pieces};

use crate::attempt::USER_AGENT;

/// Largest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// What is read of an answer.
#[derive(Deserialize)]
struct Answer {
    results: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    flagged: bool,
}

/// What endpoints say of a text.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// One of them flags it.
    pub(crate) is_flagged: bool,
    /// How many could not say.
    pub(crate) failures: usize,
    /// One of these has to.
    pub(crate) is_unjudged: bool,
}

/// Asks each of `endpoints` about a text, if there is any, until one does not let it pass.
pub(crate) async fn judge(endpoints: &[Arc<Moderation>], text: &str, client: &Client) -> Judgement {
    let mut judgement = Judgement::default();
    if text.is_empty() {
        return judgement;
    }
    for endpoint in endpoints {
        match is_flagged(endpoint, text, client).await {
            Ok(is_flagged) => judgement.is_flagged = is_flagged,
            Err(error) => {
                tracing::warn!(error, "a moderation endpoint does not answer");
                judgement.failures += 1;
                judgement.is_unjudged = endpoint.on_failure == OnFailure::Deny;
            }
        }
        if judgement.is_flagged || judgement.is_unjudged {
            break;
        }
    }
    judgement
}

/// Whether the endpoint flags `text`. Connections are kept by `client`, whose policy says what may be connected to.
///
/// # Errors
/// It gave no verdict in time; why is for the log.
async fn is_flagged(moderation: &Moderation, text: &str, client: &Client) -> Result<bool, String> {
    let asking = ask(moderation, text, client);
    match timeout(moderation.timeout, Box::pin(asking)).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn ask(moderation: &Moderation, text: &str, client: &Client) -> Result<bool, String> {
    let request = || request(moderation, text);
    let sent = match client.send(request()?, moderation.timeout).await {
        // It may just have closed the connection as idle.
        Err(error) if error.may_repeat() => {
            let again = client.send_on_new_connection(request()?, moderation.timeout);
            again.await
        }
        sent => sent,
    };
    let (head, body) = sent.map_err(|error| error.to_string())?.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("HTTP {}", head.status));
    }
    let body = Limited::new(body, MOST_BYTES).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    if answer.results.is_empty() {
        return Err("no result".to_owned());
    }
    Ok(answer.results.iter().any(|verdict| verdict.flagged))
}

fn request(moderation: &Moderation, text: &str) -> Result<Request<Pieces>, String> {
    let url = moderation.url.clone()?;
    let mut body = Map::new();
    body.insert("input".to_owned(), text.into());
    if let Some(model) = &moderation.model {
        body.insert("model".to_owned(), model.as_str().into());
    }
    let body: Bytes = Value::Object(body).to_string().into();
    let mut request = Request::new(Pieces::from(vec![body]));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url;
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(key) = moderation.key.as_ref().map_err(Clone::clone)? {
        let bearer = format!("Bearer {}", key.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| "the key is no header")?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(request)
}
