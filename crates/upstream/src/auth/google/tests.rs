use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{Clients, NetworkPolicy, TransportSettings};

const GOOGLE: &str = "https://us-east1-aiplatform.googleapis.com";

fn new_key() -> (RsaKeyPair, String) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    (key, pem)
}

fn key_file(pem: &str, token_uri: &str) -> Value {
    json!({
        "type": "service_account", "project_id": "project-of-mine", "private_key_id": "0123abcd", "private_key": pem,
        "client_email": "gateway@project-of-mine.iam.gserviceaccount.com", "client_id": "1", "token_uri": token_uri,
    })
}

fn base_url(text: &str) -> BaseUrl {
    BaseUrl::parse(text, NetworkPolicy::Any).unwrap()
}

fn tokens(file: &Value, base: &str) -> Result<GoogleTokens, CredentialError> {
    let client = Clients::new(NetworkPolicy::Any)
        .get(&TransportSettings::default())
        .unwrap();
    GoogleTokens::new(&file.to_string().into(), &base_url(base), client)
}

#[test]
fn an_assertion_says_who_asks_for_what_and_is_signed() {
    let (key, pem) = new_key();
    let file = key_file(&pem, "https://oauth2.googleapis.com/token");
    let account = Account::parse(&file.to_string(), &base_url(GOOGLE)).unwrap();
    let assertion = account
        .assertion(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public
        .verify(
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part: &str| {
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(
        json(header),
        json!({"alg": "RS256", "typ": "JWT", "kid": "0123abcd"})
    );
    let expected = json!({
        "iss": "gateway@project-of-mine.iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/cloud-platform", "iat": 1_700_000_000, "exp": 1_700_003_600,
    });
    assert_eq!(json(claims), expected);
}

#[test]
fn what_is_no_key_file_is_refused_without_being_quoted() {
    let (_, pem) = new_key();
    let good = key_file(&pem, "https://oauth2.googleapis.com/token");
    assert_eq!(
        tokens(&good, GOOGLE).unwrap().project(),
        Some("project-of-mine")
    );
    let changed = |field: &str, value: Value| {
        let mut file = good.clone();
        file[field] = value;
        tokens(&file, GOOGLE).unwrap_err()
    };
    assert!(matches!(
        changed("type", json!("authorized_user")),
        CredentialError::KeyFile(_)
    ));
    assert!(matches!(
        changed("client_email", json!(null)),
        CredentialError::KeyFile(_)
    ));
    let secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let error = changed("private_key", json!(secret));
    assert_eq!(error, CredentialError::PrivateKey);
    assert!(!format!("{error} {error:?}").contains("c2VjcmV0"));
    let client = Clients::new(NetworkPolicy::Any)
        .get(&TransportSettings::default())
        .unwrap();
    let error = GoogleTokens::new(&"top-secret".into(), &base_url(GOOGLE), client).unwrap_err();
    assert!(!error.to_string().contains("top-secret"));
}

#[test]
fn an_assertion_goes_to_google_or_to_the_named_provider_only() {
    let (_, pem) = new_key();
    for (token_uri, base, is_accepted) in [
        ("https://oauth2.googleapis.com/token", GOOGLE, true),
        ("https://googleapis.com/token", GOOGLE, true),
        ("http://oauth2.googleapis.com/token", GOOGLE, false),
        ("https://oauth2.googleapis.com:8443/token", GOOGLE, false),
        (
            "https://user:pass@oauth2.googleapis.com/token",
            GOOGLE,
            false,
        ),
        ("https://evilgoogleapis.com/token", GOOGLE, false),
        ("https://googleapis.com.evil.example/token", GOOGLE, false),
        ("http://169.254.169.254/token", GOOGLE, false),
        ("file:///etc/passwd", GOOGLE, false),
        ("not a url", GOOGLE, false),
        (
            "http://127.0.0.1:9000/token",
            "http://127.0.0.1:9000/v1",
            true,
        ),
        (
            "http://127.0.0.1:9001/token",
            "http://127.0.0.1:9000",
            false,
        ),
    ] {
        let made = tokens(&key_file(&pem, token_uri), base);
        assert_eq!(made.is_ok(), is_accepted, "{token_uri} {base}");
    }
}

/// Answers one request with a status and a body and reports what was asked.
async fn token_server(status: u16, body: &str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        // The form is the last thing sent, and the signature is the last of it.
        while !is_whole(&asked) {
            let mut buffer = [0; 8192];
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the request broke off");
            asked.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    (address, serving)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.unwrap().parse::<usize>().unwrap()
}

async fn exchange(status: u16, body: &str) -> (Result<HeaderValue, TokenError>, String) {
    let (address, serving) = token_server(status, body).await;
    let (_, pem) = new_key();
    let tokens = tokens(&key_file(&pem, &format!("{address}/token")), &address).unwrap();
    let result = tokens.authorization().await;
    (result, serving.await.unwrap())
}

#[tokio::test]
async fn an_assertion_is_exchanged_for_a_token() {
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let grant = r#"{"access_token":"ya29.t","expires_in":3599,"token_type":"Bearer"}"#;
    let (result, asked) = exchange(200, grant).await;
    let value = result.unwrap();
    assert_eq!(value, "Bearer ya29.t");
    assert!(value.is_sensitive());
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n"));
    assert!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"));
    let (_, form) = asked.split_once("\r\n\r\n").unwrap();
    let assertion = form
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(assertion.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert!(claims["iat"].as_u64().unwrap() >= before);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_endpoint_s_words() {
    let body = r#"{"error":"invalid_grant","error_description":"Invalid\nJWT Signature."}"#;
    let (result, _) = exchange(400, body).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "no access token: the token endpoint answered 400: invalid_grant: InvalidJWT Signature."
    );
    let (result, _) = exchange(503, "<html>").await;
    let reason = "it does not say why".to_owned();
    assert_eq!(
        result.unwrap_err(),
        TokenError::Refused {
            status: 503,
            reason
        }
    );
}

#[tokio::test]
async fn an_answer_that_is_no_grant_is_an_error() {
    let endless = " ".repeat(65 << 10);
    for body in [
        "{}",
        "",
        r#"{"access_token":"a\nb","expires_in":3600}"#,
        &endless,
    ] {
        let (result, _) = exchange(200, body).await;
        assert!(matches!(result, Err(TokenError::Malformed(_))), "{body}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_told() {
    let (_, pem) = new_key();
    let address = "http://127.0.0.1:1";
    let tokens = tokens(&key_file(&pem, &format!("{address}/token")), address).unwrap();
    let error = tokens.authorization().await.unwrap_err();
    assert_eq!(error.to_string(), "no access token: could not connect");
}
