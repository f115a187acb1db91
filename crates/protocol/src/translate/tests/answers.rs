//! Whole answers.

use super::*;
use crate::{
    UsageSource,
    canonical::{Choice, Json, Thinking, ToolCall},
};

fn answer(parts: Vec<Part>, finish: Finish) -> Response {
    Response {
        choices: vec![Choice {
            index: 0,
            parts,
            finish,
            logprobs: Vec::new(),
        }],
        usage: Some(Usage {
            prompt: 20,
            completion: 12,
            total: 32,
            cached: 4,
            cache_write: 0,
            reasoning: 5,
            source: UsageSource::Provider,
        }),
        ..Response::default()
    }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: Json::parse(arguments).unwrap(),
        cache: None,
    })
}

/// What is said, by its name; reasoning is signed by `family`.
fn answers(family: Family) -> [(&'static str, Response); 5] {
    let thinking = |text: &str| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature: Some(Signature {
                family,
                value: "c2lnbmVk".to_owned(),
            }),
            redacted: false,
        })
    };
    [
        (
            "text",
            answer(vec![Part::text("Grüße 🙂\u{2028}\n\"two\"")], Finish::Stop),
        ),
        (
            "reasoning and parallel calls",
            answer(
                vec![
                    thinking("Let me see…"),
                    Part::text("One moment."),
                    call("call_a", r#"{"city":"Köln","days":1}"#),
                    call("call_b", "{}"),
                ],
                Finish::ToolCalls,
            ),
        ),
        ("length", answer(vec![Part::text("One mo")], Finish::Length)),
        (
            "refusal",
            answer(
                vec![Part::Refusal("I can't help.".to_owned())],
                Finish::Refused(None),
            ),
        ),
        ("filter", answer(Vec::new(), Finish::Filtered(None))),
    ]
}

#[test]
fn an_answer_says_the_same_in_every_format() {
    for family in [Family::OpenAi, Family::Anthropic, Family::Gemini] {
        for (name, response) in answers(family) {
            let said = Told::from(&response);
            for from in Format::ALL {
                let sent = write_response(from, &response, &reply(false));
                let read = read_response(from, &sent).unwrap();
                assert_eq!(Told::from(&read), said, "{name}, {from:?}");
                for to in Format::ALL {
                    let body = write_response(to, &read, &reply(false));
                    let heard = read_response(to, &body).unwrap();
                    assert_eq!(
                        Told::from(&heard),
                        said,
                        "{name}, {from:?} to {to:?}: {}",
                        String::from_utf8_lossy(&body)
                    );
                }
            }
        }
    }
}
