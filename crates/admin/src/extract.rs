//! What requests bring: bodies, ids and parameters, each refused by the name of the field at fault.

use std::{collections::HashSet, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::error::Error;

/// Largest body; a list of some thousand models is far below.
const BODY_BYTES: usize = 1 << 20;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A body that is a JSON object. Its fields are read by [`read`], so that PATCH can merge them first.
#[derive(Debug)]
pub(crate) struct JsonObject(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request.into_body()).await?;
        if is_json {
            object(&bytes)
        } else {
            Err(Error::NotJson)
        }
    }
}

/// As [`JsonObject`], but there may be no body at all.
#[derive(Debug)]
pub(crate) struct OptionalJson(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalJson {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request.into_body()).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(Map::new())),
            (false, true) => Ok(Self(object(&bytes)?.0)),
            (false, false) => Err(Error::NotJson),
        }
    }
}

/// What a body is labelled as, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = media_type(headers);
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

async fn bytes(body: Body) -> Result<bytes::Bytes, Error> {
    bytes_within(body, BODY_BYTES).await
}

/// A whole body of up to `limit` bytes.
pub(crate) async fn bytes_within(body: Body, limit: usize) -> Result<bytes::Bytes, Error> {
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, limit).collect());
    match collected.await.map_err(|_| Error::SlowBody)? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge(limit)),
        Err(_) => Err(Error::BadBody),
    }
}

fn object(bytes: &[u8]) -> Result<JsonObject, Error> {
    match serde_json::from_slice(bytes).map_err(Error::BadJson)? {
        Value::Object(fields) => Ok(JsonObject(fields)),
        _ => Err(Error::invalid("body", "must be a JSON object")),
    }
}

/// Reads fields into their types.
///
/// # Errors
/// A field is unknown or of another type; the error names it.
pub(crate) fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Error> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let field = error.path().to_string();
        Error::invalid(field, error.into_inner().to_string())
    })
}

/// The id in a path. One that is no number is one that does not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Key(text) = Key::from_request_parts(parts, state).await?;
        text.parse()
            .map(Self)
            .map_err(|_| Error::NotFound(format!("id '{text}'")))
    }
}

/// The name of a thing in a path.
#[derive(Debug, Clone)]
pub(crate) struct Key(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Path::<String>::from_request_parts(parts, state)
            .await
            .map(|Path(text)| Self(text))
            .map_err(|_| Error::NotFound("such name".to_owned()))
    }
}

/// The parameters after the question mark.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut names = HashSet::new();
        if let Some((twice, _)) = pairs
            .into_iter()
            .find(|(name, _)| !names.insert(name.clone()))
        {
            return Err(Error::invalid(twice.into_owned(), "is given twice"));
        }
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map(Self)
            .map_err(|error| {
                let field = error.path().to_string();
                Error::invalid(field, error.into_inner().to_string())
            })
    }
}

/// A parameter that is true or false; a bare `?name` is true.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(serde::de::Error::custom("must be true or false")),
    }
}

/// As [`flag`], for one that may be absent.
pub(crate) fn optional_flag<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    flag(deserializer).map(Some)
}

/// The moments that every database can compare with; what a caller names beyond them is as good as these.
const EARLIEST: DateTime<Utc> = DateTime::from_timestamp_nanos(86_400_000_000_000);
const LATEST: DateTime<Utc> = DateTime::from_timestamp_nanos(2_147_483_647_000_000_000);

/// Reads a time, or a date as its first moment (UTC).
pub(crate) fn moment(
    field: &'static str,
    given: Option<String>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(text) = given else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
    let date =
        || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)).map(|at| at.and_utc());
    match time.ok().or_else(date) {
        // MySQL and MariaDB compare with nothing outside these years.
        Some(at) => Ok(Some(at.clamp(EARLIEST, LATEST))),
        None => Err(Error::invalid(
            field,
            "must be a date, or a time as 2026-01-31T08:00:00Z",
        )),
    }
}
