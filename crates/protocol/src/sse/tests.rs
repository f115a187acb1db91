use proptest::prelude::*;

use super::*;

fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Option<Event>) {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next_event().unwrap() {
            events.push(event);
        }
    }
    (events, decoder.finish())
}

#[track_caller]
fn data(input: &str, expected: &[Option<&str>]) {
    let (events, rest) = decode(&[input.as_bytes()]);
    let found: Vec<_> = events
        .iter()
        .map(|event| {
            event
                .data()
                .map(|data| String::from_utf8(data.into_owned()).unwrap())
        })
        .collect();
    assert_eq!(
        found.iter().map(Option::as_deref).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(rest, None);
}

#[test]
fn fields_comments_and_line_ends_follow_the_standard() {
    data("data: a\n\ndata: b\n\n", &[Some("a"), Some("b")]);
    data("data: a\r\n\r\ndata: b\r\n\r\n", &[Some("a"), Some("b")]);
    data("data: a\r\rdata: b\r\r", &[Some("a"), Some("b")]);
    data("data:a\n\n", &[Some("a")]);
    data("data:  a\n\n", &[Some(" a")]);
    data("data: a\ndata: b\n\n", &[Some("a\nb")]);
    data("data\n\n", &[Some("")]);
    data(": comment\n\n", &[None]);
    data("event: ping\nid: 4\ndata: x\n\n", &[Some("x")]);
    data("database: no\n\n", &[None]);
    data("\u{feff}data: a\n\n", &[Some("a")]);
    data("data: a\u{2028}b\u{85}c\n\n", &[Some("a\u{2028}b\u{85}c")]);
}

#[test]
fn a_byte_order_mark_is_skipped_however_it_is_cut() {
    let text = "\u{feff}data: a\n\n".as_bytes();
    for cut in 0..4 {
        let (events, _) = decode(&[&text[..cut], &text[cut..]]);
        assert_eq!(events[0].raw, "data: a\n\n", "{cut}");
    }
    let (events, _) = decode(&[b"\xef", b"\xbb: a\n\n"]);
    assert_eq!(events[0].raw, &b"\xef\xbb: a\n\n"[..]);
}

#[test]
fn an_event_within_one_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut decoder = Decoder::new(100);
    decoder.push(chunk.clone());
    let first = decoder.next_event().unwrap().unwrap();
    assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
}

#[test]
fn what_the_end_cuts_off_is_told_apart() {
    let (events, rest) = decode(&[b"data: a\n\ndata: b\n"]);
    assert_eq!(events.len(), 1);
    assert_eq!(rest.unwrap().data().unwrap().as_ref(), b"b");
}

#[test]
fn an_endless_line_is_refused_at_the_limit() {
    let mut decoder = Decoder::new(64);
    let mut refused = false;
    for _ in 0..10 {
        decoder.push(Bytes::from_static(b"data: 0123456789"));
        refused |= decoder.next_event().is_err();
        if refused {
            break;
        }
    }
    assert!(refused);
}

fn stream() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("data: {\"text\":\"h\u{e9}llo \u{1f642}\"}".to_owned()),
        Just(": keep-alive".to_owned()),
        Just("event: ping".to_owned()),
        Just("data:".to_owned()),
        Just(String::new()),
    ];
    let ended = (line, prop_oneof![Just("\n"), Just("\r\n"), Just("\r")])
        .prop_map(|(line, end)| line + end);
    prop::collection::vec(ended, 0..30).prop_map(|lines| lines.concat())
}

fn datas(events: &[Event], rest: Option<&Event>) -> Vec<Option<Vec<u8>>> {
    events
        .iter()
        .chain(rest)
        .map(|event| event.data().map(Cow::into_owned))
        .collect()
}

proptest! {
    #[test]
    fn a_stream_decodes_alike_however_it_is_cut(text in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes = text.as_bytes();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let (whole, whole_rest) = decode(&[bytes]);
        let (cut, cut_rest) = decode(&pieces);
        let raw: Vec<u8> = cut.iter().chain(cut_rest.as_ref()).flat_map(|event| event.raw.clone()).collect();
        prop_assert!(raw == bytes || [&raw[..], b"\n"].concat() == bytes, "no byte is lost but perhaps a last line feed");
        let with_data = |all: Vec<Option<Vec<u8>>>| all.into_iter().flatten().collect::<Vec<_>>();
        prop_assert_eq!(with_data(datas(&whole, whole_rest.as_ref())), with_data(datas(&cut, cut_rest.as_ref())));
        let every_byte: Vec<&[u8]> = bytes.chunks(1).collect();
        let (single, single_rest) = decode(&every_byte);
        prop_assert_eq!(with_data(datas(&whole, whole_rest.as_ref())), with_data(datas(&single, single_rest.as_ref())));
    }
}
