use super::*;
use crate::{RequestError, Unusable, canonical::EmbedRequest};

#[track_caller]
fn refuses(body: &str, field: &str) {
    let error = read_request(body.as_bytes()).unwrap_err();
    assert_eq!(error.param(), Some(field), "{body}: {error}");
}

#[test]
fn both_verbs_are_read() {
    let single = read_request(
        br#"{"model":"models/e","content":{"parts":[{"text":"a"},{"text":"b"}]},"task_type":"RETRIEVAL_QUERY","outputDimensionality":64}"#,
    )
    .unwrap();
    let expected = EmbedRequest {
        inputs: vec!["ab".into()],
        dimensions: Some(64),
        task_type: Some("RETRIEVAL_QUERY".into()),
        single: true,
        ..EmbedRequest::default()
    };
    assert_eq!(single, expected);
    let batch = read_request(
        br#"{"requests":[{"content":{"parts":[{"text":"a"}]},"title":"t"},{"model":"models/e","content":{"parts":[{"text":"b"}]},"title":"t"}]}"#,
    )
    .unwrap();
    assert_eq!(
        (batch.inputs.as_slice(), batch.single),
        (&["a".to_owned(), "b".to_owned()][..], false)
    );
    assert_eq!(batch.title.as_deref(), Some("t"));
}

#[test]
fn what_no_other_provider_takes_is_refused() {
    refuses("{}", "content");
    refuses(r#"{"requests":[]}"#, "requests");
    refuses(r#"{"requests":[{}]}"#, "requests.content");
    refuses(r#"{"requests":[7]}"#, "requests[0]");
    refuses(
        r#"{"content":{"parts":[{"inlineData":{}}]}}"#,
        "content.parts[0].text",
    );
    refuses(
        r#"{"content":{"parts":[{"text":"a"}]},"mimeType":"x"}"#,
        "mimeType",
    );
    refuses(
        r#"{"requests":[{"content":"a","title":"t"},{"content":"b"}]}"#,
        "requests[1]",
    );
    assert_eq!(read_request(b"[]"), Err(RequestError::NotAnObject));
}

#[test]
fn a_provider_is_asked_for_a_list() {
    let request = EmbedRequest {
        inputs: vec!["a".into(), "b".into()],
        dimensions: Some(8),
        user: Some("u".into()),
        ..EmbedRequest::default()
    };
    let mut dropped = Vec::new();
    let body = write_request(&request, "models/e", &mut dropped);
    insta::assert_snapshot!(String::from_utf8(body).unwrap(), @r#"{"requests":[{"model":"models/e","content":{"parts":[{"text":"a"}]},"outputDimensionality":8},{"model":"models/e","content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}"#);
    assert_eq!(dropped, ["user"]);
}

#[test]
fn both_answers_are_read_and_written_by_the_clients_verb() {
    let batch = br#"{"embeddings":[{"values":[0.5,-1.0]},{"values":[]}],"usageMetadata":{"promptTokenCount":3}}"#;
    let answer = read_response(batch).unwrap();
    assert_eq!(answer.vectors, [vec![0.5, -1.0], vec![]]);
    assert_eq!(answer.usage.unwrap().total, 3);
    let mut request = EmbedRequest::default();
    assert_eq!(write_response(&answer, &request, "m"), batch);
    request.single = true;
    let single = br#"{"embedding":{"values":[0.5,-1.0]},"usageMetadata":{"promptTokenCount":3}}"#;
    assert_eq!(write_response(&answer, &request, "m"), single);
    assert_eq!(read_response(single).unwrap().vectors, [vec![0.5, -1.0]]);
    assert_eq!(read_response(b"{}"), Err(Unusable::Shape("embeddings")));
    assert!(matches!(
        read_response(br#"{"error":{"code":404,"message":"m"}}"#),
        Err(Unusable::Error(_))
    ));
}
