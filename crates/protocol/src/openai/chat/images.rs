//! Pictures that a model made. Chat Completions' own documents have no place for them; compatible servers write
//! `images: [{"type": "image_url", "image_url": {"url": ...}}]` beside `content`.

use serde::{Deserialize, Serialize};

use crate::{canonical::Media, openai::media};

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Image {
    /// Which of them, in a stream: the SDKs' accumulators want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(rename = "type")]
    kind: Option<String>,
    image_url: Option<Address>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Address {
    url: String,
}

impl Image {
    /// How `media` is written, if it can be.
    pub(super) fn of(media: &Media, index: Option<usize>) -> Option<Self> {
        Some(Self {
            index,
            kind: Some("image_url".to_owned()),
            image_url: Some(Address {
                url: media::url(media)?,
            }),
        })
    }

    /// What it shows, if it can be read.
    pub(super) fn media(self) -> Option<Media> {
        media::of_url(self.image_url?.url)
    }
}
