//! A request that can be read can be written in every format, or is refused; what is written is JSON, and whatever is left
//! out or refused is named.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Format, Target, Traits, json, read_request, write_count, write_request};

fuzz_target!(|input: (u8, &[u8])| {
    let from = Format::ALL[usize::from(input.0) % Format::ALL.len()];
    let Ok(request) = read_request(from, input.1) else {
        return;
    };
    for to in Format::ALL {
        for model in ["model", "claude-opus-4-8", "claude-sonnet-4-5", "gemini-3-pro", "gemini-2.5-flash"] {
            let target = Target { model, traits: Traits::of(to, model) };
            match write_request(&request, from, to, &target) {
                Ok(written) => {
                    assert!(json::validate(&written.body).is_ok());
                    assert!(written.dropped.iter().all(|name| !name.is_empty()), "dropped without a name");
                }
                Err(refusal) => assert!(!refusal.param.is_empty(), "{refusal}"),
            }
        }
        if to != Format::Chat {
            let target = Target { model: "model", traits: Traits::of(to, "model") };
            let _ = write_count(&request, from, to, &target);
        }
    }
});
