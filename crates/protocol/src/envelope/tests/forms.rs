//! Forms.

use super::*;

const TYPE: &str = r#"multipart/form-data; charset=utf-8; boundary="a b""#;
const FORM: &str = "--a b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
    \u{0}--a b\r\n--a\r\nmodel\r\n--a b  \r\ncontent-disposition:form-data;name=model\r\n\r\nwhisper\r\n\
    --a b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n\
    --a b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n\r\n--a b--\r\n";

fn form(content_type: &str, body: &'static str) -> Result<Envelope<'static>, RequestError> {
    Envelope::scan_multipart(Endpoint::Transcriptions, content_type, body.as_bytes())
}

#[test]
fn the_model_of_a_form_is_found_and_replaced() {
    let envelope = form(TYPE, FORM).unwrap();
    assert_eq!(
        (envelope.model.as_ref(), envelope.stream),
        ("whisper", true)
    );
    let sent = |outgoing: &Outgoing<'_>| {
        let pieces = envelope
            .splice(outgoing)
            .pieces(&Bytes::from_static(FORM.as_bytes()));
        String::from_utf8(pieces.concat()).unwrap()
    };
    let named = Outgoing {
        model: Some("up"),
        ..Outgoing::default()
    };
    assert_eq!(sent(&named), FORM.replace("whisper", "up"));
    let part = "--a b  \r\ncontent-disposition:form-data;name=model\r\n\r\nwhisper\r\n";
    assert_eq!(sent(&Outgoing::default()), FORM.replace(part, ""));
}

#[test]
fn a_preamble_and_escapes_are_understood() {
    let body = "preamble\r\n--x\r\nContent-Disposition: form-data; a=\"\\\";name=no\"; name=\"m\\odel\"\r\n\r\nm\r\n--x--";
    let envelope = form("Multipart/Form-Data;boundary=x", body).unwrap();
    assert_eq!((envelope.model.as_ref(), envelope.stream), ("m", false));
}

#[test]
fn forms_that_are_none_are_refused() {
    const MODEL: &str = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--";
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "application/json; boundary=x",
        "multipart/form-data; x=boundary=x",
    ] {
        let error = form(content_type, MODEL).unwrap_err();
        assert!(error.to_string().contains("names no boundary"), "{error}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    assert!(form(&long, MODEL).is_err());
    for (body, message) in [
        ("", "does not end at the boundary"),
        ("--y--", "does not end at the boundary"),
        (
            "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm",
            "does not end at the boundary",
        ),
        (
            "--x\r\nContent-Disposition: form-data",
            "head of a part does not end",
        ),
        (
            "--xyz\r\na: b\r\n\r\nm\r\n--x--",
            "head of a part does not end",
        ),
        ("--x--", "missing required field: 'model'"),
        ("--x\r\n\r\nm\r\n--x--", "missing required field: 'model'"),
        (
            "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n\r\n--x--",
            "missing required field: 'model'",
        ),
        (
            "--x\r\nContent-Disposition: form-data; name=stream\r\n\r\nyes\r\n--x--",
            "'stream': expected a boolean",
        ),
        (
            "--x\r\nContent-Disposition: form-data; name=model\r\n\r\na\r\n--x\r\nContent-Disposition: form-data; name=model\r\n\r\nb\r\n--x--",
            "duplicate field: 'model'",
        ),
    ] {
        let error = form("multipart/form-data; boundary=x", body).unwrap_err();
        assert!(error.to_string().contains(message), "{error} for {body}");
    }
}

#[test]
fn heads_and_parts_are_bounded() {
    let head = format!("--x\r\na: {}\r\n\r\nm\r\n--x--", "b".repeat(20_000));
    let parts = format!("{}--x--", "--x\r\n\r\n\r\n\r\n".repeat(2_000));
    for body in [head, parts] {
        let content_type = "multipart/form-data; boundary=x";
        let scanned = Envelope::scan_multipart(Endpoint::ImageEdits, content_type, body.as_bytes());
        assert!(matches!(scanned, Err(RequestError::Form(_))), "{scanned:?}");
    }
}

proptest! {
    #[test]
    fn a_damaged_form_never_makes_it_panic(cut in any::<prop::sample::Index>(), byte in any::<u8>(), boundary in ".{0,5}") {
        let mut body = FORM.as_bytes().to_vec();
        let at = cut.index(body.len());
        body[at] = byte;
        for content_type in [TYPE.to_owned(), format!("multipart/form-data; boundary={boundary}")] {
            for body in [&body[..], &body[..at]] {
                let bytes = Bytes::copy_from_slice(body);
                if let Ok(envelope) = Envelope::scan_multipart(Endpoint::ImageEdits, &content_type, &bytes) {
                    let _ = envelope.splice(&Outgoing::default()).pieces(&bytes);
                }
            }
        }
    }
}
