//! Counting the tokens of a request.

use super::request;
use crate::{
    canonical::Request,
    feature::Feature,
    translate::{Target, Written},
};

/// Writes the request to count: what is said, offered and asked for, without what only matters for an answer.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    let mut body = request::body(request, target, cut)?;
    body.only_what_counts();
    Ok(body.to_bytes())
}
