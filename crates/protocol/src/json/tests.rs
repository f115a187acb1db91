use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(input: &str, reason: &str) {
    let error = validate(input.as_bytes()).unwrap_err();
    assert!(error.to_string().contains(reason), "{error} for {input}");
    assert!(
        serde_json::from_str::<serde_json::Value>(input).is_err(),
        "serde_json accepts {input}"
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    refused("", "unexpected end at byte 0");
    refused("{", "unexpected end at byte 1");
    refused("{\"a\":1,}", "expected a string as key at byte 7");
    refused("[1,]", "expected a value at byte 3");
    refused("[,1]", "expected a value at byte 1");
    refused("{,\"a\":1}", "expected a string as key");
    refused("[1 2]", "expected ',' or the end");
    refused("01", "after the value");
    refused("1.", "invalid number");
    refused("-", "invalid number");
    refused("1e", "invalid number");
    refused("nul", "expected a value");
    refused("\"a", "unexpected end in a string");
    refused("\"\\x\"", "invalid escape");
    refused("\"\\u12g4\"", "invalid escape");
    refused("\"a\nb\"", "control character in a string at byte 2");
    refused("{} {}", "after the value");
    refused("{\"a\" 1}", "expected ':'");
}

#[test]
fn nesting_is_limited_also_inside_skipped_values() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(validate(nested(127).as_bytes()), Ok(Kind::Array));
    for depth in [128, 10_000, 200_000] {
        assert_eq!(
            validate(nested(depth).as_bytes()).unwrap_err().reason,
            Reason::Depth
        );
    }
}

#[test]
fn invalid_utf8_is_refused_with_its_place() {
    assert_eq!(
        validate(b"\"ab\xff\"").unwrap_err(),
        SyntaxError {
            reason: Reason::Utf8,
            offset: 3
        }
    );
}

#[test]
fn values_know_their_place_and_meaning() {
    let input = br#" {"a\u0062" : [1, "x\n"], "b": 2.5e1}"#;
    let mut scanner = Scanner::new(input).unwrap();
    let mut members = scanner.enter_object().unwrap();
    let key = scanner.next_member(&mut members).unwrap().unwrap();
    assert_eq!(key.as_str().unwrap(), "ab");
    let mut elements = scanner.enter_array().unwrap();
    assert!(scanner.next_element(&mut elements).unwrap());
    assert_eq!(scanner.value().unwrap().as_i64(), Some(1));
    assert!(scanner.next_element(&mut elements).unwrap());
    let text = scanner.value().unwrap();
    assert_eq!(text.as_str().unwrap(), "x\n");
    assert_eq!(&input[text.span()], br#""x\n""#);
    assert!(!scanner.next_element(&mut elements).unwrap());
    scanner.next_member(&mut members).unwrap().unwrap();
    let number = scanner.value().unwrap();
    assert_eq!((number.as_f64(), number.as_i64()), (Some(25.0), None));
    assert!(scanner.next_member(&mut members).unwrap().is_none());
    scanner.end().unwrap();
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_short_run_ends_where_a_look_at_each_byte_says(
        bytes in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'"'), Just(b'!'), any::<u8>()], 0..40),
    ) {
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
        prop_assert_eq!(run::short(&bytes), bytes.iter().take(run::SHORT).position(ends));
    }

    #[test]
    fn what_serde_writes_is_accepted(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert!(validate(text.as_bytes()).is_ok());
    }

    #[test]
    fn verdicts_agree_with_serde_on_broken_text(value in any_json(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = cut.index(text.len());
        text[at] = byte;
        let ours = validate(&text);
        match serde_json::from_slice::<serde_json::Value>(&text) {
            Ok(_) => prop_assert!(ours.is_ok(), "{ours:?}"),
            // serde_json builds values, so it also refuses numbers out of range and lone surrogates, which are well formed.
            Err(error) if error.to_string().contains("number out of range") || error.to_string().contains("surrogate")
                || error.to_string().contains("hex escape") => {}
            Err(error) => prop_assert!(ours.is_err(), "accepted what serde refuses: {error}"),
        }
    }
}
