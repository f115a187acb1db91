//! Endpoints whose answers are not generated text: embeddings, counts, and what is forwarded.

use super::{Answer, look::Look};
use crate::{
    Endpoint, Malformed, ProviderError, Unusable, gemini,
    json::{Kind, Scanner, Value, walk::document},
    openai::{DONE, usage},
};

/// Judges a whole answer, in which `expected` must be of `kind`.
pub(super) fn answer(body: &[u8], expected: &'static str, kind: Kind) -> Result<Answer, Unusable> {
    let mut answer = Answer::default();
    let mut error = None;
    let mut found = false;
    document(body, |name, scanner| {
        let value = scanner.value()?;
        if name == expected {
            found = value.kind == kind;
        }
        match name {
            "usage" => answer.usage = usage::parse(value.raw()),
            "usageMetadata" => answer.usage = gemini::usage::parse(value.raw()),
            "error" => error = ProviderError::unless_null(&value),
            _ => {}
        }
        Ok(())
    })?;
    match error {
        Some(error) => Err(Unusable::Error(error)),
        None if found => Ok(answer),
        None => Err(Unusable::Shape(expected)),
    }
}

/// Judges an answer that is forwarded: usage and an error are looked for in JSON, and nothing is required. Audio and
/// transcripts may be no JSON at all.
pub(super) fn forwarded(endpoint: Endpoint, body: &[u8]) -> Result<Answer, Unusable> {
    let may_be_text = matches!(
        endpoint,
        Endpoint::Speech | Endpoint::Transcriptions | Endpoint::Translations
    );
    let mut answer = Answer::default();
    let mut error = None;
    let (mut billed, mut heard) = (None, None);
    let read = document(body, |name, scanner| {
        let value = scanner.value()?;
        match name {
            "usage" => {
                answer.usage = usage::parse(value.raw());
                billed = usage::seconds(value.raw());
            }
            "error" => error = ProviderError::unless_null(&value),
            "data" if endpoint.makes_images() => answer.media.images = elements(&value),
            "duration" if may_be_text => heard = seconds(&value),
            _ => {}
        }
        Ok(())
    });
    // What is billed may be rounded otherwise than how long the sound is.
    answer.media.millis = billed.or(heard).and_then(millis);
    match (read, error) {
        (Ok(_), Some(error)) => Err(Unusable::Error(error)),
        (Ok(_), None) => Ok(answer),
        (Err(_), _) if may_be_text => Ok(Answer::default()),
        (Err(error), _) => Err(error.into()),
    }
}

/// How many elements an array has; `None` for what is none.
fn elements(value: &Value<'_>) -> Option<u64> {
    if value.kind != Kind::Array {
        return None;
    }
    let mut scanner = Scanner::new(value.raw().as_bytes()).ok()?;
    let mut elements = scanner.enter_array().ok()?;
    let mut count = 0;
    while scanner.next_element(&mut elements).ok()? {
        scanner.value().ok()?;
        count += 1;
    }
    Some(count)
}

/// A number of seconds; older servers write it as a string.
fn seconds(value: &Value<'_>) -> Option<f64> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_f64().or(text)
}

/// Whole milliseconds, of what can be the length of a sound.
fn millis(seconds: f64) -> Option<u64> {
    const LONGEST: f64 = 1e9;
    (0.0..=LONGEST)
        .contains(&seconds)
        .then(|| (seconds * 1e3).round() as u64)
}

/// Looks at the data of one event of a stream that is forwarded (images, speech, transcripts). Each is content: an answer
/// that is not text is the client's from its first byte on.
pub(super) fn look(data: &[u8]) -> Result<Look, Malformed> {
    let mut look = Look::default();
    if data.trim_ascii() == DONE {
        look.done = true;
        return Ok(look);
    }
    let mut kind = None;
    let is_object = document(data, |name, scanner| {
        let value = scanner.value()?;
        match name {
            "type" => kind = Some(value),
            "usage" => look.usage = usage::parse(value.raw()),
            "error" => look.error = ProviderError::unless_null(&value),
            _ => {}
        }
        Ok(())
    })?;
    super::must_be_object(is_object)?;
    look.content = true;
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    if kind.ends_with(".completed") || kind.ends_with(".done") {
        look.finished.insert(0);
    }
    Ok(look)
}
