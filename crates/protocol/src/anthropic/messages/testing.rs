//! What the tests of this format share.

use std::sync::Arc;

use crate::{Reply, Traits, canonical::Request, traits::ThinkingStyle, translate::Target};

/// Of a client's request that says nothing.
pub(super) fn reply() -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        created: 1_750_000_000,
        model: "provider-model".to_owned(),
        include_usage: false,
        prompt_tokens: 12,
        as_array: false,
    }
}

/// A model that reasons in this `style`, and takes everything else.
pub(super) fn target(style: ThinkingStyle) -> Target<'static> {
    Target {
        model: "claude",
        traits: Traits {
            max_tokens: 64_000,
            thinking: style,
            always_thinks: false,
            sampling: true,
            prefill: true,
            urls: true,
        },
    }
}
