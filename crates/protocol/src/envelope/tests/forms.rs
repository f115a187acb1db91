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

/// What is seen of a form of these parts, and the form where "bad" becomes `better`.
fn texts(parts: &[&str], better: &str) -> Result<(Vec<String>, Option<String>), RequestError> {
    let body: String = parts
        .iter()
        .map(|part| format!("--x\r\n{part}\r\n"))
        .collect();
    let body = Bytes::from(format!("{body}--x--\r\n"));
    let mut seen = Vec::new();
    let changed = rewrite_form_texts("multipart/form-data; boundary=x", &body, |text| {
        seen.push(text.to_owned());
        let changed = text.contains("bad").then(|| text.replace("bad", better));
        Ok::<_, RequestError>(changed)
    })?;
    let changed = changed.map(|body| String::from_utf8(body.into()).unwrap());
    Ok((seen, changed))
}

const MODEL: &str = "Content-Disposition: form-data; name=\"model\"\r\n\r\nbad model";
const FILE: &str =
    "Content-Disposition: form-data; name=\"image\"; filename=\"bad.png\"\r\n\r\na bad image";

#[test]
fn the_texts_of_a_form_are_seen_and_changed_and_neither_its_files_nor_its_settings() {
    let prompt = "Content-Disposition: form-data; name=\"prompt\"\r\n\r\na bad\r\nword";
    let new = "content-disposition:form-data;name=newer\r\n\r\nbad";
    let (seen, changed) = texts(&[MODEL, prompt, FILE, new], "good").unwrap();
    assert_eq!(seen, ["a bad\r\nword", "bad"]);
    let expected = format!(
        "--x\r\n{MODEL}\r\n--x\r\n{}\r\n--x\r\n{FILE}\r\n--x\r\n{}\r\n--x--\r\n",
        prompt.replace("bad", "good"),
        new.replace("bad", "good"),
    );
    assert_eq!(changed, Some(expected));
    assert_eq!(texts(&[MODEL, FILE], "good"), Ok((vec![], None)));
}

#[test]
fn a_text_of_a_form_hides_behind_no_head() {
    for head in [
        "Content-Disposition: form-data; name=\"prompt\"; filename=\"a.png\"",
        "Content-Disposition: form-data; name=\"size\"; name=\"prompt\"",
        "Content-Disposition: form-data; name=\"prompt\"; name=\"image\"; filename=\"a.png\"",
        "Content-Disposition: form-data; name=\"size\"\r\nContent-Disposition: form-data; name=\"prompt\"",
        "Content-Disposition: form-data; name=\"n\r\nContent-Disposition: form-data; name=\"prompt\"",
        "Content-Disposition: form-data; name=\"instructions\"; filename*=utf-8''a.png",
        "Content-Type: text/plain; charset=UTF-8",
    ] {
        let (seen, _) = texts(&[MODEL, &format!("{head}\r\n\r\na text")], "").unwrap();
        assert_eq!(seen, ["a text"], "{head}");
    }
}

#[test]
fn a_text_of_a_form_that_cannot_be_read_is_refused() {
    let head = "Content-Disposition: form-data; name=\"prompt\"";
    for more in [
        "Content-Transfer-Encoding: base64",
        "Content-Type: text/plain; charset=utf-16le",
    ] {
        let error = texts(&[&format!("{head}\r\n{more}\r\n\r\na text")], "").unwrap_err();
        assert!(error.to_string().contains("no text in UTF-8"), "{error}");
    }
    let part = [
        format!("--x\r\n{head}\r\n\r\n").as_bytes(),
        b"\xff\r\n--x--",
    ]
    .concat();
    let error = rewrite_form_texts("multipart/form-data; boundary=x", &part.into(), |_| {
        Err::<_, RequestError>(RequestError::NotAnObject)
    });
    assert!(error.unwrap_err().to_string().contains("no text in UTF-8"));
}

#[test]
fn a_replacement_completes_no_boundary() {
    let part = "Content-Disposition: form-data; name=\"prompt\"\r\n\r\n--bad\r\n\r\nmore";
    let error = texts(&[part], "x").unwrap_err();
    assert!(error.to_string().contains("holds the boundary"), "{error}");
    assert!(texts(&[part], "y").unwrap().1.is_some());
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
                let seen = rewrite_form_texts(&content_type, &bytes, |text| Ok::<_, RequestError>(Some(text.to_owned())));
                if let Ok(Some(same)) = seen {
                    prop_assert_eq!(same, bytes);
                }
            }
        }
    }
}
