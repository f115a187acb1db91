//! There and back: what Gemini can say is the same afterwards.

use proptest::prelude::*;

use super::{arbitrary, reply, target};
use crate::{
    ThinkingStyle,
    canonical::Request,
    gemini::generate::{request, response},
};

fn there_and_back(before: &Request) -> Request {
    let mut cut = Vec::new();
    // One that takes budgets to the token, and ids.
    let mut target = target("gemini-2.5-flash");
    let body = request::write(before, &target, &mut cut).unwrap();
    assert_eq!(cut, []);
    let budgets = request::read(&body).unwrap();
    target.traits.thinking = ThinkingStyle::Level;
    let body = request::write(before, &target, &mut cut).unwrap();
    Request {
        reasoning: budgets.reasoning,
        ..request::read(&body).unwrap()
    }
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was(before in arbitrary::request()) {
        prop_assert_eq!(there_and_back(&before), before);
    }

    #[test]
    fn an_answer_comes_back_as_it_was(before in arbitrary::response()) {
        let body = response::write(&before, &reply(false));
        prop_assert_eq!(response::read(&body).unwrap(), before);
    }
}
