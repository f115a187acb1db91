//! Reading a request's body, bounded in size and in patience, and parsing it just far enough to route it.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::BodyExt;
use protocol::{ClientError, Endpoint, Envelope, ErrorKind, Operation, Protocol};

use crate::{arrival::Arrival, error::Error, settings::Settings};

/// Checks the version of its protocol that a client of Anthropic's names; one that names none gets the gateway's.
pub(crate) fn check_version(endpoint: Endpoint, headers: &HeaderMap) -> Result<(), Error> {
    const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
    let Some(version) = headers.get(&VERSION) else {
        return Ok(());
    };
    let is_date = version.len() == 10
        && version
            .as_bytes()
            .iter()
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
    if is_date || endpoint.protocol() != Protocol::Anthropic {
        return Ok(());
    }
    let message = format!("{VERSION}: it is no version, which is a date such as 2023-06-01");
    Err(ClientError::new(ErrorKind::InvalidRequest, message).into())
}

/// Reads the whole body. One that arrived in one piece is not copied.
pub(crate) async fn read<B>(
    body: B,
    headers: &HeaderMap,
    settings: &Settings,
    arrival: &Arrival,
) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    refuse_encoded(headers)?;
    let limit = settings.max_request_bytes;
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut body = std::pin::pin!(body);
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(settings.body_idle_timeout, body.frame())
            .await
            .map_err(|_| {
                ClientError::new(
                    ErrorKind::RequestTimeout,
                    "the request body did not arrive in time",
                )
            })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| {
            tracing::debug!(request.id = %arrival.id, %error, "a request body broke off");
            ClientError::new(
                ErrorKind::InvalidRequest,
                "the request body is incomplete or malformed",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + joined.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        let is_first = whole.is_empty() && joined.is_empty();
        let to_come = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
        if is_first && to_come == 0 {
            whole = data;
            continue;
        }
        // Copied at once, while it is in the caches and so that what it was read into can be read into again.
        if joined.is_empty() {
            joined.reserve(whole.len() + data.len() + to_come.min(limit));
            joined.extend_from_slice(&std::mem::take(&mut whole));
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() {
        whole
    } else {
        joined.freeze()
    })
}

/// Parses a body as far as routing needs it. What is forwarded may be a form: an upload.
pub(crate) fn scan<'a>(
    endpoint: Endpoint,
    path_model: Option<&'a str>,
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Envelope<'a>, Error> {
    if let Some(content_type) = form(endpoint, headers) {
        return Ok(Envelope::scan_multipart(endpoint, content_type, body)?);
    }
    let path_model = path_model.map(Cow::Borrowed);
    Ok(Envelope::scan(endpoint, path_model, body)?)
}

/// The content type of an upload.
pub(crate) fn form(endpoint: Endpoint, headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let start = content_type.get(..FORM.len())?;
    let is_form = start.eq_ignore_ascii_case(FORM);
    (is_form && endpoint.operation() == Operation::Forward).then_some(content_type)
}

const FORM: &str = "multipart/form-data";

fn too_large(limit: usize) -> Error {
    ClientError::new(
        ErrorKind::TooLarge,
        format!("the request body is larger than {limit} bytes"),
    )
    .into()
}

/// A compressed body would be forwarded unread; no SDK sends one.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get(http::header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if encoding == "identity" => Ok(()),
        Some(_) => Err(ClientError::new(
            ErrorKind::InvalidRequest,
            "a compressed request body is not supported",
        )
        .into()),
    }
}
