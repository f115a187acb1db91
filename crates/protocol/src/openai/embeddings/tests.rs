use proptest::prelude::*;

use super::*;

fn read(body: &str) -> EmbedRequest {
    read_request(body.as_bytes()).unwrap()
}

#[track_caller]
fn refuses(body: &str, told: &str) {
    assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), told);
}

#[test]
fn one_text_or_several_are_read() {
    assert_eq!(read(r#"{"model":"m","input":"a"}"#).inputs, ["a"]);
    let request = read(
        r#"{"model":"m","input":["a","b"],"dimensions":3,"user":"u","encoding_format":"base64"}"#,
    );
    assert_eq!(request.inputs, ["a", "b"]);
    assert_eq!(request.dimensions, Some(3));
    assert_eq!(request.user.as_deref(), Some("u"));
    assert!(request.base64);
}

#[test]
fn what_others_cannot_be_asked_is_refused_by_name() {
    let tokens = "invalid value for 'input': tokens cannot be sent to a provider that speaks another protocol: send texts";
    refuses(r#"{"model":"m","input":[1,2]}"#, tokens);
    refuses(r#"{"model":"m","input":[ [1],[2]]}"#, tokens);
    refuses(
        r#"{"model":"m","input":[]}"#,
        "invalid value for 'input': it is empty",
    );
    refuses(r#"{"model":"m"}"#, "missing required field: 'input'");
    refuses(
        r#"{"model":"m","input":["a",null]}"#,
        "invalid type for 'input[1]': expected a string",
    );
    refuses(
        r#"{"model":"m","input":7}"#,
        "invalid type for 'input': expected a string or an array",
    );
    refuses(
        r#"{"input":"a","encoding_format":"int8"}"#,
        "invalid value for 'encoding_format': it must be float or base64",
    );
    refuses(
        r#"{"input":"a","truncate":"END"}"#,
        "invalid value for 'truncate': its meaning is not known, and the provider speaks another protocol",
    );
}

#[test]
fn a_request_is_written_with_what_it_cannot_hold_named() {
    let request = EmbedRequest {
        inputs: vec!["a".into()],
        dimensions: Some(2),
        task_type: Some("RETRIEVAL_QUERY".into()),
        title: Some("t".into()),
        user: Some("u".into()),
        ..EmbedRequest::default()
    };
    let mut dropped = Vec::new();
    let body = String::from_utf8(write_request(&request, "up", &mut dropped)).unwrap();
    insta::assert_snapshot!(body, @r#"{"model":"up","input":["a"],"encoding_format":"float","dimensions":2,"user":"u"}"#);
    assert_eq!(dropped, ["taskType", "title"]);
}

#[test]
fn both_forms_of_vectors_are_read_in_their_order() {
    let body = br#"{"object":"list","data":[{"index":1,"embedding":"AACAPwAAAMA="},{"index":0,"embedding":[0.5,1]}],
        "model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    let response = read_response(body).unwrap();
    assert_eq!(response.vectors, [[0.5, 1.0], [1.0, -2.0]]);
    assert_eq!(response.usage.unwrap().prompt, 3);
    let mut request = EmbedRequest::default();
    let write = |request: &EmbedRequest| {
        String::from_utf8(write_response(&response, request, "x")).unwrap()
    };
    insta::assert_snapshot!(write(&request), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,1.0]},{"object":"embedding","index":1,"embedding":[1.0,-2.0]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
    request.base64 = true;
    insta::assert_snapshot!(write(&request), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgD8="},{"object":"embedding","index":1,"embedding":"AACAPwAAAMA="}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let read = |body: &str| read_response(body.as_bytes()).unwrap_err();
    assert!(matches!(read("<"), Unusable::Syntax(_)));
    assert_eq!(read("[]"), Unusable::Shape("data"));
    assert_eq!(read(r#"{"data":null}"#), Unusable::Shape("data"));
    assert!(matches!(
        read(r#"{"error":{"message":"no"}}"#),
        Unusable::Error(_)
    ));
    assert!(matches!(
        read(r#"{"data":[{"embedding":"AAA="}]}"#),
        Unusable::Wire(_)
    ));
    assert!(matches!(
        read(r#"{"data":[{"embedding":"%"}]}"#),
        Unusable::Wire(_)
    ));
    assert!(matches!(read(r#"{"data":[{}]}"#), Unusable::Wire(_)));
}

proptest! {
    #[test]
    fn vectors_survive_either_form(vector in prop::collection::vec(-1e30_f32..1e30, 0..8), base64: bool) {
        let response = EmbedResponse { vectors: vec![vector], model: Some("m".into()), usage: None };
        let request = EmbedRequest { base64, ..EmbedRequest::default() };
        let read = read_response(&write_response(&response, &request, "m")).unwrap();
        prop_assert_eq!(read.vectors, response.vectors);
    }
}
