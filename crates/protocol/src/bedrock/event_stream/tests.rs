use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/data/event_stream/", $name)).as_slice()
    };
}

const ALL_HEADERS: &[u8] = vector!("valid_with_all_headers_and_payload");
const EMPTY_PAYLOAD: &[u8] = vector!("valid_empty_payload");
const NO_HEADERS: &[u8] = vector!("valid_no_headers");

fn decode(chunks: &[&[u8]]) -> Result<Vec<Message>, FrameError> {
    let mut decoder = Decoder::new(LIMIT);
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    assert!(decoder.is_at_boundary());
    Ok(messages)
}

/// A message of one header, `n: 1`, for which the checksums are right.
fn message(payload: &[u8]) -> Vec<u8> {
    let headers = [1, b'n', 2, 1];
    let total = PRELUDE + headers.len() + payload.len() + TRAILER;
    let mut bytes = Vec::from((total as u32).to_be_bytes());
    bytes.extend((headers.len() as u32).to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

#[test]
fn the_vendor_s_messages_are_read() {
    let messages = decode(&[ALL_HEADERS, EMPTY_PAYLOAD, NO_HEADERS]).unwrap();
    let [all, empty, none] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    let headers: Vec<_> = all.headers().collect();
    let expected = [
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("byte", Value::Integer(50)),
        ("short", Value::Integer(20_000)),
        ("int", Value::Integer(500_000)),
        ("long", Value::Integer(50_000_000_000)),
        ("bytes", Value::Bytes(b"some bytes")),
        ("str", Value::Text("some str")),
        ("time", Value::Timestamp(5_000_000_000)),
        (
            "uuid",
            Value::Uuid(0xb79b_c914_de21_4e13_b8b2_bc47_e85b_7f0b_u128.to_be_bytes()),
        ),
    ];
    assert_eq!(headers, expected);
    assert_eq!(all.payload, "some payload");
    assert_eq!(
        (all.text("str"), all.text("int"), all.text("none")),
        (Some("some str"), None, None)
    );
    assert_eq!(
        empty.headers().collect::<Vec<_>>(),
        [("some-header", Value::Integer(500))]
    );
    assert_eq!(empty.payload, "");
    assert_eq!(none.headers().count(), 0);
    assert_eq!(none.payload, "another test payload");
}

#[test]
fn the_vendor_s_broken_messages_are_refused() {
    for (broken, error) in [
        (vector!("invalid_prelude_checksum"), FrameError::Checksum),
        (vector!("invalid_message_checksum"), FrameError::Checksum),
        // Their checksums were not made anew for the fault.
        (vector!("invalid_header_name_length"), FrameError::Checksum),
        (
            vector!("invalid_header_string_value_length"),
            FrameError::Checksum,
        ),
        (vector!("invalid_header_value_type"), FrameError::Checksum),
    ] {
        assert_eq!(decode(&[broken]).unwrap_err(), error);
    }
}

/// The headers of the vendor's broken messages whose checksums do not reach the fault, under checksums that do.
#[test]
fn headers_that_cannot_be_read_are_refused() {
    for broken in [
        vector!("invalid_header_name_length"),
        vector!("invalid_header_string_value_length"),
        vector!("invalid_header_value_type"),
        vector!("invalid_header_name_length_too_long"),
        vector!("invalid_header_string_length_cut_off"),
        vector!("invalid_headers_length"),
    ] {
        let total = length(*broken.first_chunk().unwrap());
        let mut mended = broken[..total - TRAILER].to_vec();
        let checksum = crc32fast::hash(&mended);
        mended.extend(checksum.to_be_bytes());
        let error = decode(&[&mended]).unwrap_err();
        assert!(
            matches!(error, FrameError::Headers | FrameError::Lengths),
            "{error:?}"
        );
    }
}

#[test]
fn lengths_are_judged_before_anything_is_stored() {
    let prelude = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        decode(&[&bytes]).unwrap_err()
    };
    assert_eq!(
        prelude(LIMIT as u32 + 1, 0),
        FrameError::TooLong { limit: LIMIT }
    );
    assert_eq!(
        prelude(u32::MAX, u32::MAX),
        FrameError::TooLong { limit: LIMIT }
    );
    for (total, headers) in [(0, 0), (15, 0), (16, 1), (100, 85), (100, u32::MAX)] {
        assert_eq!(
            prelude(total, headers),
            FrameError::Lengths,
            "{total} {headers}"
        );
    }
}

#[test]
fn a_stream_may_end_between_messages_only() {
    let mut decoder = Decoder::new(LIMIT);
    for (chunk, is_at_boundary) in [(&NO_HEADERS[..5], false), (&NO_HEADERS[5..], true)] {
        decoder.push(Bytes::from_static(chunk));
        while decoder.next_message().unwrap().is_some() {}
        assert_eq!(decoder.is_at_boundary(), is_at_boundary);
    }
}

proptest! {
    #[test]
    fn messages_are_read_alike_however_they_are_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        cuts in prop::collection::vec(0_usize..1000, 0..12),
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| message(payload)).collect();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect();
        let decoded = decode(&chunks).unwrap();
        prop_assert_eq!(decoded.iter().map(|it| it.payload.to_vec()).collect::<Vec<_>>(), payloads);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..150, bit in 0_u32..8) {
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(Bytes::from(bytes));
        while let Ok(Some(_)) = decoder.next_message() {}
        let mut flipped = ALL_HEADERS.to_vec();
        flipped[at] ^= 1_u8 << bit;
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(Bytes::from(flipped));
        prop_assert!(!matches!(decoder.next_message(), Ok(Some(_))), "a flipped bit is noticed");
    }

    /// Headers of any bytes under right checksums: read, or refused.
    #[test]
    fn no_headers_make_it_panic(headers in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut bytes = Vec::from(((PRELUDE + headers.len() + TRAILER) as u32).to_be_bytes());
        bytes.extend((headers.len() as u32).to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend(&headers);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        if let Ok(messages) = decode(&[&bytes]) {
            prop_assert_eq!(messages.len(), 1);
        }
    }
}
