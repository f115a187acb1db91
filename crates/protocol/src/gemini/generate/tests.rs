//! Rules of the format, each by itself and all of them there and back.

mod arbitrary;
mod request_read;
mod request_write;
mod response;
mod round_trip;
mod stream;

use std::sync::Arc;

use crate::{
    Format, Reply, Target, Traits,
    canonical::{Family, Request, Signature},
};

pub(super) fn target(model: &str) -> Target<'_> {
    Target {
        model,
        traits: Traits::of(Format::Gemini, model),
    }
}

pub(super) fn reply(as_array: bool) -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "0123".to_owned(),
        created: 1,
        model: "gemini-x".to_owned(),
        include_usage: false,
        prompt_tokens: 7,
        as_array,
    }
}

pub(super) fn signature(family: Family, value: &str) -> Option<Signature> {
    Some(Signature {
        family,
        value: value.to_owned(),
    })
}
