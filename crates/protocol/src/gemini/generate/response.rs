//! Whole answers.

mod read;
mod write;

pub(crate) use read::read;
pub(super) use read::{Candidate, Wire};
pub(crate) use write::write;
pub(super) use write::{AnswerOut, CandidateOut, ContentOut, Few};
