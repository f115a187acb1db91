//! Counting the tokens of a request.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{json_text, request::Body};
use crate::{
    canonical::Request,
    feature::Feature,
    translate::{Target, Written},
};

/// Writes the request to count: all of it, as `contents` alone would leave out the system prompt and the tools.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Count<'a> {
        generate_content_request: Generate<'a>,
    }
    #[derive(Serialize)]
    struct Generate<'a> {
        model: String,
        #[serde(flatten)]
        body: Body<'a>,
    }
    let model = target.model.strip_prefix("models/").unwrap_or(target.model);
    let count = Count {
        generate_content_request: Generate {
            model: format!("models/{model}"),
            body: super::request::body(request, target, cut)?,
        },
    };
    Ok(json_text(&count).into_bytes())
}

/// What stands in the `generateContentRequest` of a request to count, without the model: Vertex AI takes the members
/// themselves. `None` where there is no such wrapper, so that the body can go as it is.
///
/// Source: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens>.
#[must_use]
pub fn unwrap(body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Count<'a> {
        #[serde(
            borrow,
            rename = "generateContentRequest",
            alias = "generate_content_request"
        )]
        request: Option<&'a RawValue>,
    }
    let count: Count<'_> = serde_json::from_slice(body).ok()?;
    let request = count.request?.get();
    let mut members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(request).ok()?;
    members.remove("model");
    serde_json::to_vec(&members).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapper_and_the_model_in_it_are_taken_off() {
        let wrapped = br#"{"generateContentRequest":{"model":"models/g","contents":[{"parts":[{"text":"a"}]}],"tools":[ 1 ]}}"#;
        let bare = r#"{"contents":[{"parts":[{"text":"a"}]}],"tools":[ 1 ]}"#;
        assert_eq!(unwrap(wrapped).unwrap(), bare.as_bytes());
        assert_eq!(
            unwrap(br#"{"generate_content_request":{}}"#).unwrap(),
            b"{}"
        );
        for other in [
            &br#"{"contents":[]}"#[..],
            br#"{"generateContentRequest":null}"#,
            b"[]",
            b"",
        ] {
            assert_eq!(unwrap(other), None);
        }
    }
}
