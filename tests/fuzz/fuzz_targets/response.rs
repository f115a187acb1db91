//! An answer that can be read can be written in every format.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use protocol::{Format, Reply, canonical::Request, json, read_response, write_response};

fuzz_target!(|input: (u8, &[u8])| {
    let from = Format::ALL[usize::from(input.0) % Format::ALL.len()];
    let Ok(response) = read_response(from, input.1) else {
        return;
    };
    let reply = Reply {
        request: Arc::new(Request::default()),
        id: "0".repeat(32),
        created: 1,
        model: "model".to_owned(),
        include_usage: true,
        prompt_tokens: 1,
        as_array: false,
    };
    for to in Format::ALL {
        assert!(json::validate(&write_response(to, &response, &reply)).is_ok());
    }
});
