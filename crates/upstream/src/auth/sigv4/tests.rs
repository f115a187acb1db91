use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, header::AUTHORIZATION};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, when the suite's requests are signed.
const SUITE_TIME: u64 = 1_440_938_160;

fn signer(token: Option<&str>, region: &str, service: &'static str) -> SigV4 {
    let token = token.map(SecretString::from);
    SigV4::new(
        "AKIDEXAMPLE",
        &SECRET.into(),
        token.as_ref(),
        region,
        service,
    )
    .unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A request of the suite as it is after signing, and the signature it has there.
fn read(signed: &str) -> (Request<Pieces>, String) {
    let (head, body) = signed.split_once("\n\n").unwrap_or((signed.trim_end(), ""));
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method: Method = first.next().unwrap().parse().unwrap();
    let path = first.next().unwrap();
    let headers: Vec<_> = lines.map(|line| line.split_once(':').unwrap()).collect();
    let value = |name: &str| {
        let mut values = headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://{}{path}", value("host").unwrap()));
    for (name, value) in &headers {
        let name = name.to_ascii_lowercase();
        if !matches!(
            &*name,
            "authorization" | "x-amz-date" | "x-amz-security-token"
        ) {
            request = request.header(name, *value);
        }
    }
    // In two pieces, as a body with one replaced field is.
    let (start, end) = body.trim_end_matches('\n').split_at(body.len() / 3);
    let pieces = [start, end].map(|piece| Bytes::copy_from_slice(piece.as_bytes()));
    let request = request.body(Pieces::from(Vec::from(pieces))).unwrap();
    (request, value("authorization").unwrap())
}

#[track_caller]
fn signs_as(signed: &str, signer: &SigV4, seconds: u64) {
    let (mut request, expected) = read(signed);
    signer.sign(&mut request, at(seconds)).unwrap();
    assert_eq!(request.headers()[AUTHORIZATION], expected);
}

#[test]
fn requests_of_the_published_suite_are_signed_as_there() {
    let suite = signer(None, "us-east-1", "service");
    for signed in [
        include_str!("../../../tests/data/sigv4/get-vanilla.txt"),
        include_str!("../../../tests/data/sigv4/get-vanilla-query-order-key-case.txt"),
        include_str!("../../../tests/data/sigv4/get-slash-pointless-dot-normalized.txt"),
        include_str!("../../../tests/data/sigv4/post-header-key-sort.txt"),
        include_str!("../../../tests/data/sigv4/post-vanilla.txt"),
        include_str!("../../../tests/data/sigv4/post-vanilla-query.txt"),
        include_str!("../../../tests/data/sigv4/post-x-www-form-urlencoded.txt"),
    ] {
        signs_as(signed, &suite, SUITE_TIME);
    }
}

#[test]
fn a_session_token_is_signed_too() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let signed = include_str!("../../../tests/data/sigv4/get-vanilla-with-session-token.txt");
    signs_as(
        signed,
        &signer(Some(token), "us-east-1", "service"),
        SUITE_TIME,
    );
    let (mut request, _) = read(signed);
    signer(Some(token), "us-east-1", "service")
        .sign(&mut request, at(SUITE_TIME))
        .unwrap();
    assert_eq!(request.headers()["x-amz-security-token"], token);
    assert!(request.headers()["x-amz-security-token"].is_sensitive());
}

/// A resource name (ARN) in a path is encoded once there, and once more for the signature.
#[test]
fn an_encoded_path_is_signed_as_in_the_suite() {
    let signed = include_str!("../../../tests/data/sigv4/double-url-encode.txt");
    // 2021-05-11T15:40:45Z
    signs_as(signed, &signer(None, "us-east-2", "lambda"), 1_620_747_645);
}

#[test]
fn a_body_is_signed_alike_however_it_is_cut() {
    let signature = |pieces: &[&'static str]| {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Bytes::from_static(piece.as_bytes()))
            .collect();
        let mut request =
            Request::post("https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/invoke")
                .body(Pieces::from(pieces))
                .unwrap();
        signer(None, "us-east-1", "bedrock")
            .sign(&mut request, at(0))
            .unwrap();
        request.headers()[AUTHORIZATION].clone()
    };
    let whole = signature(&[r#"{"messages":[]}"#]);
    assert_eq!(signature(&["{", "", r#""messages":[]}"#]), whole);
    assert_ne!(signature(&[r#"{"messages":[] }"#]), whole);
}

#[test]
fn what_cannot_be_used_is_refused_without_being_quoted() {
    let make = |id: &str, secret: &str, token: Option<&str>, region: &str| {
        let token = token.map(SecretString::from);
        SigV4::new(id, &secret.into(), token.as_ref(), region, "bedrock")
            .unwrap_err()
            .to_string()
    };
    for (error, name) in [
        (make("", SECRET, None, "us-east-1"), "access_key_id"),
        (make("AK\nID", SECRET, None, "us-east-1"), "access_key_id"),
        (
            make("AKID", "new\nline", None, "us-east-1"),
            "secret_access_key",
        ),
        (
            make("AKID", SECRET, Some("new\nline"), "us-east-1"),
            "session_token",
        ),
        (make("AKID", SECRET, None, "evil.example/"), "region"),
    ] {
        assert!(error.starts_with(name) && !error.contains('\n'), "{error}");
    }
    assert!(!format!("{:?}", signer(Some("token-of-mine"), "r", "s")).contains(SECRET));
    let mut no_host = Request::get("/path").body(Pieces::default()).unwrap();
    assert!(signer(None, "r", "s").sign(&mut no_host, at(0)).is_err());
}
