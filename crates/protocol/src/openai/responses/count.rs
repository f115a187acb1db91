//! Counting the tokens of a request.

use crate::{
    canonical::Request,
    feature::Feature,
    openai::responses::request,
    translate::{Target, Written},
};

/// Writes the request to count.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    let body = request::body(request, target, cut)?;
    Ok(serde_json::to_vec(&body).expect("keys of our types are strings"))
}
