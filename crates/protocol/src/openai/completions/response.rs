//! Writing an answer for a client.

use bytes::Bytes;
use serde::Serialize;

use super::{OBJECT, finish_reason, id};
use crate::{
    Reply,
    canonical::{Choice, Part, Response},
    openai::usage,
};

#[derive(Serialize)]
struct Wire<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<WireChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Told>,
}

#[derive(Serialize)]
struct WireChoice {
    text: String,
    index: u32,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

/// Writes an answer for a client: its text, and the words with which the model declined, which have no other place. This
/// form has none for reasoning.
#[must_use]
pub fn write_response(response: &Response, reply: &Reply) -> Bytes {
    let wire = Wire {
        id: id(&reply.id),
        object: OBJECT,
        created: response.created.unwrap_or(reply.created),
        model: response.model.as_deref().unwrap_or(&reply.model),
        choices: response.choices.iter().map(choice).collect(),
        usage: response.usage.as_ref().map(usage::Told::of),
    };
    let text = serde_json::to_vec(&wire).expect("keys of our types are strings");
    text.into()
}

fn choice(choice: &Choice) -> WireChoice {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(&**text),
        _ => None,
    });
    WireChoice {
        text: texts.collect(),
        index: choice.index,
        logprobs: None,
        finish_reason: finish_reason(&choice.finish),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Usage,
        canonical::{Finish, Thinking},
        openai::completions::reply,
    };

    #[test]
    fn an_answer_is_its_text() {
        let thinking = Thinking {
            text: "hm".to_owned(),
            signature: None,
            redacted: false,
        };
        let response = Response {
            id: Some("msg_1".to_owned()),
            model: Some("claude".to_owned()),
            created: Some(7),
            choices: vec![
                Choice {
                    index: 0,
                    parts: vec![
                        Part::Thinking(thinking),
                        Part::text("upon \"a"),
                        Part::text(" time"),
                    ],
                    finish: Finish::Length,
                    logprobs: Vec::new(),
                },
                Choice {
                    index: 1,
                    parts: vec![Part::Refusal("no".to_owned())],
                    finish: Finish::Refused(None),
                    logprobs: Vec::new(),
                },
            ],
            usage: Some(Usage::estimated(4, 8)),
            service_tier: None,
        };
        let reply = reply();
        let written = write_response(&response, &reply);
        let expected = format!(
            concat!(
                r#"{{"id":"cmpl-{}","object":"text_completion","created":7,"model":"claude","choices":["#,
                r#"{{"text":"upon \"a time","index":0,"logprobs":null,"finish_reason":"length"}},"#,
                r#"{{"text":"no","index":1,"logprobs":null,"finish_reason":"content_filter"}}],"#,
                r#""usage":{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"#,
                r#""prompt_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},"#,
                r#""completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#
            ),
            reply.id
        );
        assert_eq!(str::from_utf8(&written).unwrap(), expected);
    }
}
