//! JSON that is carried, not read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as text. Equal when the texts are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes `text` over, if it is one JSON value.
    ///
    /// # Errors
    /// It is not.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The empty object.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::of(&serde_json::Map::new())
    }

    /// The JSON of a value of ours, whose keys are strings.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).expect("keys of our types are strings"))
    }

    /// Its text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Its text, for serialising as it is.
    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}
