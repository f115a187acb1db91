//! An event that is compared with another is read as it would be alone.

use super::*;

/// Events, with `@` in place of each text and `#` of each number.
const CHAT: &[&str] = &[
    r#"{"id":"c","choices":[{"index":0,"delta":{"content":"@"},"finish_reason":null}],"obfuscation":"@"}"#,
    r#"{"choices":[{"index":0,"delta":{"reasoning_content":"@","content":null}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"@"}}]}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"@","refusal":"@"}},{"index":1,"delta":{"content":"@"}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"@"},"delta":{"content":"@"}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"@"}]}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"@"},"finish_reason":"stop"}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"@"}}],"usage":{"prompt_tokens":1,"completion_tokens":#}}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":#}}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"@"}}],"error":{"message":"@"}}"#,
    r#"{"choices":[{"index":0,"text":"@"}],"obfuscation":#}"#,
];
const MESSAGES: &[&str] = &[
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"@"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"text":"@"},"usage":{"cache_read_input_tokens":#}}"#,
    r#"{"type":"ping","usage":{"cache_read_input_tokens":#}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"@"}}"#,
    r#"{"type":"message_start","message":{"usage":{"input_tokens":#}}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":#}}"#,
    r#"{"type":"@","index":0,"delta":{"type":"text_delta","text":"@"}}"#,
];
const RESPONSES: &[&str] = &[
    r#"{"type":"response.output_text.delta","sequence_number":#,"delta":"@","obfuscation":"@"}"#,
    r#"{"type":"response.function_call_arguments.delta","delta":"@","sequence_number":#}"#,
    r#"{"type":"response.output_text.delta","sequence_number":#,"delta":"@","delta":"@","sequence_number":#}"#,
    r#"{"type":"response.audio.delta","sequence_number":#,"delta":"@"}"#,
    r#"{"type":"response.output_text.done","sequence_number":#,"text":"@"}"#,
    r#"{"type":"response.completed","sequence_number":#,"response":{"output":[]}}"#,
];
const TEXTS: [&str; 11] = [
    "a",
    "other",
    "",
    " ",
    r#"\n\""#,
    r"\u00e9\\",
    "é😀",
    r"\x",
    "\"",
    "\u{1}",
    "a text that is longer than what is looked for eight bytes at a time",
];
const NUMBERS: [&str; 9] = [
    "1",
    "2",
    "3",
    "01",
    "-1",
    "1.5",
    "\"5\"",
    "null",
    "18446744073709551615",
];

/// The form of an event, what it says where, and a byte of it that is another.
type Drawn = (usize, Vec<usize>, Option<(prop::sample::Index, u8)>);

fn event(forms: &[&str], (form, values, broken): &Drawn) -> Vec<u8> {
    let mut values = values.iter().cycle();
    let mut event = Vec::new();
    for byte in forms[form % forms.len()].bytes() {
        let value = match byte {
            b'@' => TEXTS[values.next().unwrap() % TEXTS.len()].as_bytes(),
            b'#' => NUMBERS[values.next().unwrap() % NUMBERS.len()].as_bytes(),
            _ => &[byte],
        };
        event.extend_from_slice(value);
    }
    if let Some((at, byte)) = broken {
        let at = at.index(event.len());
        event[at] = *byte;
    }
    event
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    // Mostly the first forms and texts, so that many are alike.
    let form = prop_oneof![3 => 0..2_usize, 1 => 0..16_usize];
    let value = prop_oneof![3 => 0..2_usize, 1 => 0..64_usize];
    let broken = prop_oneof![
        8 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(Some),
    ];
    prop::collection::vec((form, prop::collection::vec(value, 4), broken), 1..12)
}

proptest! {
    #[test]
    fn an_event_is_read_alike_whatever_came_before(
        drawn in drawn(),
        (endpoint, forms) in prop::sample::select(vec![
            (Endpoint::ChatCompletions, CHAT), (Endpoint::Messages, MESSAGES), (Endpoint::Responses, RESPONSES),
        ]),
    ) {
        let mut comparing = Inspection::new(expected(endpoint));
        let mut reading = Inspection::new(expected(endpoint));
        for drawn in &drawn {
            let data = event(forms, drawn);
            let raw = sse::Event { raw: data.clone().into() };
            reading.template = None;
            let (found, alone) = (comparing.look(&raw, &data), reading.look(&raw, &data));
            let text = String::from_utf8_lossy(&data);
            prop_assert_eq!(format!("{found:?}"), format!("{alone:?}"), "{}", text);
            let states = [&comparing, &reading].map(|it| format!("{:?} {:?}", it.progress, it.state));
            prop_assert_eq!(&states[0], &states[1], "{}", text);
        }
    }
}

/// What is kept of an event in which `text` is said.
fn template(endpoint: Endpoint, form: &str, text: &str) -> Option<Template> {
    let mut inspection = Inspection::new(expected(endpoint));
    let data = said(form, text);
    let raw = sse::Event {
        raw: data.clone().into(),
    };
    inspection.look(&raw, data.as_bytes()).unwrap();
    inspection.template
}

fn said(form: &str, text: &str) -> String {
    let number = text.len().to_string();
    form.replace('@', text).replace('#', &number)
}

#[test]
fn what_providers_send_piece_by_piece_is_alike() {
    for (endpoint, form) in [
        (Endpoint::ChatCompletions, CHAT[0]),
        (Endpoint::ChatCompletions, CHAT[1]),
        (Endpoint::ChatCompletions, CHAT[2]),
        (Endpoint::Messages, MESSAGES[0]),
        (Endpoint::Messages, MESSAGES[1]),
        (Endpoint::Responses, RESPONSES[0]),
        (Endpoint::Responses, RESPONSES[1]),
    ] {
        let template = template(endpoint, form, "Hello").unwrap();
        let is_alike = |data: String| template.look(data.as_bytes()).is_some();
        assert!(is_alike(said(form, r" world\n")), "{form}");
        assert!(!is_alike(said(form, "")), "{form}: nothing is said");
        let more = said(form, "world") + "x";
        assert!(!is_alike(more), "{form}: it goes on");
        let less = said(form, "world").replace('}', "");
        assert!(!is_alike(less), "{form}: it does not end");
    }
}

#[test]
fn what_says_more_than_a_text_is_no_template_nor_what_is_long() {
    let long = "x".repeat(1024);
    for (endpoint, form, text) in [
        (Endpoint::ChatCompletions, CHAT[6], "Hello"),
        (Endpoint::ChatCompletions, CHAT[7], "Hello"),
        (Endpoint::Messages, MESSAGES[2], "Hello"),
        (Endpoint::Messages, MESSAGES[4], "Hello"),
        (Endpoint::Responses, RESPONSES[3], "Hello"),
        (Endpoint::ChatCompletions, CHAT[0], ""),
        (Endpoint::ChatCompletions, CHAT[0], &long),
    ] {
        assert!(template(endpoint, form, text).is_none(), "{form}");
    }
}
