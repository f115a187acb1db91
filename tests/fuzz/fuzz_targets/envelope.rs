//! A body that is scanned can be spliced, and stays JSON.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::{Endpoint, Envelope, Outgoing, json};

fuzz_target!(|input: (u8, &[u8])| {
    let endpoint = Endpoint::ALL[usize::from(input.0) % Endpoint::ALL.len()];
    let body = Bytes::copy_from_slice(input.1);
    let path_model = endpoint.verb().map(|_| "m".into());
    let Ok(envelope) = Envelope::scan(endpoint, path_model, &body) else {
        return;
    };
    for outgoing in [
        Outgoing { model: Some("up"), ..Outgoing::default() },
        Outgoing { is_stream_in_url: true, anthropic_version: Some("bedrock-2023-05-31"), ..Outgoing::default() },
    ] {
        let sent = envelope.splice(&outgoing).pieces(&body).concat();
        assert!(json::validate(&sent).is_ok(), "{}", String::from_utf8_lossy(&sent));
    }
});
