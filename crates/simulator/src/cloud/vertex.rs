//! Google Vertex AI: tokens for service accounts, Gemini's operations, and `rawPredict` for Anthropic's models.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode, request};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{Refused, decoded, inner, members, refusal, token as bearer};
use crate::answer::Answer;

/// The only version of the body for Anthropic's models.
const VERSION: &str = "vertex-2023-10-16";
/// What every token that is granted begins with.
const GRANTED: &str = "ya29.sim-";

/// Grants a token for an assertion that says what it must; who signed it is not checked, as no public key is known here.
pub(super) fn token(parts: &request::Parts, body: &[u8]) -> Answer {
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        let mut fields = form.iter();
        fields
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let refuse = |description: &str| {
        let error = json!({"error": "invalid_grant", "error_description": description});
        Answer::json(StatusCode::BAD_REQUEST, error.to_string())
    };
    if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refuse("Invalid grant_type");
    }
    let assertion: Vec<&str> = field("assertion").split('.').collect();
    let [header, claims, signature] = assertion[..] else {
        return refuse("Invalid JWT");
    };
    let (Some(header), Some(claims)) = (part(header), part(claims)) else {
        return refuse("Invalid JWT");
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let time = |name: &str| claims.get(name).and_then(Value::as_u64).unwrap_or_default();
    let is_timely = time("iat") <= now + 60 && (now..=now + 3660).contains(&time("exp"));
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_addressed = text("aud").ends_with(parts.uri.path());
    if header.get("alg") != Some(&Value::from("RS256")) || signature.len() < 256 {
        return refuse("Invalid JWT Signature.");
    }
    if !is_timely
        || !is_addressed
        || text("iss").is_empty()
        || !text("scope").contains("cloud-platform")
    {
        return refuse("Invalid JWT: its claims do not fit");
    }
    let granted = json!({"access_token": format!("{GRANTED}{now}"), "expires_in": 3599, "token_type": "Bearer"});
    Answer::json(StatusCode::OK, granted.to_string())
}

fn part(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

pub(super) fn enter(parts: &request::Parts, body: &Bytes) -> Result<Request<Bytes>, Refused> {
    let invalid = |message: &str| refusal(StatusCode::BAD_REQUEST, message);
    let not_found = || refusal(StatusCode::NOT_FOUND, "no such resource");
    let key = bearer(&parts.headers).filter(|token| token.starts_with(GRANTED));
    let key = key.ok_or_else(|| {
        refusal(
            StatusCode::UNAUTHORIZED,
            "Request had invalid authentication credentials.",
        )
    })?;
    let segments: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let [
        "v1",
        "projects",
        _,
        "locations",
        _,
        "publishers",
        publisher,
        "models",
        target,
    ] = segments[..]
    else {
        return Err(not_found());
    };
    let (model, verb) = target.rsplit_once(':').ok_or_else(not_found)?;
    let mut body = members(body).ok_or_else(|| invalid("Invalid JSON payload received."))?;
    if publisher == "google" {
        if body.contains_key("generateContentRequest") {
            return Err(invalid(
                "Unknown name \"generateContentRequest\": Cannot find field.",
            ));
        }
        if verb == "countTokens" {
            body = Map::from_iter([(
                "generateContentRequest".to_owned(),
                Value::Object(with_model(body, model)),
            )]);
        }
        let query = parts
            .uri
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("/v1beta/models/{model}:{verb}{query}");
        return inner(parts, &path, ("x-goog-api-key", key), &Value::Object(body));
    }
    if publisher != "anthropic" || body.remove("anthropic_version") != Some(Value::from(VERSION)) {
        return Err(invalid("anthropic_version: Invalid API version"));
    }
    let path = match (model, verb) {
        ("count-tokens", "rawPredict") => "/v1/messages/count_tokens",
        (_, "rawPredict" | "streamRawPredict") if body.contains_key("model") => {
            return Err(invalid("model: Extra inputs are not permitted"));
        }
        (_, "rawPredict" | "streamRawPredict") => {
            body.insert("model".to_owned(), decoded(model).into());
            body.insert("stream".to_owned(), (verb == "streamRawPredict").into());
            "/v1/messages"
        }
        _ => return Err(not_found()),
    };
    let mut request = inner(parts, path, ("x-api-key", key), &Value::Object(body))?;
    let version = http::HeaderValue::from_static("2023-06-01");
    request.headers_mut().insert("anthropic-version", version);
    Ok(request)
}

fn with_model(mut body: Map<String, Value>, model: &str) -> Map<String, Value> {
    body.insert(
        "model".to_owned(),
        format!("models/{}", decoded(model)).into(),
    );
    body
}
