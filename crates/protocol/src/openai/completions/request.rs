//! Reading a client's request.

use std::borrow::Cow;

use crate::{
    Format, Refusal, RequestError, TranslateError,
    canonical::{Extra, Message, Part, Request, Role},
    feature::Feature,
    json::{Kind, Value},
    openai::{
        chat::request::{orchestration, sampling},
        object::{Object, elements},
    },
};

/// Tokens of an answer where the request does not say, by OpenAI's reference.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// Reads a request for a provider that is asked in format `to`.
///
/// # Errors
/// The request is wrong, or it asks for what only an operation that goes on from a text can give: `suffix`, `echo`,
/// `best_of`, `logprobs`, a prompt of tokens, several prompts.
pub fn read_request(body: &[u8], to: Format) -> Result<Request, TranslateError> {
    let mut body = Object::body(body)?;
    let refused = |param: &str, why: &'static str| {
        TranslateError::Refused(Refusal {
            param: param.to_owned(),
            to,
            why: Cow::Borrowed(why),
        })
    };
    body.take("model")?;
    let prompt = match prompt(&mut body)? {
        Prompt::Text(text) => text,
        Prompt::Tokens => return Err(refused("prompt", "it has to be a text, not tokens")),
        Prompt::Several => return Err(refused("prompt", "it takes one prompt at a time")),
    };
    if body.text("suffix")?.is_some_and(|text| !text.is_empty()) {
        return Err(refused("suffix", "it cannot fill in the middle of a text"));
    }
    if body.boolean("echo")? == Some(true) {
        return Err(refused("echo", "it does not repeat the prompt"));
    }
    if body.natural::<u32>("logprobs")?.is_some() {
        return Err(refused("logprobs", "it tells none in this form"));
    }
    let best_of = body.natural::<u32>("best_of")?;
    let mut request = Request {
        messages: vec![Message::new(Role::User, vec![Part::text(prompt)])],
        ..Request::default()
    };
    sampling(&mut body, &mut request)?;
    if best_of.is_some_and(|count| count != request.choices.unwrap_or(1)) {
        return Err(refused("best_of", "it returns every answer it makes"));
    }
    request.max_tokens = request.max_tokens.or(Some(DEFAULT_MAX_TOKENS));
    request.user = body.text("user")?;
    request.stream = body.boolean("stream")?.unwrap_or(false);
    rest(&mut body, &mut request.extras)?;
    Ok(request)
}

/// What an answer is to go on from.
enum Prompt {
    Text(String),
    Tokens,
    Several,
}

fn prompt(body: &mut Object<'_>) -> Result<Prompt, RequestError> {
    let value = body
        .take("prompt")?
        .ok_or(RequestError::Missing("prompt"))?;
    let wrong = || body.wrong_type("prompt", "a string, or an array of strings or of tokens");
    let text = |value: &Value<'_>| value.as_str().map(|text| Prompt::Text(text.into_owned()));
    if let Some(prompt) = text(&value) {
        return Ok(prompt);
    }
    if value.kind != Kind::Array {
        return Err(wrong());
    }
    match &elements(value, "prompt")?[..] {
        [] => Err(body.invalid("prompt", "it must not be empty")),
        [(first, _), ..] if first.kind == Kind::Number => Ok(Prompt::Tokens),
        [(one, _)] if one.kind == Kind::Array => Ok(Prompt::Tokens),
        [(one, _)] => text(one).ok_or_else(wrong),
        _ => Ok(Prompt::Several),
    }
}

/// Notes what there is no place for.
fn rest(body: &mut Object<'_>, extras: &mut Vec<Extra>) -> Result<(), RequestError> {
    let mut note = |feature, param: String| extras.push(Extra { feature, param });
    if let Some(mut options) = body.object("stream_options")? {
        options.boolean("include_usage")?;
        options.boolean("include_obfuscation")?;
        options.rest().for_each(|path| note(Feature::Other, path));
    }
    let bias = body.object("logit_bias")?;
    if bias.is_some_and(|bias| !bias.is_empty()) {
        note(Feature::LogitBias, "logit_bias".to_owned());
    }
    orchestration(body)?;
    body.rest().for_each(|path| note(Feature::Other, path));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Request, TranslateError> {
        read_request(body.as_bytes(), Format::Messages)
    }

    #[test]
    fn the_prompt_becomes_a_message_of_the_user() {
        for prompt in [r#""Once""#, r#"["Once"]"#] {
            let request = read(&format!(
                r#"{{"model":"m","prompt":{prompt},"max_tokens":5,"temperature":0.5,"top_p":0.9,"n":2,"best_of":2,
                "stop":["a"],"seed":7,"user":"u","stream":true,"stream_options":{{"include_usage":true}},"echo":false,
                "suffix":null,"logprobs":null,"provider":"p","timeout":3}}"#
            ))
            .unwrap();
            assert_eq!(
                request,
                Request {
                    messages: vec![Message::new(Role::User, vec![Part::text("Once")])],
                    max_tokens: Some(5),
                    temperature: Some(0.5),
                    top_p: Some(0.9),
                    choices: Some(2),
                    stop: vec!["a".to_owned()],
                    seed: Some(7),
                    user: Some("u".to_owned()),
                    stream: true,
                    ..Request::default()
                }
            );
        }
    }

    #[test]
    fn without_a_limit_it_is_that_of_the_reference() {
        let request = read(r#"{"model":"m","prompt":"a"}"#).unwrap();
        assert_eq!(request.max_tokens, Some(16));
    }

    #[test]
    fn what_there_is_no_place_for_is_noted() {
        let request = read(r#"{"prompt":"a","logit_bias":{"5":1},"top_k":3,"provider":{}}"#);
        let extras = request.unwrap().extras;
        let extras: Vec<_> = extras.iter().map(|it| (it.feature, &*it.param)).collect();
        assert_eq!(
            extras,
            [
                (Feature::LogitBias, "logit_bias"),
                (Feature::Other, "top_k"),
                (Feature::Other, "provider"),
            ]
        );
    }

    #[track_caller]
    fn refuses(fields: &str, name: &str) {
        let prompt = if fields.contains("prompt") {
            ""
        } else {
            r#","prompt":"a""#
        };
        match read(&format!(r#"{{"model":"m"{prompt},{fields}}}"#)) {
            Err(TranslateError::Refused(refusal)) => assert_eq!(refusal.param, name, "{fields}"),
            other => panic!("{fields}: {other:?}"),
        }
    }

    #[test]
    fn what_only_a_completion_can_give_is_refused_by_name() {
        refuses(r#""suffix":"end""#, "suffix");
        refuses(r#""echo":true"#, "echo");
        refuses(r#""best_of":3"#, "best_of");
        refuses(r#""best_of":1,"n":2"#, "best_of");
        refuses(r#""logprobs":0"#, "logprobs");
        refuses(r#""prompt":[1,2]"#, "prompt");
        refuses(r#""prompt":[[1,2]]"#, "prompt");
        refuses(r#""prompt":["a","b"]"#, "prompt");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        for (body, expected) in [
            ("[]", "the body must be a JSON object"),
            ("{}", "missing required field: 'prompt'"),
            (r#"{"prompt":null}"#, "missing required field: 'prompt'"),
            (
                r#"{"prompt":[]}"#,
                "invalid value for 'prompt': it must not be empty",
            ),
            (
                r#"{"prompt":{}}"#,
                "invalid type for 'prompt': expected a string, or an array of strings or of tokens",
            ),
            (
                r#"{"prompt":[null]}"#,
                "invalid type for 'prompt': expected a string, or an array of strings or of tokens",
            ),
            (
                r#"{"prompt":"a","prompt":"b"}"#,
                "duplicate field: 'prompt'",
            ),
            (
                r#"{"prompt":"a","echo":1}"#,
                "invalid type for 'echo': expected a boolean",
            ),
            (
                r#"{"prompt":"a","n":0}"#,
                "invalid value for 'n': it must be at least 1",
            ),
        ] {
            match read(body) {
                Err(TranslateError::Request(error)) => assert_eq!(error.to_string(), expected),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
